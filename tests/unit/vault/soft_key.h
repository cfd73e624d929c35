#ifndef HF_TESTS_VAULT_SOFT_KEY_H
#define HF_TESTS_VAULT_SOFT_KEY_H

/* Signs as a token does, with a key of OpenSSL's: what scheme.h says, r||s and all. */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/base.h"

static bool soft_is_pss(enum scheme s)
{
    return s == SCHEME_PS256 || s == SCHEME_PS384 || s == SCHEME_PS512;
}

static const EVP_MD *soft_hash(enum scheme s)
{
    const char *digits = scheme_name(s) + 2;

    return s == SCHEME_EDDSA            ? NULL
           : strcmp(digits, "256") == 0 ? EVP_sha256()
           : strcmp(digits, "384") == 0 ? EVP_sha384()
                                        : EVP_sha512();
}

/* DER becomes r||s, each as wide as the curve. */
static bool soft_flatten(int curve_bits, const uint8_t *der, size_t len, struct buf *out)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    int width = (curve_bits + 7) / 8;
    uint8_t *p = sig != NULL ? buf_reserve(out, 2 * (size_t)width) : NULL;
    bool good = p != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), p, width) == width &&
                BN_bn2binpad(ECDSA_SIG_get0_s(sig), p + width, width) == width;

    ECDSA_SIG_free(sig);
    return good;
}

/* False where this key does not sign so: a curve has one hash, as in JWA. */
static bool soft_sign(EVP_PKEY *key, enum scheme scheme, struct view message, struct buf *out)
{
    uint8_t sig[1024];
    size_t len = sizeof sig;
    EVP_PKEY_CTX *ctx = NULL;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool is_ec = EVP_PKEY_is_a(key, "EC");
    const EVP_MD *hash = soft_hash(scheme);
    bool good = EVP_DigestSignInit(md, &ctx, hash, NULL, key) == 1;

    if (is_ec) {
        good = good && scheme_name(scheme)[0] == 'E' && hash != NULL &&
               (EVP_PKEY_get_bits(key) == 521 ? 512 : EVP_PKEY_get_bits(key)) ==
                   EVP_MD_get_size(hash) * 8;
    }
    if (good && soft_is_pss(scheme)) {
        good = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
    }
    good = good && EVP_DigestSign(md, sig, &len, message.p, message.len) == 1;
    EVP_MD_CTX_free(md);
    if (good && is_ec) {
        return soft_flatten(EVP_PKEY_get_bits(key), sig, len, out);
    }
    buf_put(out, sig, good ? len : 0);
    return good;
}

#endif
