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

/** Who asks, over what, for what. All of it, also where policy only says yes. */
struct policy_request {
    struct peer peer;
    const struct policy_binding *bindings; /* in order of arrival */
    size_t bindings_n;
    bool bind_failed;                  /* a session-bind was attempted and refused */
    const char *socket;                /* path of the socket it came over */
    const struct ssh_payload *payload; /* sign only; NULL for a list */
    struct mono deadline;
};

enum policy_verdict { POLICY_ALLOW, POLICY_DENY };

/** policy_list() - may this offer be shown */
enum policy_verdict policy_list(const struct policy_request *r,
                                const struct identity_offer_line *offer);
/** policy_list_varies() - false while policy_list() gives this asker the same as everybody: then an
 * answer that was made once may be kept for all */
bool policy_list_varies(const struct policy_request *r);
/** policy_sign() - may this be signed. @ret_why gets a static text on POLICY_DENY
 * Rules of today: a userauth request must name the blob that signs it (or its plain key), and be
 * bound to the last binding's session when there is one; SSHSIG is allowed; other payloads are
 * refused. */
enum policy_verdict policy_sign(const struct policy_request *r, const struct identity_use *use,
                                const char **ret_why);

#endif
