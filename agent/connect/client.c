/*
 * The agent's side of a connection test: one holdfast-connect for one run, its events handed on,
 * one end. It must not know libssh2: the agent links this file and nothing that has the network.
 *
 * The helper ends a run in time by itself. Only if it does not, some seconds later, io/ kills it,
 * and the run ends with that error at the step that it had reached.
 */
#include <stdlib.h>

#include "connect/ops.h"

enum { GRACE_MS = 3000, IDLE_EXIT_MS = 1000 };

struct connect_run {
    struct io_helper *helper;
    uint64_t call;        /* 0: none is open */
    bool is_starting;     /* a failure is connect_start()'s to return */
    struct err *no_start; /* that failure */
    void (*on_event)(void *arg, const struct connect_event *event);
    connect_done_fn *on_done;
    void *arg;
    enum connect_step reached; /* the step that it is at, as far as we know */
};

static void on_up(void *arg)
{
    struct connect_run *c = arg;

    io_helper_ready(c->helper);
}

static void on_down(void *arg, const struct err *why)
{
    (void)arg; /* the call has failed with it, and a run is not begun anew */
    (void)why;
}

static void on_event(void *arg, struct rd *body)
{
    struct connect_run *c = arg;
    AUTO(auto_free) char *text = NULL;
    AUTO(err_free) struct err *carried = NULL;
    struct connect_event event;
    AUTO(err_free) struct err *e = connect_event_get(body, &event, &text, &carried);

    if (e) {
        io_helper_restart(c->helper, e); /* fails the call: the run ends with this reason */
        return;
    }
    c->reached = event.ok && event.step + 1 < CONNECT_STEPS ? event.step + 1 : event.step;
    c->on_event(c->arg, &event);
}

static void on_reply(void *arg, struct err *failed, struct rd *reply)
{
    struct connect_run *c = arg;
    struct connect_result result = {0};

    if (c->is_starting) {
        c->no_start = failed;
        return;
    }
    struct err *e = failed ? failed : connect_result_get(reply, &result);

    c->call = 0;
    if (e) {
        result = (struct connect_result){.failed = c->reached, .err = e};
    }
    c->on_done(c->arg, result.err, result.failed, result.exit_status);
}

void connect_free(struct connect_run **run)
{
    struct connect_run *c = take(run);

    if (!c) {
        return;
    }
    if (c->call) {
        io_helper_cancel(c->helper, c->call);
    }
    io_helper_free(&c->helper);
    err_free(&c->no_start);
    free(c);
}

/* ssh-keyscan is found by PATH, the user's known_hosts by HOME; the helper needs nothing else. */
static struct err *new_helper(struct io_loop *l, struct connect_run *c, const char *path)
{
    const char *home = getenv("HOME");
    const char *search = getenv("PATH");
    AUTO(auto_free) char *home_env = text_fmt("HOME=%s", home ? home : "");
    AUTO(auto_free) char *path_env = text_fmt("PATH=%s", search ? search : "/usr/bin:/bin");
    const char *const argv[] = {path, NULL};
    const char *const env[] = {path_env, home_env, NULL};
    const struct io_helper_conf conf = {
        .name = "holdfast-connect",
        .argv = argv,
        .env = env,
        .outstanding_max = 1,
        .lane_outstanding_max = 1,
        .idle_exit_ms = IDLE_EXIT_MS,
        .expendable = true, /* it holds nothing, and a run may be freed while the loop goes on */
        .on_up = on_up,
        .on_down = on_down,
        .arg = c,
    };

    return home_env && path_env ? io_helper_new(l, &conf, &c->helper) : err_nomem();
}

static struct err *call(struct connect_run *c, const struct connect_conf *conf,
                        struct mono deadline)
{
    struct buf body;
    struct err *e;

    c->is_starting = true;
    buf_init(&body, 0);
    connect_request_put(&body, conf, mono_left_ms(deadline));
    e = buf_check(&body, "a connection request");
    if (!e) {
        c->call = io_helper_call(c->helper, &(struct io_call){
                                                .op = CONNECT_OP_RUN,
                                                .body = buf_view(&body),
                                                .deadline = {deadline.ms + GRACE_MS},
                                                .on_event = on_event,
                                                .on_reply = on_reply,
                                                .arg = c,
                                            });
    }
    buf_deinit(&body);
    c->is_starting = false;
    return e ? e : take(&c->no_start);
}

struct err *connect_start(struct io_loop *l, const struct connect_conf *conf, struct mono deadline,
                          void (*on_event_fn)(void *arg, const struct connect_event *event),
                          connect_done_fn *on_done, void *arg, struct connect_run **ret)
{
    AUTO(connect_free) struct connect_run *c = calloc(1, sizeof *c);
    struct err *e;

    if (!c) {
        return err_nomem();
    }
    c->on_event = on_event_fn;
    c->on_done = on_done;
    c->arg = arg;
    c->reached = CONNECT_RESOLVE;
    e = new_helper(l, c, conf->helper_path);
    if (!e) {
        e = call(c, conf, deadline);
    }
    if (!e) {
        *ret = take(&c);
    }
    return e;
}
