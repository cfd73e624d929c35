/*
 * Keys and entries as values: made, copied, freed. Nothing here knows where they are kept.
 */
#include <stdlib.h>

#include "store/store_impl.h"

void store_key_deinit(struct store_key *k)
{
    free(k->kind);
    free(k->scope);
    free(k->id);
    *k = (struct store_key){0};
}

struct err *store_key_copy(const struct store_key *from, struct store_key *ret)
{
    struct store_key k = {text_copy(from->kind), text_copy(from->scope), text_copy(from->id)};

    if (k.kind == NULL || k.scope == NULL || k.id == NULL) {
        store_key_deinit(&k);
        return err_nomem();
    }
    *ret = k;
    return NULL;
}

void store_entry_deinit(struct store_entry *e)
{
    store_key_deinit(&e->key);
    free(e->name);
    free(e->body);
    text_list_free(&e->tags);
    for (size_t i = 0; i < e->refs_n; i++) {
        store_key_deinit(&e->refs[i]);
    }
    free(e->refs);
    *e = (struct store_entry){0};
}

static struct err *copy_refs(const struct store_entry *from, struct store_entry *to)
{
    struct err *e = NULL;

    if (from->refs_n == 0) {
        return NULL;
    }
    to->refs = calloc(from->refs_n, sizeof *to->refs);
    if (to->refs == NULL) {
        return err_nomem();
    }
    for (size_t i = 0; e == NULL && i < from->refs_n; i++) {
        e = store_key_copy(&from->refs[i], &to->refs[i]);
        to->refs_n = i + 1;
    }
    return e;
}

struct err *store_entry_copy(const struct store_entry *from, struct store_entry *ret)
{
    AUTO(store_entry_deinit) struct store_entry to = {
        .revision = from->revision, .created = from->created, .updated = from->updated};
    struct err *e = store_key_copy(&from->key, &to.key);

    if (e == NULL) {
        e = copy_refs(from, &to);
    }
    if (e != NULL) {
        return e;
    }
    to.name = text_copy(from->name);
    to.body = text_copy(from->body);
    to.tags = text_list_len(from->tags) > 0 ? text_list_copy(from->tags) : NULL;
    if ((to.name == NULL) != (from->name == NULL) || (to.body == NULL) != (from->body == NULL) ||
        text_list_len(to.tags) != text_list_len(from->tags)) {
        return err_nomem();
    }
    *ret = to;
    to = (struct store_entry){0};
    return NULL;
}

void store_entries_free(struct store_entry **entries, size_t n)
{
    for (size_t i = 0; *entries != NULL && i < n; i++) {
        store_entry_deinit(&(*entries)[i]);
    }
    free(*entries);
    *entries = NULL;
}
