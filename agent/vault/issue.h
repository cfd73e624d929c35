#ifndef HF_VAULT_ISSUE_H
#define HF_VAULT_ISSUE_H

#include "vault/look.h"

/*
 * X.509 certificates out of a PKI engine, and the end of a login. Handles, errors and borrowing as in
 * look.h.
 */

/** A certificate signing request. All is borrowed. */
struct vault_pki_request {
    struct vault_target target;
    const char *mount, *role;
    const char *csr_pem;
    const char *common_name;
    char *const *alt_names; /* "DNS:a", "IP:10.0.0.1", "email:a@b", "URI:..."; NULL: none */
    int64_t ttl_s;          /* 0: the role's */
    struct mono deadline;
};

/** What came back, as it came: whether it is what was asked for is for the caller to prove. */
struct vault_pki_answer {
    const char *cert_pem;
    const char *chain_pem; /* the issuer first, then who stands above; "" where none came */
    const char *serial;
};
typedef void vault_pki_fn(void *arg, struct err *e, const struct vault_pki_answer *answer);

/** vault_pki_sign() - have a request signed by a role of a PKI engine
 * Errors: DENIED (policy, or the role refuses: in Vault's words), NOT_FOUND (no such server, mount or
 * role), INPUT (mount or role that cannot be), those of a login
 * Spec: Vault and OpenBao, PKI secrets engine, "Sign certificate" */
uint64_t vault_pki_sign(struct vault *v, const struct vault_pki_request *q, vault_pki_fn *on_done,
                        void *arg);

/** vault_revoke() - end the Vault token that a login gave: that of the server, or what a login with the
 * target's configuration gives, such as an unwrapped token. One that was handed over is left alone */
uint64_t vault_revoke(struct vault *v, const struct vault_target *target, struct mono deadline,
                      vault_done_fn *on_done, void *arg);

#endif
