#ifndef HF_VAULT_HTTP_H
#define HF_VAULT_HTTP_H

#include "vault/client_cert.h"

/** One worker's HTTP client. Not for two threads; the connections, which stay open between requests, are
 * a pool's. */
struct vault_http;

struct vault_peer;
struct vault_pool;

enum {
    VAULT_HTTP_ANSWER_MAX_BYTES = 1024 * 1024,
    VAULT_HTTP_LONG_MAX_BYTES = 8 * 1024 * 1024, /* lists of names */
};

/** vault_http_init() - once per program, before any thread */
struct err *vault_http_init(void) MUST_CHECK;
struct err *vault_http_new(struct vault_http **ret) MUST_CHECK;
void vault_http_free(struct vault_http **h);

struct vault_http_request {
    const char *method; /* "GET", "POST" */
    const char *url;
    const char *connect_to;        /* "::host:port" to connect to in place of the URL's, whose name
                                   is verified and sent as SNI all the same; NULL: the URL's */
    const char *namespace_;        /* NULL: none */
    const char *ca_bundle;         /* file; NULL: ... */
    const char *ca_pem;            /* ... this text; NULL: the system's */
    struct vault_pool *pool;       /* of the server: see struct vault_link */
    struct vault_client_cert cert; /* what to show of us */
    int ask_fd;                    /* this thread's, for signatures; see vault_ask_signature() */
    bool proves_key;               /* a new connection is made for it */
    const char *proxy, *no_proxy;  /* as libcurl has them; NULL: the environment's */
    const struct secret *token;    /* NULL: none; checked to be fit for a header by the caller */
    struct view body;              /* JSON; may be empty */
    int64_t timeout_ms;            /* above 0 */
    int64_t connect_timeout_ms;    /* 0: as above */
    bool is_long;                  /* the answer may have VAULT_HTTP_LONG_MAX_BYTES */
    struct vault_peer *peer; /* a new connection is made and described here; NULL: no matter */
};

struct vault_http_answer {
    unsigned status;
    bool key_signed;        /* its connection was made with a signature by the key of .cert */
    bool unsent;            /* after an error: no byte of the request has reached a server */
    struct buf body;        /* secret */
    int64_t retry_after_ms; /* below 0: not said */
    bool has_date;
    struct wall date;   /* the server's clock when it answered */
    char location[256]; /* of a redirect, which is not followed; "" when none */
};

/**
 * vault_http_do() - one request, one answer: TLS 1.2 or later, no redirects, an answer of
 * VAULT_HTTP_ANSWER_MAX_BYTES at most, unless it may be long
 * @ret: caller ends it with vault_http_answer_deinit(), after an error as well
 * Any status is an answer, not an error.
 * Errors: TIMEOUT; GONE (nobody there, connection lost); REMOTE (TLS, certificates); INPUT (the CA
 * certificates); PROTOCOL (not HTTP, too long); and why a
 * signature was not given
 */
struct err *vault_http_do(struct vault_http *h, const struct vault_http_request *request,
                          struct vault_http_answer *ret) MUST_CHECK;
void vault_http_answer_deinit(struct vault_http_answer *a);

#endif
