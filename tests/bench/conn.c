/*
 * Closed loop over many connections: one request in flight on each, the next one as soon as the
 * answer is there, one thread, epoll. So the client costs as little as a client can, and a slow
 * agent is not hidden by a queue in front of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "load.h"
#include "message.h"

enum { READ_BYTES = 16 * 1024, EVENTS = 64 };

struct conn {
    int fd;
    uint64_t sent_ns;
    struct buf in; /* part of an answer */
};

enum phase { WARM, MEASURE, DRAIN };

struct loop {
    int epoll;
    struct conn *conns; /* owned */
    unsigned len;
    struct view request;
    uint8_t wanted; /* message number of a good answer */
    enum phase phase;
    unsigned in_flight;
    struct stats stats;
};

static void ask(struct loop *loop, struct conn *c)
{
    loop->in_flight++;
    c->sent_ns = now_ns();
    client_send(c->fd, loop->request);
}

static void open_all(struct loop *loop, const struct load *l)
{
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->conns = calloc(l->connections, sizeof *loop->conns);
    if (loop->conns == NULL || loop->epoll < 0) {
        must(err_nomem());
    }
    for (loop->len = 0; loop->len < l->connections; loop->len++) {
        struct conn *c = &loop->conns[loop->len];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

        c->fd = client_open(l->socket);
        buf_init(&c->in, 0);
        if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0) {
            must(err_sys(errno, "epoll"));
        }
    }
}

static void close_all(struct loop *loop)
{
    for (unsigned i = 0; i < loop->len; i++) {
        close(loop->conns[i].fd);
        buf_deinit(&loop->conns[i].in);
    }
    free(loop->conns);
    close(loop->epoll);
}

static void on_answer(struct loop *loop, struct conn *c, struct view answer)
{
    loop->in_flight--;
    if (answer.len == 0 || answer.p[0] != loop->wanted) {
        loop->stats.refused++;
    } else if (loop->phase == MEASURE) {
        stats_add(&loop->stats, now_ns() - c->sent_ns);
    }
}

static void on_readable(struct loop *loop, struct conn *c)
{
    size_t had = c->in.len;
    uint8_t *p = buf_reserve(&c->in, READ_BYTES);

    must(buf_check(&c->in, "answer"));
    ssize_t n = recv(c->fd, p, READ_BYTES, MSG_DONTWAIT);

    if (n == 0) {
        must(err_new(ERR_GONE, "the agent closed a connection"));
    }
    if (n < 0) {
        must(errno == EAGAIN || errno == EINTR ? NULL : err_sys(errno, "receive"));
        n = 0;
    }
    c->in.len = had + (size_t)n;
    struct rd r = rd_of(buf_view(&c->in));
    struct view answer = rd_string(&r);

    if (!rd_failed(&r)) {
        on_answer(loop, c, answer);
        buf_clear(&c->in);
        if (loop->phase != DRAIN) {
            ask(loop, c);
        }
    }
}

/* One round: waits for answers and asks again. */
static void turn(struct loop *loop)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(loop->epoll, events, EVENTS, 50);

    for (int i = 0; i < n; i++) {
        on_readable(loop, events[i].data.ptr);
    }
}

static int run(const struct load *l, struct view request, uint8_t wanted)
{
    struct loop loop = {.request = request, .wanted = wanted};

    open_all(&loop, l);
    for (unsigned i = 0; i < loop.len; i++) {
        ask(&loop, &loop.conns[i]);
    }
    for (uint64_t end = now_ns() + l->warm_ns; now_ns() < end;) {
        turn(&loop);
    }
    uint64_t start = now_ns();

    for (loop.phase = MEASURE; now_ns() < start + l->measure_ns;) {
        turn(&loop);
    }
    uint64_t elapsed_ns = now_ns() - start;

    for (loop.phase = DRAIN; loop.in_flight > 0;) { /* what comes next finds the agent idle */
        turn(&loop);
    }
    int status = stats_print(&loop.stats, elapsed_ns);

    stats_deinit(&loop.stats);
    close_all(&loop);
    return status;
}

int conn_list(const struct load *l)
{
    AUTO(buf_deinit) struct buf request;

    buf_init(&request, 0);
    message_list(&request);
    return run(l, buf_view(&request), AGENT_LIST_ANSWER);
}

int conn_sign(const struct load *l)
{
    AUTO(buf_deinit) struct buf request;
    uint8_t session_id[SESSION_ID_BYTES];

    buf_init(&request, 0);
    message_session_id(session_id);
    message_sign(buf_view(&l->key_blob), view_of(session_id, sizeof session_id), &request);
    return run(l, buf_view(&request), AGENT_SIGN_ANSWER);
}
