#ifndef HF_RENEW_RENEW_H
#define HF_RENEW_RENEW_H

#include "identity/identity.h"

/** What the schedule knows of one certificate. Pure data: no clock, no randomness of its own. */
struct schedule_input {
    bool has_cert;
    struct wall received;     /* lifetime counts from here ... */
    struct wall valid_before; /* ... to here */
    unsigned failures;        /* in a row */
    enum err_code last_error; /* of the last failure */
    struct wall failed_at;
    struct wall now;
    uint64_t seed; /* of this agent and certificate */
};

/** schedule_next() - seconds from now until the next request: 0 means now
 * Two thirds of the lifetime, spread by the seed over +-5 % of it. After a failure back-off from
 * 1 s doubling to 5 min with jitter; never less than 60 s after a refusal (DENIED; INPUT and
 * UNSUPPORTED, which will not mend themselves). Unless refused, never so late that less than a
 * tenth of the lifetime is left, and in that tenth a quarter of what is left, at least 1 s. */
int64_t schedule_next(const struct schedule_input *in);

/** The renewal clock over all identities. */
struct renew;

enum { RENEW_IN_FLIGHT_MAX = 16, RENEW_DEADLINE_S = 30 };

/** renew_new() - plans a request for each certificate; @identities must outlive it, @seed spreads the
 * requests of many agents. NOMEM */
struct err *renew_new(struct io_loop *l, struct identity_set *identities, uint64_t seed,
                      struct renew **ret) MUST_CHECK;
/** renew_free() - cancels requests under way; callers of renew_now() that still wait get GONE */
void renew_free(struct renew **r);
/** renew_reconsider() - keys or certificates changed: set the timers anew. Afterwards there is no
 * request for a certificate that left the set, and none of its signers is referred to. Not to be
 * called by signers, or by what renew_now() tells */
void renew_reconsider(struct renew *r);
/** renew_now() - renew every certificate of an identity at once, whatever its schedule; @on_done
 * gets the first error (taken) or NULL, after the last answer. Single flight: joins a request that
 * is under way */
void renew_now(struct renew *r, struct identity *i, void (*on_done)(void *arg, struct err *e),
               void *arg);
/** renew_due() - when the next request for this certificate is planned; 0 when none is */
struct wall renew_due(const struct renew *r, const struct identity_cert *c);

#endif
