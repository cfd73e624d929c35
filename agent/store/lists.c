/*
 * An entry's tags and references as one value beside its body, so that a page is read with one walk and
 * no look-up an entry. The tables "tag" and "reference" hold the same once more, for what has to be
 * found by them; both are written in the same transaction and nowhere else.
 */
#include <stdlib.h>

#include "store/db.h"

void store_lists_write(struct buf *b, const struct store_entry *entry)
{
    size_t tags = text_list_len(entry->tags);

    buf_put_u32(b, (uint32_t)tags);
    for (size_t i = 0; i < tags; i++) {
        buf_put_cstr(b, entry->tags[i]);
    }
    buf_put_u32(b, (uint32_t)entry->refs_n);
    for (size_t i = 0; i < entry->refs_n; i++) {
        buf_put_cstr(b, entry->refs[i].kind);
        buf_put_cstr(b, entry->refs[i].scope);
        buf_put_cstr(b, entry->refs[i].id);
    }
}

static uint32_t read_count(struct rd *r, uint32_t max)
{
    uint32_t n = rd_u32(r);

    if (n > max) {
        rd_fail(r);
    }
    return rd_failed(r) ? 0 : n;
}

static bool read_tags(struct rd *r, struct store_entry *to)
{
    uint32_t n = read_count(r, STORE_TAGS_MAX);

    to->tags = n > 0 ? calloc(n + 1, sizeof *to->tags) : NULL;
    for (uint32_t i = 0; to->tags != NULL && i < n; i++) {
        to->tags[i] = rd_cstr(r);
        if (to->tags[i] == NULL) {
            return false;
        }
    }
    return n == 0 || to->tags != NULL;
}

static bool read_refs(struct rd *r, struct store_entry *to)
{
    uint32_t n = read_count(r, STORE_REFS_MAX);

    to->refs = n > 0 ? calloc(n, sizeof *to->refs) : NULL;
    to->refs_n = to->refs != NULL ? n : 0;
    for (size_t i = 0; i < to->refs_n; i++) {
        to->refs[i].kind = rd_cstr(r);
        to->refs[i].scope = rd_cstr(r);
        to->refs[i].id = rd_cstr(r);
        if (to->refs[i].kind == NULL || to->refs[i].scope == NULL || to->refs[i].id == NULL) {
            return false;
        }
    }
    return n == 0 || to->refs != NULL;
}

struct err *store_lists_read(struct view bytes, struct store_entry *to)
{
    struct rd r = rd_of(bytes);
    bool memory = read_tags(&r, to) && read_refs(&r, to);

    if (!memory && !rd_failed(&r)) {
        return err_nomem();
    }
    return err_recode(rd_end(&r, "its tags and references are damaged"), ERR_STORE);
}
