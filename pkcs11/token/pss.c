/*
 * The padding of RSASSA-PSS for tokens whose RSA knows nothing but raw numbers.
 *
 * The padding is OpenSSL's. It has that only beside its old RSA functions, deprecated but part of
 * every 3.x, and wants a key: all that it looks at is how long the modulus is, so it gets one of
 * that length which is nobody's.
 *
 * Spec: RFC 8017, 9.1.1 (EMSA-PSS-ENCODE)
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "pkcs11/token/priv.h"

static RSA *any_key(unsigned bits)
{
    RSA *rsa = RSA_new();
    BIGNUM *n = BN_new();
    BIGNUM *e = BN_new();
    bool ok = rsa != NULL && n != NULL && e != NULL && BN_set_bit(n, (int)bits - 1) == 1 &&
              BN_set_word(e, RSA_F4) == 1 && RSA_set0_key(rsa, n, e, NULL) == 1;

    if (!ok) {
        BN_free(n);
        BN_free(e);
        RSA_free(rsa);
        return NULL;
    }
    return rsa;
}

struct err *pss_encode(unsigned hash, const uint8_t *digest, unsigned bits, uint8_t *out)
{
    const EVP_MD *md = session_hash(hash);
    RSA *rsa = any_key(bits);
    bool ok = rsa != NULL &&
              RSA_padding_add_PKCS1_PSS_mgf1(rsa, out, digest, md, md, RSA_PSS_SALTLEN_DIGEST) == 1;

    RSA_free(rsa);
    return ok ? NULL : err_openssl(ERR_BUG, "PSS padding");
}
