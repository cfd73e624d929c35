#ifndef HF_VAULT_ISSUER_H
#define HF_VAULT_ISSUER_H

#include "vault/api.h"

/** vault_ca_key_get() - the public key of an SSH engine's CA, from where Vault shows it to anybody: no
 * login is made
 * @issuer: id or name; NULL: the engine's default
 * @line:   initialised; the key's line goes there, no newline, no NUL
 * Errors: INPUT (what cannot be a path), NOT_FOUND or DENIED (no such mount or issuer, in Vault's
 * words), PROTOCOL, and those of vault_http_do() */
struct err *vault_ca_key_get(const struct vault_api *api, const char *mount, const char *issuer,
                             struct buf *line) MUST_CHECK;

/** One issuer of an SSH engine, which has to sign. */
struct vault_issuer {
    const char *mount, *name; /* borrowed */
    struct ssh_key *key;
    bool is_fresh; /* not from memory */
};

enum { VAULT_ISSUER_MS = 10 * 60 * 1000 };

/** vault_issuer_find() - its public key, remembered for VAULT_ISSUER_MS. Errors: vault_ca_key_get()'s */
struct err *vault_issuer_find(const struct vault_api *api, const char *mount, const char *name,
                              struct vault_issuer *ret) MUST_CHECK;
/** vault_issuer_proves() - did it sign this certificate; its key is fetched anew before that is denied
 * @role: that gave the certificate, for the words
 * Errors: INPUT (another one did: with both, and what mends it), PROTOCOL (no certificate) */
struct err *vault_issuer_proves(struct vault_issuer *i, const struct vault_api *api,
                                const char *role, const char *cert_line) MUST_CHECK;
void vault_issuer_deinit(struct vault_issuer *i);

#endif
