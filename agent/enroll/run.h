#ifndef HF_ENROLL_RUN_H
#define HF_ENROLL_RUN_H

#include "enroll/enroll.h"

/* For enroll.c, run_token.c and run_vault.c only: an enrolling, and its parts. */

enum { ENROLL_TEXT_BYTES = 1024 };

/** A part: it starts, and ends with run_done() or run_fail(), at once or later. */
struct enroll_part {
    const char *name;
    void (*start)(struct enroll *en);
    bool when_issuing; /* only where a certificate has to be had */
};

struct enroll {
    struct enroll_conf conf; /* what is borrowed in it is copied below */
    char *server, *key_uri;
    char *common_name, **alt_names, *mount, *role, *ca_pem, *wrapping_path;
    struct secret *one_time;
    struct vault_conf login; /* the server's own (a copy) */
    struct mono deadline, begun;
    enroll_step_fn *on_step;
    enroll_end_fn *on_end;
    void *arg;

    const struct enroll_part *parts;
    size_t parts_n, at;
    unsigned due; /* callbacks that cannot be called off */
    bool gone;

    size_t token;           /* of remote/ */
    struct remote_key *key; /* a reference */
    char *public_pem;
    struct enroll_cert found; /* on the token; .pem NULL: none */
    char *shown_pem;          /* what run_vault.c logs in with: a certificate and its chain */
    struct enroll_x509 *x;
    uint64_t call; /* of vault/ */
    bool issuing, stored, needs_one_time;
    bool tried_one_time, used_one_time; /* a login by it was tried, and went well */
    char note[ENROLL_TEXT_BYTES];       /* what a check said last */
};

/** run_say() - a step that is no part of its own. False: it is over, and @en may be gone */
bool run_say(struct enroll *en, const struct enroll_step *step) MUST_CHECK;
/** run_done() - this part is over; on to the next. @en may be gone afterwards */
void run_done(struct enroll *en, enum vault_step_state state, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/** run_fail() - it failed; @e is taken, NULL: run_done() with @text instead */
void run_fail(struct enroll *en, struct err *e);
/** run_await(), run_back() - a callback will come, and it came. False: nobody waits any more, @en may
 * be gone */
void run_await(struct enroll *en);
bool run_back(struct enroll *en) MUST_CHECK;
/** run_cert() - the certificate that the token has by now; NULL: none of ours */
const struct enroll_cert *run_cert(const struct enroll *en);

/* The parts. */
void run_token(struct enroll *en);
void run_key(struct enroll *en);
void run_look(struct enroll *en);
void run_request(struct enroll *en);
void run_access(struct enroll *en);
void run_issue(struct enroll *en);
void run_prove(struct enroll *en);
void run_store(struct enroll *en);
void run_login(struct enroll *en);
void run_revoke(struct enroll *en);

#endif
