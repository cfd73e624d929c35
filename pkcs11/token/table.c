/*
 * The table of keys: from our number to all that a signature needs.
 *
 * A number must never come to mean another key: a request may be on its way while the token is
 * listed anew. So a number is a place in the table plus the count of that place's owners, and a
 * key keeps its number as long as its handle and its public value stay the same.
 */
#include "pkcs11/token/priv.h"

enum { PLACE_BITS = 10, PLACE_MASK = (1 << PLACE_BITS) - 1 };
_Static_assert(TOKEN_KEYS_MAX == 1 << PLACE_BITS, "a place must fit its bits");

void table_begin(struct token *t)
{
    for (size_t i = 0; i < TOKEN_KEYS_MAX; i++) {
        t->table[i].seen = false;
    }
}

const struct entry *table_find(const struct token *t, CK_OBJECT_HANDLE handle,
                               const struct halves *halves)
{
    for (size_t i = 0; i < TOKEN_KEYS_MAX; i++) {
        const struct entry *entry = &t->table[i];

        if (entry->key == NULL || entry->signer.handle != handle) {
            continue;
        }
        for (size_t k = 0; k < halves->n; k++) {
            if (ssh_key_eq(entry->key, halves->at[k].key)) {
                return entry;
            }
        }
    }
    return NULL;
}

static struct entry *place_for(struct token *t, const struct signer *signer,
                               const struct ssh_key *key)
{
    struct entry *empty = NULL;

    for (size_t i = 0; i < TOKEN_KEYS_MAX; i++) {
        struct entry *entry = &t->table[i];

        if (entry->key == NULL) {
            empty = empty != NULL ? empty : entry;
        } else if (entry->signer.handle == signer->handle && ssh_key_eq(entry->key, key)) {
            return entry;
        }
    }
    return empty;
}

struct err *table_put(struct token *t, const struct signer *signer, const struct ssh_key *key,
                      bool proven, bool usable, uint32_t *ret_number)
{
    struct err *e = NULL;

    pthread_rwlock_wrlock(&t->table_lock);
    struct entry *entry = place_for(t, signer, key);

    if (entry == NULL) {
        e = err_new(ERR_LIMIT, "more than %d keys on one token", TOKEN_KEYS_MAX);
    } else if (entry->key == NULL && (entry->key = ssh_key_copy(key)) == NULL) {
        e = err_nomem();
    } else {
        entry->proven = proven;
        entry->usable = usable;
        entry->seen = true;
        entry->signer = *signer;
        *ret_number = (uint32_t)(entry - t->table) | entry->generation << PLACE_BITS;
    }
    pthread_rwlock_unlock(&t->table_lock);
    return e;
}

static void free_entry(struct entry *entry)
{
    ssh_key_free(&entry->key);
    entry->generation = (entry->generation + 1) & (UINT32_MAX >> PLACE_BITS);
}

void table_end(struct token *t)
{
    pthread_rwlock_wrlock(&t->table_lock);
    for (size_t i = 0; i < TOKEN_KEYS_MAX; i++) {
        if (t->table[i].key != NULL && !t->table[i].seen) {
            free_entry(&t->table[i]);
        }
    }
    pthread_rwlock_unlock(&t->table_lock);
}

bool table_get(struct token *t, uint32_t number, struct signer *ret, bool *ret_usable)
{
    const struct entry *entry = &t->table[number & PLACE_MASK];

    pthread_rwlock_rdlock(&t->table_lock);
    bool found = entry->key != NULL && entry->generation == number >> PLACE_BITS;

    if (found) {
        *ret = entry->signer;
        *ret_usable = entry->usable;
    }
    pthread_rwlock_unlock(&t->table_lock);
    return found;
}

void table_deinit(struct token *t)
{
    for (size_t i = 0; i < TOKEN_KEYS_MAX; i++) {
        ssh_key_free(&t->table[i].key);
    }
}
