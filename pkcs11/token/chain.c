/*
 * Certificates of CAs, above those that we store for keys: a server that knows only a root wants to be
 * shown what lies between.
 *
 * They lie on the token under a label of ours and the id of their own key, each once, however many keys
 * are below it. Nobody counts them: when a key's certificate was replaced or removed, those of this
 * label that no other certificate on the token leads to are removed. What has another label somebody
 * else has put there, and it stays.
 *
 * Who issued what is told by names and key identifiers. Nothing is trusted for it: what is shown to a
 * server, the agent chooses, and the server judges.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "pkcs11/token/priv.h"

enum { KEY_ID_BYTES = 20 };

/* --- what is to be stored ----------------------------------------------------------------------- */

void pile_deinit(struct pile *p)
{
    for (size_t i = 0; i < p->n; i++) {
        X509_free(p->x509[i]);
    }
    p->n = 0;
}

static bool issued(X509 *issuer, X509 *x)
{
    bool yes = X509_check_issued(issuer, x) == X509_V_OK;

    ERR_clear_error();
    return yes;
}

static bool add_next(struct pile *p, struct view *left)
{
    const unsigned char *at = left->p;
    X509 *x = p->n < ARRAY_LEN(p->x509) ? d2i_X509(NULL, &at, (long)left->len) : NULL;

    ERR_clear_error();
    if (x == NULL) {
        return false;
    }
    size_t len = (size_t)(at - (const unsigned char *)left->p);

    p->der[p->n] = view_of(left->p, len);
    p->x509[p->n++] = x;
    *left = view_of(at, left->len - len);
    return p->n == 1 || issued(x, p->x509[p->n - 2]);
}

struct err *pile_parse(struct view der, struct pile *ret)
{
    bool good = der.len > 0;

    *ret = (struct pile){0};
    while (good && der.len > 0) {
        good = add_next(ret, &der);
    }
    if (good) {
        return NULL;
    }
    pile_deinit(ret);
    return err_new(ERR_INPUT, "this is not one X.509 certificate in DER, with those above it");
}

/* --- what is there ------------------------------------------------------------------------------ */

struct seen {
    CK_OBJECT_HANDLE handle;
    struct buf der;
    X509 *x509; /* NULL: cannot be read */
    bool ours, needed;
};

struct shelf {
    struct seen *at; /* owned */
    size_t n;
};

static void shelf_deinit(struct shelf *s)
{
    for (size_t i = 0; i < s->n; i++) {
        buf_deinit(&s->at[i].der);
        X509_free(s->at[i].x509);
    }
    auto_free(&s->at);
}

static struct err *read_one(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
                            struct seen *ret)
{
    AUTO(buf_deinit) struct buf label;
    bool has_label = false;
    bool has_der = false;

    ret->handle = o;
    buf_init(&label, TOKEN_LABEL_MAX_BYTES);
    buf_init(&ret->der, TOKEN_CERT_MAX_BYTES);
    struct err *e = attr_find(t, s, o, CKA_LABEL, &label, &has_label);

    if (e == NULL) {
        e = attr_find(t, s, o, CKA_VALUE, &ret->der, &has_der);
    }
    if (e != NULL || !has_der) {
        return e;
    }
    const unsigned char *p = ret->der.data;

    ret->ours = has_label && view_eq(buf_view(&label), view_cstr(TOKEN_CHAIN_LABEL));
    ret->x509 = d2i_X509(NULL, &p, (long)ret->der.len);
    ERR_clear_error();
    return NULL;
}

static struct err *read_all(const struct token *t, CK_SESSION_HANDLE s, struct shelf *ret)
{
    AUTO(handles_deinit) struct handles found = {0};
    struct err *e = find_certs(t, s, view_of(NULL, 0), &found);

    *ret = (struct shelf){0};
    ret->at = e == NULL ? calloc(found.n + 1, sizeof *ret->at) : NULL;
    if (e == NULL && ret->at == NULL) {
        e = err_nomem();
    }
    for (size_t i = 0; e == NULL && i < found.n; i++) {
        ret->n++;
        e = read_one(t, s, found.at[i], &ret->at[i]);
    }
    return e;
}

static bool is_there(const struct shelf *s, struct view der)
{
    for (size_t i = 0; i < s->n; i++) {
        if (view_eq(buf_view(&s->at[i].der), der)) {
            return true;
        }
    }
    return false;
}

/* --- storing ------------------------------------------------------------------------------------ */

/* Spec: RFC 5280, 4.2.1.2 (1), which is what a CKA_ID usually is */
static struct err *create(const struct token *t, CK_SESSION_HANDLE s, X509 *x509, struct view der)
{
    unsigned char id[KEY_ID_BYTES];
    unsigned len = 0;
    CK_OBJECT_HANDLE made;

    if (X509_pubkey_digest(x509, EVP_sha1(), id, &len) != 1) {
        return err_openssl(ERR_INPUT, "the key of a CA");
    }
    return cert_create(t, s, view_of(id, len), TOKEN_CHAIN_LABEL, x509, der, &made);
}

struct err *chain_add(const struct token *t, CK_SESSION_HANDLE s, const struct pile *p)
{
    AUTO(shelf_deinit) struct shelf shelf = {0};
    struct err *e = p->n > 1 ? read_all(t, s, &shelf) : NULL;

    for (size_t i = 1; e == NULL && i < p->n; i++) {
        if (!is_there(&shelf, p->der[i])) {
            e = create(t, s, p->x509[i], p->der[i]);
        }
    }
    return err_add(e, "the certificates above it");
}

/* --- sweeping ----------------------------------------------------------------------------------- */

/* Of ours, the one that issued it; of several the one that lasts longest. */
static struct seen *issuer_of(const struct shelf *s, const struct seen *x)
{
    struct seen *best = NULL;

    for (size_t i = 0; i < s->n; i++) {
        struct seen *c = &s->at[i];

        if (c->ours && c != x && c->x509 != NULL && issued(c->x509, x->x509) &&
            (best == NULL ||
             ASN1_TIME_compare(X509_get0_notAfter(c->x509), X509_get0_notAfter(best->x509)) > 0)) {
            best = c;
        }
    }
    return best;
}

static void mark(const struct shelf *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct seen *x = &s->at[i];

        x = x->ours || x->x509 == NULL ? NULL : issuer_of(s, x);
        while (x != NULL && !x->needed) {
            x->needed = true;
            x = issuer_of(s, x);
        }
    }
}

struct err *chain_sweep(const struct token *t, CK_SESSION_HANDLE s)
{
    AUTO(shelf_deinit) struct shelf shelf = {0};
    struct err *e = read_all(t, s, &shelf);

    mark(&shelf);
    for (size_t i = 0; e == NULL && i < shelf.n; i++) {
        const struct seen *x = &shelf.at[i];
        CK_RV rv =
            x->ours && x->x509 != NULL && !x->needed ? t->f->C_DestroyObject(s, x->handle) : CKR_OK;

        e = rv == CKR_OK || rv == CKR_OBJECT_HANDLE_INVALID ? NULL : ckr_err(rv, "C_DestroyObject");
    }
    return e;
}
