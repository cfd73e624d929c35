/*
 * From the parts of a public key to OpenSSL's EVP_PKEY. All validation of keys happens here and
 * once: what leaves this file is a key that can be used without another look, because looking again
 * costs more than a signature (a scalar multiplication for each use in other agents).
 *
 * It must never let a point through that is not on its curve. OpenSSL checks that for the NIST
 * curves while it decodes the point (their cofactor is 1, so no more is needed), but takes any 32
 * bytes for an Ed25519 key: that check is done here, with big numbers and no secret in sight.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "ssh/key_priv.h"

enum { RSA_EXPONENT_MAX_BITS = 64 }; /* OpenSSL's own limit above 3072 bits */

static void bn_free(BIGNUM **bn)
{
    BN_free(take(bn));
}

static void bn_ctx_free(BN_CTX **ctx)
{
    BN_CTX_free(take(ctx));
}

static void param_bld_free(OSSL_PARAM_BLD **bld)
{
    OSSL_PARAM_BLD_free(take(bld));
}

static void params_free(OSSL_PARAM **params)
{
    OSSL_PARAM_free(take(params));
}

static void pkey_ctx_free(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(take(ctx));
}

static struct err *from_params(const char *type, OSSL_PARAM *params, EVP_PKEY **ret)
{
    AUTO(pkey_ctx_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1) {
        return err_openssl(ERR_UNSUPPORTED, "OpenSSL has no %s keys", type);
    }
    if (EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        return err_openssl(ERR_PROTOCOL, "not a valid %s key", type);
    }
    *ret = pkey;
    return NULL;
}

static struct err *check_rsa(const BIGNUM *n, const BIGNUM *e)
{
    int bits = BN_num_bits(n);

    if (bits < SSH_RSA_MIN_BITS || bits > SSH_RSA_MAX_BITS) {
        return err_new(ERR_UNSUPPORTED, "an RSA key of %d bits; it must have %d to %d", bits,
                       SSH_RSA_MIN_BITS, SSH_RSA_MAX_BITS);
    }
    if (BN_num_bits(e) > RSA_EXPONENT_MAX_BITS) {
        return err_new(ERR_UNSUPPORTED, "an RSA exponent of %d bits; %d at most", BN_num_bits(e),
                       RSA_EXPONENT_MAX_BITS);
    }
    if (!BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e)) {
        return err_new(ERR_PROTOCOL, "an RSA key with an impossible modulus or exponent");
    }
    return NULL;
}

struct err *ssh_evp_rsa(struct view n_bytes, struct view e_bytes, EVP_PKEY **ret)
{
    if (n_bytes.len > SSH_BLOB_MAX_BYTES || e_bytes.len > SSH_BLOB_MAX_BYTES) {
        return err_new(ERR_LIMIT, "an RSA key is larger than %d bytes", SSH_BLOB_MAX_BYTES);
    }
    AUTO(bn_free) BIGNUM *n = BN_bin2bn(n_bytes.p, (int)n_bytes.len, NULL);
    AUTO(bn_free) BIGNUM *e = BN_bin2bn(e_bytes.p, (int)e_bytes.len, NULL);
    AUTO(param_bld_free) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    AUTO(params_free) OSSL_PARAM *params = NULL;

    if (n == NULL || e == NULL || bld == NULL) {
        return err_nomem();
    }
    struct err *error = check_rsa(n, e);

    if (error != NULL) {
        return error;
    }
    if (OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) != 1 ||
        (params = OSSL_PARAM_BLD_to_param(bld)) == NULL) {
        return err_nomem();
    }
    return from_params("RSA", params, ret);
}

struct err *ssh_evp_ec(const char *group, struct view point, EVP_PKEY **ret)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point.p, point.len),
        OSSL_PARAM_construct_end(),
    };

    if (point.len == 0 || point.p[0] != POINT_CONVERSION_UNCOMPRESSED) {
        return err_new(ERR_PROTOCOL, "an EC point that is not in uncompressed form");
    }
    return from_params("EC", params, ret);
}

/*
 * Is there an x to this y, and has the point a large order? With s = y² the curve equation
 * -x² + s = 1 + d x² s gives x² = (s - 1) / (d s + 1): there is one where (s - 1)(d s + 1) is a
 * square. The points of order 1 and 2 have s = 1, those of order 4 have s = 0, and those of order 8
 * double to y = 0, which is d s² + 2 s - 1 = 0. Under such a key one signature fits many messages.
 * All of that is: with num = s - 1 and den = d s + 1, neither s nor s den + num is zero, and num den
 * is a square and not zero.
 * Spec: RFC 8032, 5.1 (p, d) and 5.1.3 (decoding)
 */
static bool is_good_y(const BIGNUM *y, BN_CTX *ctx)
{
    static const char p_hex[] = "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFED";
    static const char d_hex[] = "52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3";
    BIGNUM *p = BN_CTX_get(ctx), *d = BN_CTX_get(ctx), *s = BN_CTX_get(ctx);
    BIGNUM *num = BN_CTX_get(ctx), *den = BN_CTX_get(ctx), *t = BN_CTX_get(ctx);

    if (t == NULL || BN_hex2bn(&p, p_hex) == 0 || BN_hex2bn(&d, d_hex) == 0 || BN_cmp(y, p) >= 0) {
        return false;
    }
    bool done = BN_mod_sqr(s, y, p, ctx) && BN_mod_sub(num, s, BN_value_one(), p, ctx) &&
                BN_mod_mul(den, d, s, p, ctx) && BN_mod_add(den, den, BN_value_one(), p, ctx) &&
                BN_mod_mul(t, s, den, p, ctx) && BN_mod_add(t, t, num, p, ctx);

    if (!done || BN_is_zero(s) || BN_is_zero(t)) {
        return false;
    }
    return BN_mod_mul(t, num, den, p, ctx) && BN_kronecker(t, p, ctx) == 1;
}

struct err *ssh_evp_ed25519(struct view point, EVP_PKEY **ret)
{
    AUTO(bn_ctx_free) BN_CTX *ctx = BN_CTX_new();
    AUTO(bn_free) BIGNUM *y = NULL;
    uint8_t bytes[32];
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point.p, point.len),
        OSSL_PARAM_construct_end(),
    };

    if (point.len != sizeof bytes) {
        return err_new(ERR_PROTOCOL, "an Ed25519 key of %zu bytes", point.len);
    }
    memcpy(bytes, point.p, sizeof bytes);
    bytes[31] &= 0x7f; /* the sign of x: both exist where one does */
    y = BN_lebin2bn(bytes, sizeof bytes, NULL);
    if (ctx == NULL || y == NULL) {
        return err_nomem();
    }
    BN_CTX_start(ctx);
    bool good = is_good_y(y, ctx);

    BN_CTX_end(ctx);
    if (!good) {
        ERR_clear_error();
        return err_new(ERR_PROTOCOL, "an Ed25519 key that is no usable point of its curve");
    }
    return from_params("ED25519", params, ret);
}
