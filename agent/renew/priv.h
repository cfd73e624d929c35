#ifndef HF_RENEW_PRIV_H
#define HF_RENEW_PRIV_H

/* Between the files of renew/ only. */
#include "renew/renew.h"

enum { SKEW_TOLD_S = 5 };

struct renew_join;

/** How one of the two signers of a certificate does. */
struct renew_side {
    unsigned failures; /* in a row */
    enum err_code last_error;
    int64_t patience_s; /* that the last failure asked for */
    struct mono failed_at, failing_since;
    bool recovered; /* the last success came after failures */
};

/** What the clock knows of one certificate. */
struct renew_entry {
    struct renew *owner;
    struct identity_cert *cert; /* a reference */
    uint64_t seed;
    struct renew_side side[2]; /* the first signer, the standby */
    struct wall anchor_wall; /* one moment on both clocks: when the certificate was received, ... */
    struct mono anchor_mono; /* ... or when the agent started */
    struct mono not_before;  /* of the first request */
    struct mono look_again;  /* nothing is to be done before, unless ... */
    uint64_t seen;           /* ... its identity changed since then, by the set's count */
    bool forced;             /* renew_now() wants it in the next tick, ... */
    bool forced_standby;     /* ... renew_standby() of the standby */
    bool at_standby;         /* whom the request under way is to */
    bool in_flight;
    bool is_due, due_standby; /* and whom to ask */
    int64_t urgency;          /* the less, the sooner */
    struct mono due_since, asked_at;
    uint64_t handle; /* the signer's; 0: none */
    struct mono give_up;
    struct renew_join *joins; /* renew_now() callers that wait for it */
};

struct renew {
    struct identity_set *identities;
    struct audit *audit; /* borrowed; may be NULL */
    uint64_t seed;
    uint64_t edition; /* of the set, when the entries were made */
    struct renew_entry **entries;
    size_t n, first;
    unsigned in_flight;
    struct io_timer *timer;
};

/* --- follow.c --- */
/** renew_add_missing() - an entry for each certificate that has none; @spread: the first requests do
 * not come all at once */
struct err *renew_add_missing(struct renew *r, bool spread) MUST_CHECK;
/** renew_drop_gone() - let go of certificates that are no longer wanted. Frees entries: not while a
 * signer is being called, or calls */
void renew_drop_gone(struct renew *r);
/** renew_entry_free() - cancels its request; callers that wait get GONE and @why */
void renew_entry_free(struct renew_entry **e, const char *why);

/* --- side.c --- */
/** renew_signer() - whom the request under way is to */
const struct signer *renew_signer(const struct renew_entry *e);
/** renew_wait_ms() - until the next request is due, as the schedule has it, and whom to ask */
int64_t renew_wait_ms(const struct renew_entry *e, bool *ret_standby);
/** renew_side_done() - how the request under way ended; @error is borrowed */
void renew_side_done(struct renew_entry *e, const struct err *error);

/* --- renew.c --- */
/** renew_withdraw() - cancel the request under way, as if it had not been made */
void renew_withdraw(struct renew_entry *e);
/** renew_look_soon() - something happened to it: the next tick looks at it, at once */
void renew_look_soon(struct renew_entry *e);
/** renew_anchor() - the certificate was received, or the watch over it begins */
void renew_anchor(struct renew_entry *e);

/** renew_entry_of() - NULL when absent */
struct renew_entry *renew_entry_of(const struct renew *r, const struct identity_cert *c);
/** renew_joins_done() - tell those who wait for it; @error is borrowed, NULL: it went well */
void renew_joins_done(struct renew_entry *e, const struct err *error);

#endif
