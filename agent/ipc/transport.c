/*
 * AF_UNIX SOCK_SEQPACKET: messages with borders, in order, and a receive queue that any number of
 * threads can wait on, each message going to exactly one of them. These few functions are all that
 * knows so.
 *
 * No empty message is ever sent: at the receiver it looks like the end. A message that does not fit
 * the receiver's buffer would lose its tail silently, so the real length is asked for (MSG_TRUNC)
 * and a difference ends the connection.
 */
#include "ipc/transport.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/frame.h"

enum {
    SNDBUF_WANTED_BYTES = 512 * 1024, /* the kernel cuts this to net.core.wmem_max and doubles it */
    SNDBUF_KEPT_BYTES = 32,           /* a message may use all of SO_SNDBUF but these */
};

static int sndbuf_of(int fd)
{
    int bytes = 0;
    socklen_t len = sizeof bytes;

    return getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &len) == 0 ? bytes : -1;
}

static struct err *make_room(int fd)
{
    const int needed = IPC_MESSAGE_MAX_BYTES + SNDBUF_KEPT_BYTES;
    const int wanted = SNDBUF_WANTED_BYTES;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted) < 0) {
        return err_sys(errno, "set SO_SNDBUF");
    }
    if (sndbuf_of(fd) < needed) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted);
    }
    if (sndbuf_of(fd) < needed) {
        return err_new(ERR_LIMIT,
                       "the kernel gives a socket %d bytes and %d are needed: raise "
                       "net.core.wmem_max",
                       sndbuf_of(fd), needed);
    }
    return NULL;
}

struct err *ipc_pair(int ret_fd[2])
{
    int fd[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0) {
        return err_sys(errno, "socketpair");
    }
    struct err *e = make_room(fd[0]);

    if (e == NULL) {
        e = make_room(fd[1]);
    }
    if (e != NULL) {
        ipc_close(&fd[0]);
        ipc_close(&fd[1]);
        return e;
    }
    ret_fd[0] = fd[0];
    ret_fd[1] = fd[1];
    return NULL;
}

/* What a failed send or recv means: EINTR is for the caller's loop. */
static struct err *outcome(const char *what, enum ipc_result *ret)
{
    switch (errno) {
    case EAGAIN:
        *ret = IPC_WOULD_BLOCK;
        return NULL;
    case EPIPE:
    case ECONNRESET: /* the peer closed with frames of ours unread */
        *ret = IPC_EOF;
        return NULL;
    default:
        return err_sys(errno, "%s", what);
    }
}

struct err *ipc_send(int fd, struct view frame, bool wait, enum ipc_result *ret)
{
    const int flags = MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT);
    ssize_t n;

    if (frame.len == 0) {
        return err_new(ERR_BUG, "an empty frame was to be sent");
    }
    if (frame.len > IPC_MESSAGE_MAX_BYTES) {
        return err_new(ERR_LIMIT, "a frame has %zu bytes; %d are allowed", frame.len,
                       IPC_MESSAGE_MAX_BYTES);
    }
    do {
        n = send(fd, frame.p, frame.len, flags);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return outcome("send a frame", ret);
    }
    *ret = IPC_DONE;
    return NULL;
}

static uint8_t *room_for_any(struct buf *b)
{
    if (b->secret && b->len > 0) {
        explicit_bzero(b->data, b->len);
    }
    b->len = 0;
    b->failed = false;
    if (b->max < IPC_MESSAGE_MAX_BYTES) {
        b->max = IPC_MESSAGE_MAX_BYTES;
    }
    return buf_reserve(b, IPC_MESSAGE_MAX_BYTES);
}

struct err *ipc_recv(int fd, struct buf *into, bool wait, enum ipc_result *ret)
{
    uint8_t *p = room_for_any(into);
    ssize_t n;

    if (p == NULL) {
        return err_nomem();
    }
    into->len = 0;
    do {
        n = recv(fd, p, IPC_MESSAGE_MAX_BYTES, MSG_TRUNC | (wait ? 0 : MSG_DONTWAIT));
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return outcome("receive a frame", ret);
    }
    if (n > IPC_MESSAGE_MAX_BYTES) {
        explicit_bzero(p, IPC_MESSAGE_MAX_BYTES);
        return err_new(ERR_PROTOCOL, "a frame has %zd bytes; %d are allowed", n,
                       IPC_MESSAGE_MAX_BYTES);
    }
    into->len = (size_t)n;
    *ret = n == 0 ? IPC_EOF : IPC_DONE;
    return NULL;
}

void ipc_close(int *fd)
{
    auto_close(fd);
}
