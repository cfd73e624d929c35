#ifndef HF_VAULT_URL_H
#define HF_VAULT_URL_H

#include "base/base.h"

/*
 * Addresses of the API. A path is put together piece by piece in a struct buf that ends as a C string:
 * vault_url_path() and vault_url_name(), then vault_url_end(). In front of it comes one of a server's
 * addresses: vault_url_begin().
 */

/** vault_url_begin() - "https://host:8200" and "/v1"
 * @address: as configured; a path prefix is allowed, a final slash is dropped
 * Errors: INPUT (not https, a user name in it, '?', '#', spaces or control characters) */
struct err *vault_url_begin(struct buf *url, const char *address) MUST_CHECK;
/** vault_url_named() - the same with another host: the one that the certificate is for
 * @name:       a host name or address
 * @connect_to: gets "::host:port" of @address, ended: where to connect to, as libcurl has it
 * Errors: INPUT as above, and for a name that can be none */
struct err *vault_url_named(struct buf *url, const char *address, const char *name,
                            struct buf *connect_to) MUST_CHECK;
/** vault_url_path() - append a path such as "team/ssh"; slashes at its ends do not count
 * Errors: INPUT (empty, empty segments, "." or "..", '?', '#', '%', '\', control characters) */
struct err *vault_url_path(struct buf *url, const char *path) MUST_CHECK;
/** vault_url_name() - append one segment, such as a role; INPUT as above and for a '/' */
struct err *vault_url_name(struct buf *url, const char *name) MUST_CHECK;
/** vault_url_end() - the finished address, borrowed from @url; LIMIT, NOMEM */
struct err *vault_url_end(struct buf *url, const char **ret) MUST_CHECK;

#endif
