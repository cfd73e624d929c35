#ifndef HF_TESTS_ENROLL_SUPPORT_H
#define HF_TESTS_ENROLL_SUPPORT_H

/*
 * What the tests of enroll/ share: keys in software that sign as a token does, and a CA that makes
 * certificates as they should be, but for the one lie that a test is about.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "enroll/enroll.h"
#include "ssh/support.h"

enum { NOW = 1800000000, HOUR = 3600, DAY = 24 * HOUR };

struct keys {
    EVP_PKEY *pkey;
    struct ssh_key *public;
    enum scheme scheme;
};

static inline EVP_PKEY *make_pkey(enum ssh_key_type type, unsigned bits)
{
    static const char *const curves[] = {
        [SSH_KEY_P256] = "P-256", [SSH_KEY_P384] = "P-384", [SSH_KEY_P521] = "P-521"};

    return type == SSH_KEY_RSA       ? EVP_RSA_gen(bits)
           : type == SSH_KEY_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                     : EVP_EC_gen(curves[type]);
}

static inline struct ssh_key *public_of(EVP_PKEY *pkey, enum ssh_key_type type)
{
    struct ssh_key *key = NULL;
    BIGNUM *n = NULL, *e = NULL;
    uint8_t point[256], exponent[8], modulus[1024];
    size_t len = sizeof point;

    if (type == SSH_KEY_RSA) {
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n);
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e);
        assert_ok(ssh_key_from_rsa(view_of(modulus, (size_t)BN_bn2bin(n, modulus)),
                                   view_of(exponent, (size_t)BN_bn2bin(e, exponent)), &key));
        BN_free(n);
        BN_free(e);
    } else if (type == SSH_KEY_ED25519) {
        assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, point, &len), 1);
        assert_ok(ssh_key_from_point(type, view_of(point, len), &key));
    } else {
        assert_int_equal(EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                         sizeof point, &len),
                         1);
        assert_ok(ssh_key_from_point(type, view_of(point, len), &key));
    }
    return key;
}

static inline struct keys keys_new(enum ssh_key_type type, unsigned bits)
{
    struct keys k = {.pkey = make_pkey(type, bits)};

    assert_non_null(k.pkey);
    k.public = public_of(k.pkey, type);
    return k;
}

static inline void keys_free(struct keys *k)
{
    EVP_PKEY_free(k->pkey);
    ssh_key_free(&k->public);
}

/* As JWA has it: the hash by the kind of key, r||s of fixed width. */
static inline void sign_raw(const struct keys *k, struct view message, struct buf *out)
{
    enum ssh_key_type type = ssh_key_type(k->public);
    const EVP_MD *md = type == SSH_KEY_ED25519 ? NULL
                       : type == SSH_KEY_P384  ? EVP_sha384()
                       : type == SSH_KEY_P521  ? EVP_sha512()
                                               : EVP_sha256();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t sig[1024];
    size_t len = sizeof sig;

    assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, k->pkey), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &len, message.p, message.len), 1);
    EVP_MD_CTX_free(ctx);
    if (type == SSH_KEY_RSA || type == SSH_KEY_ED25519) {
        buf_put(out, sig, len);
        return;
    }
    const unsigned char *p = sig;
    ECDSA_SIG *ec = d2i_ECDSA_SIG(NULL, &p, (long)len);
    int width = (int)(ssh_key_bits(k->public) + 7) / 8;

    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(ec), buf_reserve(out, (size_t)width), width),
                     width);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(ec), buf_reserve(out, (size_t)width), width),
                     width);
    ECDSA_SIG_free(ec);
}

/* --- a CA ---------------------------------------------------------------------------------------- */

/** What a certificate says; by default all is as it should be. */
struct recipe {
    const char *common_name, *alt, *usage, *key_usage, *constraints, *odd;
    int64_t from, to;
    long version;
    X509 *issuer;
    EVP_PKEY *key, *signer;
};

static inline void add_ext(X509 *cert, int nid, const char *value)
{
    if (value != NULL) {
        X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

        assert_non_null(ext);
        assert_int_equal(X509_add_ext(cert, ext, -1), 1);
        X509_EXTENSION_free(ext);
    }
}

static inline X509 *bake(const struct recipe *r)
{
    static long serial = 1000;
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);

    X509_set_version(cert, r->version);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    if (r->common_name != NULL) {
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)r->common_name,
                                   -1, -1, 0);
    }
    X509_set_issuer_name(cert, r->issuer != NULL ? X509_get_subject_name(r->issuer) : name);
    ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)r->from);
    ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)r->to);
    X509_set_pubkey(cert, r->key);
    add_ext(cert, NID_subject_alt_name, r->alt);
    add_ext(cert, NID_ext_key_usage, r->usage);
    add_ext(cert, NID_key_usage, r->key_usage);
    add_ext(cert, NID_basic_constraints, r->constraints);
    add_ext(cert, NID_name_constraints, r->odd);
    assert_true(X509_sign(cert, r->signer, EVP_sha256()) > 0);
    return cert;
}

static inline char *pem_of(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *p = NULL;

    PEM_write_bio_X509(bio, cert);
    long len = BIO_get_mem_data(bio, &p);
    char *text = view_dup(view_of(p, (size_t)len));

    BIO_free(bio);
    return text;
}

/** ca_new() - a self-signed CA, good from a day ago for a year */
static inline X509 *ca_new(const char *name, EVP_PKEY *key)
{
    return bake(&(struct recipe){.common_name = name,
                                 .key_usage = "critical,keyCertSign",
                                 .constraints = "critical,CA:TRUE",
                                 .from = NOW - DAY,
                                 .to = NOW + 365 * (int64_t)DAY,
                                 .version = X509_VERSION_3,
                                 .key = key,
                                 .signer = key});
}

#endif
