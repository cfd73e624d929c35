#ifndef HF_VAULT_POOL_H
#define HF_VAULT_POOL_H

#include "vault/client_cert.h"

/** The connections to one server as it is configured now, for all threads. */
struct vault_pool;

/** A handle of libcurl's with connections of its own. Whoever has taken it has it alone. */
struct vault_handle {
    void *curl;               /* CURL * */
    struct vault_asker asker; /* the keys of its connections sign by it, at @ask_fd */
    int ask_fd;               /* of the thread that has it */
};

/** vault_pool_new() - without any connection yet. NOMEM */
struct err *vault_pool_new(struct vault_pool **ret) MUST_CHECK;
/** vault_pool_free() - when all are given back; closes the connections */
void vault_pool_free(struct vault_pool **p);
/** vault_pool_take() - the handle that was used last, or a new one. NOMEM */
struct err *vault_pool_take(struct vault_pool *p, struct vault_handle **ret) MUST_CHECK;
/** vault_pool_give() - give it back; leaves NULL, accepts NULL */
void vault_pool_give(struct vault_pool *p, struct vault_handle **h);

#endif
