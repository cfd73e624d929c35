#ifndef HF_VAULT_API_H
#define HF_VAULT_API_H

#include <jansson.h>
#include <stdatomic.h>

#include "vault/conf.h"
#include "vault/http.h"

/** What all workers share of one server as it is configured now. */
struct vault_link {
    struct vault_pool *pool;
    struct vault_memo *memo;
    atomic_llong skew_s; /* how far its clock is ahead of ours, when it answered last */
    atomic_bool has_skew;
    atomic_llong not_before_ms; /* until then (struct mono) it wants to be left alone, ... */
    atomic_uint told_with;      /* ... as it said with this HTTP status */
};

/** Who calls, on behalf of one request of the agent. All is borrowed. */
struct vault_api {
    struct vault_http *http;
    const struct vault_conf *server;
    struct mono deadline; /* for all calls together */
    bool sealed_is_final; /* who asks would rather know that Vault is sealed than wait */
    atomic_uint *good;    /* which of its addresses answered last; shared by all workers */
    struct vault_link *link;
    int ask_fd; /* this thread's socket for vault_ask_signature(); -1: none */
};

struct vault_api_call {
    const char *method;         /* "GET", "POST" */
    const char *path;           /* "/sys/mounts", as vault_url_path() writes it */
    const char *query;          /* "list=true"; NULL: none */
    const struct secret *token; /* NULL: none */
    const json_t *body;         /* NULL: none */
    bool once;                  /* never sent again once it may have reached a server */
    unsigned *sends;     /* grows with each try that may have reached a server; NULL: no matter */
    bool may_be_refused; /* a 403 says something of policy, and nothing against the token */
    bool proves_key;     /* over a new connection; answered without the client certificate's key
                            having signed, it fails: DENIED */
    bool is_long;        /* see struct vault_http_request */
};

struct vault_api_answer {
    json_t *root; /* an object; NULL when the server had nothing to say (204) */
    int64_t skew_s;
    bool has_skew;
};

/** vault_api_init() - once per program, before any thread: JSON memory is wiped when freed */
void vault_api_init(void);

/**
 * vault_api_do() - a call to Vault, repeated where that helps and time allows
 * Of several addresses the last good one is asked first; one that is unreachable, sealed, or sends
 * elsewhere is passed over for the next at once. Each gets 3 s to be connected to, where there are more.
 * Who asks to be left alone (Retry-After) hears of no worker until then, for an hour at most: what would
 * take too long to wait for fails at once, and says so with the patience of base/patience.h.
 * @ret: the answer (caller ends it with vault_api_answer_deinit()), written on success only
 * Errors carry Vault's own words and the HTTP status: DENIED (400, 403), NOT_FOUND (404),
 * UNSUPPORTED (405), BUSY (429), REMOTE (5xx, redirects), PROTOCOL (not Vault's JSON); and
 * those of vault_http_do()
 */
struct err *vault_api_do(const struct vault_api *api, const struct vault_api_call *call,
                         struct vault_api_answer *ret) MUST_CHECK;
void vault_api_answer_deinit(struct vault_api_answer *a);

/** vault_api_read() - judge a status and parse a body: what vault_api_do() does with each answer
 * @ret: the object, or NULL for an empty one (caller owns), written on success only */
struct err *vault_api_read(unsigned status, struct view body, json_t **ret) MUST_CHECK;

/** vault_api_warnings() - what Vault says beside an answer, as one line (caller owns); NULL: nothing */
char *vault_api_warnings(const json_t *root);

/** vault_api_is_forbidden() - is this Vault's 403 */
bool vault_api_is_forbidden(const struct err *e);
/** vault_api_is_sealed() - is this a sealed server's word; false for NULL */
bool vault_api_is_sealed(const struct err *e);
/** vault_api_is_status() - did an answer with this HTTP status cause @e; false for NULL */
bool vault_api_is_status(const struct err *e, unsigned status);

/** vault_api_ask() - vault_api_do() with a path of parts, each as vault_url_path() takes it
 * @call:  its path is filled in here
 * @parts: NULL-terminated; INPUT for what cannot be a path */
struct err *vault_api_ask(const struct vault_api *api, const struct vault_api_call *call,
                          const char *const parts[], struct vault_api_answer *ret) MUST_CHECK;

/** vault_api_request() - where a request to address @i of @server goes, and whom it trusts
 * @url, @connect_to: initialised; @ret borrows from them and from @server */
struct err *vault_api_request(const struct vault_conf *server, size_t i, const char *path,
                              const char *query, struct buf *url, struct buf *connect_to,
                              struct vault_http_request *ret) MUST_CHECK;

/** vault_json_text() - the string at @object.@name (borrowed); PROTOCOL when there is none */
struct err *vault_json_text(const json_t *object, const char *name, const char **ret) MUST_CHECK;
/** vault_json_free() - for AUTO() */
void vault_json_free(json_t **j);

#endif
