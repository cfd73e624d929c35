#ifndef HF_VAULT_CONF_H
#define HF_VAULT_CONF_H

#include "vault/vault.h"

/** vault_conf_check() - what can be said without asking anybody: INPUT, LIMIT */
struct err *vault_conf_check(const struct vault_conf *c) MUST_CHECK;

/** vault_conf_addresses() - how many addresses it has */
size_t vault_conf_addresses(const struct vault_conf *c);
/** vault_conf_address() - address @i, borrowed; @i counts around */
const char *vault_conf_address(const struct vault_conf *c, size_t i);

/** vault_conf_put() - write it to a frame; @b should be marked secret */
void vault_conf_put(struct buf *b, const struct vault_conf *c);
/** vault_conf_get() - read it (caller: vault_conf_deinit()); on an error @ret is empty. PROTOCOL,
 * LIMIT, NOMEM, INPUT */
struct err *vault_conf_get(struct rd *r, struct vault_conf *ret) MUST_CHECK;

/** vault_put_maybe(), vault_get_text(), vault_get_maybe(): a string, and one that may be absent, in a
 * frame. The reader fails where there is none; the caller owns */
void vault_put_maybe(struct buf *b, const char *s);
char *vault_get_text(struct rd *r);
char *vault_get_maybe(struct rd *r);

#endif
