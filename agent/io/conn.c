/*
 * A connection of length-prefixed frames: the agent's hot path.
 *
 * Thousands are idle, so an idle one owns no buffer. Reading goes into the loop's scratch memory and
 * whole frames are handed over from there; only what is left over moves into a buffer of the
 * connection, which is given back when it is empty. Answers are written at once; only what the
 * socket does not take is kept.
 *
 * One round of the loop reads once and hands over at most frames_per_round frames. A connection
 * that has more waits in the loop's "again" list for the next round, behind everybody else. Reading
 * stops while too many frames are unanswered or too much output waits: a client that does not read
 * its answers holds up nobody but itself.
 *
 * A callback may send on, or free, the connection that called it. So closing only marks it, and the
 * outermost function on the stack frees it.
 */
#include "io/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/internal.h"

enum { SLOW_MS = 60 * 1000, LENGTH_BYTES = 4 };

struct io_conn {
    TAILQ_ENTRY(io_conn) again_next; /* io_loop's list */
    struct io_loop *loop;
    int fd; /* -1: closed, and nothing may happen but the end */
    struct io_conn_limits limits;
    const struct io_conn_ops *ops;
    void *arg;
    struct event readable, writable;
    struct buf in, out; /* bytes before in_done and out_done have been dealt with */
    size_t in_done, out_done;
    unsigned pending;   /* frames handed over, not answered */
    unsigned depth;     /* functions of ours on the stack */
    bool reading;       /* readable is added */
    bool again;         /* in the loop's again list */
    struct err *failed; /* found while sending; on_close gets it in the next round */
};

static void dispose(struct io_conn *c)
{
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    err_free(&c->failed);
    free(c);
}

static void shut(struct io_conn *c)
{
    if (c->fd < 0) {
        return;
    }
    event_del(&c->readable);
    event_del(&c->writable);
    if (c->again) {
        TAILQ_REMOVE(&c->loop->again_list, c, again_next);
        c->again = false;
    }
    auto_close(&c->fd);
}

static void enter(struct io_conn *c)
{
    c->depth++;
}

static void leave(struct io_conn *c)
{
    c->depth--;
    if (c->depth == 0 && c->fd < 0) {
        dispose(c);
    }
}

/* Inside enter() and leave(). @why is taken. */
static void end(struct io_conn *c, struct err *why)
{
    AUTO(err_free) struct err *e = why;

    if (c->fd >= 0) {
        shut(c);
        c->ops->on_close(c->arg, e);
    }
}

static void want_round(struct io_conn *c)
{
    if (!c->again) {
        c->again = true;
        TAILQ_INSERT_TAIL(&c->loop->again_list, c, again_next);
        if (!io_timer_is_set(&c->loop->again)) {
            io_timer_set(&c->loop->again, (struct mono){0});
        }
    }
}

static struct timeval slow_time(const struct io_conn *c)
{
    const int64_t ms = c->limits.slow_ms;

    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static size_t waiting_out(const struct io_conn *c)
{
    return c->out.len - c->out_done;
}

static bool may_hand_over(const struct io_conn *c)
{
    return c->fd >= 0 && c->failed == NULL && c->pending < c->limits.pending_max &&
           waiting_out(c) <= c->limits.out_max_bytes;
}

/* The next whole frame in @v; false when there is none, with *ret_bad set for a bad length. */
static bool next_frame(const struct io_conn *c, struct view v, struct view *ret, bool *ret_bad)
{
    struct rd r = rd_of(v);
    uint32_t len = rd_u32(&r);

    if (rd_failed(&r)) {
        return false;
    }
    *ret_bad = len == 0 || len > c->limits.frame_max_bytes;
    if (*ret_bad || len > r.left) {
        return false;
    }
    *ret = rd_bytes(&r, len);
    return true;
}

/* Hand over what this round allows of @v; returns how many bytes that was. */
static size_t hand_over(struct io_conn *c, struct view v)
{
    struct view frame = {0};
    size_t done = 0;
    bool bad = false;

    for (unsigned n = 0; may_hand_over(c); n++) {
        struct view rest = view_of(v.p + done, v.len - done);

        if (!next_frame(c, rest, &frame, &bad)) {
            break;
        }
        if (n == c->limits.frames_per_round) {
            want_round(c);
            break;
        }
        done += LENGTH_BYTES + frame.len;
        c->pending++;
        c->ops->on_frame(c->arg, frame);
    }
    if (bad) {
        end(c, err_new(ERR_PROTOCOL, "a frame says it has 0 or more than %zu bytes",
                       c->limits.frame_max_bytes));
    }
    return done;
}

/* Read while there is room; give a half frame, and only that, a time limit. */
static void settle(struct io_conn *c)
{
    const struct timeval slow = slow_time(c);

    if (c->fd < 0) {
        return;
    }
    bool half = c->in.len > 0 && may_hand_over(c) && !c->again;

    if (!may_hand_over(c) && c->reading) {
        event_del(&c->readable);
        c->reading = false;
    } else if (half) {
        c->reading = event_add(&c->readable, &slow) == 0;
    } else if (may_hand_over(c) && !c->reading) {
        c->reading = event_add(&c->readable, NULL) == 0;
    } else if (c->reading) {
        event_remove_timer(&c->readable);
    }
}

/* What is left over of earlier reads. */
static void serve_kept(struct io_conn *c)
{
    c->in_done += hand_over(c, view_of(c->in.data + c->in_done, c->in.len - c->in_done));
    if (c->in_done == c->in.len) {
        buf_deinit(&c->in);
        c->in_done = 0;
    }
}

static void serve_new(struct io_conn *c, struct view v)
{
    if (c->in.len == 0) {
        size_t done = hand_over(c, v);

        v = view_of(v.p + done, v.len - done);
    }
    if (v.len > 0 && c->fd >= 0) {
        bool kept = c->in.len > 0;

        buf_put(&c->in, v.p, v.len);
        if (c->in.failed) {
            end(c, err_nomem());
        } else if (kept) {
            serve_kept(c);
        }
    }
}

static void read_some(struct io_conn *c)
{
    uint8_t *scratch = c->loop->scratch;
    ssize_t n = recv(c->fd, scratch, IO_SCRATCH_BYTES, MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        end(c, errno == ECONNRESET ? NULL : err_sys(errno, "read"));
    } else if (n == 0) {
        end(c,
            c->in.len > 0 ? err_new(ERR_PROTOCOL, "the peer left in the middle of a frame") : NULL);
    } else if (n > 0) {
        buf_drop(&c->in, c->in_done);
        c->in_done = 0;
        serve_new(c, view_of(scratch, (size_t)n));
        explicit_bzero(scratch, (size_t)n);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct io_conn *c = arg;

    (void)fd;
    if (c->again) {
        return; /* its share of this round is what it has already */
    }
    enter(c);
    if ((what & EV_READ) != 0) {
        read_some(c);
    } else {
        end(c, err_new(ERR_TIMEOUT, "half a frame, and then nothing"));
    }
    settle(c);
    leave(c);
}

static void serve_again(struct io_conn *c)
{
    enter(c);
    if (c->failed != NULL) {
        end(c, take(&c->failed));
    } else if (c->in.len > 0) {
        serve_kept(c);
    }
    settle(c);
    leave(c);
}

void io_conn_again(void *arg)
{
    struct io_loop *l = arg;
    const struct io_conn *last = TAILQ_LAST(&l->again_list, io_conn_list);
    struct io_conn *c;
    bool more = true;

    /* Those that come back in do so behind the last; if that one is freed, this round is longer. */
    while (more && (c = TAILQ_FIRST(&l->again_list)) != NULL) {
        more = c != last;
        TAILQ_REMOVE(&l->again_list, c, again_next);
        c->again = false;
        serve_again(c);
    }
    if (!TAILQ_EMPTY(&l->again_list)) {
        io_timer_set(&l->again, (struct mono){0});
    }
}

/* Sending calls nobody back: a failure waits for the next round. @why is taken. */
static void fail_later(struct io_conn *c, struct err *why)
{
    AUTO(err_free) struct err *e = why;

    if (c->failed == NULL) {
        c->failed = take(&e);
        want_round(c);
    }
}

static void keep_out(struct io_conn *c, const uint8_t *head, struct view frame, size_t written)
{
    const struct timeval slow = slow_time(c);

    if (c->out_done > 0) {
        buf_drop(&c->out, c->out_done);
        c->out_done = 0;
    }
    if (written < LENGTH_BYTES) {
        buf_put(&c->out, head + written, LENGTH_BYTES - written);
        written = LENGTH_BYTES;
    }
    written -= LENGTH_BYTES;
    buf_put(&c->out, frame.p + written, frame.len - written);
    if (c->out.failed || event_add(&c->writable, &slow) < 0) {
        fail_later(c, err_nomem());
    }
}

static void write_out(struct io_conn *c, struct view frame)
{
    uint8_t head[LENGTH_BYTES] = {(uint8_t)(frame.len >> 24), (uint8_t)(frame.len >> 16),
                                  (uint8_t)(frame.len >> 8), (uint8_t)frame.len};
    struct iovec part[] = {{head, sizeof head}, {(void *)frame.p, frame.len}};
    const struct msghdr message = {.msg_iov = part, .msg_iovlen = ARRAY_LEN(part)};
    ssize_t n = waiting_out(c) == 0 ? sendmsg(c->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail_later(c, err_sys(errno, "write"));
    } else if (n < (ssize_t)(sizeof head + frame.len)) {
        keep_out(c, head, frame, n > 0 ? (size_t)n : 0);
    }
}

void io_conn_send(struct io_conn *c, struct view frame)
{
    if (c->fd < 0 || c->failed != NULL) {
        return;
    }
    bool was_held_up = !may_hand_over(c);

    if (c->pending > 0) {
        c->pending--;
    }
    write_out(c, frame);
    if (was_held_up && may_hand_over(c)) {
        want_round(c);
    }
}

static void write_kept(struct io_conn *c)
{
    const struct timeval slow = slow_time(c);
    ssize_t n = send(c->fd, c->out.data + c->out_done, waiting_out(c), MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail_later(c, err_sys(errno, "write"));
        return;
    }
    c->out_done += n > 0 ? (size_t)n : 0;
    if (waiting_out(c) == 0) {
        buf_deinit(&c->out);
        c->out_done = 0;
    } else if (event_add(&c->writable, &slow) < 0) {
        fail_later(c, err_nomem());
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct io_conn *c = arg;

    (void)fd;
    enter(c);
    if ((what & EV_WRITE) == 0) {
        end(c, err_new(ERR_TIMEOUT, "the peer does not take its answers"));
    } else {
        bool was_held_up = !may_hand_over(c);

        write_kept(c);
        if (was_held_up && may_hand_over(c)) {
            want_round(c);
        }
    }
    leave(c);
}

struct err *io_conn_new(struct io_loop *l, int fd, const struct io_conn_limits *limits,
                        const struct io_conn_ops *ops, void *arg, struct io_conn **ret)
{
    struct io_conn *c = calloc(1, sizeof *c);

    if (c == NULL) {
        close(fd);
        return err_nomem();
    }
    c->loop = l;
    c->fd = fd;
    c->limits = *limits;
    c->limits.slow_ms = limits->slow_ms > 0 ? limits->slow_ms : SLOW_MS;
    c->ops = ops;
    c->arg = arg;
    buf_init(&c->in, SIZE_MAX / 4);  /* bounded by frame_max_bytes and one read */
    buf_init(&c->out, SIZE_MAX / 4); /* bounded by out_max_bytes and the pending answers */
    c->in.secret = true;             /* PINs pass here */
    event_assign(&c->readable, l->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->writable, l->base, fd, EV_WRITE, on_writable, c);
    struct err *e = io_event_add(&c->readable);

    if (e != NULL) {
        io_conn_free(&c);
        return e;
    }
    c->reading = true;
    *ret = c;
    return NULL;
}

void io_conn_free(struct io_conn **cp)
{
    struct io_conn *c = take(cp);

    if (c == NULL) {
        return;
    }
    shut(c);
    if (c->depth == 0) {
        dispose(c);
    }
}
