/*
 * Keys as the rest of the agent sees them. An object is found again by token serial, id and public
 * half, after a helper's restart or a token's return, so that whoever holds a reference holds the
 * key itself and not one sighting of it. The slot holds a reference to those that are present; the
 * remote knows all that anyone holds, without holding them.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

struct remote_key *remote_key_ref(struct remote_key *k)
{
    k->refs++;
    return k;
}

static void forget(struct remote_key *k)
{
    struct remote *r = k->r;

    r->all[k->index] = r->all[--r->all_n];
    r->all[k->index]->index = k->index;
}

void remote_key_unref(struct remote_key **kp)
{
    struct remote_key *k = take(kp);

    if (k == NULL || --k->refs > 0) {
        return;
    }
    if (k->r != NULL) {
        forget(k);
    }
    ops_key_deinit(&k->k);
    free(k->serial);
    free(k->uri);
    free(k);
}

const struct ssh_key *remote_key_public(const struct remote_key *k)
{
    return k->k.key;
}

bool remote_key_usable(const struct remote_key *k)
{
    return k->present && k->slot != NULL && k->slot->phase == SLOT_READY && k->k.why_not == NULL;
}

static const char *why_not(const struct remote_key *k)
{
    if (k->k.why_not != NULL) {
        return k->k.why_not;
    }
    if (k->slot == NULL || k->slot->phase == SLOT_ABSENT) {
        return "its token is not present";
    }
    if (k->slot->phase != SLOT_READY) {
        return k->slot->phase == SLOT_LOCKED ? "its token is locked" : "its token is not ready";
    }
    return k->present ? NULL : "it is no longer on its token";
}

void remote_key_info_get(const struct remote_key *k, struct remote_key_info *ret)
{
    *ret = (struct remote_key_info){
        .label = k->k.label,
        .id = view_of(k->k.id, k->k.id_len),
        .uri = k->uri,
        .token = k->slot != NULL ? k->slot->name : "",
        .token_serial = k->serial,
        .sensitive = k->k.sensitive,
        .always_sensitive = k->k.always_sensitive,
        .extractable = k->k.extractable,
        .never_extractable = k->k.never_extractable,
        .local = k->k.local,
        .always_authenticate = k->k.always_authenticate,
        .proven = k->k.proven,
        .why_not = why_not(k),
    };
}

static struct remote_key *find_known(const struct remote *r, const char *serial,
                                     const struct ops_name *name)
{
    for (size_t i = 0; i < r->all_n; i++) {
        if (memcmp(&r->all[i]->name, name, sizeof *name) == 0 &&
            text_eq(r->all[i]->serial, serial)) {
            return r->all[i];
        }
    }
    return NULL;
}

struct remote_key *key_find_name(const struct slot *s, const struct ops_name *name)
{
    for (size_t i = 0; i < s->keys_n; i++) {
        if (memcmp(&s->keys[i]->name, name, sizeof *name) == 0) {
            return s->keys[i];
        }
    }
    return NULL;
}

static struct err *new_key(struct slot *s, const struct ops_name *name, struct remote_key **ret)
{
    struct remote *r = s->r;

    if (r->all_n == r->all_cap) {
        size_t cap = r->all_cap > 0 ? 2 * r->all_cap : 16;
        struct remote_key **grown = reallocarray(r->all, cap, sizeof *grown);

        if (grown == NULL) {
            return err_nomem();
        }
        r->all = grown;
        r->all_cap = cap;
    }
    struct remote_key *k = calloc(1, sizeof *k);
    char *serial = text_copy(s->info.serial);

    if (k == NULL || serial == NULL) {
        free(k);
        free(serial);
        return err_nomem();
    }
    *k = (struct remote_key){.r = r, .index = r->all_n, .name = *name, .serial = serial};
    r->all[r->all_n++] = k;
    *ret = k;
    return NULL;
}

/* The object for one listed key, with a new reference. @listed is emptied into it, but the public
 * half of an object that exists stays: others have borrowed it, and it is the same. */
static struct err *adopt(struct slot *s, struct token_key *listed, struct remote_key **ret)
{
    const struct p11_token_id token = {s->info.label, s->info.manufacturer, s->info.model,
                                       s->info.serial};
    struct view id = view_of(listed->id, listed->id_len);
    struct ops_name name = ops_name_of(id, ssh_key_blob(listed->key));
    struct remote_key *k = find_known(s->r, s->info.serial, &name);
    char *uri = p11_uri_text(&token, listed->label, id);
    struct err *e = uri == NULL ? err_nomem() : NULL;

    if (e == NULL && k == NULL) {
        e = new_key(s, &name, &k);
    }
    if (e != NULL) {
        free(uri);
        return e;
    }
    if (k->k.key != NULL) {
        ssh_key_free(&listed->key);
        listed->key = take(&k->k.key);
    }
    ops_key_deinit(&k->k);
    k->k = *listed;
    *listed = (struct token_key){0};
    free(k->uri);
    k->uri = uri;
    k->slot = s;
    *ret = remote_key_ref(k);
    return NULL;
}

static bool has(struct remote_key *const *keys, size_t n, const struct remote_key *k)
{
    for (size_t i = 0; i < n; i++) {
        if (keys[i] == k) {
            return true;
        }
    }
    return false;
}

static void release(struct remote_key **keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        remote_key_unref(&keys[i]);
    }
    free(keys);
}

struct err *key_merge(struct slot *s, struct token_key *list, size_t n)
{
    struct remote_key **keys = calloc(n + 1, sizeof *keys);
    struct err *e = keys == NULL ? err_nomem() : NULL;
    size_t kept = 0;

    for (size_t i = 0; e == NULL && i < n; i++) {
        struct remote_key *k = NULL;

        e = adopt(s, &list[i], &k);
        if (e == NULL && has(keys, kept, k)) { /* listed twice */
            remote_key_unref(&k);
        } else if (e == NULL) {
            keys[kept++] = k;
        }
    }
    if (e != NULL) {
        release(keys, kept);
        return e;
    }
    for (size_t i = 0; i < s->keys_n; i++) {
        s->keys[i]->present = false;
    }
    for (size_t i = 0; i < kept; i++) {
        keys[i]->present = true;
    }
    release(s->keys, s->keys_n);
    s->keys = keys;
    s->keys_n = kept;
    return NULL;
}

void key_drop_all(struct slot *s)
{
    for (size_t i = 0; i < s->keys_n; i++) {
        s->keys[i]->present = false;
    }
    release(s->keys, s->keys_n);
    s->keys = NULL;
    s->keys_n = 0;
}

void key_disown(struct slot *s)
{
    for (size_t i = 0; i < s->r->all_n; i++) {
        if (s->r->all[i]->slot == s) {
            s->r->all[i]->slot = NULL;
        }
    }
}

void key_forget_remote(struct remote *r)
{
    for (size_t i = 0; i < r->all_n; i++) {
        r->all[i]->r = NULL;
        r->all[i]->slot = NULL;
        r->all[i]->present = false;
    }
    free(r->all);
    r->all = NULL;
    r->all_n = 0;
}
