#ifndef HF_VAULT_POOL_H
#define HF_VAULT_POOL_H

#include "vault/client_cert.h"

/** A thread's libcurl handles, each with connections of its own. Not for two threads. */
struct vault_pool;

struct err *vault_pool_new(struct vault_pool **ret) MUST_CHECK;
void vault_pool_free(struct vault_pool **p);
/** vault_pool_get() - the handle (a CURL *, borrowed until the next call) for connections that show
 * @c, or nothing. What showed another certificate to the same server is closed. NOMEM */
struct err *vault_pool_get(struct vault_pool *p, const struct vault_client_cert *c, void **ret_curl)
    MUST_CHECK;

#endif
