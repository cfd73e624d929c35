#ifndef HF_VAULT_SIGN_H
#define HF_VAULT_SIGN_H

#include "vault/auth.h"
#include "vault/ops.h"

enum { VAULT_SIGN_CHOICE_MS = 60 * 60 * 1000 };

/** What Vault's answer holds, with its own memory. */
struct vault_signed {
    char *cert_line; /* as sent; not looked into */
    char *request_id;
    char *warnings; /* Vault's; NULL: none */
    int64_t skew_s;
    bool has_skew;
    bool role_chose; /* see struct signer_answer */
};

/**
 * vault_sign() - have one public key signed
 * @auth: the server's login
 * @ask:  what the agent wants
 * Where a role does not let its extensions be chosen, and may do so, it is asked once more as it gives
 * by itself; that is remembered for VAULT_SIGN_CHOICE_MS, so that the next request is one.
 * Errors: DENIED (policy, or the role refuses: in Vault's words), NOT_FOUND (no such mount, role or
 * issuer), INPUT (mount, role or principals that cannot be; another issuer signed), PROTOCOL, and
 * vault_auth_do()'s
 * Spec: Vault and OpenBao, SSH secrets engine, "Sign SSH key"
 */
struct err *vault_sign(struct vault_auth *auth, const struct vault_api *api,
                       const struct vault_ask *ask, struct vault_signed *ret) MUST_CHECK;
void vault_signed_deinit(struct vault_signed *s);

/** vault_sign_read() - take the certificate out of an answer; PROTOCOL. Written on success only */
struct err *vault_sign_read(const json_t *root, struct vault_signed *ret) MUST_CHECK;

#endif
