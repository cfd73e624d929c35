#ifndef HF_PROTOCOL_PROTOCOL_H
#define HF_PROTOCOL_PROTOCOL_H

#include "identity/identity.h"
#include "policy/policy.h"

/** The SSH agent protocol on one socket (Spec: RFC 9987; see PROTOCOL.md). */
struct protocol_socket;

enum {
    PROTOCOL_FRAME_MAX_BYTES = 256 * 1024,
    PROTOCOL_CONNS_MAX = 16384,
    PROTOCOL_SIGN_DEADLINE_MS = 60 * 1000,
};

/** Counters for status. */
struct protocol_stats {
    uint64_t connections, lists, signs, refused, failed;
    unsigned open;
};

/**
 * protocol_listen() - serve a listening socket
 * @fd:   from io_listen_bind() or handed over (taken)
 * @path: for messages, and to unlink at the end (NULL for a handed over socket)
 * @view: what this socket shows and signs with (deep-copied); NULL: all
 */
struct err *protocol_listen(struct io_loop *l, int fd, const char *path,
                            const struct policy_view *view, struct identity_set *identities,
                            struct remote *remote, struct protocol_socket **ret) MUST_CHECK;
/** protocol_allow() - further users of this socket, and members of groups: io_listen_allow() */
struct err *protocol_allow(struct protocol_socket *s, const uid_t *uids, size_t n,
                           const gid_t *gids, size_t gids_n) MUST_CHECK;
void protocol_free(struct protocol_socket **s);
void protocol_stats(const struct protocol_socket *s, struct protocol_stats *ret);

#endif
