#ifndef HF_VAULT_OPS_H
#define HF_VAULT_OPS_H

#include "ipc/ipc.h"
#include "vault/conf.h"

/** What the agent asks of holdfast-vault. All but the first three and STOP carry a struct vault_query. */
enum vault_op {
    VAULT_OP_CONFIGURE = 1, /* uint32 number, one server's configuration; empty answer */
    VAULT_OP_SIGN = 2,      /* one certificate */
    VAULT_OP_FORGET = 3,    /* a server; empty answer */
    VAULT_OP_CHECK = 4,     /* events: a step each; empty answer */
    VAULT_OP_MOUNTS = 5,    /* mounts */
    VAULT_OP_KV_GET = 7,    /* bool present, string text, uint64 version */
    VAULT_OP_KV_CAS = 8,    /* uint64 version */
    VAULT_OP_KV_LIST = 9,   /* events: names; empty answer */
    VAULT_OP_PKI_SIGN = 10, /* an X.509 certificate */
    VAULT_OP_REVOKE = 11,   /* empty answer */
    VAULT_OP_CA_KEY = 12,   /* string: a public key's line */
    VAULT_OP_STOP = 20,     /* a clean end: tokens of servers that want it are revoked */
};

/* Servers have numbers that are never used again; 0 is none. Requests that name a number may reach a
 * worker before the configuration has reached another: they wait for it, not longer than this. */
enum { VAULT_WORKERS = 5, VAULT_CONFIGURE_MS = 10000 };
/* After STOP: less than io/helper.c waits for an exit. */
enum { VAULT_STOP_MS = 1500 };

/** A signing request as the helper sees it: signer_request with its own memory. */
struct vault_ask {
    uint32_t server;      /* its number */
    struct mono deadline; /* one clock for the whole machine */
    enum ssh_cert_kind kind;
    int64_t ttl_s;
    char *public_key; /* "type base64" */
    char *mount;
    char *role;
    char *issuer_ref; /* NULL: the role's */
    char *key_id;     /* NULL: the server's own */
    char **principals;
    struct ssh_cert_option *critical;   /* ends with a NULL name; NULL: not asked for */
    struct ssh_cert_option *extensions; /* likewise */
    bool role_may_choose;
};

/** vault_ask_put() - the body of SIGN; @public_key is the line of @request's key */
void vault_ask_put(struct buf *b, uint32_t server, struct mono deadline, const char *public_key,
                   const struct signer_request *request);
/** vault_ask_get() - read it; on an error @ret is empty. PROTOCOL, NOMEM */
struct err *vault_ask_get(struct rd *r, struct vault_ask *ret) MUST_CHECK;
void vault_ask_deinit(struct vault_ask *a);

/** vault_answer_put() - the answer to SIGN */
void vault_answer_put(struct buf *b, const struct signer_answer *answer);
/** vault_answer_get() - read it
 * @ret:            its views live as long as the bytes of @r, its request_id as long as ...
 * @ret_request_id: ... this (caller owns)
 * Errors: PROTOCOL */
struct err *vault_answer_get(struct rd *r, struct signer_answer *ret, char **ret_request_id)
    MUST_CHECK;

#endif
