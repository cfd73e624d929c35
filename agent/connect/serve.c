/*
 * holdfast-connect's side of the process border: takes RUN, drives the attempt with poll(), sends
 * its events, answers with the result.
 *
 * A run ends early when the agent closes the socket: nobody would read the rest, and the agent
 * waits for our exit. One attempt at a time for now; an attempt only asks for descriptors and a
 * time, so many can share one poll().
 */
#include "connect/serve.h"

#include <errno.h>

#include "connect/attempt.h"
#include "ipc/ipc.h"

static struct err *send_event(void *arg, const struct connect_event *event)
{
    struct ipc_request *request = arg;
    struct buf body;
    struct err *e;

    buf_init(&body, 0);
    connect_event_put(&body, event);
    e = buf_check(&body, "a connection event");
    if (!e) {
        e = ipc_request_event(request, buf_view(&body));
    }
    buf_deinit(&body);
    return e;
}

static struct err *wait_for(const struct connect_attempt *a)
{
    struct connect_wait w = {.until = mono_in(CONNECT_TIMEOUT_MAX_MS)};
    int64_t ms;

    connect_wait_add(&w, IPC_HELPER_FD, 0); /* POLLHUP comes unasked */
    connect_attempt_wait(a, &w);
    ms = mono_left_ms(w.until);
    if (poll(w.fds, w.count, ms < INT32_MAX ? (int)ms : INT32_MAX) < 0 && errno != EINTR) {
        return err_sys(errno, "poll");
    }
    return w.fds[0].revents ? err_new(ERR_GONE, "the agent hung up") : NULL;
}

static struct err *run(const struct connect_request *rq, struct ipc_request *request)
{
    AUTO(connect_attempt_free) struct connect_attempt *a = NULL;
    struct connect_result result = {0};
    enum connect_progress progress = CONNECT_AGAIN;
    struct err *e = connect_attempt_new(rq, send_event, request, &a);

    while (!e && progress == CONNECT_AGAIN) {
        e = connect_attempt_go(a, &result, &progress);
        if (!e && progress == CONNECT_AGAIN) {
            e = wait_for(a);
        }
    }
    if (!e) {
        connect_result_put(request->reply, &result);
    }
    err_free(&result.err);
    return e;
}

static struct err *serve_request(void *helper, void *worker, struct ipc_request *request)
{
    AUTO(connect_request_free) struct connect_request *rq = NULL;
    struct err *e;

    (void)helper;
    (void)worker;
    if (request->op != CONNECT_OP_RUN) {
        return err_new(ERR_UNSUPPORTED, "operation %u", request->op);
    }
    e = connect_request_get(&request->body, &rq);
    return e ? e : run(rq, request);
}

struct err *connect_serve(int fd)
{
    static const struct ipc_server_ops ops = {.serve = serve_request};

    return ipc_serve(fd, &ops, NULL);
}
