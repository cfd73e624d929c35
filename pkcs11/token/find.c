/*
 * Finding objects, in batches: a search per object is what makes other agents slow on full tokens.
 * A search that was begun is always ended, as a session can only run one.
 */
#include <stdlib.h>

#include "pkcs11/token/priv.h"

enum { BATCH = 64 };

void handles_deinit(struct handles *h)
{
    free(h->at);
    *h = (struct handles){0};
}

static struct err *collect(const struct token *t, CK_SESSION_HANDLE s, struct handles *h)
{
    CK_OBJECT_HANDLE batch[BATCH];
    CK_ULONG n = 0;

    do {
        CK_RV rv = t->f->C_FindObjects(s, batch, BATCH, &n);

        if (rv != CKR_OK) {
            return ckr_err(rv, "C_FindObjects");
        }
        if (n > BATCH || h->n + n > TOKEN_KEYS_MAX) {
            return err_new(ERR_LIMIT, "the token holds more than %d objects of a kind",
                           TOKEN_KEYS_MAX);
        }
        CK_OBJECT_HANDLE *grown = reallocarray(h->at, h->n + n + 1, sizeof *grown);

        if (grown == NULL) {
            return err_nomem();
        }
        memcpy(grown + h->n, batch, n * sizeof *grown);
        h->at = grown;
        h->n += n;
    } while (n > 0);
    return NULL;
}

struct err *find_objects(const struct token *t, CK_SESSION_HANDLE s, CK_ATTRIBUTE *templ,
                         CK_ULONG templ_n, struct handles *ret)
{
    struct handles h = {0};
    CK_RV rv = t->f->C_FindObjectsInit(s, templ, templ_n);

    if (rv != CKR_OK) {
        return ckr_err(rv, "C_FindObjectsInit");
    }
    struct err *e = collect(t, s, &h);

    t->f->C_FindObjectsFinal(s);
    if (e != NULL) {
        handles_deinit(&h);
        return e;
    }
    *ret = h;
    return NULL;
}

struct err *find_class(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_CLASS class,
                       struct handles *ret)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE templ[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_TOKEN, &yes, sizeof yes},
    };

    return find_objects(t, s, templ, ARRAY_LEN(templ), ret);
}

struct err *find_certs(const struct token *t, CK_SESSION_HANDLE s, struct view id,
                       struct handles *ret)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_CERTIFICATE_TYPE type = CKC_X_509;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE templ[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_CERTIFICATE_TYPE, &type, sizeof type},
        {CKA_ID, (void *)(uintptr_t)id.p, id.len},
    };

    return find_objects(t, s, templ, ARRAY_LEN(templ) - (id.p == NULL), ret);
}
