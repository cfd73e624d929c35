#ifndef HF_VAULT_PROVIDER_IMPL_H
#define HF_VAULT_PROVIDER_IMPL_H

/* What the halves of the provider share: provider.c has the keys, provider_sign.c signs. */
#include <openssl/core_dispatch.h>

#include "vault/provider.h"

/** OpenSSL wants all its functions as one type. */
#define VAULT_PROVIDER_FN(id, fn) {id, (void (*)(void))(fn)}

/** A key as our provider keeps it. Without an asker it is a public key, and no more. */
struct vault_provider_key {
    const char *type; /* "EC", "RSA", "ED25519" */
    EVP_PKEY *public_half;
    char *server, *key;
    struct vault_asker *asker; /* borrowed */
    size_t signatures;
};

/** vault_provider_scheme_of() - the scheme of this key with this hash; @hash_bits 0: that of the key
 * alone. False: there is none */
bool vault_provider_scheme_of(const EVP_PKEY *key, int hash_bits, bool is_pss, enum scheme *ret);

extern const OSSL_DISPATCH vault_provider_signature[];

#endif
