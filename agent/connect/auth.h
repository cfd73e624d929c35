#ifndef HF_CONNECT_AUTH_H
#define HF_CONNECT_AUTH_H

#include "connect/agent.h"
#include "connect/identities.h"
#include "connect/session.h"

/** A login in the making: the identities are offered in turn until one is accepted. */
struct connect_auth;

/** connect_auth_new() - all arguments are borrowed for its life */
struct err *connect_auth_new(struct connect_session *s, struct connect_agent *a,
                             const struct connect_identities *ids, const char *user,
                             struct connect_auth **ret) MUST_CHECK;
/**
 * connect_auth_go() - move it on
 * @ret_text: when finished: what was accepted (caller owns)
 * Errors: DENIED: nothing was; says which methods the host takes, and for each identity what it is
 *         and the likeliest reason. GONE, PROTOCOL
 */
struct err *connect_auth_go(struct connect_auth *a, char **ret_text,
                            enum connect_progress *ret_progress) MUST_CHECK;
/** connect_auth_wait() - for the host, or, while it is asked for a signature, the agent */
void connect_auth_wait(const struct connect_auth *a, struct connect_wait *w);
/** connect_auth_waits_for_agent() - for the text of a timeout */
bool connect_auth_waits_for_agent(const struct connect_auth *a);
void connect_auth_free(struct connect_auth **a);

/**
 * connect_auth_sign_request() - may these bytes be signed for this offer, and with which flags.
 * Pure. libssh2 does not tell the callback the algorithm, so it is read from the bytes themselves
 * @data: what libssh2 wants signed
 * Errors: PROTOCOL (no login of @user with @id), UNSUPPORTED (SHA-1, or an unknown algorithm)
 * Spec:   RFC 4252, 7; RFC 8332, 3.2
 */
struct err *connect_auth_sign_request(struct view data, const struct connect_identity *id,
                                      const char *user, enum ssh_alg *ret_alg, uint32_t *ret_flags)
    MUST_CHECK;

#endif
