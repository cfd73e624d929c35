#ifndef HF_ENROLL_ENROLL_H
#define HF_ENROLL_ENROLL_H

/* The public header of enroll/: X.509 certificates for keys on tokens, and a machine's first login. */
#include "audit/audit.h"
#include "enroll/x509.h"

/** What is asked for. All is borrowed, and copied where it is kept. */
struct enroll_conf {
    struct remote *remote; /* the first three outlive it; audit may be NULL */
    struct vault *vault;
    struct audit *audit;
    const char *server;     /* a server that was put */
    struct remote_key *key; /* certify this key, and that is all; NULL: enroll the machine, with the
                               login key of the server, whose login has to be cert */
    enum ssh_key_type key_type; /* of a login key that has to be made */
    unsigned key_bits;
    bool allow_extractable; /* a login key that could leave its token, too */
    struct enroll_subject subject;
    const char *mount, *role;
    int64_t ttl_s;      /* 0: the role's */
    const char *ca_pem; /* see struct enroll_asked */
    const struct secret
        *one_time;             /* a response-wrapping token of the token for the first login; NULL:
                                      none */
    const char *wrapping_path; /* which has to have made it; NULL: auth/token/create */
    bool renew;                /* also where a valid certificate is there */
    bool unattended;           /* nobody asked: no PIN is tried, no key is made */
};

/** A step that is over: "token", "key", "look", "request", "reach", "tls", "health", "access", "issue",
 * "prove", "store", "login", "revoke". Borrowed. */
struct enroll_step {
    const char *name;
    enum vault_step_state state;
    const char *text;        /* plain words */
    const struct err *error; /* FAILED only */
    int64_t took_ms;
};
typedef void enroll_step_fn(void *arg, const struct enroll_step *step);

/** How it ended. Borrowed. */
struct enroll_outcome {
    const char *failed;             /* the step that did; NULL: none */
    const char *next;               /* what to do next, in words; NULL: nothing is to be done */
    const struct enroll_cert *cert; /* that the token has now; NULL: it has none of ours */
    bool is_new;                    /* it was not there before */
    bool needs_one_time;            /* it ended for want of a one-time token, and nothing else */
};
/** Takes an error, or NULL for success. */
typedef void enroll_end_fn(void *arg, struct err *e, const struct enroll_outcome *outcome);

/** An enrolling under way. */
struct enroll;

enum { ENROLL_MS = 180 * 1000 };

/**
 * enroll_new() - what enroll_start() is to do
 * A machine is enrolled so: its token is unlocked, its login key found or made, a certificate for it
 * looked for. Where none is valid, the token signs a request, the server is tried (reach, tls, health),
 * and only then the one-time token is unwrapped; a PKI role answers the request, the answer is
 * proven and stored. Then the certificate has to log in, and the one-time token is revoked.
 * Run again, it goes on where it stopped. Certifying is request, issue, prove and store.
 * Errors: INPUT (no such server, or its login is not cert with a key), NOMEM
 */
struct err *enroll_new(const struct enroll_conf *conf, enroll_step_fn *on_step,
                       enroll_end_fn *on_end, void *arg, struct enroll **ret) MUST_CHECK;
/** enroll_start() - callbacks may run before it returns; each may call enroll_free() */
void enroll_start(struct enroll *en);
/** enroll_free() - callbacks do not run any more; what a token is doing it does to its end */
void enroll_free(struct enroll **en);

#include "enroll/keep.h"

#endif
