#ifndef HF_VAULT_OPS_H
#define HF_VAULT_OPS_H

#include "ipc/ipc.h"
#include "vault/vault.h"

/** What the agent asks of holdfast-vault. */
enum vault_op {
    VAULT_OP_CONFIGURE = 1, /* all servers; once, before anything else; empty answer */
    VAULT_OP_SIGN = 2,      /* one certificate */
};

enum { VAULT_WORKERS = 4 };

/** vault_conf_copy() - a deep copy; on an error @ret is empty. NOMEM */
struct err *vault_conf_copy(const struct vault_conf *from, struct vault_conf *ret) MUST_CHECK;
/** vault_conf_deinit() - frees the strings and the secret of a copy and empties it */
void vault_conf_deinit(struct vault_conf *c);
/** vault_confs_free() - a list that vault_confs_get() made */
void vault_confs_free(struct vault_conf **list, size_t n);

/** vault_confs_put() - the body of CONFIGURE; @b should be marked secret */
void vault_confs_put(struct buf *b, const struct vault_conf *conf, size_t n);
/** vault_confs_get() - read it; the caller frees with vault_confs_free(). PROTOCOL, LIMIT, NOMEM */
struct err *vault_confs_get(struct rd *r, struct vault_conf **ret, size_t *ret_n) MUST_CHECK;

/** A signing request as the helper sees it: signer_request with its own memory. */
struct vault_ask {
    uint32_t server;      /* index into CONFIGURE's list */
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
