#ifndef HF_TESTS_PKCS11_X509_MAKE_H
#define HF_TESTS_PKCS11_X509_MAKE_H

/* Certificates for a public key, as a CA would make them: it never sees the private half. */
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "ssh/ssh.h"

static inline void x509_name(X509_NAME *name, const char *cn)
{
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0),
        1);
}

/** x509_make() - a certificate for @key in DER, written to @out (initialised here) */
static inline void x509_make(const struct ssh_key *key, long serial, struct buf *out)
{
    EVP_PKEY *ca = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    unsigned char *der = NULL;

    buf_init(out, 0);
    assert_non_null(ca);
    assert_non_null(x);
    assert_int_equal(X509_set_version(x, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), serial), 1);
    x509_name(X509_get_issuer_name(x), "holdfast test CA");
    x509_name(X509_get_subject_name(x), "agent.example");
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
    assert_int_equal(X509_set_pubkey(x, ssh_key_evp(key)), 1);
    assert_true(X509_sign(x, ca, EVP_sha256()) > 0);
    int len = i2d_X509(x, &der);

    assert_true(len > 0);
    buf_put(out, der, (size_t)len);
    assert_null(buf_check(out, "a certificate"));
    OPENSSL_free(der);
    X509_free(x);
    EVP_PKEY_free(ca);
}

#endif
