/*
 * holdfast run: one command on many hosts. Each line of output is shown with its host as soon as it
 * is whole; a table at the end says how each host went. One bad host never ends the run.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/resource.h"
#include "cli/session.h"
#include "cli/steps.h"
#include "cli/table.h"
#include "cli/target.h"

enum { LINE_MAX_BYTES = 64 * 1024, PENDING_MAX_BYTES = 1024 * 1024 };

/* What a host has written and not ended with a newline yet. */
struct pending {
    struct buf out[2]; /* standard output, standard error */
};

struct run {
    bool json, done;
    json_t *hosts; /* name: index in @pending */
    struct pending *pending;
    size_t n;
    json_t *summary;
    char *failed; /* why the run as a whole could not be made; NULL: it could */
};

static void run_deinit(struct run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        buf_deinit(&r->pending[i].out[0]);
        buf_deinit(&r->pending[i].out[1]);
    }
    auto_free(&r->pending);
    auto_free(&r->failed);
    json_decref(r->hosts);
    json_decref(r->summary);
}

static struct pending *pending_of(struct run *r, const char *host)
{
    const json_t *known = json_object_get(r->hosts, host);

    if (known != NULL) {
        return &r->pending[json_integer_value(known)];
    }
    struct pending *more = realloc(r->pending, (r->n + 1) * sizeof *more);

    if (more == NULL) {
        return NULL;
    }
    r->pending = more;
    json_object_set_new(r->hosts, host, json_integer((json_int_t)r->n));
    buf_init(&more[r->n].out[0], PENDING_MAX_BYTES);
    buf_init(&more[r->n].out[1], PENDING_MAX_BYTES);
    return &more[r->n++];
}

static void print_line(const char *host, bool to_stderr, struct view line)
{
    FILE *out = to_stderr ? stderr : stdout;

    fprintf(out, "%s | ", host);
    fwrite(line.p, 1, line.len, out);
    fputc('\n', out);
    fflush(out);
}

/* Whole lines go out; the rest waits, unless it is too long or the host has @ended. */
static void drain(const char *host, struct pending *p, bool to_stderr, bool ended)
{
    struct buf *b = &p->out[to_stderr];
    const uint8_t *end;

    while (b->len > 0 && (end = memchr(b->data, '\n', b->len)) != NULL) {
        size_t len = (size_t)(end - b->data);

        print_line(host, to_stderr, view_of(b->data, len));
        buf_drop(b, len + 1);
    }
    if (b->len > LINE_MAX_BYTES || (ended && b->len > 0)) {
        print_line(host, to_stderr, buf_view(b));
        buf_clear(b);
    }
}

static void take_output(struct run *r, const char *host, const json_t *line)
{
    bool to_stderr = json_is_true(json_object_get(line, "stderr"));
    struct pending *p = pending_of(r, host);
    struct buf bytes;

    buf_init(&bytes, 0);
    AUTO(err_free) struct err *e = steps_output(line, &bytes);

    if (e == NULL && p != NULL) {
        buf_put(&p->out[to_stderr], bytes.data, bytes.len);
        drain(host, p, to_stderr, false);
    }
    buf_deinit(&bytes);
}

static void end_host(struct run *r, const char *host)
{
    struct pending *p = pending_of(r, host);

    if (p != NULL) {
        drain(host, p, false, true);
        drain(host, p, true, true);
    }
}

static void end_run(struct run *r, const json_t *line)
{
    const json_t *error = json_object_get(line, "error");

    r->done = true;
    json_decref(r->summary);
    r->summary = json_incref(json_object_get(line, "summary"));
    auto_free(&r->failed);
    r->failed = json_is_object(error) ? strdup(json_text(error, "text")) : NULL;
}

static void on_line(void *arg, json_t *line)
{
    struct run *r = arg;
    const char *host = json_string_value(json_object_get(line, "host"));
    bool done = json_is_true(json_object_get(line, "done"));

    if (done && host == NULL) {
        end_run(r, line);
    }
    if (r->json) {
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
    } else if (host != NULL && json_object_get(line, "output") != NULL) {
        take_output(r, host, line);
    } else if (host != NULL && done) {
        end_host(r, host);
    } else if (host == NULL && json_object_get(line, "step") != NULL) {
        steps_print(line);
    }
}

static char *result_of(const json_t *host)
{
    const json_t *status = json_object_get(host, "exit_status");
    const char *failed = json_text(host, "failed");

    if (failed[0] != '\0') {
        return text_fmt("failed: %s", failed);
    }
    return json_integer_value(status) == 0
               ? strdup("ok")
               : text_fmt("exit %lld", (long long)json_integer_value(status));
}

static void print_summary(const json_t *summary)
{
    static const char *const heads[] = {"HOST", "RESULT", ">TIME", "~WHY", NULL};
    struct table *t = table_new(heads);
    size_t i;
    const json_t *host;

    json_array_foreach(summary, i, host)
    {
        double s = (double)json_integer_value(json_object_get(host, "took_ms")) / 1000;
        AUTO(auto_free) char *result = result_of(host);
        AUTO(auto_free) char *took = text_fmt("%.1f s", s);
        const char *cells[] = {json_text(host, "host"), result, took,
                               json_text(json_object_get(host, "error"), "text")};

        table_row(t, cells);
    }
    table_print(&t, "No host was asked.");
}

/* 1 when a host could not be reached or logged in to, else the command's highest exit status. */
static int exit_of(const json_t *summary)
{
    int highest = 0;
    bool failed = false;
    size_t i;
    const json_t *host;

    json_array_foreach(summary, i, host)
    {
        int status = (int)json_integer_value(json_object_get(host, "exit_status"));

        failed = failed || json_text(host, "failed")[0] != '\0';
        highest = status > highest ? status : highest;
    }
    return failed ? CLI_FAILED : highest;
}

/* The words of the command as one line for the shell of the host, as ssh joins them. */
static char *command_of(const struct cli *c, unsigned from)
{
    char *line = NULL;

    for (unsigned i = from; i < c->arguments_n; i++) {
        char *longer =
            text_fmt("%s%s%s", line != NULL ? line : "", i > from ? " " : "", c->arguments[i]);

        free(line);
        line = longer;
    }
    return line;
}

static void put(json_t *body, const char *member, const char *value)
{
    if (value != NULL) {
        json_object_set_new(body, member, json_string(value));
    }
}

static struct err *put_hosts(struct cli *c, json_t *body)
{
    json_t *hosts = json_array();
    unsigned at = 0;

    for (const char *v; (v = cli_option_each(c, "host", &at)) != NULL;) {
        json_array_append_new(hosts, json_string(v));
    }
    if (json_array_size(hosts) > 0) {
        json_object_set(body, "hosts", hosts);
    }
    json_decref(hosts);
    return json_object_get(body, "hosts") != NULL || json_object_get(body, "infrastructure") != NULL
               ? NULL
               : err_new(ERR_INPUT, "on which hosts? --infrastructure NAME, or --host HOST");
}

static struct err *put_numbers(struct cli *c, json_t *body)
{
    const char *concurrency = cli_option(c, "concurrency");
    const char *timeout = cli_option(c, "timeout");
    int64_t s = 0;
    struct err *e = timeout != NULL ? text_duration(timeout, &s) : NULL;

    if (timeout != NULL) {
        json_object_set_new(body, "timeout_ms", json_integer(s * 1000));
    }
    if (concurrency != NULL) {
        char *rest;
        long n = strtol(concurrency, &rest, 10);

        if (e == NULL && (*concurrency == '\0' || *rest != '\0')) {
            e = err_new(ERR_INPUT, "--concurrency %s is no number", concurrency);
        }
        json_object_set_new(body, "concurrency", json_integer(n));
    }
    return e;
}

/* The infrastructure by whatever a person calls it. */
static struct err *put_infrastructure(struct cli *c, const char *name, json_t *body)
{
    json_t *found = NULL;
    struct err *e = resource_get(c, resource_kind("infrastructure"), name, &found);

    if (e == NULL) {
        AUTO(auto_free) char *reference = resource_reference(c, found);

        put(body, "infrastructure", reference);
    }
    json_decref(found);
    return e;
}

static struct err *run_body(struct cli *c, const char *infrastructure, unsigned command_from,
                            json_t *body)
{
    const char *known = cli_option(c, "known-hosts");
    AUTO(auto_free) char *path = known != NULL ? cli_absolute(known) : NULL;
    AUTO(auto_free) char *command = command_of(c, command_from);
    struct err *e = session_open(c, SESSION_TOKENS);

    put(body, "scope", resource_scope(c));
    if (e == NULL && infrastructure != NULL) {
        e = put_infrastructure(c, infrastructure, body);
    }
    put(body, "command", command);
    put(body, "known_hosts", path);
    put(body, "limit", cli_option(c, "limit"));
    put(body, "user", cli_option(c, "user"));
    put(body, "ssh_key", cli_option(c, "ssh-key"));
    e = e == NULL ? put_hosts(c, body) : e;
    return e == NULL ? put_numbers(c, body) : e;
}

static int run(struct cli *c, const char *infrastructure, unsigned command_from)
{
    AUTO(run_deinit) struct run r = {.json = c->json, .hosts = json_object()};
    json_t *body = json_object();
    struct err *e = run_body(c, infrastructure, command_from, body);

    if (e == NULL) {
        e = session_stream(c->session, "/runs", json_incref(body), on_line, &r);
    }
    json_decref(body);
    if (e == NULL && !r.done) {
        e = err_new(ERR_GONE, "the agent ended the run without a result");
    }
    if (e != NULL) {
        return cli_fail(e);
    }
    if (!r.json && (r.failed == NULL || json_array_size(r.summary) > 0)) {
        print_summary(r.summary);
    }
    return r.failed != NULL ? cli_fail(err_new(ERR_REMOTE, "%s", r.failed)) : exit_of(r.summary);
}

int cmd_run(struct cli *c)
{
    return run(c, cli_option(c, "infrastructure"), 0);
}

int cmd_infrastructure_test(struct cli *c)
{
    return run(c, cli_argument(c, 0), 1);
}
