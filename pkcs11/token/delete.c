/*
 * Deleting a key pair: the one whose id and public value agree, and no other that shares the id.
 *
 * Which private object belongs to the value is known by proof. A key that could not be proven is
 * deleted only if no other private key has its id. Certificates stay: they hold nothing secret, and
 * whoever put them there may want them back.
 */
#include "pkcs11/token/priv.h"

static bool has_id(const struct token_key *k, struct view id)
{
    return view_eq(view_of(k->id, k->id_len), id);
}

static struct err *find_private(struct token *t, const struct token_key *keys, size_t n,
                                struct view id, const struct ssh_key *key, CK_OBJECT_HANDLE *ret)
{
    const struct token_key *match = NULL;
    size_t same_id = 0;

    for (size_t i = 0; i < n; i++) {
        same_id += has_id(&keys[i], id);
        if (has_id(&keys[i], id) && ssh_key_eq(keys[i].key, key)) {
            match = match == NULL || keys[i].proven ? &keys[i] : match;
        }
    }
    if (match == NULL) {
        return err_new(ERR_NOT_FOUND, "the token has no such key");
    }
    if (!match->proven && same_id > 1) {
        return err_new(ERR_DENIED, "several keys share this id, and this one could not be proven "
                                   "to be the one that is meant");
    }
    return keys_handle(t, match->number, ret);
}

static struct err *destroy(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o)
{
    CK_RV rv = t->f->C_DestroyObject(s, o);

    return rv == CKR_OK ? NULL : ckr_err(rv, "C_DestroyObject");
}

static struct err *destroy_public(const struct token *t, CK_SESSION_HANDLE s, struct view id,
                                  const struct ssh_key *key)
{
    struct halves halves = {0};
    struct err *e = halves_from_objects(t, s, &halves);

    for (size_t i = 0; e == NULL && i < halves.n; i++) {
        const struct half *h = &halves.at[i];

        if (view_eq(view_of(h->id, h->id_len), id) && ssh_key_eq(h->key, key)) {
            e = destroy(t, s, h->handle);
        }
    }
    halves_deinit(&halves);
    return e;
}

static struct err *delete_pair(struct token *t, unsigned worker, struct view id,
                               const struct ssh_key *key)
{
    CK_OBJECT_HANDLE private = CK_INVALID_HANDLE;
    struct token_key *keys = NULL;
    CK_SESSION_HANDLE s;
    size_t n = 0;
    struct err *e = session_rw(t, &s);

    if (e == NULL) {
        e = keys_list(t, worker, &keys, &n);
    }
    if (e == NULL) {
        e = find_private(t, keys, n, id, key, &private);
    }
    token_keys_free(&keys, n);
    if (e == NULL) {
        e = destroy(t, s, private);
    }
    if (e == NULL) {
        e = destroy_public(t, s, id, key);
    }
    if (e == NULL) { /* so that its number is known no more */
        e = keys_list(t, worker, &keys, &n);
        token_keys_free(&keys, n);
    }
    return e;
}

struct err *token_delete(struct token *t, unsigned worker, struct view id,
                         const struct ssh_key *key)
{
    pthread_mutex_lock(&t->admin);
    struct err *e = delete_pair(t, worker, id, key);

    pthread_mutex_unlock(&t->admin);
    return err_add(e, "delete a key on token '%s'", t->info.label);
}
