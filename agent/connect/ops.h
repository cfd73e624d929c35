#ifndef HF_CONNECT_OPS_H
#define HF_CONNECT_OPS_H

#include "connect/connect.h"

/** What the agent and holdfast-connect say to each other. */
enum connect_op {
    CONNECT_OP_RUN = 1, /* struct connect_request -> events, then struct connect_result */
};

enum {
    CONNECT_STEP_TIMEOUT_MS = 10 * 1000,
    CONNECT_TIMEOUT_MAX_MS = 24 * 3600 * 1000,
    CONNECT_COMMAND_MAX_BYTES = 32 * 1024,
    CONNECT_KNOWN_TEXT_MAX_BYTES = 64 * 1024,
    CONNECT_OUTPUT_MAX_BYTES = 16 * 1024, /* a piece */
};

struct connect_request {
    char *agent_socket, *user, *host, *command; /* owned; command may be NULL */
    unsigned port;
    char **known_hosts;     /* owned; NULL: the usual files */
    char *known_hosts_text; /* owned; NULL: none */
    struct buf only_key;
    int64_t step_timeout_ms, total_ms;
};

struct connect_result {
    enum connect_step failed; /* 0: none */
    struct err *err;          /* owned; NULL when none failed */
    int exit_status;
};

/** connect_request_put() - @total_ms: what is left of the run's time */
void connect_request_put(struct buf *b, const struct connect_conf *conf, int64_t total_ms);
/** connect_request_get() - PROTOCOL, INPUT (host, user, port or times that cannot be) */
struct err *connect_request_get(struct rd *r, struct connect_request **ret) MUST_CHECK;
void connect_request_free(struct connect_request **rq);

/** connect_event_put() - one event of a run, as the helper tells it */
void connect_event_put(struct buf *b, const struct connect_event *event);
/** connect_event_get() - views and text point into *@ret_text, *@ret_err (caller owns) and @r */
struct err *connect_event_get(struct rd *r, struct connect_event *ret, char **ret_text,
                              struct err **ret_err) MUST_CHECK;

/** connect_result_put() - how a run ended */
void connect_result_put(struct buf *b, const struct connect_result *result);
/** connect_result_get() - @ret->err is the caller's. PROTOCOL: malformed, or an unknown step */
struct err *connect_result_get(struct rd *r, struct connect_result *ret) MUST_CHECK;

#endif
