#ifndef HF_CONTROL_GRANTS_H
#define HF_CONTROL_GRANTS_H

#include "control/control.h"

/** Who is at the other end, with all its groups. */
struct control_peer {
    struct peer peer;
    gid_t *groups; /* supplementary ones; owned */
    size_t groups_n;
};

/** control_peer_of() - as the kernel says. Errors: DENIED, NOMEM */
struct err *control_peer_of(int fd, struct control_peer *ret) MUST_CHECK;
void control_peer_deinit(struct control_peer *p);

/** control_right_of() - the highest right that a peer has at a scope; CONTROL_NOTHING for none
 * @scope: NULL: at any scope */
enum control_right control_right_of(const struct control_deps *d, const struct control_peer *p,
                                    const char *scope);
/** control_scopes_of() - the scopes at which a peer has a grant: it sees them and those below them
 * (NULL-terminated, caller owns); NULL: none */
char **control_scopes_of(const struct control_deps *d, const struct control_peer *p);
/** control_right_name() - "viewer", "operator", "administrator" */
const char *control_right_name(enum control_right right);

#endif
