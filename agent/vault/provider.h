#ifndef HF_VAULT_PROVIDER_H
#define HF_VAULT_PROVIDER_H

#include <openssl/evp.h>

#include "vault/ask.h"

/** Asks for a signature: see vault_ask_signature() */
typedef struct err *vault_asker_fn(void *arg, const struct vault_question *q, struct mono deadline,
                                   struct buf *sig);

/** One thread's way to have something signed. It outlives the keys that were made for it. */
struct vault_asker {
    vault_asker_fn *ask;
    void *arg;
    struct mono deadline; /* of the request that is going on */
    struct err *refusal;  /* why the last signature was not given; owned; NULL: it was */
};

/** vault_provider_init() - once per program, before any thread */
struct err *vault_provider_init(void) MUST_CHECK;

/** vault_provider_public() - a SubjectPublicKeyInfo in PEM as a key (caller: EVP_PKEY_free())
 * Errors: INPUT (no public key); UNSUPPORTED (of a kind that vault_provider_scheme() has nothing for) */
struct err *vault_provider_public(const char *pem, EVP_PKEY **ret) MUST_CHECK;
/** vault_provider_key() - a key that signs by @asker, for the thread of @asker only
 * @public_half:  EC on P-256, P-384 or P-521, RSA or Ed25519 (borrowed)
 * @server, @key: the agent's names for the Vault server and for the key (copied)
 * @ret:          caller: EVP_PKEY_free()
 * Nothing gives its private half away: there is none here. BUG, NOMEM */
struct err *vault_provider_key(EVP_PKEY *public_half, const char *server, const char *key,
                               struct vault_asker *asker, EVP_PKEY **ret) MUST_CHECK;
/** vault_provider_signed() - has this key signed anything? False for a key that is not ours, or NULL */
bool vault_provider_signed(const EVP_PKEY *key);
/** vault_provider_scheme() - how a key signs that may choose: ECDSA with the hash of its curve's
 * size, RSA PKCS#1 with SHA-256, Ed25519; false: not at all */
bool vault_provider_scheme(const EVP_PKEY *key, enum scheme *ret);

/** vault_asker_deinit() - frees its refusal */
void vault_asker_deinit(struct vault_asker *a);

#endif
