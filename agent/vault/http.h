#ifndef HF_VAULT_HTTP_H
#define HF_VAULT_HTTP_H

#include "base/base.h"

/** One worker's HTTP client; keeps its connections open between requests. Not for two threads. */
struct vault_http;

enum { VAULT_HTTP_ANSWER_MAX_BYTES = 1024 * 1024 };

/** vault_http_init() - once per program, before any thread */
struct err *vault_http_init(void) MUST_CHECK;
struct err *vault_http_new(struct vault_http **ret) MUST_CHECK;
void vault_http_free(struct vault_http **h);

struct vault_http_request {
    const char *method; /* "GET", "POST" */
    const char *url;
    const char *namespace_;     /* NULL: none */
    const char *ca_bundle;      /* NULL: the system's */
    const struct secret *token; /* NULL: none; checked to be fit for a header by the caller */
    struct view body;           /* JSON; may be empty */
    int64_t timeout_ms;         /* above 0 */
};

struct vault_http_answer {
    unsigned status;
    struct buf body;        /* secret */
    int64_t retry_after_ms; /* below 0: not said */
    bool has_date;
    struct wall date;   /* the server's clock when it answered */
    char location[256]; /* of a redirect, which is not followed; "" when none */
};

/**
 * vault_http_do() - one request, one answer: TLS 1.2 or later, no redirects, at most
 * VAULT_HTTP_ANSWER_MAX_BYTES
 * @ret: caller ends it with vault_http_answer_deinit(), after an error as well
 * Any status is an answer, not an error.
 * Errors: TIMEOUT; GONE (nobody there, connection lost); REMOTE (TLS, certificates); INPUT (the CA
 * bundle); PROTOCOL (not HTTP, too long)
 */
struct err *vault_http_do(struct vault_http *h, const struct vault_http_request *request,
                          struct vault_http_answer *ret) MUST_CHECK;
void vault_http_answer_deinit(struct vault_http_answer *a);

/** vault_http_was_unsent() - true when @e of vault_http_do() says that no byte reached a server */
bool vault_http_was_unsent(const struct err *e);

#endif
