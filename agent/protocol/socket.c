/*
 * The agent's socket and its connections: what one client is to the agent, from accept to close.
 * The limits are here: size of a frame, unanswered requests, answers that the client does not read.
 * A client that goes away takes its waiting signatures with it.
 */
#include <stdlib.h>
#include <unistd.h>

#include "protocol/priv.h"

static void conn_deinit(struct protocol_conn *c)
{
    struct protocol_socket *s = c->socket;

    protocol_cancel_all(c);
    LIST_REMOVE(c, next);
    for (size_t i = 0; i < c->bindings_n; i++) {
        free(c->bindings[i].host_key);
        free(c->bindings[i].session_id);
    }
    free(c->bindings);
    s->stats.open--;
    io_listen_done(s->listen, c->peer.uid);
}

void protocol_drop(struct protocol_conn **cp)
{
    struct protocol_conn *c = take(cp);

    if (c != NULL) {
        conn_deinit(c);
        io_conn_free(&c->io);
        free(c);
    }
}

static void on_frame(void *arg, struct view frame)
{
    protocol_dispatch(arg, frame);
}

static void on_close(void *arg, const struct err *why)
{
    struct protocol_conn *c = arg;

    if (why != NULL) {
        protocol_log(c, why, "connection closed");
    }
    conn_deinit(c);
    free(c);
}

static struct err *conn_open(struct protocol_socket *s, int fd, struct protocol_conn *c)
{
    static const struct io_conn_ops ops = {.on_frame = on_frame, .on_close = on_close};
    const struct io_conn_limits limits = {
        .frame_max_bytes = PROTOCOL_FRAME_MAX_BYTES,
        .out_max_bytes = PROTOCOL_OUT_MAX_BYTES,
        .frames_per_round = PROTOCOL_FRAMES_PER_ROUND,
        .pending_max = PROTOCOL_PENDING_MAX,
    };

    return io_conn_new(s->loop, fd, &limits, &ops, c, &c->io);
}

static void on_accept(void *arg, int fd, const struct peer *peer)
{
    struct protocol_socket *s = arg;
    struct protocol_conn *c = calloc(1, sizeof *c);

    if (c == NULL) {
        close(fd);
        io_listen_done(s->listen, peer->uid);
        return;
    }
    c->socket = s;
    c->peer = *peer;
    TAILQ_INIT(&c->answers);
    LIST_INSERT_HEAD(&s->conns, c, next);
    s->stats.open++;
    s->stats.connections++;
    AUTO(err_free) struct err *e = conn_open(s, fd, c);

    if (e != NULL) {
        log_err(LOG_ERROR, e, "%s: a new connection", s->path);
        conn_deinit(c);
        free(c);
    }
}

struct policy_request protocol_request(const struct protocol_conn *c,
                                       const struct ssh_payload *payload)
{
    return (struct policy_request){
        .peer = c->peer,
        .bindings = c->bindings,
        .bindings_n = c->bindings_n,
        .bind_failed = c->bind_failed,
        .socket = c->socket->path,
        .view = &c->socket->view,
        .payload = payload,
        .deadline = mono_in(PROTOCOL_SIGN_DEADLINE_MS),
    };
}

static struct err *copy_view(struct protocol_socket *s, const struct policy_view *view)
{
    s->scope = view != NULL ? text_copy(view->scope) : NULL;
    s->tags = view != NULL ? text_list_copy(view->tags) : NULL;
    s->view = (struct policy_view){s->scope, s->tags};
    if (view != NULL &&
        ((view->scope != NULL && s->scope == NULL) || (view->tags != NULL && s->tags == NULL))) {
        return err_nomem();
    }
    return NULL;
}

struct err *protocol_listen(struct io_loop *l, int fd, const char *path,
                            const struct policy_view *view, struct identity_set *identities,
                            struct remote *remote, struct protocol_socket **ret)
{
    AUTO(auto_close) int handed = fd;
    AUTO(protocol_free) struct protocol_socket *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return err_nomem();
    }
    *s = (struct protocol_socket){.loop = l, .identities = identities, .remote = remote};
    LIST_INIT(&s->conns);
    TAILQ_INIT(&s->parked);
    buf_init(&s->reply, PROTOCOL_FRAME_MAX_BYTES);
    buf_init(&s->list, PROTOCOL_FRAME_MAX_BYTES);
    s->path = text_copy(path != NULL ? path : "agent socket");
    struct err *e = s->path != NULL ? copy_view(s, view) : err_nomem();

    if (e == NULL) {
        e = protocol_park_init(s);
    }
    if (e == NULL) {
        handed = -1;
        e = io_listen_new(l, fd, path, PROTOCOL_CONNS_MAX, on_accept, s, &s->listen);
    }
    if (e == NULL) {
        *ret = take(&s);
    }
    return e;
}

struct err *protocol_allow(struct protocol_socket *s, const uid_t *uids, size_t n,
                           const gid_t *gids, size_t gids_n)
{
    return io_listen_allow(s->listen, uids, n, gids, gids_n);
}

void protocol_free(struct protocol_socket **sp)
{
    struct protocol_socket *s = take(sp);
    struct protocol_conn *c;

    if (s == NULL) {
        return;
    }
    while ((c = LIST_FIRST(&s->conns)) != NULL) {
        protocol_drop(&c);
    }
    io_listen_free(&s->listen);
    protocol_park_deinit(s);
    buf_deinit(&s->reply);
    buf_deinit(&s->list);
    free(s->path);
    free(s->scope);
    text_list_free(&s->tags);
    free(s);
}

void protocol_stats(const struct protocol_socket *s, struct protocol_stats *ret)
{
    *ret = s->stats;
}
