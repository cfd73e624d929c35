#ifndef HF_BASE_SECRET_H
#define HF_BASE_SECRET_H

#include "base/buf.h"

enum { SECRET_MAX_BYTES = 16 * 1024 };

/** How the secure heap came out; shown in status. */
enum secret_heap { SECRET_HEAP_LOCKED, SECRET_HEAP_NOT_LOCKED, SECRET_HEAP_ABSENT };

/** secret_heap_init() - once per program, first thing in main: OpenSSL's secure heap (64 KiB, or
 * 256 KiB where RLIMIT_MEMLOCK allows), no core dumps, not dumpable */
enum secret_heap secret_heap_init(void);
/** secret_heap_state() - what secret_heap_init() answered */
enum secret_heap secret_heap_state(void);

/** Bytes in the secure heap, NUL-terminated for convenience; wiped when freed. */
struct secret;

/** secret_new() - copy @v (1..SECRET_MAX_BYTES); INPUT (empty), LIMIT, NOMEM */
struct err *secret_new(struct view v, struct secret **ret) MUST_CHECK;
/** secret_from_file() - read a file: at most SECRET_MAX_BYTES, trailing CR LF removed
 * Errors: NOT_FOUND, DENIED, INPUT (empty, NUL bytes, or readable/writable by others), LIMIT */
struct err *secret_from_file(const char *path, struct secret **ret) MUST_CHECK;
/** secret_from_env() - take an environment variable: it is overwritten in place and unset.
 * NOT_FOUND when absent or empty, LIMIT */
struct err *secret_from_env(const char *name, struct secret **ret) MUST_CHECK;
struct secret *secret_copy(const struct secret *s);
void secret_free(struct secret **s);
/** secret_view(), secret_text() - borrowed; never put into logs or errors */
struct view secret_view(const struct secret *s);
const char *secret_text(const struct secret *s);

#endif
