#ifndef HF_IO_LISTEN_H
#define HF_IO_LISTEN_H

#include "io/loop.h"
#include "ipc/ipc.h"

/** A listening Unix socket. */
struct io_listen;

/**
 * io_listen_bind() - bind and listen, close-on-exec, non-blocking
 * @path: at most 107 bytes; missing folders are made 0700; the socket gets mode 0600
 * A socket that somebody answers on is left alone: BUSY. A dead one is replaced. Another kind of
 * file there: EXISTS. Safe against two starting at once (a lock file beside it, PATH.lock).
 */
struct err *io_listen_bind(const char *path, int *ret_fd) MUST_CHECK;

/**
 * io_listen_new() - accept from a listening socket in rounds of at most 16
 * @fd:        taken
 * @path:      unlinked when freed; NULL for a socket that was handed over (LISTEN_FDS)
 * @on_accept: gets the connection (taken, non-blocking) and its peer. A peer of a foreign uid
 *             (neither ours nor root, nor one of io_listen_allow()) is closed before that, with a line
 *             in the log; so is everyone above @max_conns or when descriptors run out: closed at once,
 *             logged once a minute
 */
struct err *io_listen_new(struct io_loop *l, int fd, const char *path, unsigned max_conns,
                          void (*on_accept)(void *arg, int fd, const struct peer *peer), void *arg,
                          struct io_listen **ret) MUST_CHECK;
/* Connections of one user beside ourselves and root: thousands of them are for us alone. */
enum { IO_LISTEN_USER_CONNS_MAX = 256 };

/**
 * io_listen_allow() - serve further users; before the loop runs, once
 * @uids: @n of them (copied)
 * @gids: @gids_n groups (copied): their members, by the groups that the kernel tells of the peer
 * No more than IO_LISTEN_USER_CONNS_MAX connections of each user are served at a time; the next is
 * closed at once, and the log says so.
 * The socket gets mode 0666, for accept to decide by SO_PEERCRED. Its folder has to let them through:
 * that is left to who made it.
 * Errors: that of chmod(), NOMEM
 */
struct err *io_listen_allow(struct io_listen *l, const uid_t *uids, size_t n, const gid_t *gids,
                            size_t gids_n) MUST_CHECK;
/** io_listen_done() - one accepted connection, of this user, was closed */
void io_listen_done(struct io_listen *l, uid_t uid);
/** io_listen_free() - also from inside its own on_accept; no callback runs after it */
void io_listen_free(struct io_listen **l);

#endif
