#ifndef HF_VAULT_MEMO_H
#define HF_VAULT_MEMO_H

#include "base/base.h"

/** What was learnt of a server's SSH engines and holds for a while; for all threads. */
struct vault_memo;

enum vault_memo_kind {
    VAULT_MEMO_ROLE_CHOOSES, /* a role does not let its extensions be chosen */
    VAULT_MEMO_ISSUER_KEY,   /* an issuer's public key: its line */
};
enum { VAULT_MEMO_MAX = 128 };

/** vault_memo_new() - nothing learnt yet. NOMEM */
struct err *vault_memo_new(struct vault_memo **ret) MUST_CHECK;
void vault_memo_free(struct vault_memo **m);
/**
 * vault_memo_put() - remember, in place of what was known
 * @mount, @name: what it is about
 * @life_ms:      for so long
 * Of more than VAULT_MEMO_MAX the one that ends first goes. Without memory nothing is remembered.
 */
void vault_memo_put(struct vault_memo *m, enum vault_memo_kind kind, const char *mount,
                    const char *name, const char *text, int64_t life_ms);
/** vault_memo_get() - what is known (caller owns); NULL: nothing, or not any more */
char *vault_memo_get(struct vault_memo *m, enum vault_memo_kind kind, const char *mount,
                     const char *name);

#endif
