#ifndef HF_CONTROL_REQUEST_H
#define HF_CONTROL_REQUEST_H

#include <event2/http.h>

#include "control/grants.h"
#include "control/json.h"

/**
 * A request, as the handlers of resources see it. A handler either returns an error, or returns NULL
 * after it answered, or after control_wait() for an answer that comes later. Whoever answers or fails
 * a request ends it: it is not to be touched afterwards.
 */
struct control_request;
typedef struct err *control_handler(struct control_request *r);

enum control_type { CONTROL_TEXT, CONTROL_BOOL, CONTROL_NUMBER, CONTROL_LIST, CONTROL_OBJECT };

/** What a body may hold; a list ends with a NULL name. */
struct control_member {
    const char *name;
    enum control_type type;
    bool required;
    int64_t min, max; /* bytes of a text, elements of a list, or the number's range */
};

enum { CONTROL_PARAMS_MAX = 4 };

/** A row of the dispatch table. */
struct control_route {
    enum evhttp_cmd_type method;
    const char *path;         /* "/v1/keys/{key}": a parameter is one whole segment */
    enum control_right right; /* at {scope}, else at account; CONTROL_NOTHING: the handler asks */
    control_handler *handle;
    const struct control_member *body; /* NULL: none, or {} */
    const char *const *query;          /* known parameters, NULL-terminated; NULL: none */
};

/** control_deps_of() - what the handlers work on; borrowed */
const struct control_deps *control_deps_of(const struct control_request *r);
/** control_started() - when this API began to serve */
struct mono control_started(const struct control_request *r);

/** control_peer_get() - who asks; borrowed */
const struct control_peer *control_peer_get(const struct control_request *r);
/** control_caller() - the same, as registry/ wants it */
struct registry_caller control_caller(const struct control_request *r);
/** control_need() - DENIED unless the client has this right at the scope; INPUT: no scope */
struct err *control_need(const struct control_request *r, enum control_right right,
                         const char *scope) MUST_CHECK;

/* What the client sent; all borrowed from the request, checked against its row. */
/** control_param() - a parameter of the path, decoded; never NULL for a name of the row */
const char *control_param(const struct control_request *r, const char *name);
/** control_query(), control_text(), control_value(), control_in_header() - NULL when absent */
const char *control_query(const struct control_request *r, const char *name);
json_t *control_value(const struct control_request *r, const char *name);
const char *control_in_header(const struct control_request *r, const char *name);
/** control_query_flag() - "true" or "false", false when absent; INPUT */
struct err *control_query_flag(const struct control_request *r, const char *name, bool *ret)
    MUST_CHECK;
/** control_body() - all of it: an object */
const json_t *control_body(const struct control_request *r);
const char *control_text(const struct control_request *r, const char *name);
bool control_bool(const struct control_request *r, const char *name);
int64_t control_number(const struct control_request *r, const char *name, int64_t otherwise);
/** control_forget_body() - wipe it now: a secret does not wait for the end of its request */
void control_forget_body(struct control_request *r);

/** control_answer() - end it with a body (taken; NULL: out of memory) */
void control_answer(struct control_request *r, int status, json_t *body);
/** control_answer_text_done() - a callback as a whole, @arg being the request: @e or @text (taken) */
void control_answer_text_done(void *arg, struct err *e, char *text);
/** control_header() - add a header to the answer, before it is given */
void control_header(struct control_request *r, const char *name, const char *value);
/** control_fail() - end it with an error (taken) */
void control_fail(struct control_request *r, struct err *e);
/** control_refuse() - the same with a status that is not the code's own */
void control_refuse(struct control_request *r, int status, struct err *e);

/**
 * control_wait() - the answer comes later; the client hears of a TIMEOUT after @ms
 * @what:    for that error: "unlock token demo" (copied)
 * @release: called once when the request ends, in whatever way: frees @arg and makes sure that no
 *           callback comes. NULL where that cannot be done: then the callback has to come some
 *           time, and to begin with control_resume()
 * Errors: BUSY (too many wait), NOMEM: no callback may come then either
 */
struct err *control_wait(struct control_request *r, int64_t ms, const char *what,
                         void (*release)(void *arg), void *arg) MUST_CHECK;
/** control_resume() - the callback came: false when nobody waits any more; the request has ended
 * then, and the other parts may be about to end too */
bool control_resume(struct control_request *r) MUST_CHECK;
/** control_came() - control_resume() with a result or @e (taken): true when there is a result and
 * somebody who wants it; else the request has ended, an error is answered */
bool control_came(struct control_request *r, struct err *e) MUST_CHECK;
/** control_answer_done() - a callback as a whole, @arg being the request: @e (taken), or 204 */
void control_answer_done(void *arg, struct err *e);

/* A waiting request may answer in lines of JSON instead (application/x-ndjson). While nothing is
 * said, heartbeats show whether the client is still there. */
/** control_line() - one line (taken; NULL is left out); the first starts the stream.
 * False: the client leaves too much unread; end it */
bool control_line(struct control_request *r, json_t *line) MUST_CHECK;
/** control_start_lines() - heartbeats begin */
struct err *control_start_lines(struct control_request *r) MUST_CHECK;
/** control_end_lines() - end it after the last line (taken) */
void control_end_lines(struct control_request *r, json_t *line);

#endif
