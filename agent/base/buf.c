/*
 * The one opaque wire buffer: a writer with a hard maximum and a reader that cannot leave its
 * bounds. Both fail once and stay failed, so that parsers and encoders read as plain lists of
 * fields and test for trouble in one place.
 */
#include "base/buf.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

struct view view_cstr(const char *s)
{
    return view_of(s, s != NULL ? strlen(s) : 0);
}

bool view_eq(struct view a, struct view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool view_is(struct view v, const char *s)
{
    return view_eq(v, view_cstr(s));
}

char *view_dup(struct view v)
{
    char *s = malloc(v.len + 1);

    if (s != NULL) {
        if (v.len > 0) {
            memcpy(s, v.p, v.len);
        }
        s[v.len] = '\0';
    }
    return s;
}

bool view_has_nul(struct view v)
{
    return v.len > 0 && memchr(v.p, 0, v.len) != NULL;
}

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max != 0 ? max : BUF_MAX_BYTES};
}

void buf_deinit(struct buf *b)
{
    if (b->secret && b->data != NULL) {
        OPENSSL_cleanse(b->data, b->cap);
    }
    free(b->data);
    *b = (struct buf){.max = b->max, .secret = b->secret};
}

void buf_clear(struct buf *b)
{
    if (b->secret && b->data != NULL) {
        OPENSSL_cleanse(b->data, b->cap);
    }
    b->len = 0;
    b->failed = false;
    b->no_memory = false;
}

struct err *buf_check(const struct buf *b, const char *what)
{
    if (!b->failed) {
        return NULL;
    }
    return b->no_memory ? err_nomem()
                        : err_new(ERR_LIMIT, "%s is larger than %zu bytes", what, b->max);
}

struct view buf_view(const struct buf *b)
{
    return view_of(b->data, b->len);
}

static bool grow(struct buf *b, size_t need)
{
    size_t cap = b->cap != 0 ? b->cap : 64;

    while (cap < need) {
        cap *= 2;
    }
    if (!b->secret) {
        uint8_t *data = realloc(b->data, cap);

        if (data == NULL) {
            return false;
        }
        b->data = data;
    } else {
        uint8_t *data = calloc(1, cap);

        if (data == NULL) {
            return false;
        }
        if (b->data != NULL) {
            memcpy(data, b->data, b->len);
            OPENSSL_cleanse(b->data, b->cap);
            free(b->data);
        }
        b->data = data;
    }
    b->cap = cap;
    return true;
}

uint8_t *buf_reserve(struct buf *b, size_t len)
{
    if (b->failed || len > b->max || b->len > b->max - len) {
        b->failed = true;
        return NULL;
    }
    if ((b->data == NULL || b->len + len > b->cap) && !grow(b, b->len + len)) {
        b->failed = b->no_memory = true;
        return NULL;
    }
    uint8_t *p = b->data + b->len;

    b->len += len;
    return p;
}

void buf_put(struct buf *b, const void *p, size_t len)
{
    if (len == 0) {
        return;
    }
    uint8_t *to = buf_reserve(b, len);

    if (to != NULL) {
        memcpy(to, p, len);
    }
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    buf_put(b, &v, 1);
}

void buf_put_bool(struct buf *b, bool v)
{
    buf_put_u8(b, v ? 1 : 0);
}

static void store_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

void buf_put_u32(struct buf *b, uint32_t v)
{
    uint8_t *p = buf_reserve(b, 4);

    if (p != NULL) {
        store_u32(p, v);
    }
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    buf_put_u32(b, (uint32_t)(v >> 32));
    buf_put_u32(b, (uint32_t)v);
}

void buf_put_string(struct buf *b, struct view v)
{
    if (v.len > b->max) { /* also keeps the length within 32 bits */
        b->failed = true;
        return;
    }
    buf_put_u32(b, (uint32_t)v.len);
    buf_put(b, v.p, v.len);
}

void buf_put_cstr(struct buf *b, const char *s)
{
    buf_put_string(b, view_cstr(s));
}

void buf_put_mpint(struct buf *b, struct view v)
{
    while (v.len > 0 && v.p[0] == 0) {
        v = view_of(v.p + 1, v.len - 1);
    }
    bool sign_bit = v.len > 0 && (v.p[0] & 0x80) != 0;

    buf_put_u32(b, (uint32_t)(v.len + (sign_bit ? 1 : 0)));
    if (sign_bit) {
        buf_put_u8(b, 0);
    }
    buf_put(b, v.p, v.len);
}

size_t buf_begin_string(struct buf *b)
{
    buf_put_u32(b, 0);
    return b->len;
}

void buf_end_string(struct buf *b, size_t begun)
{
    if (!b->failed) {
        store_u32(b->data + begun - 4, (uint32_t)(b->len - begun));
    }
}

void buf_drop(struct buf *b, size_t len)
{
    b->len -= len < b->len ? len : b->len;
    if (b->len > 0) {
        memmove(b->data, b->data + len, b->len);
    }
}

struct rd rd_of(struct view v)
{
    return (struct rd){.p = v.p, .left = v.len};
}

void rd_fail(struct rd *r)
{
    r->failed = true;
    r->left = 0;
}

struct view rd_bytes(struct rd *r, size_t len)
{
    if (r->failed || len > r->left) {
        rd_fail(r);
        return view_of(NULL, 0);
    }
    struct view v = view_of(r->p, len);

    if (len > 0) { /* no arithmetic on the NULL of an empty view */
        r->p += len;
        r->left -= len;
    }
    return v;
}

uint8_t rd_u8(struct rd *r)
{
    struct view v = rd_bytes(r, 1);

    return v.p != NULL ? v.p[0] : 0;
}

bool rd_bool(struct rd *r)
{
    return rd_u8(r) != 0;
}

uint32_t rd_u32(struct rd *r)
{
    struct view v = rd_bytes(r, 4);

    if (v.p == NULL) {
        return 0;
    }
    return (uint32_t)v.p[0] << 24 | (uint32_t)v.p[1] << 16 | (uint32_t)v.p[2] << 8 | v.p[3];
}

uint64_t rd_u64(struct rd *r)
{
    uint64_t high = rd_u32(r);

    return high << 32 | rd_u32(r);
}

struct view rd_string(struct rd *r)
{
    uint32_t len = rd_u32(r);

    return rd_bytes(r, len);
}

struct view rd_mpint(struct rd *r)
{
    struct view v = rd_string(r);

    if (v.len == 0) {
        return v;
    }
    if ((v.p[0] & 0x80) != 0 || (v.p[0] == 0 && (v.len == 1 || (v.p[1] & 0x80) == 0))) {
        rd_fail(r);
        return view_of(NULL, 0);
    }
    return v.p[0] == 0 ? view_of(v.p + 1, v.len - 1) : v;
}

char *rd_cstr(struct rd *r)
{
    struct view v = rd_string(r);

    if (view_has_nul(v)) {
        rd_fail(r);
    }
    return r->failed ? NULL : view_dup(v);
}

struct rd rd_nested(struct rd *r)
{
    struct rd inner = rd_of(rd_string(r));

    inner.failed = r->failed;
    return inner;
}

struct view rd_rest(const struct rd *r)
{
    return view_of(r->p, r->left);
}

bool rd_failed(const struct rd *r)
{
    return r->failed;
}

bool rd_at_end(const struct rd *r)
{
    return r->failed || r->left == 0;
}

struct err *rd_end(const struct rd *r, const char *what)
{
    if (r->failed) {
        return err_new(ERR_PROTOCOL, "%s is cut short or malformed", what);
    }
    if (r->left > 0) {
        return err_new(ERR_PROTOCOL, "%s has %zu trailing bytes", what, r->left);
    }
    return NULL;
}
