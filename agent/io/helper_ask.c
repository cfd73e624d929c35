/*
 * The questions of a helper: each of its threads may have a socket of its own on which it asks and
 * waits for our answer (see ipc/ask.h). So a socket has at most one open question, and a second one
 * says that the first was given up.
 *
 * An answer is never waited for here: one that does not go at once stays with its socket until the
 * socket takes it. All ends with the helper: its open questions are forgotten, and answers to them
 * that come later find no question, because a handle is never used again.
 *
 * What comes from a helper is checked like anything from outside. A frame that is none ends the
 * helper with that reason, and so does the end of this stream where the helper goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "io/helper_impl.h"

enum { SOCKET_BITS = 8 }; /* of a handle: which socket; the rest counts */

_Static_assert(IO_HELPER_QUESTIONS_MAX < 1 << SOCKET_BITS, "a handle holds the socket's number");

/* --- answers ------------------------------------------------------------------------------------ */

/* What cannot be sent is the helper's end to notice: it is reading, and so are we. */
static void send_answer(struct io_question *q)
{
    enum ipc_result result;
    AUTO(err_free) struct err *e = ipc_send(q->fd, buf_view(&q->answer), false, &result);

    if (e == NULL && result == IPC_WOULD_BLOCK) {
        e = io_event_add(&q->writable);
        if (e == NULL) {
            return;
        }
    }
    buf_deinit(&q->answer);
    if (e != NULL) {
        io_helper_give_up_on(q->helper, take(&e));
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    send_answer(arg);
}

static struct io_question *find(struct io_helper *h, uint64_t question)
{
    uint64_t i = question & ((1U << SOCKET_BITS) - 1);

    return i < h->conf.questions && h->question[i].open == question ? &h->question[i] : NULL;
}

void io_helper_answer(struct io_helper *h, uint64_t question, struct err *e, struct view body)
{
    AUTO(err_free) struct err *said = e;
    struct io_question *q = question != 0 ? find(h, question) : NULL;

    if (q == NULL) {
        return;
    }
    q->open = 0;
    if (said == NULL) {
        said = ipc_frame_make(&q->answer, q->id, IPC_REPLY_OK, body);
    }
    if (said != NULL) {
        ipc_frame_begin(&q->answer, q->id, IPC_REPLY_ERR);
        err_put(&q->answer, said);
        err_free(&said);
        said = ipc_frame_end(&q->answer);
    }
    if (said == NULL) {
        send_answer(q);
    } else {
        io_helper_give_up_on(h, take(&said));
    }
}

/* --- questions ---------------------------------------------------------------------------------- */

static void forget(struct io_question *q)
{
    q->open = 0;
    event_del(&q->writable);
    buf_deinit(&q->answer);
}

static struct err *take_question(struct io_question *q)
{
    struct io_helper *h = q->helper;
    struct ipc_frame f;
    struct err *e = ipc_frame_read(buf_view(&h->in), &f);

    if (e != NULL) {
        return e;
    }
    if (f.id == 0 || f.op >= IPC_OP_REPLY_FIRST) {
        return err_new(ERR_PROTOCOL, "a question with id %u and operation %u", f.id, f.op);
    }
    forget(q);
    q->id = f.id;
    q->open = ++h->asked << SOCKET_BITS | (uint64_t)(q - h->question);
    h->last_used = mono_now();
    if (h->conf.on_question != NULL) {
        h->conf.on_question(h->conf.arg, q->open, f.op, &f.body);
    } else {
        io_helper_answer(h, q->open, err_new(ERR_DENIED, "the agent answers no questions"),
                         view_of(NULL, 0));
    }
    return NULL;
}

static void receive(struct io_question *q)
{
    struct io_helper *h = q->helper;
    enum ipc_result result = IPC_WOULD_BLOCK;
    struct err *e = ipc_recv(q->fd, &h->in, false, &result);

    if (e == NULL && result == IPC_DONE) {
        e = take_question(q);
        explicit_bzero(h->in.data, h->in.len);
        h->in.len = 0;
    }
    if (e != NULL) {
        io_helper_end(h, e, true);
    } else if (result == IPC_EOF) {
        event_del(&q->readable);
        io_helper_questions_ended(h);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct io_question *q = arg;
    struct io_helper *h = q->helper;

    (void)fd;
    (void)what;
    io_helper_enter(h);
    receive(q);
    io_helper_leave(h);
}

/* --- the sockets -------------------------------------------------------------------------------- */

struct err *io_helper_questions_new(struct io_helper *h)
{
    unsigned n = h->conf.questions;

    if (n > IO_HELPER_QUESTIONS_MAX) {
        return err_new(ERR_BUG, "helper %s: %u sockets for questions", h->name, n);
    }
    h->question = calloc(n + 1, sizeof *h->question);
    if (h->question == NULL) {
        h->conf.questions = 0;
        return err_nomem();
    }
    for (unsigned i = 0; i < n; i++) {
        h->question[i] = (struct io_question){.helper = h, .fd = -1};
        buf_init(&h->question[i].answer, IPC_MESSAGE_MAX_BYTES);
        h->question[i].answer.secret = true;
    }
    return NULL;
}

/* The helper's end goes above all numbers that it will see, so that none of them is overwritten while
 * the others are put into their places. */
static struct err *open_one(struct io_question *q, int *ret_theirs)
{
    const int above = IPC_ASK_FD + IO_HELPER_QUESTIONS_MAX;
    AUTO(ipc_close) int theirs = -1;
    int fd[2];
    struct err *e = ipc_pair(fd);

    if (e != NULL) {
        return e;
    }
    q->fd = fd[0];
    theirs = fd[1];
    event_assign(&q->readable, q->helper->loop->base, q->fd, EV_READ | EV_PERSIST, on_readable, q);
    event_assign(&q->writable, q->helper->loop->base, q->fd, EV_WRITE, on_writable, q);
    *ret_theirs = fcntl(theirs, F_DUPFD_CLOEXEC, above);
    return *ret_theirs >= 0 ? io_event_add(&q->readable) : err_sys(errno, "duplicate a socket");
}

struct err *io_helper_questions_open(struct io_helper *h, int *ret_theirs)
{
    struct err *e = NULL;

    for (unsigned i = 0; e == NULL && i < h->conf.questions; i++) {
        e = open_one(&h->question[i], &ret_theirs[i]);
    }
    if (e != NULL) {
        io_helper_questions_close(h);
    }
    return e;
}

void io_helper_questions_close(struct io_helper *h)
{
    for (unsigned i = 0; i < h->conf.questions; i++) {
        struct io_question *q = &h->question[i];

        if (q->fd >= 0) {
            forget(q);
            event_del(&q->readable);
            ipc_close(&q->fd);
        }
    }
}
