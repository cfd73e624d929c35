/*
 * Keys on the wire: one key, and pages of them, since a thousand RSA keys do not fit one frame. The
 * same bytes are what the agent keeps of a token's keys on disk.
 *
 * The reader is for bytes of a process that runs vendor code: counts are bounded before memory is
 * taken, public keys go through the same checks as any other key blob.
 */
#include <stdlib.h>
#include <string.h>

#include "pkcs11/remote/ops.h"

enum {
    IS_SENSITIVE = 1,
    IS_ALWAYS_SENSITIVE = 2,
    IS_EXTRACTABLE = 4,
    IS_NEVER_EXTRACTABLE = 8,
    IS_LOCAL = 16,
    IS_ALWAYS_AUTHENTICATE = 32,
    CAN_SIGN = 64,
    IS_PROVEN = 128,
};

void ops_keys_put(struct buf *b, const struct ops_keys *k)
{
    buf_put_u32(b, k->lane);
    buf_put_u32(b, k->first);
}

struct err *ops_keys_get(struct rd *r, struct ops_keys *ret)
{
    ret->lane = rd_u32(r);
    ret->first = rd_u32(r);
    if (ret->lane < 1 || ret->lane > OPS_LANES_MAX || ret->first > TOKEN_KEYS_MAX) {
        rd_fail(r);
    }
    return rd_end(r, "a request for keys");
}

static uint8_t flags_of(const struct token_key *k)
{
    return (uint8_t)((k->sensitive ? IS_SENSITIVE : 0) |
                     (k->always_sensitive ? IS_ALWAYS_SENSITIVE : 0) |
                     (k->extractable ? IS_EXTRACTABLE : 0) |
                     (k->never_extractable ? IS_NEVER_EXTRACTABLE : 0) | (k->local ? IS_LOCAL : 0) |
                     (k->always_authenticate ? IS_ALWAYS_AUTHENTICATE : 0) |
                     (k->can_sign ? CAN_SIGN : 0) | (k->proven ? IS_PROVEN : 0));
}

static void set_flags(struct token_key *k, uint8_t flags)
{
    k->sensitive = (flags & IS_SENSITIVE) != 0;
    k->always_sensitive = (flags & IS_ALWAYS_SENSITIVE) != 0;
    k->extractable = (flags & IS_EXTRACTABLE) != 0;
    k->never_extractable = (flags & IS_NEVER_EXTRACTABLE) != 0;
    k->local = (flags & IS_LOCAL) != 0;
    k->always_authenticate = (flags & IS_ALWAYS_AUTHENTICATE) != 0;
    k->can_sign = (flags & CAN_SIGN) != 0;
    k->proven = (flags & IS_PROVEN) != 0;
}

static void key_put(struct buf *b, const struct token_key *k)
{
    buf_put_cstr(b, k->label);
    buf_put_string(b, view_of(k->id, k->id_len));
    buf_put_string(b, ssh_key_blob(k->key));
    buf_put_u8(b, flags_of(k));
    buf_put_cstr(b, k->why_not); /* "": usable */
}

static struct err *key_get(struct rd *r, struct token_key *ret)
{
    struct token_key k = {.label = rd_cstr(r)};
    struct view id = rd_string(r);
    struct view blob = rd_string(r);

    set_flags(&k, rd_u8(r));
    k.why_not = rd_cstr(r);
    struct err *e = NULL;

    if (rd_failed(r) || id.len > sizeof k.id || k.label == NULL || k.why_not == NULL) {
        e = err_new(ERR_PROTOCOL, "the description of a key is malformed");
    } else {
        e = ssh_key_from_blob(blob, &k.key);
    }
    if (e != NULL) {
        ops_key_deinit(&k);
        return e;
    }
    if (id.len > 0) {
        memcpy(k.id, id.p, id.len);
    }
    k.id_len = id.len;
    if (*k.why_not == '\0') {
        auto_free(&k.why_not);
        k.why_not = NULL;
    }
    *ret = k;
    return NULL;
}

void ops_key_put(struct buf *b, const struct token_key *k)
{
    key_put(b, k);
}

struct err *ops_key_get(struct rd *r, struct token_key *ret)
{
    struct token_key k;
    struct err *e = key_get(r, &k);

    if (e != NULL) {
        return e;
    }
    e = rd_end(r, "the description of a key");
    if (e != NULL) {
        ops_key_deinit(&k);
        return e;
    }
    *ret = k;
    return NULL;
}

void ops_key_deinit(struct token_key *k)
{
    free(k->label);
    free(k->why_not);
    ssh_key_free(&k->key);
    *k = (struct token_key){0};
}

void ops_keys_free(struct token_key **keys, size_t n)
{
    struct token_key *list = take(keys);

    for (size_t i = 0; list != NULL && i < n; i++) {
        ops_key_deinit(&list[i]);
    }
    free(list);
}

/* As many as fit; the count is written in front once it is known. */
void ops_page_put(struct buf *b, const struct token_key *keys, size_t total, size_t first)
{
    AUTO(buf_deinit) struct buf page;
    size_t n = 0;

    buf_init(&page, 0);
    while (first + n < total && page.len < OPS_PAGE_BYTES) {
        key_put(&page, &keys[first + n]);
        n++;
    }
    b->failed = b->failed || page.failed;
    buf_put_u32(b, (uint32_t)total);
    buf_put_u32(b, (uint32_t)n);
    buf_put(b, page.data, page.len);
}

struct err *ops_page_get(struct rd *r, size_t *ret_total, struct token_key **ret_keys,
                         size_t *ret_n)
{
    size_t total = rd_u32(r);
    size_t n = rd_u32(r);

    if (rd_failed(r) || total > TOKEN_KEYS_MAX || n > total) {
        return err_new(ERR_PROTOCOL, "a page of keys is malformed");
    }
    struct token_key *keys = n > 0 ? calloc(n, sizeof *keys) : NULL;
    struct err *e = n > 0 && keys == NULL ? err_nomem() : NULL;

    for (size_t i = 0; e == NULL && i < n; i++) {
        e = key_get(r, &keys[i]);
    }
    if (e == NULL) {
        e = rd_end(r, "a page of keys");
    }
    if (e != NULL) {
        ops_keys_free(&keys, n);
        return e;
    }
    *ret_total = total;
    *ret_keys = keys;
    *ret_n = n;
    return NULL;
}
