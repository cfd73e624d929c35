#ifndef HF_CLI_HTTP_H
#define HF_CLI_HTTP_H

#include <jansson.h>

#include "base/base.h"

enum {
    HTTP_ANSWER_MAX_BYTES = 64 * 1024 * 1024,
    HTTP_TIMEOUT_S = 120,
    HTTP_SILENCE_S = 60, /* of an answer in lines, which has heartbeats */
};

/** A connection to the control socket, kept for several requests. */
struct http;

/** http_new() - nothing is connected before the first call; NOMEM */
struct err *http_new(const char *socket_path, struct http **ret) MUST_CHECK;
void http_free(struct http **h);
/** One request; see session_call(). */
struct http_request {
    const char *method, *path;
    const json_t *body;
    const char *etag;                         /* for If-Match, without quotes; NULL: none */
    void (*on_line)(void *arg, json_t *line); /* NULL: the answer is one JSON value */
    void *arg;
};

/** http_call() - @ret: the answer, NULL for an empty one; may be NULL */
struct err *http_call(struct http *h, const struct http_request *q, json_t **ret) MUST_CHECK;

#endif
