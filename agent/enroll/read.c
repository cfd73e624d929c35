/*
 * Certificates, from PEM or DER to what we say about them. Reading is not judging: prove.c does that.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "enroll/prove_priv.h"

static void bio_free(BIO **b)
{
    BIO_free(take(b));
}

void enroll_stack_auto(STACK_OF(X509) * *list)
{
    sk_X509_pop_free(take(list), X509_free);
}

void enroll_cert_deinit(struct enroll_cert *c)
{
    free(c->pem);
    free(c->chain_pem);
    buf_deinit(&c->der);
    free(c->serial);
    free(c->subject);
    free(c->issuer);
    free(c->common_name);
    text_list_free(&c->alt_names);
    *c = (struct enroll_cert){0};
}

struct err *enroll_pem_read(const char *pem, STACK_OF(X509) * *ret)
{
    AUTO(enroll_stack_auto) STACK_OF(X509) *list = sk_X509_new_null();
    AUTO(bio_free) BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert;

    if (list == NULL || bio == NULL) {
        return err_nomem();
    }
    if (strlen(pem) > ENROLL_PEM_MAX_BYTES) {
        return err_new(ERR_LIMIT, "certificates of more than %d bytes", ENROLL_PEM_MAX_BYTES);
    }
    while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (sk_X509_num(list) == ENROLL_CHAIN_MAX || sk_X509_push(list, cert) <= 0) {
            X509_free(cert);
            return err_new(ERR_LIMIT, "a chain of more than %d certificates", ENROLL_CHAIN_MAX);
        }
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        return err_openssl(ERR_CERT, "certificate %d cannot be read", sk_X509_num(list) + 1);
    }
    ERR_clear_error();
    *ret = take(&list);
    return NULL;
}

char *enroll_name_line(const X509_NAME *name)
{
    AUTO(bio_free) BIO *bio = BIO_new(BIO_s_mem());
    char *p = NULL;

    if (bio == NULL ||
        X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) < 0) {
        return NULL;
    }
    long len = BIO_get_mem_data(bio, &p);

    return text_safe(view_of(p, (size_t)len));
}

/* "0a:ff:31" */
static char *serial_of(X509 *cert)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    AUTO(auto_free) char *hex =
        text_hex(view_of(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial)));
    size_t n = hex != NULL ? strlen(hex) / 2 : 0;
    char *text = calloc(n + 1, 3);

    for (size_t i = 0; text != NULL && i < n; i++) {
        memcpy(text + 3 * i, hex + 2 * i, 2);
        text[3 * i + 2] = i + 1 < n ? ':' : '\0';
    }
    return text;
}

static struct err *read_alt_names(X509 *cert, char ***ret)
{
    AUTO(enroll_names_free) GENERAL_NAMES *names =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        AUTO(auto_free) char *text = enroll_names_text(sk_GENERAL_NAME_value(names, i));

        if (text != NULL && !text_list_add(ret, text)) {
            return err_nomem();
        }
    }
    return NULL;
}

static struct err *put_pem(X509 *cert, BIO *bio)
{
    return PEM_write_bio_X509(bio, cert) == 1 ? NULL
                                              : err_openssl(ERR_NOMEM, "write a certificate");
}

struct err *enroll_pem_write(STACK_OF(X509) * list, char **ret)
{
    AUTO(bio_free) BIO *bio = BIO_new(BIO_s_mem());
    struct err *e = bio != NULL ? NULL : err_nomem();
    char *p = NULL;

    for (int i = 0; e == NULL && i < sk_X509_num(list); i++) {
        e = put_pem(sk_X509_value(list, i), bio);
    }
    if (e != NULL) {
        return e;
    }
    long len = BIO_get_mem_data(bio, &p);

    *ret = view_dup(view_of(p, (size_t)len));
    return *ret != NULL ? NULL : err_nomem();
}

static struct err *put_der(X509 *cert, struct buf *out)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);

    buf_init(out, ENROLL_PEM_MAX_BYTES);
    if (len <= 0) {
        return err_openssl(ERR_NOMEM, "write a certificate");
    }
    buf_put(out, der, (size_t)len);
    OPENSSL_free(der);
    return buf_check(out, "a certificate");
}

struct err *enroll_cert_of(X509 *cert, struct enroll_cert *ret)
{
    AUTO(bio_free) BIO *bio = BIO_new(BIO_s_mem());
    struct enroll_cert c = {
        .serial = serial_of(cert),
        .subject = enroll_name_line(X509_get_subject_name(cert)),
        .issuer = enroll_name_line(X509_get_issuer_name(cert)),
        .chain_pem = text_copy(""),
        .not_before = wall_of_asn1(X509_get0_notBefore(cert)),
        .not_after = wall_of_asn1(X509_get0_notAfter(cert)),
    };
    struct err *e = put_der(cert, &c.der);

    if (e == NULL && (c.serial == NULL || c.subject == NULL || c.issuer == NULL ||
                      c.chain_pem == NULL || bio == NULL)) {
        e = err_nomem();
    }
    if (e == NULL) {
        e = put_pem(cert, bio);
    }
    if (e == NULL) {
        char *p = NULL;
        long len = BIO_get_mem_data(bio, &p);

        c.pem = view_dup(view_of(p, (size_t)len));
        e = c.pem != NULL ? read_alt_names(cert, &c.alt_names) : err_nomem();
    }
    if (e == NULL) { /* some certificates have no common name: they can be told all the same */
        struct err *none = enroll_names_common(X509_get_subject_name(cert), &c.common_name);

        err_free(&none);
        *ret = c;
        return NULL;
    }
    enroll_cert_deinit(&c);
    return e;
}

struct err *enroll_cert_read_pem(const char *pem, struct enroll_cert *ret)
{
    AUTO(enroll_stack_auto) STACK_OF(X509) *list = NULL;
    struct err *e = enroll_pem_read(pem, &list);

    if (e == NULL && sk_X509_num(list) == 0) {
        e = err_new(ERR_CERT, "there is no certificate in this text");
    }
    return e != NULL ? e : enroll_cert_of(sk_X509_value(list, 0), ret);
}

struct wall enroll_cert_due(const struct enroll_cert *c)
{
    return (struct wall){c->not_before.s + (c->not_after.s - c->not_before.s) / 3 * 2};
}

char *enroll_public_pem(const struct ssh_key *key)
{
    AUTO(bio_free) BIO *bio = BIO_new(BIO_s_mem());
    char *p = NULL;

    if (bio == NULL || PEM_write_bio_PUBKEY(bio, ssh_key_evp(key)) != 1) {
        ERR_clear_error();
        return NULL;
    }
    long len = BIO_get_mem_data(bio, &p);

    return view_dup(view_of(p, (size_t)len));
}
