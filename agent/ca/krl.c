/*
 * A key revocation list as OpenSSH reads it: a header, then one section for each CA key with the
 * serial numbers and the key ids that are no longer good. (A CA that got a new key has two: what the
 * old one signed stays revoked.) Pure: it writes bytes.
 */
#include <stdlib.h>

#include "ca/priv.h"

enum { FORMAT = 1, SECTION_CERTIFICATES = 1, SERIAL_LIST = 0x20, KEY_ID = 0x23 };
static const uint64_t MAGIC = 0x5353484b524c0a00U; /* "SSHKRL\n\0" */

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* Entries of one CA. */
struct section {
    const struct ssh_key *ca;
    const struct ca_revocation *list;
    size_t n;
};

static bool is_in(const struct section *s, const struct ca_revocation *entry)
{
    return entry->ca == s->ca || ssh_key_eq(entry->ca, s->ca);
}

static void put_serials(struct buf *b, const struct section *s)
{
    AUTO(auto_free) uint64_t *serials = calloc(s->n + 1, sizeof *serials);
    size_t found = 0;

    if (serials == NULL) {
        b->failed = b->no_memory = true;
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->list[i].serial != 0 && is_in(s, &s->list[i])) {
            serials[found++] = s->list[i].serial;
        }
    }
    if (found == 0) {
        return;
    }
    qsort(serials, found, sizeof *serials, by_number);
    buf_put_u8(b, SERIAL_LIST);
    size_t begun = buf_begin_string(b);

    for (size_t i = 0; i < found; i++) {
        buf_put_u64(b, serials[i]);
    }
    buf_end_string(b, begun);
}

static void put_key_ids(struct buf *b, const struct section *s)
{
    size_t begun = 0;

    for (size_t i = 0; i < s->n; i++) {
        const struct ca_revocation *entry = &s->list[i];

        if (entry->serial != 0 || !is_in(s, entry)) {
            continue;
        }
        if (begun == 0) {
            buf_put_u8(b, KEY_ID);
            begun = buf_begin_string(b);
        }
        buf_put_cstr(b, entry->key_id);
    }
    if (begun != 0) {
        buf_end_string(b, begun);
    }
}

static void put_section(struct buf *b, const struct section *s)
{
    buf_put_u8(b, SECTION_CERTIFICATES);
    size_t begun = buf_begin_string(b);

    buf_put_string(b, ssh_key_blob(s->ca));
    buf_put_cstr(b, "");
    put_serials(b, s);
    put_key_ids(b, s);
    buf_end_string(b, begun);
}

static bool is_first_of_ca(const struct ca_revocation *list, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (ssh_key_eq(list[i].ca, list[at].ca)) {
            return false;
        }
    }
    return true;
}

void ca_krl_put(struct buf *b, const struct ca_revocation *list, size_t n, uint64_t version,
                struct wall now)
{
    const struct ssh_key *last = NULL;

    buf_put_u64(b, MAGIC);
    buf_put_u32(b, FORMAT);
    buf_put_u64(b, version);
    buf_put_u64(b, (uint64_t)now.s);
    buf_put_u64(b, 0); /* flags: none are known */
    buf_put_cstr(b, "");
    buf_put_cstr(b, "holdfast");
    for (size_t i = 0; i < n; i++) {
        if (list[i].ca != last && is_first_of_ca(list, i)) {
            put_section(b, &(struct section){.ca = list[i].ca, .list = list, .n = n});
        }
        last = list[i].ca;
    }
}
