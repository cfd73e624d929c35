#ifndef HF_DAEMON_BIND_REGISTRY_H
#define HF_DAEMON_BIND_REGISTRY_H

#include "daemon/bind_login.h"
#include "daemon/bind_plan.h"
#include "identity/identity.h"
#include "pkcs11/remote/remote.h"
#include "registry/registry.h"
#include "renew/renew.h"
#include "vault/vault.h"

/** Keeps the agent as the registry says: its SSH keys are identities, at once. */
struct bind_registry;

/** Where the registry's keys go; all borrowed, all outlive the binder. */
struct bind_deps {
    struct io_loop *loop;
    struct registry *registry;
    struct remote *remote;
    struct vault *vault;
    struct identity_set *identities;
    struct renew *renew;
    struct bind_login *logins; /* hears of servers that were put; NULL: nobody does */
    struct bind_taken taken;   /* deep-copied */
};

/** bind_registry_new() - reads the registry and watches it from now on (registry_watch()) */
struct err *bind_registry_new(const struct bind_deps *deps, struct bind_registry **ret) MUST_CHECK;
/** bind_registry_free() - before the registry is; what was bound stays */
void bind_registry_free(struct bind_registry **b);
/** bind_registry_tokens() - tokens came or went: one that holdfast.yaml has needs none of ours */
void bind_registry_tokens(struct bind_registry *b);
/** bind_registry_identity() - what an SSH key of the registry is (borrowed); NULL when it is none */
struct identity *bind_registry_identity(const struct bind_registry *b, const char *scope,
                                        const char *id);
/** bind_registry_vault() - the name in vault/ of a connector that is in use (caller owns); NULL: it is
 * not, or not yet, or is read-only */
char *bind_registry_vault(const struct bind_registry *b, const char *scope, const char *id);
/** bind_registry_is_busy() - a change is being read: what is bound is from before it */
bool bind_registry_is_busy(const struct bind_registry *b);
/** bind_registry_problems() - what of it could not be applied, as struct control_deps has it */
json_t *bind_registry_problems(const struct bind_registry *b);
/** bind_registry_secret() - a secret that came by environment (borrowed); it is taken over when it
 * is first asked for. NULL: there is no such variable */
const struct secret *bind_registry_secret(struct bind_registry *b, const char *variable);

/* Between bind_registry.c and bind_apply.c only. */

/** A signer that is in use, and a secret that was taken over. */
struct bind_signer {
    char *name;
    const struct signer *signer;
};
struct bind_secret {
    char *variable;
    struct secret *value; /* NULL: there was none */
};

struct bind_registry {
    struct bind_deps deps;
    char **identities, **signers; /* copies behind deps.taken */
    json_t *tokens;
    json_t *applied; /* what of the plan holds */
    json_t *plan;    /* the latest */
    struct bind_signer *vaults;
    size_t vaults_n;
    struct bind_secret *secrets;
    size_t secrets_n;
    bool busy, again;
    bool failed;            /* of the plan, something could not be done */
    json_t *problems;       /* of the last reading, a list as bind_registry_problems() gives it */
    struct mono retry_at;   /* when failed */
    int64_t retry_ms;       /* the next pause; 0: nothing has failed */
    struct io_timer *retry; /* then once more, without a change */
};

/** bind_problem() - one more that is told; what has no scope is the account's */
void bind_problem(struct bind_registry *b, const char *kind, const char *scope, const char *id,
                  const char *problem);
/** bind_apply() - do what it takes to get from applied to plan; what fails is said in the log and
 * sets b->failed */
void bind_apply(struct bind_registry *b);

/** Parts of the plan in the words of those who get them; they point into the plan and the binder. */
struct bind_vault {
    struct vault_conf conf;
    char **more;
};
struct bind_token {
    struct remote_token_conf conf;
    struct remote_pin_source *pins;
};
struct bind_identity {
    struct identity_conf conf;
    struct identity_want_conf want;
    char **tags, **principals;
    struct ssh_key *expected;
    struct ssh_cert_option *critical, *extensions;
};
/** bind_vault_of(), bind_token_of(), bind_identity_of() - also after an error, @ret is to be deinited
 * Errors: NOT_FOUND (a variable of the environment, the identity's Vault), INPUT, NOMEM */
struct err *bind_vault_of(struct bind_registry *b, const char *name, const json_t *from,
                          struct bind_vault *ret) MUST_CHECK;
struct err *bind_token_of(struct bind_registry *b, const char *name, const json_t *from,
                          struct bind_token *ret) MUST_CHECK;
struct err *bind_identity_of(const struct bind_registry *b, const char *name, const json_t *from,
                             struct bind_identity *ret) MUST_CHECK;
/** bind_vault_deinit(), bind_token_deinit(), bind_identity_deinit() - free the lists */
void bind_vault_deinit(struct bind_vault *v);
void bind_token_deinit(struct bind_token *t);
void bind_identity_deinit(struct bind_identity *i);

#endif
