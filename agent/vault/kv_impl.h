#ifndef HF_VAULT_KV_IMPL_H
#define HF_VAULT_KV_IMPL_H

/* For kv.c and kv_parts.c only: entries of one piece each, and texts made of several. */
#include "vault/client.h"

typedef void vault_kv_got_fn(void *arg, struct err *e, const char *text, uint64_t version);
typedef void vault_kv_written_fn(void *arg, struct err *e, uint64_t version);

struct vault_kv_op;

/** A text in pieces, as its entry says it. */
struct vault_kv_parts {
    LIST_ENTRY(vault_kv_parts) link; /* vault_kv's parts */
    char *path;                      /* of the entry */
    char id[32];                     /* of the pieces */
    size_t n;
};

struct vault_kv {
    struct vault *vault;
    char *server, *mount, *prefix;
    LIST_HEAD(, vault_kv_op) ops;      /* under way */
    LIST_HEAD(, vault_kv_parts) parts; /* of which entries, as last seen */
};

/** vault_kv_one_get(), ..._cas() - as vault_kv_get() and vault_kv_cas(), of one piece that fits in a
 * frame */
void vault_kv_one_get(struct vault_kv *kv, const char *path, vault_kv_got_fn *on_done, void *arg);
void vault_kv_one_cas(struct vault_kv *kv, const char *path, const char *text, uint64_t version,
                      vault_kv_written_fn *on_done, void *arg);

/** vault_kv_parts_end() - what is under way is given up, without a callback */
void vault_kv_parts_end(struct vault_kv *kv);

#endif
