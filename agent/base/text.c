/*
 * Text helpers that more than one folder needs. Encodings come from OpenSSL; what is here is the
 * strictness: an input that is not exactly right is an error, never a guess.
 */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *text_fmt(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return n < 0 ? NULL : s;
}

char *text_copy(const char *s)
{
    return s != NULL ? strdup(s) : NULL;
}

bool text_eq(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

char *text_hex(struct view v)
{
    char *out = malloc(2 * v.len + 1);

    if (out == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < v.len; i++) {
        snprintf(out + 2 * i, 3, "%02x", v.p[i]);
    }
    out[2 * v.len] = '\0';
    return out;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    int lower = tolower((unsigned char)c);

    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

struct err *text_unhex(const char *hex, struct buf *out)
{
    size_t len = strlen(hex);

    if (len % 2 != 0) {
        return err_new(ERR_INPUT, "hex text has an odd number of digits");
    }
    for (size_t i = 0; i < len; i += 2) {
        int high = hex_digit(hex[i]);
        int low = hex_digit(hex[i + 1]);

        if (high < 0 || low < 0) {
            return err_new(ERR_INPUT, "hex text has something other than 0-9, a-f");
        }
        buf_put_u8(out, (uint8_t)(high * 16 + low));
    }
    return buf_check(out, "hex text");
}

char *text_base64(struct view v)
{
    unsigned char *out = malloc(4 * ((v.len + 2) / 3) + 1);

    if (out != NULL) {
        EVP_EncodeBlock(out, v.p, (int)v.len);
    }
    return (char *)out;
}

static bool is_base64(struct view text)
{
    size_t padding = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = (char)text.p[i];

        if (c == '=') {
            padding++;
        } else if (padding > 0 || !(isalnum((unsigned char)c) || c == '+' || c == '/')) {
            return false;
        }
    }
    return padding <= 2 && text.len % 4 == 0 && text.len > 0;
}

/* The bits that padding cuts off belong to nothing: with another value they would be a second
 * spelling of the same bytes. */
static bool is_zero(const uint8_t *p, size_t len)
{
    return (len < 1 || p[0] == 0) && (len < 2 || p[1] == 0);
}

struct err *text_unbase64(struct view text, struct buf *out)
{
    if (text.len > BUF_MAX_BYTES * 2 || !is_base64(text)) {
        return err_new(ERR_INPUT, "not base64");
    }
    size_t padding = (text.p[text.len - 1] == '=') + (size_t)(text.p[text.len - 2] == '=');
    size_t before = out->len;
    uint8_t *to = buf_reserve(out, text.len / 4 * 3);

    if (to != NULL) {
        int whole = EVP_DecodeBlock(to, text.p, (int)text.len);

        out->len = before;
        if (whole < 0 || !is_zero(to + whole - padding, padding)) {
            return err_new(ERR_INPUT, "not base64");
        }
        out->len = before + (size_t)whole - padding;
    }
    return buf_check(out, "base64 text");
}

struct err *text_duration(const char *text, int64_t *ret_s)
{
    char *end = NULL;
    long long n = 0;
    int64_t unit = 0;

    errno = 0;
    n = isdigit((unsigned char)*text) ? strtoll(text, &end, 10) : -1;
    if (n >= 0 && errno == 0 && (*end == '\0' || end[1] == '\0')) {
        unit = *end == '\0' || *end == 's' ? 1
               : *end == 'm'               ? 60
               : *end == 'h'               ? 3600
               : *end == 'd'               ? 86400
                                           : 0;
    }
    if (unit == 0 || n > INT32_MAX) {
        return err_new(ERR_INPUT, "'%s' is no duration: write 90s, 15m, 8h or 7d", text);
    }
    *ret_s = n * unit;
    return NULL;
}

const char *text_duration_of(int64_t s, char *out)
{
    static const struct {
        int64_t s;
        char name;
    } unit[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(unit) && s < unit[i].s) {
        i++;
    }
    int64_t big = s / unit[i].s;
    int64_t small = i + 1 < ARRAY_LEN(unit) ? s % unit[i].s / unit[i + 1].s : 0;

    if (small > 0) {
        snprintf(out, TEXT_DURATION_BYTES, "%lld%c %lld%c", (long long)big, unit[i].name,
                 (long long)small, unit[i + 1].name);
    } else {
        snprintf(out, TEXT_DURATION_BYTES, "%lld%c", (long long)big, unit[i].name);
    }
    return out;
}

/* Well-formed UTF-8 by its first byte: length, and what the second byte may be. U+0080..U+009F are
 * control characters and left out. Spec: RFC 3629, 4 */
static const struct {
    uint8_t first, last, len, low, high;
} utf8_rows[] = {
    {0xc2, 0xc2, 2, 0xa0, 0xbf}, {0xc3, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

/* The length of the well-formed sequence at v[i], or 0. */
static size_t utf8_len(struct view v, size_t i)
{
    for (size_t r = 0; r < ARRAY_LEN(utf8_rows); r++) {
        if (v.p[i] < utf8_rows[r].first || v.p[i] > utf8_rows[r].last) {
            continue;
        }
        size_t len = utf8_rows[r].len;

        if (i + len > v.len || v.p[i + 1] < utf8_rows[r].low || v.p[i + 1] > utf8_rows[r].high) {
            return 0;
        }
        for (size_t k = 2; k < len; k++) {
            if ((v.p[i + k] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return len;
    }
    return 0;
}

char *text_safe(struct view v)
{
    char *out = malloc(4 * v.len + 1);
    size_t at = 0;

    if (out == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < v.len;) {
        size_t len = v.p[i] >= 0x20 && v.p[i] < 0x7f ? 1 : utf8_len(v, i);

        if (len > 0) {
            memcpy(out + at, v.p + i, len);
            at += len;
            i += len;
        } else {
            at += (size_t)snprintf(out + at, 5, "\\x%02x", v.p[i]);
            i++;
        }
    }
    out[at] = '\0';
    return out;
}

bool text_name_ok(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > 64 || name[0] == '.' || name[0] == '-') {
        return false;
    }
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

void text_list_free(char ***list)
{
    char **items = take(list);

    for (size_t i = 0; items != NULL && items[i] != NULL; i++) {
        free(items[i]);
    }
    free(items);
}

size_t text_list_len(char *const *list)
{
    size_t n = 0;

    while (list != NULL && list[n] != NULL) {
        n++;
    }
    return n;
}

bool text_list_add(char ***list, const char *s)
{
    size_t n = text_list_len(*list);
    char **grown = reallocarray(*list, n + 2, sizeof *grown);

    if (grown == NULL) {
        return false;
    }
    *list = grown;
    grown[n + 1] = NULL;
    grown[n] = strdup(s);
    return grown[n] != NULL;
}

char **text_list_copy(char *const *list)
{
    char **copy = NULL;

    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        if (!text_list_add(&copy, list[i])) {
            text_list_free(&copy);
            return NULL;
        }
    }
    return copy;
}

bool text_list_has(char *const *list, const char *s)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        if (strcmp(list[i], s) == 0) {
            return true;
        }
    }
    return false;
}

char *text_list_join(char *const *list, const char *between)
{
    AUTO(buf_deinit) struct buf b;

    buf_init(&b, 0);
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        if (i > 0) {
            buf_put(&b, between, strlen(between));
        }
        buf_put(&b, list[i], strlen(list[i]));
    }
    return b.failed ? NULL : view_dup(buf_view(&b));
}

void text_list_put(struct buf *b, char *const *list)
{
    buf_put_bool(b, list != NULL);
    buf_put_u32(b, (uint32_t)text_list_len(list));
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        buf_put_cstr(b, list[i]);
    }
}

char **text_list_get(struct rd *r, uint32_t max)
{
    bool is_there = rd_bool(r);
    uint32_t n = rd_u32(r);

    if (n > max || (!is_there && n > 0)) {
        rd_fail(r);
    }
    if (rd_failed(r) || !is_there) {
        return NULL;
    }
    char **list = calloc((size_t)n + 1, sizeof *list);

    for (uint32_t i = 0; list != NULL && i < n; i++) {
        list[i] = rd_cstr(r);
        if (list[i] == NULL) {
            text_list_free(&list);
        }
    }
    if (list == NULL) {
        rd_fail(r);
    }
    return list;
}
