/*
 * The helper runtime: worker threads that block in recv() on one shared socket. The kernel hands
 * each request to one of them, so there is no queue, no lock and no dispatcher here; the lock below
 * guards only the growing list of workers and the first error.
 *
 * Each worker owns three buffers that live as long as it does: in steady state a request takes no
 * memory. All may carry secrets and are wiped after each request.
 *
 * The end comes from the other side: EOF wakes every worker. A worker that meets a transport error
 * shuts the socket down, which looks the same to the rest. A handler's own error never ends
 * anything; it is the answer.
 */
#include "ipc/serve.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

enum { KEEP_MAX_BYTES = 16 * 1024 }; /* a reply buffer that grew beyond this is given back */

struct worker {
    struct ipc_server *server;
    pthread_t thread;
    unsigned index;
    void *state;
    struct buf in, reply, out;
};

struct ipc_server {
    int fd;
    const struct ipc_server_ops *ops;
    void *helper;
    pthread_mutex_t lock; /* guards what follows */
    struct err *failed;   /* the first transport error */
    unsigned workers;
    struct worker worker[IPC_WORKERS_MAX];
};

static void reset(struct buf *b)
{
    if (b->cap > KEEP_MAX_BYTES) {
        buf_deinit(b);
    } else {
        buf_clear(b);
    }
}

static struct err *send_frame(const struct ipc_server *s, const struct buf *frame)
{
    enum ipc_result result;

    return ipc_send(s->fd, buf_view(frame), true, &result); /* EOF: recv will see it too */
}

/* The answer to one request into w->out: the result, or the error that took its place. */
static struct err *write_answer(struct worker *w, uint32_t id, struct err *failed)
{
    AUTO(err_free) struct err *e = failed;

    if (e == NULL) {
        e = buf_check(&w->reply, "an answer");
    }
    if (e == NULL) {
        e = ipc_frame_make(&w->out, id, IPC_REPLY_OK, buf_view(&w->reply));
    }
    if (e == NULL) {
        return NULL;
    }
    ipc_frame_begin(&w->out, id, IPC_REPLY_ERR);
    err_put(&w->out, e);
    return ipc_frame_end(&w->out);
}

static struct err *serve_one(struct worker *w)
{
    struct ipc_server *s = w->server;
    struct ipc_frame frame;
    struct err *e = ipc_frame_read(buf_view(&w->in), &frame);

    if (e != NULL) {
        return e;
    }
    if (frame.id == 0 || frame.op >= IPC_OP_REPLY_FIRST) {
        return err_new(ERR_PROTOCOL, "a request with id %u and operation %u", frame.id, frame.op);
    }
    struct ipc_request request = {
        .server = s, .id = frame.id, .op = frame.op, .body = frame.body, .reply = &w->reply};

    e = write_answer(w, frame.id, s->ops->serve(s->helper, w->state, &request));
    if (e == NULL) {
        e = send_frame(s, &w->out);
    }
    reset(&w->reply);
    reset(&w->out);
    explicit_bzero(w->in.data, w->in.len); /* its memory is large: only what was used */
    w->in.len = 0;
    return e;
}

static void fail(struct ipc_server *s, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    if (s->failed == NULL) {
        s->failed = take(&e);
    }
    pthread_mutex_unlock(&s->lock);
    err_free(&e);
    shutdown(s->fd, SHUT_RDWR);
}

static struct err *work(struct worker *w)
{
    for (;;) {
        enum ipc_result result;
        struct err *e = ipc_recv(w->server->fd, &w->in, true, &result);

        if (e != NULL) {
            return e;
        }
        switch (result) {
        case IPC_EOF:
            return NULL;
        case IPC_WOULD_BLOCK: /* someone made the socket non-blocking, or set a timeout */
            return err_new(ERR_BUG, "a helper's socket does not block");
        case IPC_DONE:
            e = serve_one(w);
            if (e != NULL) {
                return e;
            }
        }
    }
}

static void *run(void *arg)
{
    struct worker *w = arg;
    struct ipc_server *s = w->server;

    w->state = s->ops->start != NULL ? s->ops->start(s->helper, w->index) : NULL;
    struct err *e = work(w);

    if (e != NULL) {
        fail(s, e);
    }
    if (s->ops->stop != NULL) {
        s->ops->stop(s->helper, w->state);
    }
    buf_deinit(&w->in);
    buf_deinit(&w->reply);
    buf_deinit(&w->out);
    return NULL;
}

static void init_buffers(struct worker *w)
{
    buf_init(&w->in, IPC_MESSAGE_MAX_BYTES);
    buf_init(&w->reply, IPC_FRAME_MAX_BYTES);
    buf_init(&w->out, IPC_MESSAGE_MAX_BYTES);
    w->in.secret = true;
    w->reply.secret = true;
    w->out.secret = true;
}

/* Signals are the main thread's; those that a fault raises stay open, so that it is reported. */
static void block_signals(sigset_t *old)
{
    sigset_t all;

    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &all, old);
}

/* With the lock held. */
static struct err *add_worker(struct ipc_server *s)
{
    struct worker *w = &s->worker[s->workers];
    sigset_t old;

    *w = (struct worker){.server = s, .index = s->workers};
    init_buffers(w);
    block_signals(&old);
    int failed = pthread_create(&w->thread, NULL, run, w);

    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0) {
        return err_native(ERR_LIMIT, ERR_DOMAIN_ERRNO, (unsigned long)failed, strerror(failed),
                          "start worker %u", s->workers);
    }
    s->workers++;
    return NULL;
}

struct err *ipc_server_grow(struct ipc_server *s, unsigned n)
{
    struct err *e = NULL;

    pthread_mutex_lock(&s->lock);
    while (e == NULL && s->workers < n && s->workers < IPC_WORKERS_MAX) {
        e = add_worker(s);
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

static bool find_worker(struct ipc_server *s, unsigned index, pthread_t *ret)
{
    pthread_mutex_lock(&s->lock);
    bool found = index < s->workers;

    if (found) {
        *ret = s->worker[index].thread;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* Only a worker adds workers, so when the last of the list has ended the list is final. */
static void join_all(struct ipc_server *s)
{
    pthread_t thread;

    for (unsigned i = 0; find_worker(s, i, &thread); i++) {
        pthread_join(thread, NULL);
    }
}

struct err *ipc_serve(int fd, const struct ipc_server_ops *ops, void *helper)
{
    AUTO(ipc_close) int owned = fd;
    struct ipc_server s = {.fd = owned, .ops = ops, .helper = helper};

    pthread_mutex_init(&s.lock, NULL);
    struct err *e = ipc_server_grow(&s, 1);

    join_all(&s);
    pthread_mutex_destroy(&s.lock);
    return e != NULL ? e : s.failed;
}

struct err *ipc_request_event(struct ipc_request *request, struct view body)
{
    AUTO(buf_deinit) struct buf frame;

    buf_init(&frame, IPC_MESSAGE_MAX_BYTES);
    frame.secret = true;
    struct err *e = ipc_frame_make(&frame, request->id, IPC_REPLY_EVENT, body);

    return e != NULL ? e : send_frame(request->server, &frame);
}
