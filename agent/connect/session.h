#ifndef HF_CONNECT_SESSION_H
#define HF_CONNECT_SESSION_H

#include "connect/wait.h"

/** One SSH connection of libssh2, never blocking. Not shared between threads. */
struct connect_session;

/** connect_session_library_init() - once per program, before threads */
struct err *connect_session_library_init(void) MUST_CHECK;

/**
 * connect_session_new() - take over a connected socket
 * @fd:            non-blocking (taken)
 * @host_key_algs: what to ask for, best first
 */
struct err *connect_session_new(int fd, const char *host_key_algs, struct connect_session **ret)
    MUST_CHECK;
/** connect_session_free() - says goodbye if the socket takes it at once, and closes */
void connect_session_free(struct connect_session **s);
void connect_session_wait(const struct connect_session *s, struct connect_wait *w);

/** connect_session_handshake() - versions and key exchange
 * Errors: PROTOCOL, UNSUPPORTED (nothing in common), GONE (the host hung up), with libssh2's code */
struct err *connect_session_handshake(struct connect_session *s,
                                      enum connect_progress *ret_progress) MUST_CHECK;
/** connect_session_has_banner() - has the host sent its version yet */
bool connect_session_has_banner(const struct connect_session *s);
/** connect_session_report() - "OpenSSH_9.2: curve25519-sha256, ssh-ed25519, ..." (caller owns) */
char *connect_session_report(const struct connect_session *s);
/** connect_session_host_key() - the blob proven in the key exchange; borrowed, empty when none */
struct view connect_session_host_key(const struct connect_session *s);

/** connect_session_methods() - how the host lets a user log in
 * @ret_methods: "publickey,password" (caller owns); NULL when the user is in already, unasked */
struct err *connect_session_methods(struct connect_session *s, const char *user, char **ret_methods,
                                    enum connect_progress *ret_progress) MUST_CHECK;

/** What the host says to a key. */
enum connect_verdict {
    CONNECT_ACCEPTED,
    CONNECT_REFUSED,        /* the key or certificate itself, before anything was signed */
    CONNECT_REFUSED_SIGNED, /* after the signature, or because there was none */
    CONNECT_NO_ALGORITHM,   /* no signature algorithm in common */
    CONNECT_CLOSED,         /* instead of an answer, the host hung up */
};

/** Makes a signature's inner bytes into @ret_sig (empty before); called again after AGAIN. */
typedef enum connect_progress connect_sign_fn(void *arg, struct view data, struct buf *ret_sig,
                                              bool *ret_failed);

/** connect_session_offer() - log in with a public key or certificate; call again with the same
 * arguments after AGAIN */
struct err *connect_session_offer(struct connect_session *s, const char *user, struct view blob,
                                  connect_sign_fn *sign, void *arg, enum connect_verdict *ret,
                                  enum connect_progress *ret_progress) MUST_CHECK;
/** connect_session_goodbye() - the host's own last words, made safe; "" when none; borrowed */
const char *connect_session_goodbye(const struct connect_session *s);

/** connect_session_open() - a channel, and @command on it unless NULL; DENIED when refused */
struct err *connect_session_open(struct connect_session *s, const char *command,
                                 enum connect_progress *ret_progress) MUST_CHECK;
/** connect_session_read() - the next piece of the command's output; FINISHED with 0 bytes at the
 * end of both streams */
struct err *connect_session_read(struct connect_session *s, uint8_t *into, size_t size,
                                 size_t *ret_len, bool *ret_is_stderr,
                                 enum connect_progress *ret_progress) MUST_CHECK;
/** connect_session_close() - close the channel and learn how the command ended
 * @ret_signal: name of the signal that ended it, "TERM" (caller owns); NULL when none did */
struct err *connect_session_close(struct connect_session *s, int *ret_status, char **ret_signal,
                                  enum connect_progress *ret_progress) MUST_CHECK;

#endif
