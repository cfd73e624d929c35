#ifndef HF_TESTS_REGISTRY_PEM_H
#define HF_TESTS_REGISTRY_PEM_H

/* Certificates made on the spot. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/base.h"

struct made {
    X509 *cert;
    EVP_PKEY *key;
};

static inline void made_deinit(struct made *m)
{
    X509_free(m->cert);
    EVP_PKEY_free(m->key);
}

/* @issuer NULL: self-signed. Times are seconds from now. */
static inline struct made make_cert(const char *name, const struct made *issuer, long from, long to)
{
    struct made m = {X509_new(), EVP_EC_gen("P-256")};
    X509_NAME *subject = X509_get_subject_name(m.cert);
    static long serial = 1000;

    X509_set_version(m.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(m.cert), serial++);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1,
                               0);
    X509_set_issuer_name(m.cert, issuer != NULL ? X509_get_subject_name(issuer->cert) : subject);
    X509_gmtime_adj(X509_getm_notBefore(m.cert), from);
    X509_gmtime_adj(X509_getm_notAfter(m.cert), to);
    X509_set_pubkey(m.cert, m.key);
    X509_sign(m.cert, issuer != NULL ? issuer->key : m.key, EVP_sha256());
    return m;
}

static inline char *bio_text(BIO *b)
{
    char *data = NULL;
    long len = BIO_get_mem_data(b, &data);
    char *text = view_dup(view_of(data, (size_t)len));

    BIO_free(b);
    return text;
}

static inline char *pem_of(const struct made *m)
{
    BIO *b = BIO_new(BIO_s_mem());

    PEM_write_bio_X509(b, m->cert);
    return bio_text(b);
}

static inline char *key_pem_of(const struct made *m)
{
    BIO *b = BIO_new(BIO_s_mem());

    PEM_write_bio_PrivateKey(b, m->key, NULL, NULL, 0, NULL, NULL);
    return bio_text(b);
}

/* A body for a certificate (caller owns). */
static inline char *pem_body(const char *name, const char *pem)
{
    json_t *j = json_pack("{s:s, s:{s:s}}", "name", name, "spec", "pem", pem);
    char *text = json_dumps(j, 0);

    json_decref(j);
    return text;
}

enum { DAY = 24 * 3600 };

#endif
