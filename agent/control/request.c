/*
 * The life of a request: from evhttp, through a handler, to its one answer.
 *
 * An answer may come long after the question: a token signs, a server is asked. Meanwhile the client
 * may leave, the deadline may pass, or the agent may end, and the callback that was promised to the
 * handler still comes. So there are two facts: somebody waits for the answer (http), and somebody is
 * about to give it (waiting). The request lives while one of them holds.
 *
 * evhttp's side of it (libevent 2.1.12): when a connection fails while its request is not yet
 * answered, evhttp lets go of that request, calls the close callback, and the request is ours to
 * free. When evhttp_free() takes a connection down, it frees the request itself. on_vanished() is for
 * the first; control_request_orphan() takes the callback away before the second. While an answer is
 * waited for, evhttp does not read: a client that left is seen when something is written to it.
 */
#include <event2/buffer.h>
#include <stdlib.h>

#include "control/job.h"
#include "control/problem.h"
#include "control/request_impl.h"

/* Their server is gone, their callback may come yet. */
static LIST_HEAD(, control_request) orphans = LIST_HEAD_INITIALIZER(orphans);

static void request_free(struct control_request **rp)
{
    struct control_request *r = take(rp);

    if (r->control != NULL || r->orphan) {
        LIST_REMOVE(r, all);
    }
    for (size_t i = 0; i < r->params; i++) {
        free(r->param[i].value);
    }
    evhttp_clear_headers(&r->query);
    json_decref(r->body);
    control_peer_deinit(&r->peer);
    io_timer_free(&r->deadline);
    io_timer_free(&r->heartbeat);
    free(r->what);
    free(r);
}

struct control_request *control_request_new(struct control *c, struct evhttp_request *http)
{
    struct control_request *r = calloc(1, sizeof *r);

    if (r != NULL) {
        r->control = c;
        r->http = http;
        TAILQ_INIT(&r->query);
        LIST_INSERT_HEAD(&c->requests, r, all);
    }
    return r;
}

const struct control_deps *control_deps_of(const struct control_request *r)
{
    return &r->control->deps;
}

struct mono control_started(const struct control_request *r)
{
    return r->control->started;
}

const struct control_peer *control_peer_get(const struct control_request *r)
{
    return &r->peer;
}

struct registry_caller control_caller(const struct control_request *r)
{
    const struct peer *p = &r->peer.peer;

    return (struct registry_caller){.uid = p->uid, .gid = p->gid, .pid = p->pid};
}

struct err *control_need(const struct control_request *r, enum control_right right,
                         const char *scope)
{
    struct err *e = registry_scope_check(scope);

    if (e != NULL) {
        return err_add(e, "scope");
    }
    if (control_right_of(control_deps_of(r), &r->peer, scope) < right) {
        return err_new(ERR_DENIED, "uid %u is not %s at %s", (unsigned)r->peer.peer.uid,
                       control_right_name(right), scope);
    }
    return NULL;
}

static void stop_waiting(struct control_request *r)
{
    if (r->waiting) {
        r->waiting = false;
        if (r->control != NULL) {
            r->control->waiting--;
        }
    }
}

void control_request_settle(struct control_request *r)
{
    r->http = NULL;
    io_timer_free(&r->deadline);
    io_timer_free(&r->heartbeat);
    if (r->release != NULL) {
        stop_waiting(r);
        r->release(r->arg);
    }
    if (!r->waiting) {
        request_free(&r);
    }
}

static struct evhttp_request *take_http(struct control_request *r)
{
    struct evhttp_request *http = take(&r->http);

    evhttp_connection_set_closecb(evhttp_request_get_connection(http), NULL, NULL);
    return http;
}

void control_request_orphan(struct control_request *r)
{
    if (r->http != NULL) {
        take_http(r); /* evhttp_free() frees it */
    }
    io_timer_free(&r->deadline);
    io_timer_free(&r->heartbeat);
    if (r->waiting && r->release == NULL) {
        LIST_REMOVE(r, all);
        r->control = NULL;
        r->orphan = true;
        LIST_INSERT_HEAD(&orphans, r, all);
        return;
    }
    control_request_settle(r);
}

void control_forget(void)
{
    struct control_request *r;

    while ((r = LIST_FIRST(&orphans)) != NULL) {
        request_free(&r);
    }
    control_job_forget();
}

/* @out NULL: out of memory. */
static void send_body(struct evhttp_request *http, int status, const char *type,
                      struct evbuffer *out)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(http);

    if (out == NULL) {
        evhttp_send_reply(http, 500, NULL, NULL);
        return;
    }
    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_send_reply(http, status, NULL, out);
}

static void send_json(struct evhttp_request *http, int status, const char *type, json_t *body)
{
    struct evbuffer *out = evbuffer_new();
    bool ok = out != NULL && control_json_put(out, body);

    send_body(http, status, type, ok ? out : NULL);
    if (out != NULL) {
        evbuffer_free(out);
    }
    json_decref(body);
}

static void send_problem(struct control_request *r, int status, const struct err *e)
{
    send_json(take_http(r), status, "application/problem+json", control_problem(e, status));
}

void control_answer(struct control_request *r, int status, json_t *body)
{
    stop_waiting(r);
    send_json(take_http(r), status, "application/json", body);
    control_request_settle(r);
}

static void release_text(const void *data, size_t len, void *text)
{
    (void)data;
    (void)len;
    free(text);
}

/* With a body that is JSON text already, which is taken. */
static void answer_text(struct control_request *r, int status, char *text)
{
    struct evbuffer *out = evbuffer_new();
    bool held =
        out != NULL && evbuffer_add_reference(out, text, strlen(text), release_text, text) == 0;
    bool ok = held && evbuffer_add(out, "\n", 1) == 0;

    stop_waiting(r);
    send_body(take_http(r), status, "application/json", ok ? out : NULL);
    if (!held) {
        free(text);
    }
    if (out != NULL) {
        evbuffer_free(out);
    }
    control_request_settle(r);
}

void control_answer_text_done(void *arg, struct err *e, char *text)
{
    if (!control_resume(arg)) {
        err_free(&e);
        free(text);
    } else if (e != NULL) {
        control_fail(arg, e);
    } else {
        answer_text(arg, 200, text);
    }
}

static void answer_empty(struct control_request *r)
{
    stop_waiting(r);
    evhttp_send_reply(take_http(r), 204, NULL, NULL);
    control_request_settle(r);
}

void control_header(struct control_request *r, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(r->http), name, value);
}

void control_refuse(struct control_request *r, int status, struct err *e)
{
    stop_waiting(r);
    send_problem(r, status, e);
    err_free(&e);
    control_request_settle(r);
}

void control_fail(struct control_request *r, struct err *e)
{
    if (control_problem_passes(e)) {
        control_header(r, "Retry-After", "1");
    }
    control_refuse(r, control_problem_status_of(e), e);
}

static void on_vanished(struct evhttp_connection *conn, void *arg)
{
    struct control_request *r = arg;

    (void)conn;
    evhttp_request_free(r->http);
    control_request_settle(r);
}

static void on_deadline(void *arg)
{
    struct control_request *r = arg;
    AUTO(err_free) struct err *e =
        err_new(ERR_TIMEOUT, "no answer within %.3g s", (double)r->wait_ms / 1000);

    e = err_add(e, "%s", r->what);
    if (r->streaming) {
        json_t *end = json_pack("{s:b, s:n, s:n, s:o}", "done", 1, "failed", "exit_status", "error",
                                control_fault(e));

        control_end_lines(r, end);
        return;
    }
    send_problem(r, control_problem_status(ERR_TIMEOUT), e);
    control_request_settle(r);
}

struct err *control_wait(struct control_request *r, int64_t ms, const char *what,
                         void (*release)(void *arg), void *arg)
{
    const struct control_deps *deps = control_deps_of(r);

    if (r->control->waiting >= CONTROL_WAITING_MAX) {
        return err_new(ERR_BUSY, "%d requests wait for their answers", CONTROL_WAITING_MAX);
    }
    r->wait_ms = deps->wait_max_ms > 0 && ms > deps->wait_max_ms ? deps->wait_max_ms : ms;
    r->what = text_copy(what);
    r->deadline = io_timer_new(deps->loop, on_deadline, r);
    if (r->what == NULL || r->deadline == NULL) {
        return err_nomem();
    }
    r->release = release;
    r->arg = arg;
    r->waiting = true;
    r->control->waiting++;
    io_timer_set(r->deadline, mono_in(r->wait_ms));
    evhttp_connection_set_closecb(evhttp_request_get_connection(r->http), on_vanished, r);
    return NULL;
}

bool control_resume(struct control_request *r)
{
    bool wanted = r->http != NULL;

    stop_waiting(r);
    if (!wanted) {
        request_free(&r);
    }
    return wanted;
}

bool control_came(struct control_request *r, struct err *e)
{
    if (!control_resume(r)) {
        err_free(&e);
        return false;
    }
    if (e != NULL) {
        control_fail(r, e);
        return false;
    }
    return true;
}

void control_answer_done(void *arg, struct err *e)
{
    if (control_came(arg, e)) {
        answer_empty(arg);
    }
}
