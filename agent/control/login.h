#ifndef HF_CONTROL_LOGIN_H
#define HF_CONTROL_LOGIN_H

#include "control/job.h"

/** Whom a job logs in as, and with what. Zeroed, then one of the two starts; part of the job. */
struct control_login {
    struct control_job *job;
    /* once: everything below is known. @failed (borrowed): no certificate; the stream has begun then */
    void (*on_ready)(struct control_job *job, const struct err *failed);
    char *name;                /* of an identity of holdfast.yaml; or */
    char *scope, *id;          /* of an SSH key of the registry */
    char *user;                /* the SSH key's; NULL for an identity of holdfast.yaml */
    unsigned port;             /* the SSH key's, else 22 */
    struct mono begun, until;  /* the renewal began; an identity is waited for */
    struct io_timer *patience; /* NULL while nothing is waited for */
    struct buf only_key;       /* what is offered to hosts */
};

enum { CONTROL_LOGIN_MS = 40 * 1000, CONTROL_LOGIN_EXIT = 10 };

/**
 * control_login_key() - with an SSH key: resolve the reference, get a fresh certificate, say so in a
 * line, then on_ready(). What goes wrong before that line ends the request with a problem
 */
void control_login_key(struct control_login *l, const char *scope, const char *reference);
/** control_login_identity() - the same with an identity of holdfast.yaml
 * Errors: NOT_FOUND, NOMEM; on_ready() does not come then */
struct err *control_login_identity(struct control_login *l, const char *name) MUST_CHECK;
void control_login_deinit(struct control_login *l);

#endif
