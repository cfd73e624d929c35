/*
 * A helper asks back: one question, one answer, on a socket that only the asking thread reads. The
 * socket of the requests is never read for an answer, for any worker might take it.
 *
 * Ids grow through the whole process, so an answer that comes after its question was given up fits no
 * later question and is dropped here. A thread that waits does so in poll(), with the deadline of its
 * request: an agent that is slow costs that request and nothing more.
 */
#include "ipc/ask.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>

static uint32_t next_id(void)
{
    static atomic_uint last;
    uint32_t id;

    do {
        id = atomic_fetch_add(&last, 1) + 1;
    } while (id == 0);
    return id;
}

static struct err *wait_for(int fd, short what, struct mono deadline)
{
    struct pollfd p = {.fd = fd, .events = what};

    for (;;) {
        int64_t left = mono_left_ms(deadline);
        int n = poll(&p, 1, left < INT_MAX ? (int)left : INT_MAX);

        if (n > 0) {
            return NULL; /* what is wrong with the socket is for send or receive to say */
        }
        if (n < 0 && errno != EINTR) {
            return err_sys(errno, "wait for the agent");
        }
        if (mono_passed(deadline)) {
            return err_new(ERR_TIMEOUT, "the agent did not answer in time");
        }
    }
}

static struct err *send_question(int fd, struct view frame, struct mono deadline)
{
    for (;;) {
        enum ipc_result result;
        struct err *e = ipc_send(fd, frame, false, &result);

        if (e != NULL) {
            return e;
        }
        switch (result) {
        case IPC_DONE:
            return NULL;
        case IPC_EOF:
            return err_new(ERR_GONE, "the agent is gone");
        case IPC_WOULD_BLOCK:
            e = wait_for(fd, POLLOUT, deadline);
            if (e != NULL) {
                return e;
            }
        }
    }
}

static struct err *receive(int fd, struct mono deadline, struct buf *into)
{
    for (;;) {
        enum ipc_result result;
        struct err *e = wait_for(fd, POLLIN, deadline);

        if (e == NULL) {
            e = ipc_recv(fd, into, false, &result);
        }
        if (e != NULL) {
            return e;
        }
        switch (result) {
        case IPC_DONE:
            return NULL;
        case IPC_EOF:
            return err_new(ERR_GONE, "the agent is gone");
        case IPC_WOULD_BLOCK: /* poll() may be wrong */
            break;
        }
    }
}

static struct err *take_answer(struct ipc_frame *f, struct buf *reply)
{
    if (f->op == IPC_REPLY_ERR) {
        return err_get(&f->body);
    }
    if (f->op != IPC_REPLY_OK) {
        return err_new(ERR_PROTOCOL, "an answer of kind %u", f->op);
    }
    buf_clear(reply);
    buf_put(reply, f->body.p, f->body.left);
    return buf_check(reply, "an answer");
}

struct err *ipc_ask(int fd, uint8_t op, struct view body, struct mono deadline, struct buf *reply)
{
    AUTO(buf_deinit) struct buf frame;
    struct ipc_frame f = {0};
    uint32_t id = next_id();

    buf_init(&frame, IPC_MESSAGE_MAX_BYTES);
    frame.secret = true;
    struct err *e = ipc_frame_make(&frame, id, op, body);

    if (e == NULL) {
        e = send_question(fd, buf_view(&frame), deadline);
    }
    while (e == NULL && f.id != id) {
        e = receive(fd, deadline, &frame);
        if (e == NULL) {
            e = ipc_frame_read(buf_view(&frame), &f);
        }
    }
    return e != NULL ? e : take_answer(&f, reply);
}
