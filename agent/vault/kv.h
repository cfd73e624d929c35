#ifndef HF_VAULT_KV_H
#define HF_VAULT_KV_H

#include "vault/vault.h"

/**
 * Texts in a KV v2 engine with check-and-set, in the shape of struct store_kv_ops: daemon/ fills that
 * with { vault_kv_get, vault_kv_cas, vault_kv_list, kv }.
 *
 * An entry is the data {"text", "write"}: the text, and a number of the write's own, by which a write
 * whose answer was lost is known again. KV v2 cannot delete under check-and-set, so a deleted entry is a
 * version that says so: get() tells it as absent, cas() with version 0 replaces it, and list() still
 * names it. Versions go on counting over a deletion.
 *
 * A callback runs once, later; or before the call returns, with an error, where nothing could be sent.
 */
struct vault_kv;

/* Longer than a frame or an entry of Vault (1 MiB with Raft): kv_parts.c cuts it into pieces. */
enum { VAULT_KV_TEXT_MAX_BYTES = 16 * 1024 * 1024, VAULT_KV_CALL_MS = 20000 };
/* Where pieces stand, below the prefix. */
#define VAULT_KV_PARTS "_parts/"

/**
 * vault_kv_new() - a place in a server that is put, now or later
 * @v:      borrowed; outlives it
 * @server: name of the server (copied), looked up with each call
 * @mount:  of a KV v2 engine (copied)
 * @prefix: of all paths, such as "holdfast/fleet" (copied); NULL: none
 */
struct err *vault_kv_new(struct vault *v, const char *server, const char *mount, const char *prefix,
                         struct vault_kv **ret) MUST_CHECK;
/** vault_kv_free() - callbacks of open calls do not run; a write may still happen */
void vault_kv_free(struct vault_kv **kv);

/** vault_kv_get() - version 0 and NULL text when absent or deleted
 * The address in use may be a node on standby that answers reads itself (OpenBao does): what it says may
 * be a moment old. cas() always goes to the active node, and decides.
 * Errors: NOT_FOUND (no such server, no such engine), DENIED, PROTOCOL (an entry that is none of
 * ours), INPUT (path), and those of a login */
void vault_kv_get(void *kv, const char *path,
                  void (*on_done)(void *arg, struct err *e, const char *text, uint64_t version),
                  void *arg);
/**
 * vault_kv_cas() - write when the version is @version (0: absent or deleted); @text NULL: delete
 * on_done gets the new version; 0 after a delete.
 * Errors: BUSY (the version differs; or status 429, after several tries), LIMIT (text too long), and
 * those of vault_kv_get(). After TIMEOUT, GONE and REMOTE it may have been written or not.
 */
void vault_kv_cas(void *kv, const char *path, const char *text, uint64_t version,
                  void (*on_done)(void *arg, struct err *e, uint64_t version), void *arg);
/** vault_kv_list() - names directly below a path ("" for the prefix itself), folders end with "/";
 * an empty list when there is nothing. Entries that are deleted are still named */
void vault_kv_list(void *kv, const char *path,
                   void (*on_done)(void *arg, struct err *e, char *const *names), void *arg);

#endif
