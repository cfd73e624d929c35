#ifndef HF_VAULT_WRAP_H
#define HF_VAULT_WRAP_H

#include "vault/auth.h"

/** What came out of wrapping tokens, so that none is exchanged twice; it has its own lock. */
struct vault_wrap_memory;

/** vault_wrap_memory_new(), _free() - as a login method's memory (see struct vault_auth_method) */
void *vault_wrap_memory_new(void);
void vault_wrap_memory_free(void *memory);

/** What a method expects in a wrapping token. All is borrowed. */
struct vault_wrapped {
    const char *what;    /* "secret id" */
    const char *file;    /* where the wrapping token came from, for messages; NULL: a value */
    const char *made_by; /* for messages: which paths may have made it */
    bool (*is_made_well)(const struct vault_conf *server, const char *creation_path);
    struct err *(*find)(const json_t *answer, const char **ret); /* the secret in the exchange */
};

/**
 * vault_wrap_open() - exchange a wrapping token for what it holds, once in its life
 * It is looked up first: one that another path made is left alone (DENIED).
 * @memory: vault_wrap_memory_new()'s
 * @answer: the exchange's answer, for what else is in it; its root is NULL when the secret was
 *          remembered (caller: vault_api_answer_deinit())
 * Errors: DENIED (used, expired, of another path), INPUT, and those of vault_api_ask()
 */
struct err *vault_wrap_open(const struct vault_api *api, void *memory,
                            const struct vault_wrapped *w, const struct secret *wrapping_token,
                            struct vault_api_answer *answer, struct secret **ret) MUST_CHECK;

#endif
