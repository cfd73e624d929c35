#ifndef HF_DAEMON_BIND_LOGIN_H
#define HF_DAEMON_BIND_LOGIN_H

#include "audit/audit.h"
#include "identity/identity.h"
#include "pkcs11/remote/remote.h"
#include "vault/vault.h"

/** Logins to Vault with keys on tokens: says who they are, and signs for them. */
struct bind_login;

enum {
    BIND_LOGIN_PER_MINUTE_MAX = 120,
    BIND_LOGIN_SIGN_MS = 60 * 1000,
    BIND_LOGIN_TRIAL_MS = 120 * 1000
};

/** All borrowed, all outlive it; identities and audit may be NULL. */
struct bind_login_deps {
    struct remote *remote;
    struct vault *vault;
    struct identity_set *identities;
    struct audit *audit;
    /** the login of this server has its key now, which it had not; may be NULL */
    void (*on_ready)(void *arg, const char *server);
    void *arg;
};

/** bind_login_new() - answers vault_on_question() from now on; see bind_login_look(). NOMEM */
struct err *bind_login_new(const struct bind_login_deps *deps, struct bind_login **ret) MUST_CHECK;
/** bind_login_free() - NULL is fine; signatures under way are given up */
void bind_login_free(struct bind_login **b);

/**
 * bind_login_look() - servers were put or removed, or identities have changed
 * Each server whose login is cert or token-key gets the public half of its key, and for cert its
 * certificate, by vault_put(), when something of it is new; or, instead, why there is none. A key that
 * is found once stays while its token is away, and so does a login by it.
 */
void bind_login_look(struct bind_login *b);
/** bind_login_tokens() - tokens, keys or certificates on them have changed: look, and read the
 * certificates anew */
void bind_login_tokens(struct bind_login *b);

/**
 * bind_login_fill() - what is known of the login key of a configuration that is only tried out
 * @conf: not put; its name and client_ fields point into @b until the next call of any kind. Where a
 *        server that is put has the same login, it is named like that one, else like no other
 * Return: true while its certificate is just being read: ask again in a moment
 * For BIND_LOGIN_TRIAL_MS, signatures for it are answered like any other's.
 */
bool bind_login_fill(struct bind_login *b, struct vault_conf *conf);

#endif
