#ifndef HF_VAULT_LOOK_SERVE_H
#define HF_VAULT_LOOK_SERVE_H

#include "vault/auth.h"
#include "vault/query.h"

/** One request of the agent but a signature, as the helper serves it. All is borrowed. */
struct vault_look {
    struct vault_api api;
    struct vault_auth *auth;
    const struct vault_query *query;
    struct ipc_request *request;
    const struct vault_conf *configured; /* CHECK: what the API's server is a milder copy of */
};

/** The answer goes into the request's reply, or into its events; see enum vault_op. Errors: those of
 * vault_auth_do(), and what the agent's call says */
typedef struct err *vault_serve_fn(struct vault_look *look);

vault_serve_fn vault_serve_check;   /* check.c */
vault_serve_fn vault_serve_mounts;  /* mounts.c */
vault_serve_fn vault_serve_kv_get;  /* kv_serve.c */
vault_serve_fn vault_serve_kv_cas;  /* kv_serve.c */
vault_serve_fn vault_serve_kv_list; /* kv_serve.c */
vault_serve_fn vault_serve_pki;     /* pki.c */
vault_serve_fn vault_serve_revoke;  /* pki.c */
vault_serve_fn vault_serve_ca_key;  /* ca_key.c */

/** vault_send_names() - the strings of a JSON list as events; names that hold a NUL are left out */
struct err *vault_send_names(struct ipc_request *request, const json_t *list) MUST_CHECK;

/** vault_mount_type() - the type of the engine at @mount (caller owns); NULL when Vault does not
 * say. Errors: those of vault_auth_do(), but for 403 and 404 */
struct err *vault_mount_type(struct vault_look *look, const char *mount, char **ret) MUST_CHECK;

#endif
