#ifndef HF_VAULT_LOOK_H
#define HF_VAULT_LOOK_H

#include "vault/vault.h"

/*
 * Looking at a server: the test of a connector, and lists to pick from. Each call returns a handle for
 * vault_cancel(); 0 when on_done has run already, with an error. Errors that reach on_done are taken
 * by it. All else that a callback gets is borrowed until it returns.
 */

/** Which server: one that was put (@name), or a configuration that is not put, or not yet (@conf,
 * which wins; deep-copied, logged in to for this one call). */
struct vault_target {
    const char *name;
    const struct vault_conf *conf;
};

/** vault_cancel() - the callbacks of this call will not run */
void vault_cancel(struct vault *v, uint64_t handle);

/* --- the test of a connector -------------------------------------------------------------------- */

enum vault_step_kind {
    VAULT_STEP_REACH,  /* TCP: the address answers */
    VAULT_STEP_TLS,    /* its certificate, against the CA that is configured */
    VAULT_STEP_HEALTH, /* sys/health: initialised, sealed, standby, version */
    VAULT_STEP_LOGIN,  /* the login method */
    VAULT_STEP_TOKEN,  /* what the token is: policies, time, renewable, root */
    VAULT_STEP_ENGINE, /* may it sign with this mount and role; only where a mount was given */
};
enum { VAULT_STEPS = VAULT_STEP_ENGINE + 1, VAULT_FACTS_MAX = 16 };
/** vault_step_name() - "reach", "tls", "health", "login", "token", "engine" */
const char *vault_step_name(enum vault_step_kind kind);

enum vault_step_state {
    VAULT_STEP_OK,
    VAULT_STEP_WARNING, /* works, and should be looked at: expires soon, root token, standby, ... */
    VAULT_STEP_FAILED,
    VAULT_STEP_SKIPPED, /* not tried, because of what failed before */
};
/** vault_step_state_name() - "ok", "warning", "failed", "skipped" */
const char *vault_step_state_name(enum vault_step_state state);

/** A detail for machines, such as {"not_after", "2026-12-01T00:00:00Z"}. */
struct vault_fact {
    const char *name, *value;
};

/**
 * One step that is over. Facts, where they are known:
 *   reach   ip, port
 *   tls     subject, issuer, not_before, not_after, names, version; where it failed: failed_at
 *           (subject of the certificate that it was about)
 *   health  version, initialized, sealed, standby, cluster
 *   login   method
 *   token   policies ("a,b"), ttl_s (0: does not expire), renewable, root, type, period_s,
 *           explicit_max_ttl_s, num_uses (how many requests are left; absent: any number)
 *   engine  type, capabilities ("create,update"), and of a role that may be read: ttl, max_ttl,
 *           allowed_users, default_user, allowed_domains, allowed_extensions,
 *           allowed_critical_options, allow_user_certificates, allow_host_certificates,
 *           allowed_users_template
 * Booleans are "true" and "false".
 */
struct vault_step {
    enum vault_step_kind kind;
    enum vault_step_state state;
    const char *address;     /* of several addresses, the one that this is about */
    const char *text;        /* plain words: one sentence or two */
    const struct err *error; /* FAILED only, else NULL */
    int64_t took_ms;
    const struct vault_fact *facts;
    size_t facts_n;
};
typedef void vault_step_fn(void *arg, const struct vault_step *step);
/** Takes an error, or NULL for success. */
typedef void vault_done_fn(void *arg, struct err *e);

struct vault_check {
    struct vault_target target;
    const char *mount, *role; /* of an SSH engine; NULL: the engine is not looked at */
    const char *principals;   /* "a,b": would the role allow them; NULL: not asked */
    struct mono deadline;
};

/**
 * vault_check() - the connection test, step by step
 * @on_step: once a step, in their order; reach, tls and health once an address. Steps after a failed
 *           one come as SKIPPED
 * @on_done: NULL when Vault can be used as configured: at least one address passed reach, tls and
 *           health, and every later step passed. Else a copy of the first error that stands against it
 * With a wrapped secret id, the check exchanges it as any login would; who is put afterwards, with the
 * same file, goes on with what it gave. That memory ends with the helper.
 */
uint64_t vault_check(struct vault *v, const struct vault_check *check, vault_step_fn *on_step,
                     vault_done_fn *on_done, void *arg);

/* --- lists to pick from ------------------------------------------------------------------------- */

struct vault_mount {
    const char *path; /* "team/ssh", without a final slash */
    const char *type; /* "ssh" */
    const char *description;
};
typedef void vault_mounts_fn(void *arg, struct err *e, const struct vault_mount *mounts, size_t n);
/**
 * vault_mounts() - the secrets engines of a type, sorted by path
 * @type: "ssh", "kv"; NULL: all
 * From sys/mounts, or where that is not permitted those that the token may use at all.
 * Errors: NOT_FOUND (no server of this name), those of a login, DENIED, LIMIT
 */
uint64_t vault_mounts(struct vault *v, const struct vault_target *target, const char *type,
                      struct mono deadline, vault_mounts_fn *on_done, void *arg);

/** Gets a public key as a line, which nobody has judged yet, or an error. */
typedef void vault_ca_key_fn(void *arg, struct err *e, const char *line);
/** vault_ca_key() - the CA of an SSH engine, as Vault shows it to anybody: no login is made
 * @issuer: NULL: the engine's default
 * Errors: NOT_FOUND, DENIED (no such engine, or it has no CA), PROTOCOL, INPUT, those of reaching it */
uint64_t vault_ca_key(struct vault *v, const struct vault_target *target, const char *mount,
                      const char *issuer, struct mono deadline, vault_ca_key_fn *on_done,
                      void *arg);

typedef void vault_names_fn(void *arg, struct err *e, char *const *names);
#endif
