/*
 * The entries follow the set of identities: one for each certificate that is wanted. An entry stays
 * where it is while signers may answer to it; it goes only between two rounds of the clock, together
 * with its request, so that nothing here refers to a signer that is about to be freed.
 */
#include <stdlib.h>

#include "renew/priv.h"

enum { MANY = 16, JITTER_MS = 10 };

static uint64_t seed_of(uint64_t seed, const struct identity_cert *c, size_t k)
{
    uint64_t hash = seed ^ 0xcbf29ce484222325U; /* FNV-1a over name and place */

    for (const char *p = identity_name(identity_cert_owner(c)); *p != '\0'; p++) {
        hash = (hash ^ (uint8_t)*p) * 0x100000001b3U;
    }
    return (hash ^ k) * 0x100000001b3U;
}

static struct err *add(struct renew *r, struct identity_cert *c, size_t k)
{
    struct renew_entry **more = reallocarray(r->entries, r->n + 1, sizeof *more);

    r->entries = more != NULL ? more : r->entries;
    struct renew_entry *e = more != NULL ? calloc(1, sizeof *e) : NULL;

    if (e == NULL) {
        return err_nomem();
    }
    e->owner = r;
    e->cert = identity_cert_ref(c);
    e->seed = seed_of(r->seed, c, k);
    renew_anchor(e);
    r->entries[r->n++] = e;
    return NULL;
}

struct err *renew_add_missing(struct renew *r, bool spread)
{
    struct err *e = NULL;

    for (size_t i = 0; e == NULL && i < identity_count(r->identities); i++) {
        const struct identity *id = identity_at(r->identities, i);

        for (size_t k = 0; e == NULL && k < identity_certs(id); k++) {
            if (renew_entry_of(r, identity_cert_at(id, k)) == NULL) {
                e = add(r, identity_cert_at(id, k), k);
            }
        }
    }
    for (size_t i = 0; spread && r->n > MANY && i < r->n; i++) {
        struct renew_entry *entry = r->entries[i];

        entry->not_before = mono_in((int64_t)(entry->seed % (r->n * JITTER_MS)));
    }
    return e;
}

void renew_entry_free(struct renew_entry **ep, const char *why)
{
    struct renew_entry *e = take(ep);
    AUTO(err_free) struct err *gone = err_new(ERR_GONE, "%s", why);

    renew_withdraw(e);
    renew_joins_done(e, gone);
    identity_cert_unref(&e->cert);
    free(e);
}

void renew_drop_gone(struct renew *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n; i++) {
        if (!identity_cert_is_gone(r->entries[i]->cert)) {
            struct renew_entry *stays = r->entries[i];

            r->entries[i] = r->entries[kept];
            r->entries[kept++] = stays;
        }
    }
    while (r->n > kept) {
        renew_entry_free(&r->entries[--r->n], "the identity was changed or removed");
    }
}
