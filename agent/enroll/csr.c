/*
 * A certificate signing request for a key that is not here. OpenSSL writes it and checks it, the token
 * signs it: between the two stands one message, the CertificationRequestInfo, which goes to the token
 * whole, so that whoever signs can see what it is.
 *
 * It must never leave this file with a signature that does not verify: a server's answer to such a
 * request would blame the wrong one.
 */
#include "enroll/csr.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "enroll/names.h"

enum { RSA_MIN_BITS = 2048, RSA_MAX_BITS = 4096 };

/* How each kind of key signs; RSA with PKCS#1 v1.5, because every CA takes that. */
static const struct {
    enum scheme scheme;
    int nid, parameter;
} ways[] = {
    [SSH_KEY_RSA] = {SCHEME_RS256, NID_sha256WithRSAEncryption, V_ASN1_NULL},
    [SSH_KEY_P256] = {SCHEME_ES256, NID_ecdsa_with_SHA256, V_ASN1_UNDEF},
    [SSH_KEY_P384] = {SCHEME_ES384, NID_ecdsa_with_SHA384, V_ASN1_UNDEF},
    [SSH_KEY_P521] = {SCHEME_ES512, NID_ecdsa_with_SHA512, V_ASN1_UNDEF},
    [SSH_KEY_ED25519] = {SCHEME_EDDSA, NID_ED25519, V_ASN1_UNDEF},
};

struct enroll_csr {
    struct ssh_key *key;
    X509_REQ *req;
    uint8_t *tbs; /* OpenSSL's */
    int tbs_len;
};

static void req_free(X509_REQ **r)
{
    X509_REQ_free(take(r));
}

static void extensions_free(STACK_OF(X509_EXTENSION) * *list)
{
    sk_X509_EXTENSION_pop_free(take(list), X509_EXTENSION_free);
}

static void bio_free(BIO **b)
{
    BIO_free(take(b));
}

void enroll_csr_free(struct enroll_csr **cp)
{
    struct enroll_csr *c = take(cp);

    if (c != NULL) {
        ssh_key_free(&c->key);
        X509_REQ_free(c->req);
        OPENSSL_free(c->tbs);
        free(c);
    }
}

struct err *enroll_csr_scheme(const struct ssh_key *key, enum scheme *ret)
{
    enum ssh_key_type type = ssh_key_type(key);
    unsigned bits = ssh_key_bits(key);

    if (type == SSH_KEY_RSA && (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS)) {
        return err_new(ERR_UNSUPPORTED, "an RSA key of %u bits: for X.509 it has to have %d to %d",
                       bits, RSA_MIN_BITS, RSA_MAX_BITS);
    }
    *ret = ways[type].scheme;
    return NULL;
}

static struct err *add_names(X509_REQ *req, const struct enroll_subject *s)
{
    AUTO(enroll_names_free) GENERAL_NAMES *names = NULL;
    AUTO(extensions_free) STACK_OF(X509_EXTENSION) *list = NULL;
    struct err *e = enroll_names_general(s, &names);

    if (e != NULL || names == NULL) {
        return e;
    }
    return X509V3_add1_i2d(&list, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1 &&
                   X509_REQ_add_extensions(req, list) == 1
               ? NULL
               : err_openssl(ERR_NOMEM, "write the alternative names");
}

static struct err *write_request(X509_REQ *req, const struct ssh_key *key,
                                 const struct enroll_subject *s)
{
    const unsigned char *cn = (const unsigned char *)s->common_name;
    X509_NAME *name = X509_REQ_get_subject_name(req);
    const ASN1_OBJECT *how = OBJ_nid2obj(ways[ssh_key_type(key)].nid);
    X509_ALGOR *algorithm = X509_ALGOR_new();

    if (algorithm == NULL || X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
        X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, cn, -1, -1, 0) != 1 ||
        X509_REQ_set_pubkey(req, ssh_key_evp(key)) != 1 ||
        X509_ALGOR_set0(algorithm, (ASN1_OBJECT *)how, ways[ssh_key_type(key)].parameter, NULL) !=
            1 ||
        X509_REQ_set1_signature_algo(req, algorithm) != 1) {
        X509_ALGOR_free(algorithm);
        return err_openssl(ERR_INPUT, "write a certificate request for \"%s\"", s->common_name);
    }
    X509_ALGOR_free(algorithm);
    return add_names(req, s);
}

struct err *enroll_csr_new(const struct ssh_key *key, const struct enroll_subject *subject,
                           struct enroll_csr **ret)
{
    AUTO(enroll_csr_free) struct enroll_csr *c = calloc(1, sizeof *c);
    enum scheme scheme;
    struct err *e = enroll_names_check(subject);

    if (e == NULL) {
        e = enroll_csr_scheme(key, &scheme);
    }
    if (e != NULL) {
        return e;
    }
    if (c == NULL || (c->req = X509_REQ_new()) == NULL) {
        return err_nomem();
    }
    c->key = ssh_key_copy(key);
    e = write_request(c->req, key, subject);
    if (e != NULL) {
        return e;
    }
    c->tbs_len = i2d_re_X509_REQ_tbs(c->req, &c->tbs);
    if (c->tbs_len <= 0) {
        return err_openssl(ERR_NOMEM, "write a certificate request");
    }
    *ret = take(&c);
    return NULL;
}

struct view enroll_csr_message(const struct enroll_csr *c)
{
    return view_of(c->tbs, (size_t)c->tbs_len);
}

static struct err *put_signature(struct enroll_csr *c, struct view raw)
{
    AUTO(buf_deinit) struct buf der;
    enum ssh_key_type type = ssh_key_type(c->key);
    size_t half = raw.len / 2;
    struct err *e = NULL;

    buf_init(&der, 0);
    if (type == SSH_KEY_P256 || type == SSH_KEY_P384 || type == SSH_KEY_P521) {
        e = ssh_sig_put_der(&der, view_of(raw.p, half), view_of(raw.p + half, half));
        raw = buf_view(&der);
    }
    if (e != NULL) {
        return e;
    }
    ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();

    if (bits == NULL || ASN1_BIT_STRING_set(bits, (unsigned char *)raw.p, (int)raw.len) != 1) {
        ASN1_BIT_STRING_free(bits);
        return err_nomem();
    }
    bits->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 7);
    bits->flags |= ASN1_STRING_FLAG_BITS_LEFT; /* no unused bits, whatever the last byte is */
    X509_REQ_set0_signature(c->req, bits);
    return NULL;
}

static struct err *write_pem(X509_REQ *req, char **ret)
{
    AUTO(bio_free) BIO *bio = BIO_new(BIO_s_mem());
    char *p = NULL;

    if (bio == NULL || PEM_write_bio_X509_REQ(bio, req) != 1) {
        return err_openssl(ERR_NOMEM, "write a certificate request");
    }
    long len = BIO_get_mem_data(bio, &p);

    *ret = view_dup(view_of(p, (size_t)len));
    return *ret != NULL ? NULL : err_nomem();
}

struct err *enroll_csr_finish(struct enroll_csr *c, struct view raw, char **ret_pem)
{
    size_t due = ssh_key_raw_bytes(c->key);
    struct err *e =
        raw.len == due
            ? put_signature(c, raw)
            : err_new(ERR_CERT, "a signature of %zu bytes, where %zu are due", raw.len, due);

    if (e == NULL && X509_REQ_verify(c->req, ssh_key_evp(c->key)) != 1) {
        e = err_openssl(ERR_CERT, "the token's signature of the certificate request is not one of "
                                  "its key");
    }
    if (e == NULL) {
        AUTO(req_free) X509_REQ *whole = X509_REQ_dup(c->req); /* also: it can be read */

        e = whole != NULL ? write_pem(whole, ret_pem)
                          : err_openssl(ERR_NOMEM, "write a certificate request");
    }
    return e;
}
