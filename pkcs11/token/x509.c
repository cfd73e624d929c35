/*
 * The X.509 certificates that a token stores, as bytes for somebody else to judge.
 *
 * They are read with plain Cryptoki and not with libp11 (see certs.c), which keeps its first list of
 * them for good: a person stores a certificate with another program and wants to use it now. Nothing
 * is parsed here. An object whose value cannot be had (only a URL, beyond the limit, hidden until a
 * login, or just removed) is left out; a token that fails is an error.
 */
#include <stdlib.h>

#include "pkcs11/token/priv.h"

void token_certs_free(struct token_cert **certs, size_t n)
{
    struct token_cert *list = take(certs);

    for (size_t i = 0; list != NULL && i < n; i++) {
        free(list[i].label);
        buf_deinit(&list[i].der);
    }
    free(list);
}

static struct err *read_names(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
                              struct token_cert *c)
{
    AUTO(buf_deinit) struct buf label;
    AUTO(buf_deinit) struct buf id;
    bool has_label = false;
    bool has_id = false;

    buf_init(&label, TOKEN_LABEL_MAX_BYTES);
    buf_init(&id, TOKEN_ID_MAX_BYTES);
    struct err *e = attr_find(t, s, o, CKA_LABEL, &label, &has_label);

    if (e == NULL) {
        e = attr_find(t, s, o, CKA_ID, &id, &has_id);
    }
    if (e != NULL) {
        return e;
    }
    has_label = has_label && !view_has_nul(buf_view(&label));
    c->label = has_label ? view_dup(buf_view(&label)) : strdup("");
    if (has_id) {
        memcpy(c->id, id.data, id.len);
        c->id_len = id.len;
    }
    return c->label != NULL ? NULL : err_nomem();
}

/* Makes @at's next element; *@n counts it only where there is a value. */
static struct err *read_cert(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
                             struct token_cert *at, size_t *n)
{
    struct token_cert *c = &at[*n];
    bool has_der = false;

    buf_init(&c->der, TOKEN_CERT_MAX_BYTES);
    struct err *e = attr_find(t, s, o, CKA_VALUE, &c->der, &has_der);

    if (e == NULL && has_der) {
        e = read_names(t, s, o, c);
    }
    if (e != NULL || !has_der) {
        buf_deinit(&c->der);
        return e;
    }
    (*n)++;
    return NULL;
}

static struct err *read_certs(const struct token *t, CK_SESSION_HANDLE s, struct token_cert **ret,
                              size_t *ret_n)
{
    struct handles found = {0};
    struct token_cert *certs = NULL;
    size_t n = 0;
    struct err *e = find_certs(t, s, view_of(NULL, 0), &found);

    if (e == NULL && found.n > TOKEN_CERTS_MAX) {
        e = err_new(ERR_LIMIT, "it holds %zu, more than %d", found.n, TOKEN_CERTS_MAX);
    }
    if (e == NULL && found.n > 0) {
        certs = calloc(found.n, sizeof *certs);
        e = certs == NULL ? err_nomem() : NULL;
    }
    for (size_t i = 0; e == NULL && i < found.n; i++) {
        e = read_cert(t, s, found.at[i], certs, &n);
    }
    handles_deinit(&found);
    if (e != NULL) {
        token_certs_free(&certs, n);
        return e;
    }
    *ret = certs;
    *ret_n = n;
    return NULL;
}

/* With @admin held. A dead session is opened anew, once: reading changes nothing. */
static struct err *certs_list(struct token *t, unsigned worker, struct token_cert **ret,
                              size_t *ret_n)
{
    struct err *e = NULL;

    for (int tries = 0; tries < 2; tries++) {
        CK_SESSION_HANDLE s;

        err_free(&e);
        e = session_worker(t, worker, &s);
        if (e == NULL) {
            e = read_certs(t, s, ret, ret_n);
        }
        if (e == NULL || !session_is_dead(err_native_code(e))) {
            break;
        }
        session_forget(t, worker);
    }
    return e;
}

struct err *token_certs(struct token *t, unsigned worker, struct token_cert **ret, size_t *ret_n)
{
    pthread_mutex_lock(&t->admin);
    struct err *e = certs_list(t, worker, ret, ret_n);

    pthread_mutex_unlock(&t->admin);
    return err_add(e, "certificates of token '%s'", t->info.label);
}
