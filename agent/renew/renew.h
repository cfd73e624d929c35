#ifndef HF_RENEW_RENEW_H
#define HF_RENEW_RENEW_H

#include "audit/audit.h"
#include "identity/identity.h"

/** What a failure tells of the next try. */
enum schedule_class {
    SCHEDULE_AWAY,    /* time-out, 5xx, sealed, standby, no connection: it will come back */
    SCHEDULE_LIMITED, /* 429: it is there, and asks for patience */
    SCHEDULE_WRONG,   /* an answer that is no proven certificate */
    SCHEDULE_REFUSED, /* 403, wrong role or mount: will not mend itself */
};
enum schedule_class schedule_class_of(enum err_code code);

/** What the schedule knows of one certificate. Pure data: no clock, no randomness of its own. */
struct schedule_input {
    enum identity_renewal renewal;
    bool is_asleep; /* when-used, and long not used */
    bool is_in_use; /* listed or signing a moment ago */
    bool is_needed; /* somebody found no valid certificate since the last try began */
    bool has_cert;
    bool has_recovered;       /* its request came after failures: as many others did then */
    struct wall received;     /* lifetime counts from here ... */
    struct wall valid_before; /* ... to here */
    unsigned failures;        /* in a row */
    enum err_code last_error; /* of the last failure */
    struct wall failed_at;
    int64_t patience_s; /* the last failure asked for so long; 0: did not */
    struct wall now;
    uint64_t seed; /* of this agent and certificate */
};

/** No request in a history of any kind comes to more than so many a minute and certificate; what a
 * person or a connection asks for at once is not counted. */
enum { SCHEDULE_PER_MINUTE_MAX = 30 };
#define SCHEDULE_NEVER INT64_MAX

/** schedule_next() - seconds from now until the next request: 0 means now, SCHEDULE_NEVER: no clock
 * asks for it (asleep, per-connection)
 * Two thirds of the lifetime, spread by the seed over +-5 % of it, 3 s after the last one at least; a
 * third to two thirds where it came after failures, so that those who came together part.
 * After a failure:
 * - with a valid certificate that is in use, after 0.7 to 0.9 of the time it has left, 1 s at least;
 *   where nobody uses it, in its last second; an hour at most: so a fleet that a long outage kept
 *   waiting comes back spread over what it has left;
 * - without one, back-off from 1 s doubling to 5 min, or, when nobody uses it, to half a lifetime, 5 to
 *   30 min; at once so long where one ended in spite of several tries; 15 s when it is needed;
 * - never less than 15 s where the signer asks for patience, than what it asks for, up to an hour, 60 s
 *   where it refuses. */
int64_t schedule_next(const struct schedule_input *in);

/** The renewal clock over all identities. */
struct renew;

/* A certificate may have a standby signer. It is asked when somebody says so, or, where the
 * configuration does, once the first signer has failed for so long without refusing; the first goes on
 * being asked at its own back-off, and signs again as soon as it answers. */
enum { RENEW_IN_FLIGHT_MAX = 16, RENEW_DEADLINE_S = 30 };

/** renew_new() - plans a request for each certificate; @identities must outlive it, @seed spreads the
 * requests of many agents; @audit is told of each certificate that comes, may be NULL. NOMEM */
struct err *renew_new(struct io_loop *l, struct identity_set *identities, uint64_t seed,
                      struct audit *audit, struct renew **ret) MUST_CHECK;
/** renew_free() - cancels requests under way; callers of renew_now() that still wait get GONE */
void renew_free(struct renew **r);
/** renew_reconsider() - keys or certificates changed, or an identity woke up: set the timers anew.
 * Afterwards there is no request for a certificate that left the set, and none of its signers is
 * referred to. Not to be called by signers, or by what renew_now() tells */
void renew_reconsider(struct renew *r);
/** renew_look() - the clock jumped: the same, and look at every certificate */
void renew_look(struct renew *r);
/** renew_now() - renew every certificate of an identity at once, whatever its schedule; @on_done
 * gets the first error (taken) or NULL, after the last answer. Single flight: joins a request that
 * is under way */
void renew_now(struct renew *r, struct identity *i, void (*on_done)(void *arg, struct err *e),
               void *arg);
/** renew_standby() - the same, of the standby signers at once; a request to a first signer that is under
 * way is given up. INPUT where no certificate of the identity has one */
void renew_standby(struct renew *r, struct identity *i, void (*on_done)(void *arg, struct err *e),
                   void *arg);
/** renew_due() - when the next request for this certificate is planned; 0 when none is */
struct wall renew_due(const struct renew *r, const struct identity_cert *c);

#endif
