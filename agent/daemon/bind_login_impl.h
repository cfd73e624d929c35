#ifndef HF_DAEMON_BIND_LOGIN_IMPL_H
#define HF_DAEMON_BIND_LOGIN_IMPL_H

/* What bind_login.c (what is known of the keys) and bind_login_sign.c (their signatures) share. */
#include <sys/queue.h>

#include "daemon/bind_login.h"
#include "policy/policy.h"

/** Questions in the present minute. */
struct login_pace {
    struct mono minute; /* when it began */
    unsigned asked;
};

/** A server that logs in with a key. */
struct login {
    LIST_ENTRY(login) link;
    char *name, *key_uri;
    enum vault_login how;
    struct ssh_key *key; /* NULL: not seen yet */
    char *cert_pem;      /* cert only; NULL: ... */
    char *problem;       /* ... because of this; NULL: not read yet */
    bool reading, again; /* its certificates */
    struct login_pace pace;
    struct mono
        until; /* of one that is only tried out: forgotten then. 0: it is a server's that is put */
    bool is_shared;                    /* of that one: see struct vault_conf */
    char *issuer, *subject, *audience; /* likewise */
    char *public_pem, *told;           /* of that one: what it was told of its key */
};

/** Certificates that are being read for a login; outlives both it and the binder. */
struct reading {
    LIST_ENTRY(reading) link;
    struct bind_login *b; /* NULL: nobody waits */
    char *name;
};

/** A signature under way. */
struct signing {
    LIST_ENTRY(signing) link;
    struct bind_login *b;
    uint64_t question, handle;
    char *server, *key;
    enum policy_statement statement;
    enum scheme scheme;
};

struct bind_login {
    struct bind_login_deps deps;
    LIST_HEAD(, login) logins;
    LIST_HEAD(, reading) readings;
    LIST_HEAD(, signing) signings;
    struct login_pace strangers; /* questions for no login of ours */
    unsigned trials;             /* so far */
};

/** login_find() - by the server's name; NULL */
struct login *login_find(const struct bind_login *b, const char *name);
/** login_why_shared() - why this key signs no logins: it is an SSH identity's too, and they may not be
 * one. NULL: it may (caller owns) */
struct err *login_why_shared(const struct bind_login *b, const struct login *l,
                             const struct ssh_key *key) MUST_CHECK;

/** login_claims() - what its JWTs have to say (borrowed); an issuer that is NULL: its server has left */
struct policy_claims login_claims(const struct bind_login *b, const struct login *l);

/** login_on_question() - a vault_question_fn */
void login_on_question(void *arg, uint64_t question, const struct vault_question *q);
/** login_give_up() - all signatures under way */
void login_give_up(struct bind_login *b);

#endif
