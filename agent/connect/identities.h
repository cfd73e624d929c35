#ifndef HF_CONNECT_IDENTITIES_H
#define HF_CONNECT_IDENTITIES_H

#include "ssh/ssh.h"

enum {
    CONNECT_OFFERS_MAX = 6, /* sshd's MaxAuthTries, and the most an agent is asked to prove */
    CONNECT_LISTED_MAX = 2048,
    CONNECT_USER_MAX_BYTES = 255,
};

/** A key or certificate that the agent lists. */
struct connect_identity {
    struct ssh_key *key;   /* owned; of the certificate, where it is one */
    struct ssh_cert *cert; /* owned; NULL for a plain key */
};

/** What is offered, in this order. */
struct connect_identities {
    struct connect_identity list[CONNECT_OFFERS_MAX];
    size_t count;
    size_t listed, certs; /* what the agent showed in all */
    size_t unusable;      /* of types that we cannot use: sk-..., host certificates */
};

/**
 * connect_identities_read() - choose what to offer from an agent's list. Pure
 * @answer: body of SSH_AGENT_IDENTITIES_ANSWER
 * @only:   offer this blob alone; empty: certificates for the user first, then other certificates,
 *          keys, and at last certificates out of their time
 * Errors: PROTOCOL, LIMIT, NOT_FOUND (nothing to offer, or not @only)
 */
struct err *connect_identities_read(struct connect_identities *ids, struct rd answer,
                                    struct view only, const char *user, struct wall now) MUST_CHECK;
void connect_identities_deinit(struct connect_identities *ids);

/** connect_identity_blob() - the key or certificate blob to log in with; borrowed */
struct view connect_identity_blob(const struct connect_identity *id);
/** connect_identity_text() - `certificate "web" serial 7 for alice until 2026-... (ed25519
 * SHA256:...)` or `key ed25519 SHA256:...` (caller owns) */
char *connect_identity_text(const struct connect_identity *id);
/** connect_identity_hint() - the likeliest reason for which a host refuses it (caller owns) */
char *connect_identity_hint(const struct connect_identity *id, const char *user, struct wall now);

#endif
