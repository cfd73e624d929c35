#ifndef HF_BASE_TEXT_H
#define HF_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/** text_fmt() - printf into an owned string; NULL when out of memory */
char *text_fmt(const char *fmt, ...) PRINTF_LIKE(1, 2);
/** text_copy() - strdup() that passes NULL through */
char *text_copy(const char *s);
bool text_eq(const char *a, const char *b);

/** text_hex() - lower-case hex (caller owns; NULL when out of memory) */
char *text_hex(struct view v);
/** text_unhex() - INPUT when @hex has an odd length or another character */
struct err *text_unhex(const char *hex, struct buf *out) MUST_CHECK;
/** text_base64() - with padding (caller owns) */
char *text_base64(struct view v);
/** text_unbase64() - strict: no white space, padding required, no stray bits; INPUT otherwise */
struct err *text_unbase64(struct view text, struct buf *out) MUST_CHECK;

/** text_duration() - "90", "90s", "15m", "8h", "7d" to seconds; INPUT names what is wrong */
struct err *text_duration(const char *text, int64_t *ret_s) MUST_CHECK;
/** text_duration_of() - "45s", "4m 10s", "3h 20m", "12d 4h": the two largest units, into @out */
enum { TEXT_DURATION_BYTES = 32 };
const char *text_duration_of(int64_t s, char *out);

/** text_safe() - an owned copy fit for a terminal or log: control and non-UTF-8 bytes as \xNN */
char *text_safe(struct view v);
/** text_name_ok() - a name of ours: 1..64 of [A-Za-z0-9._-], not starting with '.' or '-' */
bool text_name_ok(const char *name);

/** A NULL-terminated list of owned strings. */
void text_list_free(char ***list);
size_t text_list_len(char *const *list);
/** text_list_copy() - deep copy; NULL for NULL or when out of memory */
char **text_list_copy(char *const *list);
/** text_list_add() - append a copy; false when out of memory */
bool text_list_add(char ***list, const char *s);
bool text_list_has(char *const *list, const char *s);
/** text_list_join() - "a,b" (caller owns); "" for an empty list, NULL when out of memory */
char *text_list_join(char *const *list, const char *between);

/** text_list_put() - a list on the wire; NULL and empty are told apart */
void text_list_put(struct buf *b, char *const *list);
/** text_list_get() - what text_list_put() wrote (caller owns). Fails the reader, and is NULL, for more than
 * @max strings, one with a NUL, and without memory */
char **text_list_get(struct rd *r, uint32_t max);

#endif
