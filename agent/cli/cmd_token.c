/*
 * holdfast token list, show, unlock.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/session.h"
#include "cli/table.h"

int cmd_token_list(struct cli *c)
{
    static const char *const heads[] = {"TOKEN", "STATE", "LABEL", "SERIAL", "~MODEL", NULL};
    json_t *tokens = NULL;
    size_t i;
    const json_t *token;
    struct err *e = session_open(c, SESSION_BARE);

    if (e == NULL) {
        e = session_call(c->session, "GET", "/tokens", NULL, &tokens);
    }
    if (e != NULL) {
        return cli_fail(e);
    }
    if (c->json) {
        json_print(tokens);
    } else {
        struct table *t = table_new(heads);

        json_array_foreach(json_object_get(tokens, "tokens"), i, token)
        {
            const char *cells[] = {json_text(token, "name"), json_text(token, "state"),
                                   json_text(token, "label"), json_text(token, "serial"),
                                   json_text(token, "model")};

            table_row(t, cells);
        }
        table_print(&t, "No token is configured or present.");
    }
    json_decref(tokens);
    return CLI_OK;
}

/* The token that the command means: its argument, or the only configured one. */
static struct err *token_path(struct cli *c, const char *suffix, char **ret)
{
    const char *name = cli_argument(c, 0);
    json_t *tokens = NULL;
    const json_t *token;
    size_t i;
    const char *only = NULL;
    size_t n = 0;
    struct err *e = session_call(c->session, "GET", "/tokens", NULL, &tokens);

    if (e != NULL) {
        return e;
    }
    json_array_foreach(json_object_get(tokens, "tokens"), i, token)
    {
        if (json_text(token, "name")[0] != '\0') {
            only = json_text(token, "name");
            n++;
        }
    }
    if (name == NULL && n != 1) {
        e = err_new(ERR_INPUT, "%zu tokens are configured: say which (`holdfast token list`)", n);
    } else {
        AUTO(auto_free) char *escaped = session_escape(name != NULL ? name : only);

        *ret = text_fmt("/tokens/%s%s", escaped, suffix);
        e = *ret != NULL ? NULL : err_nomem();
    }
    json_decref(tokens);
    return e;
}

static void print_line(const json_t *token, const char *member, const char *name)
{
    const char *text = json_text(token, member);

    if (text[0] != '\0') {
        printf("%-14s %s\n", name, text);
    }
}

static void print_pin(const json_t *token)
{
    const json_t *pin = json_object_get(token, "pin");

    printf("%-14s %s%s\n", "PIN",
           json_is_true(json_object_get(pin, "locked"))      ? "locked"
           : json_is_true(json_object_get(pin, "final_try")) ? "one try is left"
           : json_is_true(json_object_get(pin, "count_low")) ? "a try has failed"
                                                             : "no try has failed",
           json_is_true(json_object_get(pin, "refused"))
               ? "; the configured PIN was refused and is not tried again:\n"
                 "               `holdfast token unlock` asks for one"
               : "");
}

static void print_profile(const json_t *profile)
{
    static const char *const heads[] = {"SETTING", "VALUE", "FROM", NULL};
    static const char *const phases[] = {"load", "token"};
    struct table *t = table_new(heads);
    size_t i;
    const json_t *reason;

    for (size_t k = 0; k < ARRAY_LEN(phases); k++) {
        json_array_foreach(json_object_get(profile, phases[k]), i, reason)
        {
            AUTO(auto_free) char *from =
                text_fmt("%s:%lld", json_text(reason, "file"),
                         (long long)json_integer_value(json_object_get(reason, "line")));
            AUTO(auto_free) char *key = text_fmt("%s.%s", phases[k], json_text(reason, "key"));
            const char *cells[] = {key, json_text(reason, "value"), from};

            table_row(t, cells);
        }
    }
    puts("\nFirmware profile");
    table_print(&t, "none: the token is not opened");
}

static void print_token(const json_t *token)
{
    static const struct {
        const char *member, *name;
    } lines[] = {
        {"name", "token"},        {"state", "state"},        {"label", "label"},
        {"serial", "serial"},     {"manufacturer", "maker"}, {"model", "model"},
        {"hardware", "hardware"}, {"firmware", "firmware"},  {"module_path", "module"},
        {"uri", "URI"},
    };
    const json_t *error = json_object_get(token, "error");

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        print_line(token, lines[i].member, lines[i].name);
    }
    print_pin(token);
    printf("%-14s %lld in use, token allows %lld (0: no limit told)\n", "sessions",
           (long long)json_integer_value(json_object_get(token, "workers")),
           (long long)json_integer_value(json_object_get(token, "sessions_max")));
    if (json_is_object(error)) {
        print_line(error, "text", "error");
    }
    print_profile(json_object_get(token, "profile"));
}

int cmd_token_show(struct cli *c)
{
    AUTO(auto_free) char *path = NULL;
    json_t *token = NULL;
    struct err *e = session_open(c, SESSION_BARE);

    if (e == NULL) {
        e = token_path(c, "", &path);
    }
    if (e == NULL) {
        e = session_call(c->session, "GET", path, NULL, &token);
    }
    if (e != NULL) {
        return cli_fail(e);
    }
    if (c->json) {
        json_print(token);
    } else {
        print_token(token);
    }
    json_decref(token);
    return CLI_OK;
}

struct err *cli_ask_secret(const char *prompt, const char *what, struct secret **ret)
{
    AUTO(auto_close) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
    struct termios shown;
    char line[1024];
    ssize_t n;

    if (tty < 0 || tcgetattr(tty, &shown) < 0) {
        return err_new(ERR_PIN, "no terminal to ask for %s on", what);
    }
    struct termios hidden = shown;

    hidden.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(tty, TCSAFLUSH, &hidden);
    n = write(tty, prompt, strlen(prompt)) < 0 ? -1 : read(tty, line, sizeof line - 1);
    tcsetattr(tty, TCSAFLUSH, &shown);
    if (write(tty, "\n", 1) < 0 || n <= 1) {
        return err_new(ERR_PIN, "%s was not given", what);
    }
    struct err *e = secret_new(view_of(line, (size_t)n - (line[n - 1] == '\n')), ret);

    OPENSSL_cleanse(line, sizeof line);
    return e;
}

/* A configured token that a PIN would open, and that does not lock itself with one more wrong one. */
static bool is_to_unlock(const json_t *token)
{
    const json_t *pin = json_object_get(token, "pin");

    return json_text(token, "name")[0] != '\0' && text_eq(json_text(token, "state"), "locked") &&
           !json_is_true(json_object_get(pin, "locked")) &&
           !json_is_true(json_object_get(pin, "final_try"));
}

static struct err *unlock_one(struct cli *c, const char *name)
{
    AUTO(secret_free) struct secret *pin = NULL;
    AUTO(auto_free) char *escaped = session_escape(name);
    AUTO(auto_free) char *path = text_fmt("/tokens/%s/unlock", escaped != NULL ? escaped : "");
    AUTO(auto_free) char *prompt = text_fmt("PIN of token %s: ", name);
    struct err *e =
        prompt != NULL && path != NULL ? cli_ask_secret(prompt, "the PIN", &pin) : err_nomem();

    if (e != NULL) {
        err_free(&e);
        return NULL;
    }
    return session_call(c->session, "POST", path, json_pack("{s:s}", "pin", secret_text(pin)),
                        NULL);
}

struct err *cli_unlock(struct cli *c)
{
    json_t *tokens = NULL;
    const json_t *token;
    size_t i;

    if (!session_is_private(c->session) || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return NULL;
    }
    struct err *e = session_call(c->session, "GET", "/tokens", NULL, &tokens);

    json_array_foreach(json_object_get(tokens, "tokens"), i, token)
    {
        if (e == NULL && is_to_unlock(token)) {
            e = unlock_one(c, json_text(token, "name"));
        }
    }
    json_decref(tokens);
    return e;
}

static struct err *unlock_body(struct cli *c, json_t **ret)
{
    AUTO(secret_free) struct secret *pin = NULL;
    json_t *body = json_object();
    struct err *e = NULL;

    if (cli_option(c, "configured") == NULL) {
        AUTO(auto_free) char *prompt =
            text_fmt("PIN of token%s%s: ", cli_argument(c, 0) != NULL ? " " : "",
                     cli_argument(c, 0) != NULL ? cli_argument(c, 0) : "");

        e = prompt != NULL ? cli_ask_secret(prompt, "the PIN", &pin) : err_nomem();
        e = err_add(e, "a PIN can be configured as well (tokens: pin: in holdfast.yaml)");
    }
    if (e == NULL && pin != NULL) {
        json_object_set_new(body, "pin", json_string(secret_text(pin)));
    }
    if (e == NULL && cli_option(c, "last-try") != NULL) {
        json_object_set_new(body, "last_try", json_true());
    }
    *ret = body;
    return e;
}

int cmd_token_unlock(struct cli *c)
{
    AUTO(auto_free) char *path = NULL;
    json_t *body = NULL;
    json_t *token = NULL;
    struct err *e = session_open(c, SESSION_RUNNING);

    if (e == NULL) {
        e = token_path(c, "/unlock", &path);
    }
    if (e == NULL) {
        e = unlock_body(c, &body);
    }
    if (e == NULL) {
        e = session_call(c->session, "POST", path, json_incref(body), &token);
    }
    json_decref(body);
    if (e != NULL) {
        return cli_fail(e);
    }
    printf("%s: %s\n", json_text(token, "name"), json_text(token, "state"));
    json_decref(token);
    return CLI_OK;
}
