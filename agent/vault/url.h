#ifndef HF_VAULT_URL_H
#define HF_VAULT_URL_H

#include "base/base.h"

/*
 * Addresses of the API, put together piece by piece in a struct buf that ends as a C string:
 * vault_url_begin(), then vault_url_path() and vault_url_name(), then vault_url_end().
 */

/** vault_url_begin() - "https://host:8200" and "/v1"
 * @address: as configured; a path prefix is allowed, a final slash is dropped
 * Errors: INPUT (not https, a user name in it, '?', '#', spaces or control characters) */
struct err *vault_url_begin(struct buf *url, const char *address) MUST_CHECK;
/** vault_url_path() - append a path such as "team/ssh"; slashes at its ends do not count
 * Errors: INPUT (empty, empty segments, "." or "..", '?', '#', '%', '\', control characters) */
struct err *vault_url_path(struct buf *url, const char *path) MUST_CHECK;
/** vault_url_name() - append one segment, such as a role; INPUT as above and for a '/' */
struct err *vault_url_name(struct buf *url, const char *name) MUST_CHECK;
/** vault_url_end() - the finished address, borrowed from @url; LIMIT, NOMEM */
struct err *vault_url_end(struct buf *url, const char **ret) MUST_CHECK;

#endif
