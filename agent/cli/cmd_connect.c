/*
 * holdfast connect: a login, step by step. The steps come as JSON lines while they happen.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/session.h"
#include "cli/table.h"

enum { STEP_COLUMNS = 27 }; /* before a step's text */

/* How it went so far. */
struct report {
    bool json;
    int exit_status;
    bool done;
};

static void write_output(const json_t *line)
{
    struct buf bytes;
    FILE *out = json_is_true(json_object_get(line, "stderr")) ? stderr : stdout;

    buf_init(&bytes, 0);
    AUTO(err_free) struct err *e = text_unbase64(view_cstr(json_text(line, "output")), &bytes);

    if (e == NULL) {
        fwrite(bytes.data, 1, bytes.len, out);
    }
    buf_deinit(&bytes);
}

static void print_step(const json_t *line)
{
    bool ok = json_is_true(json_object_get(line, "ok"));
    const char *text = json_text(line, "text");
    const char *error = json_text(json_object_get(line, "error"), "text");

    fprintf(stderr, "%s %-14s %5lld ms  ", ok ? "✓" : "✗", json_text(line, "step"),
            (long long)json_integer_value(json_object_get(line, "took_ms")));
    text_wrapped(stderr, STEP_COLUMNS, !ok && error[0] != '\0' ? error : text);
}

static void on_line(void *arg, json_t *line)
{
    struct report *r = arg;

    if (json_is_true(json_object_get(line, "done"))) {
        int failed = (int)json_integer_value(json_object_get(line, "exit_code"));

        r->done = true;
        r->exit_status =
            failed != 0 ? failed : (int)json_integer_value(json_object_get(line, "exit_status"));
    }
    if (r->json) {
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
    } else if (json_object_get(line, "output") != NULL) {
        write_output(line);
    } else if (json_object_get(line, "step") != NULL) {
        print_step(line);
    }
}

static struct err *set_port(json_t *body, const char *text)
{
    char *rest;
    long port = strtol(text, &rest, 10);

    if (*text == '\0' || *rest != '\0' || port < 1 || port > 65535) {
        return err_new(ERR_INPUT, "'%s' is no port", text);
    }
    json_object_set_new(body, "port", json_integer(port));
    return NULL;
}

static struct err *set_user(json_t *body, const char *text, size_t len)
{
    const struct passwd *pw = len == 0 ? getpwuid(getuid()) : NULL;

    if (len == 0 && pw == NULL) {
        return err_new(ERR_INPUT, "your user has no name: say USER@HOST");
    }
    json_object_set_new(body, "user", len > 0 ? json_stringn(text, len) : json_string(pw->pw_name));
    return NULL;
}

/* [USER@]HOST[:PORT]; an IPv6 address stands in brackets */
static struct err *target(const char *text, json_t *body)
{
    const char *at = strrchr(text, '@');
    const char *host = at != NULL ? at + 1 : text;
    bool bracket = host[0] == '[';
    size_t len = strcspn(host += bracket, bracket ? "]" : ":");
    const char *after = host + len + (bracket && host[len] == ']');

    if (len == 0 || at == text || (*after != '\0' && *after != ':')) {
        return err_new(ERR_INPUT, "'%s' is not [USER@]HOST[:PORT]", text);
    }
    json_object_set_new(body, "host", json_stringn(host, len));
    struct err *e = set_user(body, text, at != NULL ? (size_t)(at - text) : 0);

    return e != NULL || *after == '\0' ? e : set_port(body, after + 1);
}

static struct err *connect_body(struct cli *c, json_t *body)
{
    static const struct {
        const char *option, *member;
    } members[] = {{"identity", "identity"}, {"run", "command"}, {"known-hosts", "known_hosts"}};
    const char *timeout = cli_option(c, "timeout");
    int64_t s = 0;
    struct err *e = target(cli_argument(c, 0), body);

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const char *value = cli_option(c, members[i].option);

        if (value != NULL) {
            json_object_set_new(body, members[i].member, json_string(value));
        }
    }
    if (e == NULL && timeout != NULL) {
        e = text_duration(timeout, &s);
        json_object_set_new(body, "step_timeout_ms", json_integer(s * 1000));
    }
    return e;
}

int cmd_connect(struct cli *c)
{
    struct report r = {.json = c->json};
    json_t *body = json_object();
    struct err *e = connect_body(c, body);

    if (e == NULL) {
        e = session_open(c, SESSION_TOKENS);
    }
    if (e == NULL) {
        e = session_stream(c->session, "/connect", json_incref(body), on_line, &r);
    }
    json_decref(body);
    if (e == NULL && !r.done) {
        e = err_new(ERR_GONE, "the agent ended the run without a result");
    }
    return e != NULL ? cli_fail(e) : r.exit_status;
}
