/*
 * Public halves: what a token's public key objects say, as keys of ours. An object that we cannot
 * use (another curve, a malformed point) is left out: it is no error of the token.
 */
#include <stdlib.h>

#include "pkcs11/token/priv.h"

void halves_deinit(struct halves *h)
{
    for (size_t i = 0; i < h->n; i++) {
        ssh_key_free(&h->at[i].key);
    }
    free(h->at);
    *h = (struct halves){0};
}

struct err *halves_add(struct halves *h, struct view id, struct ssh_key *key,
                       CK_OBJECT_HANDLE handle)
{
    struct half *grown = reallocarray(h->at, h->n + 1, sizeof *grown);

    if (grown == NULL || id.len > TOKEN_ID_MAX_BYTES) {
        h->at = grown != NULL ? grown : h->at;
        ssh_key_free(&key);
        return grown != NULL ? NULL : err_nomem();
    }
    h->at = grown;
    struct half *new = &h->at[h->n++];

    *new = (struct half){.id_len = id.len, .key = key, .handle = handle};
    if (id.len > 0) {
        memcpy(new->id, id.p, id.len);
    }
    return NULL;
}

struct ssh_key *half_from_rsa(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o)
{
    AUTO(buf_deinit) struct buf n;
    AUTO(buf_deinit) struct buf e;
    struct ssh_key *key = NULL;

    buf_init(&n, 0);
    buf_init(&e, 0);
    if (attr_get(t, s, o, CKA_MODULUS, &n) != CKR_OK ||
        attr_get(t, s, o, CKA_PUBLIC_EXPONENT, &e) != CKR_OK || n.len == 0 || e.len == 0) {
        return NULL;
    }
    AUTO(err_free) struct err *bad = ssh_key_from_rsa(buf_view(&n), buf_view(&e), &key);

    return bad == NULL ? key : NULL;
}

static struct ssh_key *half_from_ec(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o)
{
    AUTO(buf_deinit) struct buf params;
    AUTO(buf_deinit) struct buf point;
    enum ssh_key_type type;
    struct ssh_key *key = NULL;
    struct view bare;

    buf_init(&params, 0);
    buf_init(&point, 0);
    if (attr_get(t, s, o, CKA_EC_PARAMS, &params) != CKR_OK ||
        attr_get(t, s, o, CKA_EC_POINT, &point) != CKR_OK ||
        !point_type(buf_view(&params), &type) ||
        !point_decode(type, buf_view(&point), t->profile.ec_point, &bare)) {
        return NULL;
    }
    AUTO(err_free) struct err *bad = ssh_key_from_point(type, bare, &key);

    return bad == NULL ? key : NULL;
}

struct err *halves_from_objects(const struct token *t, CK_SESSION_HANDLE s, struct halves *h)
{
    struct handles found = {0};
    struct err *e = find_class(t, s, CKO_PUBLIC_KEY, &found);

    for (size_t i = 0; e == NULL && i < found.n; i++) {
        AUTO(buf_deinit) struct buf id;
        CK_ULONG type = CKK_VENDOR_DEFINED;

        buf_init(&id, 0);
        (void)attr_ulong(t, s, found.at[i], CKA_KEY_TYPE, &type);
        (void)attr_get(t, s, found.at[i], CKA_ID, &id);
        struct ssh_key *key = type == CKK_RSA ? half_from_rsa(t, s, found.at[i])
                              : type == CKK_EC || type == CKK_EC_EDWARDS
                                  ? half_from_ec(t, s, found.at[i])
                                  : NULL;

        if (key != NULL) {
            e = halves_add(h, buf_view(&id), key, found.at[i]);
        }
    }
    handles_deinit(&found);
    return e;
}
