#ifndef HF_POLICY_POLICY_H
#define HF_POLICY_POLICY_H

#include "identity/identity.h"
#include "ipc/ipc.h"

/** One hop that a session-bind proved. Owned by the connection. */
struct policy_binding {
    uint8_t *host_key;
    size_t host_key_len;
    uint8_t *session_id;
    size_t session_id_len;
    bool is_forwarding;
};

enum { POLICY_BINDINGS_MAX = 16 };

/** What a socket shows, and signs with. */
struct policy_view {
    const char *scope; /* NULL: identities of every scope; "": those of holdfast.yaml and of the
                           account; else those of this scope and of what lies above it */
    char *const *tags; /* only identities that have every one of these; NULL: any */
};

enum { POLICY_IDENTIFIER_MAX_BYTES = 128 };

/** policy_scope_ok() - "account", "org/NAME" or "org/NAME/project/NAME" */
bool policy_scope_ok(const char *scope);
/** policy_scope_reaches() - may what is used at @from be of @scope: the same one, or above it */
bool policy_scope_reaches(const char *from, const char *scope);
/** policy_shows() - is this identity in the view (NULL: all are) */
bool policy_shows(const struct policy_view *v, const struct identity *i);

/** Who asks, over what, for what. All of it, also where policy only says yes. */
struct policy_request {
    struct peer peer;
    const struct policy_binding *bindings; /* in order of arrival */
    size_t bindings_n;
    bool bind_failed;                  /* a session-bind was attempted and refused */
    const char *socket;                /* path of the socket it came over */
    const struct policy_view *view;    /* of that socket; NULL: all */
    const struct ssh_payload *payload; /* sign only; NULL for a list */
    struct mono deadline;
};

enum policy_verdict { POLICY_ALLOW, POLICY_DENY };

/** policy_list() - may this offer be shown */
enum policy_verdict policy_list(const struct policy_request *r,
                                const struct identity_offer_line *offer);
/** policy_list_varies() - false while policy_list() gives this asker the same as everybody on its
 * socket: then an answer that was made once may be kept for all of them */
bool policy_list_varies(const struct policy_request *r);
/** policy_sign() - may this be signed. @ret_why gets a static text on POLICY_DENY
 * The identity must be in the socket's view. A userauth request must name the blob that signs it
 * (or its plain key). Where the connection is bound, it must be for the session that was bound
 * last, unless that one forwards the agent: then it may be for a session beyond it, whose client
 * need not have bound it. SSHSIG is allowed; so is an exchange hash, for an identity that wants a
 * host certificate; other payloads are refused. */
enum policy_verdict policy_sign(const struct policy_request *r, const struct identity_use *use,
                                const char **ret_why);

#include "policy/statement.h"

#endif
