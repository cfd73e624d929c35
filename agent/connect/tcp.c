/*
 * Addresses to one connected socket. All addresses are tried, one after another, and when none
 * works every one's own reason is told: "refused" on IPv4 is worth nothing to a reader whose IPv6
 * route is what failed.
 */
#include "connect/tcp.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

struct connect_tcp {
    const struct connect_addresses *to;
    unsigned port;
    size_t next; /* address to try when this one fails; the one being tried is next - 1 */
    int fd;      /* -1: none being tried */
    struct mono until, until_this;
    struct err *why; /* owned: of those that failed */
};

void connect_tcp_free(struct connect_tcp **tcp)
{
    struct connect_tcp *t = take(tcp);

    if (t) {
        auto_close(&t->fd);
        err_free(&t->why);
        free(t);
    }
}

struct err *connect_tcp_new(const struct connect_addresses *to, unsigned port, struct mono until,
                            struct connect_tcp **ret)
{
    struct connect_tcp *t = calloc(1, sizeof *t);

    if (!t) {
        return err_nomem();
    }
    t->to = to;
    t->port = port;
    t->until = until;
    t->fd = -1;
    *ret = t;
    return NULL;
}

const struct connect_address *connect_tcp_address(const struct connect_tcp *t)
{
    return &t->to->list[t->next ? t->next - 1 : 0];
}

static void give_up_this(struct connect_tcp *t, int errnum)
{
    AUTO(err_free) struct err *before = take(&t->why);
    struct err *now = err_sys(errnum, "%s port %u", connect_tcp_address(t)->text, t->port);

    t->why = before ? err_add(now, "%s", err_text(before)) : now;
    auto_close(&t->fd);
}

/* Starts on the next address; its failure at once is as good as one later. */
static void try_next(struct connect_tcp *t)
{
    const struct connect_address *a = &t->to->list[t->next];
    int64_t shares = (int64_t)(t->to->count - t->next);
    int on = 1;

    t->until_this = mono_in(mono_left_ms(t->until) / shares);
    t->next++;
    t->fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (t->fd < 0) {
        give_up_this(t, errno);
        return;
    }
    if (setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        (connect(t->fd, (const struct sockaddr *)&a->addr, a->len) != 0 && errno != EINPROGRESS)) {
        give_up_this(t, errno);
    }
}

/* 0 when connected, EINPROGRESS, or why not. */
static int state_of(const struct connect_tcp *t)
{
    struct pollfd p = {.fd = t->fd, .events = POLLOUT};
    int errnum = 0;
    socklen_t len = sizeof errnum;

    if (poll(&p, 1, 0) <= 0) {
        return mono_passed(t->until_this) ? ETIMEDOUT : EINPROGRESS;
    }
    return getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) == 0 ? errnum : errno;
}

struct err *connect_tcp_go(struct connect_tcp *t, enum connect_progress *ret_progress)
{
    for (;;) {
        if (t->fd >= 0) {
            int errnum = state_of(t);
            if (errnum == 0 || errnum == EINPROGRESS) {
                *ret_progress = errnum ? CONNECT_AGAIN : CONNECT_FINISHED;
                return NULL;
            }
            give_up_this(t, errnum);
        } else if (t->next < t->to->count) {
            try_next(t);
        } else {
            return t->why ? take(&t->why) : err_new(ERR_NOT_FOUND, "no address to connect to");
        }
    }
}

void connect_tcp_wait(const struct connect_tcp *t, struct connect_wait *w)
{
    connect_wait_add(w, t->fd, POLLOUT);
    w->until = connect_wait_sooner(w->until, t->until_this);
}

int connect_tcp_take(struct connect_tcp *t)
{
    int fd = t->fd;

    t->fd = -1;
    return fd;
}
