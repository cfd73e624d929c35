/*
 * Who may talk to the control API: root, our own user and whoever has a grant, at most
 * CONTROL_CONNS_MAX connections. Nothing of a foreign connection may be parsed, and nothing is
 * answered to it.
 *
 * evhttp (libevent 2.1) accepts connections itself and shows them only with their first request. It
 * does ask for a bufferevent for each one just before, and gives it the descriptor just after. So
 * on_new() makes that bufferevent, remembers it, and activates an event: libevent runs it in the
 * same round, before it looks at sockets again, thus before any byte is read. Where several are
 * accepted in one go, on_new() looks at the previous one itself.
 *
 * Nor does evhttp say when an idle connection ends. The kernel does: a connection of ours is over
 * when its descriptor is closed, or is another socket by now.
 */
#include "control/gate.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <unistd.h>

enum { QUIET_MS = 60 * 1000, RETRY_S = 1 };
/* More than the largest request that evhttp takes: a peer that sends while it is being answered
 * fills this much of our memory and no more. */
enum { READ_AHEAD_MAX_BYTES = 3 * CONTROL_BODY_MAX_BYTES };

static LIST_HEAD(, control_gate) gates = LIST_HEAD_INITIALIZER(gates);

static ino_t socket_of(int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static void forget_closed(struct control_gate *g)
{
    size_t n = 0;

    for (size_t i = 0; i < g->open_n; i++) {
        if (socket_of(g->open[i].fd) == g->open[i].ino) {
            g->open[n++] = g->open[i];
        }
    }
    g->open_n = n;
}

static struct err *admit(struct control_gate *g, int fd)
{
    AUTO(control_peer_deinit) struct control_peer p = {0};
    struct err *e = control_peer_of(fd, &p);

    if (e != NULL) {
        return e;
    }
    if (control_right_of(g->deps, &p, NULL) == CONTROL_NOTHING) {
        AUTO(auto_free) char *who = peer_text(&p.peer);

        return err_new(ERR_DENIED, "%s is not our user and has no grant",
                       who != NULL ? who : "a peer");
    }
    forget_closed(g);
    if (g->open_n == CONTROL_CONNS_MAX) {
        return err_new(ERR_LIMIT, "%d connections are open", CONTROL_CONNS_MAX);
    }
    g->open[g->open_n].fd = fd;
    g->open[g->open_n++].ino = socket_of(fd);
    return NULL;
}

static void log_refusal(struct control_gate *g, const struct err *e)
{
    if (err_is(e, ERR_DENIED) || mono_passed(g->quiet_until)) {
        log_err(LOG_WARN, e, "control: connection refused");
    }
    if (!err_is(e, ERR_DENIED)) {
        g->quiet_until = mono_in(QUIET_MS);
    }
}

static void inspect_fresh(struct control_gate *g)
{
    struct bufferevent *bev = take(&g->fresh);

    if (bev == NULL) {
        return;
    }
    int fd = bufferevent_getfd(bev);
    AUTO(err_free) struct err *e = fd >= 0 ? admit(g, fd) : NULL;

    if (e != NULL) {
        log_refusal(g, e);
        bufferevent_trigger_event(bev, BEV_EVENT_EOF, 0); /* evhttp closes it */
    }
    bufferevent_decref(bev);
}

static void on_inspect(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    inspect_fresh(arg);
}

static struct bufferevent *on_new(struct event_base *base, void *arg)
{
    struct control_gate *g = arg;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);

    inspect_fresh(g);
    if (bev != NULL) {
        bufferevent_setwatermark(bev, EV_READ, 0, READ_AHEAD_MAX_BYTES);
        bufferevent_incref(bev);
        g->fresh = bev;
        event_active(g->inspect, EV_TIMEOUT, 0);
    }
    return bev;
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    struct control_gate *g = arg;

    (void)fd;
    (void)what;
    evconnlistener_enable(g->listener);
}

/* accept() failed: no descriptors, or no memory. The connection stays in the backlog, and libevent
 * would come back for it in each round. (Its @arg is evhttp's own.) */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    AUTO(err_free) struct err *e = err_sys(errno, "accept");
    const struct timeval soon = {.tv_sec = RETRY_S};
    struct control_gate *g = LIST_FIRST(&gates);

    (void)arg;
    while (g->listener != listener) {
        g = LIST_NEXT(g, all);
    }
    log_refusal(g, e);
    evconnlistener_disable(listener);
    event_add(g->retry, &soon);
}

struct err *control_gate_open(struct control_gate *g, const struct control_deps *deps,
                              struct event_base *base, struct evhttp *http, int fd)
{
    g->deps = deps;
    LIST_INSERT_HEAD(&gates, g, all);
    g->inspect = event_new(base, -1, 0, on_inspect, g);
    g->retry = event_new(base, -1, 0, on_retry, g);
    struct evhttp_bound_socket *bound =
        g->inspect != NULL && g->retry != NULL ? evhttp_accept_socket_with_handle(http, fd) : NULL;

    if (bound == NULL) {
        close(fd);
        return err_nomem();
    }
    g->listener = evhttp_bound_socket_get_listener(bound);
    evconnlistener_set_error_cb(g->listener, on_accept_error);
    evhttp_set_bevcb(http, on_new, g);
    return NULL;
}

bool control_gate_admitted(const struct control_gate *g, int fd)
{
    ino_t ino = socket_of(fd);

    for (size_t i = 0; i < g->open_n; i++) {
        if (g->open[i].fd == fd && g->open[i].ino == ino) {
            return true;
        }
    }
    return false;
}

void control_gate_deinit(struct control_gate *g)
{
    if (g->fresh != NULL) {
        bufferevent_decref(take(&g->fresh));
    }
    if (g->inspect != NULL) {
        event_free(g->inspect);
    }
    if (g->retry != NULL) {
        event_free(g->retry);
    }
    LIST_REMOVE(g, all);
}
