#ifndef HF_VAULT_AUTH_H
#define HF_VAULT_AUTH_H

#include "vault/api.h"

/** What a login gives. */
struct vault_lease {
    struct secret *token; /* owned */
    int64_t ttl_s;        /* 0: it does not expire */
    int64_t uses;         /* requests that it is good for; 0: any number */
    bool renewable;
    bool is_root;
    bool is_ours;   /* a login gave it to us alone; false: it was handed over */
    bool is_batch;  /* it can be neither renewed nor revoked */
    char *warnings; /* what Vault says beside it; owned, NULL: nothing */
};

/** vault_lease_deinit() - frees what it owns; one of zeros is fine */
void vault_lease_deinit(struct vault_lease *l);

/**
 * A way to log in: one file, one row in auth.c's table.
 */
struct vault_auth_method {
    const char *name;
    /** how long a token that policy refuses is not replaced again; 0 where looking again is cheap */
    int64_t doubt_ms;
    /** what it remembers between logins, for all servers: it has its own lock; NULL: nothing. NULL
     * result: out of memory */
    void *(*new_memory)(void);
    void (*free_memory)(void *memory);
    /** @ret is written on success only */
    struct err *(*login)(const struct vault_api *api, void *memory, struct vault_lease *ret);
};

extern const struct vault_auth_method vault_auth_token;
extern const struct vault_auth_method vault_auth_approle;
extern const struct vault_auth_method vault_auth_cert;
extern const struct vault_auth_method vault_auth_jwt;
extern const struct vault_auth_method vault_auth_kubernetes;
extern const struct vault_auth_method vault_auth_userpass;
extern const struct vault_auth_method vault_auth_token_key;

/** vault_auth_method() - the row of a login; NULL: this program has none */
const struct vault_auth_method *vault_auth_method(enum vault_login login);

/** What the methods remember, for all servers of a helper. */
struct vault_auth_memory;

/** vault_auth_memory_new() - empty; it outlives every login that uses it. NOMEM */
struct err *vault_auth_memory_new(struct vault_auth_memory **ret) MUST_CHECK;
void vault_auth_memory_free(struct vault_auth_memory **m);
/** vault_auth_memory_of() - a method's; NULL where it has none */
void *vault_auth_memory_of(const struct vault_auth_memory *m, enum vault_login login);

/** One server's login, shared by all workers. */
struct vault_auth;

/** vault_auth_new() - the login state of one server; nothing is asked yet. @memory is borrowed.
 * NOMEM, UNSUPPORTED */
struct err *vault_auth_new(enum vault_login login, struct vault_auth_memory *memory,
                           struct vault_auth **ret) MUST_CHECK;
void vault_auth_free(struct vault_auth **a);
/** vault_auth_name() - the method's: "a token", "AppRole" */
const char *vault_auth_name(const struct vault_auth *a);
/** vault_auth_warnings() - what Vault said beside its token (caller owns); NULL: nothing */
char *vault_auth_warnings(struct vault_auth *a);
/** vault_auth_is_ours() - there is a token, and a login gave it to us alone */
bool vault_auth_is_ours(struct vault_auth *a);

/** vault_auth_root_rule() - INPUT for a server that renews by interval */
struct err *vault_auth_root_rule(const struct vault_conf *server) MUST_CHECK;
/** vault_auth_log_in() - have a token: what is there, or a login. Errors: the login's; and while no
 * login may be tried (see pace.h) the last one's again */
struct err *vault_auth_log_in(struct vault_auth *a, const struct vault_api *api) MUST_CHECK;
/** vault_auth_keep() - renew the token, where there is one that can be, or log in anew before it ends.
 * A failure is no error: what cannot be renewed is used until it ends */
void vault_auth_keep(struct vault_auth *a, const struct vault_api *api);
/** vault_auth_revoke() - end the token, where a login gave it to us; afterwards there is none. A token
 * that was handed over, and a batch token, are left alone. Errors: those of vault_api_ask() */
struct err *vault_auth_revoke(struct vault_auth *a, const struct vault_api *api) MUST_CHECK;

/**
 * vault_auth_do() - an API call with the server's token: logs in when there is none, renews it when
 * two thirds of its time are over and the server does not renew by interval; where it cannot be
 * renewed, or not for as long as before, logs in anew while it still works
 * @call:  its token is filled in here, and its path: from @parts, unless that is NULL
 * A 403 leads to one new login and one more try. When that is refused too, or the new token is the
 * old one, it is policy: DENIED with Vault's words, and no further login for this reason before the
 * token has worked once or the method's doubt_ms are over.
 * Errors: those of vault_api_ask(), and of the login
 */
struct err *vault_auth_do(struct vault_auth *a, const struct vault_api *api,
                          const struct vault_api_call *call, const char *const parts[],
                          struct vault_api_answer *ret) MUST_CHECK;

/** vault_auth_secret() - a secret file or value that goes into a header or JSON
 * @file: read afresh; NULL: @value is copied
 * Errors: INPUT (neither, or not one line of printable characters), and secret_from_file()'s */
struct err *vault_auth_secret(const char *file, const struct secret *value, struct secret **ret)
    MUST_CHECK;
/** vault_auth_password() - the same of a file for what goes into JSON only: spaces are allowed in it */
struct err *vault_auth_password(const char *file, struct secret **ret) MUST_CHECK;
/** vault_auth_read_lease() - take the "auth" object out of a login's answer; PROTOCOL */
struct err *vault_auth_read_lease(const json_t *root, struct vault_lease *ret) MUST_CHECK;
/** vault_auth_has_root() - does @object.policies name "root" */
bool vault_auth_has_root(const json_t *object);
/**
 * vault_auth_post() - the exchange that most methods are: POST auth/MOUNT/login[/@user]
 * The mount is @api->server->login_mount.
 * @user: NULL: none
 * @body: borrowed; NULL: INPUT, as json_pack() gives it for what is not UTF-8
 */
struct err *vault_auth_post(const struct vault_api *api, const char *user, const json_t *body,
                            struct vault_lease *ret) MUST_CHECK;
/** vault_auth_post_jwt() - log in with a JWT and @api->server->role */
struct err *vault_auth_post_jwt(const struct vault_api *api, const struct secret *jwt,
                                struct vault_lease *ret) MUST_CHECK;

/** vault_auth_stamp() - another number when a file that a login reads has changed */
uint64_t vault_auth_stamp(const struct vault_conf *server);
/** vault_auth_home_token() - ~/.vault-token, where Vault's own program keeps one (caller owns);
 * NULL: there is no home */
char *vault_auth_home_token(void);

#endif
