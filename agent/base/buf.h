#ifndef HF_BASE_BUF_H
#define HF_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/** Bytes that somebody else owns. */
struct view {
    const uint8_t *p;
    size_t len;
};

static inline struct view view_of(const void *p, size_t len)
{
    return (struct view){p, len};
}
/** view_cstr() - the bytes of a C string without its NUL */
struct view view_cstr(const char *s);
bool view_eq(struct view a, struct view b);
bool view_is(struct view v, const char *s);
/** view_dup() - a NUL-terminated copy (caller owns; NULL when out of memory). May hold NULs. */
char *view_dup(struct view v);
/** view_has_nul() - true where the bytes would not survive as a C string */
bool view_has_nul(struct view v);

/**
 * A growing writer of SSH wire data (RFC 4251, 5) with a hard maximum. A write that does not fit
 * marks it failed and changes nothing more: check once, at the end, with buf_check().
 */
struct buf {
    uint8_t *data; /* owned */
    size_t len, cap, max;
    bool failed;
    bool no_memory; /* why it failed */
    bool secret;    /* wiped when it grows and when it is freed */
};

enum { BUF_MAX_BYTES = 256 * 1024 };

/** buf_init() - an empty buffer; @max 0 means BUF_MAX_BYTES. No memory is taken yet. */
void buf_init(struct buf *b, size_t max);
/** buf_deinit() - frees the bytes (wiped if secret) and makes the buffer empty */
void buf_deinit(struct buf *b);
/** buf_clear() - forget the contents, keep the memory */
void buf_clear(struct buf *b);
/** buf_check() - LIMIT or NOMEM when a write failed, else NULL; @what names the message */
struct err *buf_check(const struct buf *b, const char *what) MUST_CHECK;
/** buf_view() - all bytes, valid until the next write */
struct view buf_view(const struct buf *b);

/** buf_put() and the rest: append; numbers are big endian (Spec: RFC 4251, 5) */
void buf_put(struct buf *b, const void *p, size_t len);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_bool(struct buf *b, bool v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
/** buf_put_string() - uint32 length, then the bytes */
void buf_put_string(struct buf *b, struct view v);
void buf_put_cstr(struct buf *b, const char *s);
/** buf_put_mpint() - a non-negative big-endian integer as mpint (Spec: RFC 4251, 5) */
void buf_put_mpint(struct buf *b, struct view big_endian);
/** buf_begin_string() - open a nested string; close it with buf_end_string(token) */
size_t buf_begin_string(struct buf *b);
void buf_end_string(struct buf *b, size_t begun);
/** buf_reserve() - room for @len bytes at the end, to be filled by the caller; NULL on failure */
uint8_t *buf_reserve(struct buf *b, size_t len);
/** buf_drop() - remove @len bytes from the front, at most all */
void buf_drop(struct buf *b, size_t len);

/**
 * A bounded reader of SSH wire data. Reading past the end marks it failed and yields zeros and
 * empty views from then on: check once, at the end, with rd_end().
 */
struct rd {
    const uint8_t *p;
    size_t left;
    bool failed;
};

/** rd_of() - a reader over borrowed bytes; rd_u8() and the rest: take the next value, big endian */
struct rd rd_of(struct view v);
uint8_t rd_u8(struct rd *r);
/** rd_bool() - any non-zero byte is true (Spec: RFC 4251, 5) */
bool rd_bool(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
struct view rd_bytes(struct rd *r, size_t len);
struct view rd_string(struct rd *r);
/** rd_mpint() - a non-negative mpint without leading zeros; a negative or padded one fails */
struct view rd_mpint(struct rd *r);
/** rd_cstr() - a string without NUL bytes as an owned C string; NULL when failed or no memory */
char *rd_cstr(struct rd *r);
/** rd_nested() - a reader over the next string */
struct rd rd_nested(struct rd *r);
/** rd_rest() - all that is left, without reading it */
struct view rd_rest(const struct rd *r);
void rd_fail(struct rd *r);
bool rd_failed(const struct rd *r);
bool rd_at_end(const struct rd *r);
/** rd_end() - PROTOCOL when a read failed or bytes are left over; @what names the message */
struct err *rd_end(const struct rd *r, const char *what) MUST_CHECK;

#endif
