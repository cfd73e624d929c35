#ifndef HF_VAULT_SERVERS_H
#define HF_VAULT_SERVERS_H

#include "vault/auth.h"

/** The servers that holdfast-vault knows; shared by all its threads. */
struct vault_servers;

/** One of them, while it is held. What is replaced or forgotten lives until the last one lets go. */
struct vault_server {
    struct vault_conf conf;
    struct vault_auth *auth;
    atomic_uint good; /* see struct vault_api */
    struct vault_link link;
};

/** vault_servers_new() - without any server yet. NOMEM */
struct err *vault_servers_new(struct vault_servers **ret) MUST_CHECK;
/** vault_servers_free() - when nobody holds a server any more; waits for the clock's thread */
void vault_servers_free(struct vault_servers **s);

/** vault_servers_add() - @conf is taken, on success and on an error. A number says one configuration
 * for ever, so one that is there already is fine. NOMEM */
struct err *vault_servers_add(struct vault_servers *s, uint32_t number, struct vault_conf *conf)
    MUST_CHECK;
/** vault_servers_forget() - a number that is not there is fine */
void vault_servers_forget(struct vault_servers *s, uint32_t number);
/** vault_servers_hold() - a server by its number; waits until @deadline, at most VAULT_CONFIGURE_MS,
 * for its configuration. BUG when it does not come */
struct err *vault_servers_hold(struct vault_servers *s, uint32_t number, struct mono deadline,
                               struct vault_server **ret) MUST_CHECK;
/** vault_servers_hold_new() - a server without a number, for one request; @conf is taken. NOMEM */
struct err *vault_servers_hold_new(struct vault_servers *s, struct vault_conf *conf,
                                   struct vault_server **ret) MUST_CHECK;
/** vault_servers_let_go() - the last one to let go of a server that is forgotten, and that revokes on
 * stop, has its token revoked by the clock */
void vault_servers_let_go(struct vault_servers *s, struct vault_server **server);
/**
 * vault_servers_revoke() - a clean stop: revoke the tokens of all servers that want it
 * @http, @ask_fd: the calling thread's
 * A server that is silent costs at most 0.7 s, all together no more than @deadline. Returns the first
 * error; the others are tried all the same.
 */
struct err *vault_servers_revoke(struct vault_servers *s, struct vault_http *http, int ask_fd,
                                 struct mono deadline) MUST_CHECK;

#endif
