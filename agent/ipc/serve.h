#ifndef HF_IPC_SERVE_H
#define HF_IPC_SERVE_H

#include "ipc/frame.h"
#include "ipc/transport.h"

/** The helper runtime: N threads take requests off one socket and answer each on it. */
struct ipc_server;

/** One request while it is served. */
struct ipc_request {
    struct ipc_server *server;
    uint32_t id;
    uint8_t op;
    struct rd body;
    struct buf *reply; /* the handler writes its result here; secret, wiped */
};

struct ipc_server_ops {
    /** serve one request; an error becomes IPC_REPLY_ERR. @worker is what start() gave */
    struct err *(*serve)(void *helper, void *worker, struct ipc_request *request);
    /** per-thread state; may be NULL, as may stop */
    void *(*start)(void *helper, unsigned index);
    void (*stop)(void *helper, void *worker);
};

enum { IPC_WORKERS_MAX = 64 };

/**
 * ipc_serve() - run until the other side closes the socket
 * @fd:      connected socket (taken)
 * @helper:  handed to the ops (borrowed)
 * Starts with one worker; see ipc_server_grow(). On EOF all workers are joined, then it returns
 * NULL; a transport error is returned.
 */
struct err *ipc_serve(int fd, const struct ipc_server_ops *ops, void *helper) MUST_CHECK;
/** ipc_server_grow() - have at least @n workers (bounded by IPC_WORKERS_MAX); callable from serve */
struct err *ipc_server_grow(struct ipc_server *s, unsigned n) MUST_CHECK;
/** ipc_request_event() - send IPC_REPLY_EVENT for a request that is being served */
struct err *ipc_request_event(struct ipc_request *request, struct view body) MUST_CHECK;

#endif
