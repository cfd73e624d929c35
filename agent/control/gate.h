#ifndef HF_CONTROL_GATE_H
#define HF_CONTROL_GATE_H

#include <event2/http.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "control/grants.h"

struct bufferevent;
struct evconnlistener;
struct event;

/** Who may connect, and how many at a time. */
struct control_gate {
    LIST_ENTRY(control_gate) all; /* gate.c's list */
    const struct control_deps *deps;
    struct event *inspect;
    struct bufferevent *fresh; /* accepted, not yet looked at (a reference) */
    struct {
        int fd;
        ino_t ino;
    } open[CONTROL_CONNS_MAX];
    size_t open_n;
    struct mono quiet_until; /* "too many" is logged once a minute */
    struct evconnlistener *listener;
    struct event *retry; /* listen again after descriptors ran out */
};

/** control_gate_open() - have @http accept from @fd (taken), and stand before its connections
 * @g: zeroed */
struct err *control_gate_open(struct control_gate *g, const struct control_deps *deps,
                              struct event_base *base, struct evhttp *http, int fd) MUST_CHECK;
/** control_gate_admitted() - did this connection pass? Every request is asked for that */
bool control_gate_admitted(const struct control_gate *g, int fd);
/** control_gate_deinit() - to be called after evhttp_free() */
void control_gate_deinit(struct control_gate *g);

#endif
