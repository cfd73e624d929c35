#ifndef HF_VAULT_SIGN_H
#define HF_VAULT_SIGN_H

#include "vault/auth.h"
#include "vault/ops.h"

/** What Vault's answer holds, with its own memory. */
struct vault_signed {
    char *cert_line; /* as sent; not looked into */
    char *request_id;
    char *warnings; /* Vault's; NULL: none */
    int64_t skew_s;
    bool has_skew;
};

/**
 * vault_sign() - have one public key signed
 * @auth: the server's login
 * @ask:  what the agent wants
 * Errors: DENIED (policy, or the role refuses: in Vault's words), NOT_FOUND (no such mount or
 * role), INPUT (mount, role or principals that cannot be), PROTOCOL, and vault_auth_do()'s
 * Spec: Vault and OpenBao, SSH secrets engine, "Sign SSH key"
 */
struct err *vault_sign(struct vault_auth *auth, const struct vault_api *api,
                       const struct vault_ask *ask, struct vault_signed *ret) MUST_CHECK;
void vault_signed_deinit(struct vault_signed *s);

/** vault_sign_read() - take the certificate out of an answer; PROTOCOL. Written on success only */
struct err *vault_sign_read(const json_t *root, struct vault_signed *ret) MUST_CHECK;

#endif
