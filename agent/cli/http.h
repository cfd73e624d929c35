#ifndef HF_CLI_HTTP_H
#define HF_CLI_HTTP_H

#include <jansson.h>

#include "base/base.h"

enum { HTTP_ANSWER_MAX_BYTES = 64 * 1024 * 1024, HTTP_TIMEOUT_S = 120 };

/** A connection to the control socket, kept for several requests. */
struct http;

/** http_new() - nothing is connected before the first call; NOMEM */
struct err *http_new(const char *socket_path, struct http **ret) MUST_CHECK;
void http_free(struct http **h);
/** http_call() - see session_call(); @on_line NULL: the whole answer as one JSON value in @ret */
struct err *http_call(struct http *h, const char *method, const char *path, const json_t *body,
                      void (*on_line)(void *arg, json_t *line), void *arg, json_t **ret) MUST_CHECK;

#endif
