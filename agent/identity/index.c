/*
 * From the blob in a sign request to what it stands for, in one look-up: a table with open
 * addressing, at most half full, built whole and then only read. The hash is SipHash-2-4 with a
 * random key of each table, because the blobs that are looked up come from clients: nobody who does
 * not know the key can make them collide. (Spec: Aumasson, Bernstein: SipHash, 2012)
 */
#include <stdlib.h>
#include <sys/random.h>

#include "identity/priv.h"

struct entry {
    uint64_t hash;
    struct view blob; /* .p is NULL where the slot is free */
    struct identity_use use;
};

struct identity_index {
    uint64_t key[2];
    size_t mask;
    struct entry *entries;
};

static uint64_t rotl(uint64_t x, unsigned by)
{
    return (x << by) | (x >> (64 - by));
}

static void rounds(uint64_t v[4], unsigned n)
{
    for (; n > 0; n--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotl(v[1], 13) ^ v[0];
        v[3] = rotl(v[3], 16) ^ v[2];
        v[0] = rotl(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotl(v[1], 17) ^ v[2];
        v[3] = rotl(v[3], 21) ^ v[0];
        v[2] = rotl(v[2], 32);
    }
}

static uint64_t word(const uint8_t *p, size_t len)
{
    uint64_t w = 0;

    for (size_t i = 0; i < len; i++) {
        w |= (uint64_t)p[i] << (8 * i);
    }
    return w;
}

static void mix(uint64_t v[4], uint64_t w)
{
    v[3] ^= w;
    rounds(v, 2);
    v[0] ^= w;
}

uint64_t identity_index_hash(const uint64_t key[2], struct view data)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575U, key[1] ^ 0x646f72616e646f6dU,
                     key[0] ^ 0x6c7967656e657261U, key[1] ^ 0x7465646279746573U};
    size_t whole = data.len & ~(size_t)7;

    for (size_t i = 0; i < whole; i += 8) {
        mix(v, word(data.p + i, 8));
    }
    mix(v, (uint64_t)data.len << 56 | (data.len > whole ? word(data.p + whole, data.len & 7) : 0));
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct identity_index *identity_index_new(size_t max)
{
    struct identity_index *x = calloc(1, sizeof *x);
    size_t slots = 8;

    while (slots < 2 * max) {
        slots *= 2;
    }
    if (x == NULL || getrandom(x->key, sizeof x->key, 0) != (ssize_t)sizeof x->key) {
        free(x);
        return NULL;
    }
    x->mask = slots - 1;
    x->entries = calloc(slots, sizeof *x->entries);
    if (x->entries == NULL) {
        auto_free(&x);
    }
    return x;
}

void identity_index_free(struct identity_index **xp)
{
    struct identity_index *x = take(xp);

    if (x != NULL) {
        free(x->entries);
        free(x);
    }
}

static bool is_entry(const struct entry *e, uint64_t hash, struct view blob)
{
    return e->hash == hash && view_eq(e->blob, blob);
}

void identity_index_put(struct identity_index *x, struct view blob, const struct identity_use *use)
{
    uint64_t hash = identity_index_hash(x->key, blob);
    size_t i = hash & x->mask;

    while (x->entries[i].blob.p != NULL) {
        if (is_entry(&x->entries[i], hash, blob) && x->entries[i].use.identity == use->identity) {
            return;
        }
        i = (i + 1) & x->mask;
    }
    x->entries[i] = (struct entry){hash, blob, *use};
}

bool identity_index_get(const struct identity_index *x, struct view blob,
                        bool (*is_wanted)(const void *arg, const struct identity *i),
                        const void *arg, struct identity_use *ret)
{
    uint64_t hash = identity_index_hash(x->key, blob);

    for (size_t i = hash & x->mask; x->entries[i].blob.p != NULL; i = (i + 1) & x->mask) {
        const struct entry *e = &x->entries[i];

        if (is_entry(e, hash, blob) && (is_wanted == NULL || is_wanted(arg, e->use.identity))) {
            *ret = e->use;
            return true;
        }
    }
    return false;
}
