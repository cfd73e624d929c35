/*
 * holdfast enroll, key certify.
 *
 * The one-time token comes from a file, from standard input or from the terminal, and never by an
 * argument or the environment, where others could read it. It is asked for only when the agent says that
 * it needs one: what can be done without it is done before.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/session.h"
#include "cli/steps.h"
#include "cli/table.h"

enum { TOKEN_MAX_BYTES = 4096, CA_MAX_BYTES = 60 * 1024, HOST_MAX_BYTES = 64 };

struct progress {
    struct steps steps;
    json_t *end; /* the last line */
};

static void on_line(void *arg, json_t *line)
{
    struct progress *p = arg;

    if (json_is_true(json_object_get(line, "done"))) {
        p->end = json_incref(line);
    }
    steps_on_line(&p->steps, line);
}

/* --- what to ask for ---------------------------------------------------------------------------- */

static void set_text(json_t *body, const char *member, const char *text)
{
    if (text != NULL) {
        json_object_set_new(body, member, json_string(text));
    }
}

static struct err *set_number(struct cli *c, json_t *body, const char *option)
{
    const char *text = cli_option(c, option);
    char *end = NULL;
    long n = text != NULL ? strtol(text, &end, 10) : 0;

    if (text != NULL && (*text == '\0' || *end != '\0')) {
        return err_new(ERR_INPUT, "--%s %s is no number", option, text);
    }
    if (text != NULL) {
        json_object_set_new(body, option, json_integer(n));
    }
    return NULL;
}

static struct err *set_ttl(struct cli *c, json_t *body)
{
    const char *text = cli_option(c, "ttl");
    int64_t s = 0;
    struct err *e = text != NULL ? err_add(text_duration(text, &s), "--ttl") : NULL;

    if (e == NULL && text != NULL) {
        json_object_set_new(body, "ttl_s", json_integer(s));
    }
    return e;
}

static struct err *set_ca(struct cli *c, json_t *body)
{
    const char *path = cli_option(c, "ca-file");
    AUTO(buf_deinit) struct buf pem;
    struct err *e = NULL;

    buf_init(&pem, CA_MAX_BYTES + 1);
    if (path == NULL) {
        return NULL;
    }
    e = cli_read(path, CA_MAX_BYTES, &pem);
    if (e == NULL) {
        json_object_set_new(body, "ca_pem", json_stringn((const char *)pem.data, pem.len));
    }
    return err_add(e, "--ca-file");
}

static struct err *common_body(struct cli *c, const char *signer, const char *common_name,
                               json_t **ret)
{
    json_t *body = json_object(), *names = json_array();
    const char *name;
    unsigned at = 0;

    *ret = body;
    set_text(body, "signer", signer);
    set_text(body, "pki_mount", cli_option(c, "pki-mount"));
    set_text(body, "pki_role", cli_option(c, "pki-role"));
    set_text(body, "common_name", common_name);
    while ((name = cli_option_each(c, "alt-name", &at)) != NULL) {
        json_array_append_new(names, json_string(name));
    }
    json_object_set_new(body, "alt_names", names);
    struct err *e = set_ttl(c, body);

    return e != NULL ? e : set_ca(c, body);
}

/* The file's first line. */
static struct err *set_token_of_file(struct cli *c, json_t *body)
{
    const char *path = cli_option(c, "token-file");
    AUTO(buf_deinit) struct buf token;
    struct err *e = NULL;

    buf_init(&token, TOKEN_MAX_BYTES + 1);
    token.secret = true;
    if (path == NULL) {
        return NULL;
    }
    e = cli_read(path, TOKEN_MAX_BYTES, &token);
    while (e == NULL && token.len > 0 && strchr("\r\n ", token.data[token.len - 1]) != NULL) {
        token.len--;
    }
    if (e == NULL && token.len == 0) {
        e = err_new(ERR_INPUT, "%s is empty", path);
    }
    if (e == NULL) {
        json_object_set_new(body, "one_time_token",
                            json_stringn((const char *)token.data, token.len));
    }
    return err_add(e, "--token-file");
}

static struct err *enroll_body(struct cli *c, json_t **ret)
{
    char host[HOST_MAX_BYTES + 1] = "";
    const char *name = cli_option(c, "common-name");

    if (name == NULL && gethostname(host, HOST_MAX_BYTES) == 0) {
        name = host;
    }
    struct err *e = common_body(c, cli_argument(c, 0), name, ret);

    set_text(*ret, "scope", cli_option(c, "scope"));
    set_text(*ret, "wrapping_path", cli_option(c, "wrapping-path"));
    set_text(*ret, "key_type", cli_option(c, "key-type"));
    if (cli_option(c, "allow-extractable") != NULL) {
        json_object_set_new(*ret, "allow_extractable", json_true());
    }
    if (cli_option(c, "renew") != NULL) {
        json_object_set_new(*ret, "renew", json_true());
    }
    if (e == NULL) {
        e = set_number(c, *ret, "bits");
    }
    return e != NULL ? e : set_token_of_file(c, *ret);
}

/* --- doing it ----------------------------------------------------------------------------------- */

/* @body is borrowed. */
static int run(struct cli *c, const char *path, json_t *body, struct progress *p)
{
    json_decref(p->end);
    *p = (struct progress){.steps = {.json = c->json}};
    return steps_result(&p->steps, session_stream(c->session, path, json_incref(body), on_line, p));
}

static bool needs_token(const struct progress *p, const json_t *body)
{
    return json_is_true(json_object_get(p->end, "needs_one_time_token")) &&
           json_object_get(body, "one_time_token") == NULL;
}

static struct err *ask_for_token(json_t *body)
{
    AUTO(secret_free) struct secret *token = NULL;
    struct err *e = cli_ask_secret(
        "One-time token, response-wrapped (not shown): ", "the one-time token", &token);

    if (e == NULL) {
        set_text(body, "one_time_token", secret_text(token));
    }
    return e;
}

static void say_next(const struct progress *p)
{
    const char *next = json_text(p->end, "next");

    if (next[0] != '\0') {
        fputs("\nNext: ", stderr);
        text_wrapped(stderr, 6, next);
    }
}

static void say_result(struct cli *c, const struct progress *p)
{
    const json_t *cert = json_object_get(p->end, "certificate");
    const char *what = cli_argument(c, 0);

    if (c->json) {
        return;
    }
    printf("\n%s: %s, by %s, until %s\n", what, json_text(cert, "subject"),
           json_text(cert, "issuer"), json_text(cert, "not_after"));
}

static int enroll(struct cli *c, json_t *body, struct progress *p)
{
    int status = run(c, "/enroll", body, p);

    if (status != CLI_OK && !c->json && needs_token(p, body)) {
        AUTO(err_free) struct err *e = ask_for_token(body);

        if (e == NULL) {
            status = run(c, "/enroll", body, p);
        } else {
            fprintf(stderr, "holdfast: %s\n", err_text(e));
        }
    }
    if (status != CLI_OK) {
        say_next(p);
        return status;
    }
    say_result(c, p);
    if (!c->json) {
        printf("Signer %s logs in with this from now on; `holdfast status` shows how it goes.\n",
               cli_argument(c, 0));
    }
    return CLI_OK;
}

int cmd_enroll(struct cli *c)
{
    struct progress p = {0};
    json_t *body = NULL;
    struct err *e = enroll_body(c, &body);

    if (e == NULL) {
        e = session_open(c, SESSION_TOKENS);
    }
    if (e == NULL) {
        e = cli_unlock(c);
    }
    int status = e != NULL ? cli_fail(e) : enroll(c, body, &p);

    json_decref(p.end);
    json_decref(body);
    return status;
}

int cmd_key_certify(struct cli *c)
{
    struct progress p = {0};
    json_t *body = NULL;
    AUTO(auto_free) char *escaped = session_escape(cli_argument(c, 0));
    AUTO(auto_free) char *path = text_fmt("/keys/%s/certify", escaped);
    struct err *e = NULL;

    if (cli_option(c, "signer") == NULL || cli_option(c, "common-name") == NULL) {
        return cli_fail(err_new(ERR_INPUT, "--signer and --common-name are needed"));
    }
    e = common_body(c, cli_option(c, "signer"), cli_option(c, "common-name"), &body);
    if (e == NULL) {
        e = session_open(c, SESSION_TOKENS);
    }
    if (e == NULL) {
        e = cli_unlock(c);
    }
    int status = e != NULL ? cli_fail(e) : run(c, path, body, &p);

    if (status == CLI_OK) {
        say_result(c, &p);
    }
    json_decref(p.end);
    json_decref(body);
    return status;
}
