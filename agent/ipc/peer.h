#ifndef HF_IPC_PEER_H
#define HF_IPC_PEER_H

#include <sys/types.h>

#include "base/base.h"

/** Who is at the other end of a Unix socket, as the kernel says. */
struct peer {
    pid_t pid; /* 0 when unknown */
    uid_t uid;
    gid_t gid;
};

/** peer_of() - SO_PEERCRED; DENIED when the kernel does not say */
struct err *peer_of(int fd, struct peer *ret) MUST_CHECK;
/** peer_text() - "pid 123 (ssh) uid 1000" for logs (caller owns); the name is what the process
 * says of itself, so never a base for decisions */
char *peer_text(const struct peer *p);

#endif
