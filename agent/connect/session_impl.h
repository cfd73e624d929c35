#ifndef HF_CONNECT_SESSION_IMPL_H
#define HF_CONNECT_SESSION_IMPL_H

/* What session.c (connection and login) and channel.c (the command) share. */
#include <libssh2.h>

#include "connect/session.h"

#if LIBSSH2_VERSION_NUM < 0x010b00
#error "libssh2 1.11 or newer is needed: older ones cannot log in with a certificate"
#endif

struct connect_session {
    LIBSSH2_SESSION *ssh;
    LIBSSH2_CHANNEL *channel;
    bool requested; /* the command was accepted */
    int fd;
    char *goodbye;         /* of the host's disconnect message; NULL when none came */
    connect_sign_fn *sign; /* during an offer */
    void *sign_arg;
};

/** connect_session_failed() - libssh2's last error, with the host's goodbye where there is one */
struct err *connect_session_failed(const struct connect_session *s, int rc, const char *doing)
    MUST_CHECK;

#endif
