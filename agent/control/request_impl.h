#ifndef HF_CONTROL_REQUEST_IMPL_H
#define HF_CONTROL_REQUEST_IMPL_H

/* What server.c, dispatch.c, request.c, stream.c and input.c share. */
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <sys/queue.h>

#include "control/gate.h"
#include "control/request.h"

struct control_param {
    const char *name; /* in the row's path; not terminated */
    size_t name_len;
    char *value;
};

struct control_request {
    LIST_ENTRY(control_request) all; /* struct control's requests */
    struct control *control;         /* NULL: it has ended */
    struct evhttp_request *http;     /* NULL: answered, or the client left */
    const struct control_route *route;
    struct control_param param[CONTROL_PARAMS_MAX];
    size_t params;
    struct evkeyvalq query;
    struct control_peer peer;
    json_t *body;

    bool waiting; /* somebody will call control_resume(), or has to be cancelled */
    char *what;
    int64_t wait_ms;
    struct io_timer *deadline;
    void (*release)(void *arg);
    void *arg;

    bool orphan; /* on the list of those that outlive their server */
    bool streaming;
    struct io_timer *heartbeat;
};

struct control {
    struct control_deps deps;
    struct evhttp *http;
    struct control_gate gate;
    LIST_HEAD(, control_request) requests;
    unsigned waiting;
    struct mono started;
    char *path;
};

/* --- request.c --- */
/** control_request_new() - NULL when out of memory */
struct control_request *control_request_new(struct control *c, struct evhttp_request *http);
/** control_request_orphan() - the server ends: end it, unless its callback is still due */
void control_request_orphan(struct control_request *r);
/** control_request_settle() - its answer is complete, or its client left: forget the HTTP request
 * and, when no callback is due, the request */
void control_request_settle(struct control_request *r);

/* --- input.c --- */
/** control_read_query(), control_read_body() - against the row; INPUT names the parameter, or the
 * JSON pointer. The body is wiped where it lay */
struct err *control_read_query(struct control_request *r) MUST_CHECK;
struct err *control_read_body(struct control_request *r) MUST_CHECK;

/* --- dispatch.c --- */
/** control_dispatch() - find the row, read the input, run the handler; ends the request unless it
 * waits */
void control_dispatch(struct control_request *r);

#endif
