/*
 * The control API's server: libevent's evhttp on a Unix socket, on the agent's one loop. Nothing here
 * or behind it may block.
 *
 * A connection passes gate.c, its requests the limits here, then dispatch.c. evhttp's own limits are
 * set above ours, so that what is a little too large is answered in our form; what is far too large,
 * and what is not HTTP, evhttp ends by itself with a page of its own.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/request_impl.h"

enum {
    HTTP_HEADERS_MAX_BYTES = 4 * CONTROL_HEADERS_MAX_BYTES,
    HTTP_BODY_MAX_BYTES = 2 * CONTROL_BODY_MAX_BYTES,
    LINE_OVERHEAD_BYTES = 4, /* ": " and CR LF */
    SOCKET_MODE = 0666,      /* with grants: gate.c decides, by the peer's uid */
};

static size_t header_bytes(struct evhttp_request *http)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(http);
    size_t n = strlen(evhttp_request_get_uri(http));
    struct evkeyval *h;

    TAILQ_FOREACH(h, headers, next)
    {
        n += strlen(h->key) + strlen(h->value) + LINE_OVERHEAD_BYTES;
    }
    return n;
}

static void on_request(struct evhttp_request *http, void *arg)
{
    struct control *c = arg;
    struct evhttp_connection *conn = evhttp_request_get_connection(http);
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(conn));
    struct control_request *r = control_request_new(c, http);
    struct err *e;

    if (r == NULL) {
        evhttp_send_reply(http, 500, NULL, NULL);
    } else if (!control_gate_admitted(&c->gate, fd)) {
        control_header(r, "Connection", "close");
        control_fail(r, err_new(ERR_DENIED, "this connection was not admitted"));
    } else if ((e = control_peer_of(fd, &r->peer)) != NULL) {
        control_fail(r, e);
    } else if (header_bytes(http) > CONTROL_HEADERS_MAX_BYTES) {
        control_refuse(
            r, 431,
            err_new(ERR_LIMIT, "headers are longer than %d bytes", CONTROL_HEADERS_MAX_BYTES));
    } else {
        control_dispatch(r);
    }
}

static struct err *listen_on(struct control *c, int fd)
{
    struct event_base *base = io_loop_base(c->deps.loop);

    c->http = evhttp_new(base);
    if (c->http == NULL) {
        close(fd);
        return err_nomem();
    }
    evhttp_set_max_headers_size(c->http, HTTP_HEADERS_MAX_BYTES);
    evhttp_set_max_body_size(c->http, HTTP_BODY_MAX_BYTES);
    evhttp_set_timeout(c->http, CONTROL_IDLE_S);
    evhttp_set_flags(c->http, EVHTTP_SERVER_LINGERING_CLOSE);
    evhttp_set_allowed_methods(
        c->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                     EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH | EVHTTP_REQ_TRACE);
    evhttp_set_gencb(c->http, on_request, c);
    return control_gate_open(&c->gate, &c->deps, base, c->http, fd);
}

struct err *control_new(const struct control_deps *deps, int fd, const char *path,
                        struct control **ret)
{
    AUTO(control_free) struct control *c = calloc(1, sizeof *c);

    if (c == NULL) {
        close(fd);
        return err_nomem();
    }
    control_json_wipe();
    signal(SIGPIPE, SIG_IGN); /* evhttp writes to clients that left */
    c->deps = *deps;
    c->started = mono_now();
    c->path = text_copy(path);
    LIST_INIT(&c->requests);
    struct err *e = listen_on(c, fd);

    if (e == NULL && path != NULL && c->deps.grants_n > 0 && chmod(path, SOCKET_MODE) < 0) {
        e = err_sys(errno, "open the socket to those who have grants");
    }
    if (e != NULL) {
        return err_add(e, "serve the control API");
    }
    *ret = take(&c);
    return NULL;
}

void control_free(struct control **cp)
{
    struct control *c = take(cp);
    struct control_request *r;

    if (c == NULL) {
        return;
    }
    while ((r = LIST_FIRST(&c->requests)) != NULL) {
        control_request_orphan(r);
    }
    if (c->http != NULL) {
        evhttp_free(c->http);
        control_gate_deinit(&c->gate);
    }
    if (c->path != NULL) {
        unlink(c->path);
    }
    free(c->path);
    free(c);
}
