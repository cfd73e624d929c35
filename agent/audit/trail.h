#ifndef HF_AUDIT_TRAIL_H
#define HF_AUDIT_TRAIL_H

/* Inside of audit/: the file. Blocking. */
#include "base/base.h"

/** audit_trail_append() - number and chain lines, and have them on disk
 * @lines: JSON objects, each with members and a newline, without "seq" and "prev"
 * Errors: STORE, DENIED, NOT_FOUND; then none of them is in the file, or a torn rest that the next
 * call cuts off */
struct err *audit_trail_append(const char *path, struct view lines) MUST_CHECK;
/** audit_trail_tail() - append the last @n lines to @out; a file that is not there has none */
struct err *audit_trail_tail(const char *path, size_t n, struct buf *out) MUST_CHECK;
/** audit_trail_verify() - CERT names the file and the line that does not follow from the one before */
struct err *audit_trail_verify(const char *path, uint64_t *ret_lines) MUST_CHECK;

#endif
