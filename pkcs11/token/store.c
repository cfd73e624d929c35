/*
 * Certificates that we put on a token, beside the key that they are for.
 *
 * A certificate that works must never be lost to one that cannot be stored: the new one is written
 * first and found again, byte for byte, before an older one is removed. Which ones are older is
 * decided by what is inside: the same CKA_ID, and the same public key. What shares an id by accident,
 * or cannot be read, is left alone; so is anything that holds the new bytes, whatever its handle, since
 * a token with one place for a certificate may have put the new one where the old one was.
 * Certificates of CAs above it come before it and are swept after it: see chain.c.
 *
 * Nothing is remembered: a call that was cut off left an old one, or both, and the next one goes on
 * from what the token shows.
 */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "pkcs11/token/priv.h"

static struct err *explain(struct token *t, struct err *e)
{
    switch (e != NULL ? err_native_code(e) : CKR_OK) {
    case CKR_TOKEN_WRITE_PROTECTED:
    case CKR_SESSION_READ_ONLY:
        return err_add(e, "the token is read-only");
    case CKR_DEVICE_MEMORY:
        return err_add(e, "the token is full");
    case CKR_USER_NOT_LOGGED_IN:
        atomic_store(&t->logged_in, false);
        return e;
    default:
        return e;
    }
}

/* The certificate in @der; NULL where it is not just one. */
static X509 *parse(struct view der)
{
    const unsigned char *p = der.p;
    X509 *x509 = der.len > 0 ? d2i_X509(NULL, &p, (long)der.len) : NULL;

    if (x509 != NULL && p != der.p + der.len) {
        X509_free(x509);
        x509 = NULL;
    }
    ERR_clear_error();
    return x509;
}

static bool is_for(X509 *x509, const struct ssh_key *key)
{
    AUTO(ssh_key_free) struct ssh_key *half = half_from_x509(x509);

    ERR_clear_error();
    return half != NULL && ssh_key_eq(half, key);
}

/** What the token has for a key. */
struct found {
    CK_OBJECT_HANDLE same; /* has just the bytes that were asked for; CK_INVALID_HANDLE: none */
    struct handles others; /* that are for this key */
};

static struct err *look_at(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
                           const struct ssh_key *key, struct view der, struct found *f)
{
    AUTO(buf_deinit) struct buf value;
    bool has = false;

    buf_init(&value, TOKEN_CERT_MAX_BYTES);
    struct err *e = attr_find(t, s, o, CKA_VALUE, &value, &has);

    if (e != NULL || !has) {
        return e;
    }
    if (view_eq(buf_view(&value), der)) {
        f->same = o;
        return NULL;
    }
    X509 *x509 = parse(buf_view(&value));

    if (x509 != NULL && is_for(x509, key)) {
        f->others.at[f->others.n++] = o;
    }
    X509_free(x509);
    return NULL;
}

/* Frees what @f held. On success its list is the caller's. */
static struct err *look(const struct token *t, CK_SESSION_HANDLE s, const struct token_key *key,
                        struct view der, struct found *f)
{
    handles_deinit(&f->others);
    f->same = CK_INVALID_HANDLE;
    struct err *e = find_certs(t, s, view_of(key->id, key->id_len), &f->others);
    size_t n = f->others.n;

    f->others.n = 0; /* those that stay move to the front */
    for (size_t i = 0; e == NULL && i < n; i++) {
        e = look_at(t, s, f->others.at[i], key->key, der, f);
    }
    return e;
}

struct err *cert_create(const struct token *t, CK_SESSION_HANDLE s, struct view id,
                        const char *label, X509 *x509, struct view der, CK_OBJECT_HANDLE *ret)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_CERTIFICATE_TYPE type = CKC_X_509;
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL no = CK_FALSE;
    const unsigned char *subject = NULL;
    const unsigned char *issuer = NULL;
    unsigned char *serial = NULL;
    size_t subject_len = 0;
    size_t issuer_len = 0;
    int serial_len = i2d_ASN1_INTEGER(X509_get0_serialNumber(x509), &serial);

    if (serial_len <= 0 ||
        X509_NAME_get0_der(X509_get_subject_name(x509), &subject, &subject_len) != 1 ||
        X509_NAME_get0_der(X509_get_issuer_name(x509), &issuer, &issuer_len) != 1) {
        OPENSSL_free(serial);
        return err_openssl(ERR_INPUT, "names of the certificate");
    }
    CK_ATTRIBUTE templ[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_CERTIFICATE_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &no, sizeof no},
        {CKA_ID, (void *)(uintptr_t)id.p, id.len},
        {CKA_LABEL, (void *)(uintptr_t)label, label != NULL ? strlen(label) : 0},
        {CKA_SUBJECT, (void *)(uintptr_t)subject, subject_len},
        {CKA_ISSUER, (void *)(uintptr_t)issuer, issuer_len},
        {CKA_SERIAL_NUMBER, serial, (CK_ULONG)serial_len},
        {CKA_VALUE, (void *)(uintptr_t)der.p, der.len},
    };
    CK_RV rv = t->f->C_CreateObject(s, templ, ARRAY_LEN(templ), ret);

    OPENSSL_free(serial);
    return rv == CKR_OK ? NULL : ckr_err(rv, "C_CreateObject");
}

/* One that is gone already is as good as removed. */
static struct err *destroy_all(const struct token *t, CK_SESSION_HANDLE s, const struct handles *h)
{
    for (size_t i = 0; i < h->n; i++) {
        CK_RV rv = t->f->C_DestroyObject(s, h->at[i]);

        if (rv != CKR_OK && rv != CKR_OBJECT_HANDLE_INVALID) {
            return ckr_err(rv, "C_DestroyObject");
        }
    }
    return NULL;
}

/* Writes it, and looks anew: the handle that a token gave proves nothing. */
static struct err *write_new(const struct token *t, CK_SESSION_HANDLE s,
                             const struct token_key *key, X509 *x509, struct view der,
                             struct found *f)
{
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    struct err *e = cert_create(t, s, view_of(key->id, key->id_len), key->label, x509, der, &made);

    if (e == NULL) {
        e = look(t, s, key, der, f);
    }
    if (e == NULL && f->same == CK_INVALID_HANDLE) {
        t->f->C_DestroyObject(s, made);
        e = err_new(ERR_REMOTE, "the token does not give back the certificate that it took");
    }
    return e;
}

static struct err *store(struct token *t, const struct token_key *key, const struct pile *p)
{
    struct found f = {.same = CK_INVALID_HANDLE};
    CK_SESSION_HANDLE s;
    struct err *e = session_rw(t, &s);

    if (e == NULL) {
        e = chain_add(t, s, p);
    }
    if (e == NULL) {
        e = look(t, s, key, p->der[0], &f);
    }
    if (e == NULL && f.same == CK_INVALID_HANDLE) {
        e = write_new(t, s, key, p->x509[0], p->der[0], &f);
    }
    if (e == NULL) {
        e = destroy_all(t, s, &f.others);
        e = e != NULL ? e : chain_sweep(t, s);
        if (e != NULL && !err_is(e, ERR_GONE)) {
            e = err_recode(err_add(explain(t, e), "it is there now, but an older one stays"),
                           ERR_EXISTS);
        }
    }
    handles_deinit(&f.others);
    return err_is(e, ERR_EXISTS) ? e : explain(t, e);
}

struct err *token_cert_store(struct token *t, const struct token_key *key, struct view der)
{
    struct pile p;

    if (der.len > TOKEN_CERT_MAX_BYTES) {
        return err_new(ERR_LIMIT, "a certificate of %zu bytes; %d are possible", der.len,
                       TOKEN_CERT_MAX_BYTES);
    }
    struct err *e = pile_parse(der, &p);

    if (e != NULL) {
        return e;
    }
    if (!is_for(p.x509[0], key->key)) {
        e = err_new(ERR_INPUT, "the certificate is for another key");
    } else {
        pthread_mutex_lock(&t->admin);
        e = store(t, key, &p);
        pthread_mutex_unlock(&t->admin);
    }
    pile_deinit(&p);
    return err_add(e, "store a certificate on token '%s'", t->info.label);
}
