#ifndef HF_SIGNER_SIGNER_H
#define HF_SIGNER_SIGNER_H

#include "ssh/ssh.h"

/** What a user's certificate is to carry where nobody says more: its owner gets a terminal. */
#define SIGNER_LEAST_EXTENSION "permit-pty"

/** What is asked of a signer. All is borrowed for the length of the call. */
struct signer_request {
    const struct ssh_key *key;
    enum ssh_cert_kind kind;
    const char *mount;                        /* Vault: path of the SSH engine; else ignored */
    const char *role;                         /* NULL where a signer has no roles */
    const char *issuer_ref;                   /* NULL: the role's */
    char *const *principals;                  /* NULL-terminated, at least one */
    int64_t ttl_s;                            /* 0: the role's default */
    const char *key_id;                       /* NULL: the signer's own */
    const struct ssh_cert_option *critical;   /* ends with a NULL name; NULL: the role's own */
    const struct ssh_cert_option *extensions; /* NULL: as the role gives by itself */
    bool
        role_may_choose; /* @extensions are a wish: a role that does not let them be chosen may give
                             its own instead; false: exactly these, or it fails */
};

/** Facts that come with a signed certificate; views are valid during the callback only. */
struct signer_answer {
    struct view cert_line;  /* as the server sent it; not yet parsed, not yet trusted */
    const char *request_id; /* Vault's, "" when unknown */
    int64_t skew_s;         /* the server's clock minus ours, from its Date header */
    bool has_skew;
    bool role_chose; /* the request's wish was refused, and the role gave its own extensions */
};

/** Takes the answer: exactly one of @e (taken by the callee) and @answer. An error's retry hint:
 * DENIED: policy, wait a minute or more; BUSY/GONE/TIMEOUT: transient; INPUT, UNSUPPORTED: will not
 * mend itself. */
typedef void signer_reply_fn(void *arg, struct err *e, const struct signer_answer *answer);

/** The op table that vault/ and ca/ implement. */
struct signer_ops {
    /** sign() - returns a handle for cancel(), 0 when the callback has already run */
    uint64_t (*sign)(void *self, const struct signer_request *request, struct mono deadline,
                     signer_reply_fn *on_reply, void *arg);
    void (*cancel)(void *self, uint64_t handle);
    void (*free)(void *self);
};

/** One configured signer. */
struct signer {
    const char *name;
    const char *kind; /* "vault", "ca" */
    const struct signer_ops *ops;
    void *self;
};

#endif
