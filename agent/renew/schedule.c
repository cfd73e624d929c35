/*
 * When to ask for the next certificate: a pure function, so that a simulation can run it for a
 * hundred thousand agents. Same input, same answer; what looks random comes out of the seed.
 *
 * Two rules pull against each other: a certificate must not expire while a signer could still be
 * reached, and agents must neither herd nor hammer. So a renewal is spread over a tenth of the
 * lifetime. After a failure, each try that is planned within what a certificate has left counts once
 * more when an outage ends, for it then comes on top of all who fell due meanwhile. One that is in use
 * has a few tries; one that nobody uses has one in its last moment, and one an hour before
 * (tests/bench/fleet simulates that). Without a valid certificate the wait is long for those that
 * nobody uses, and whoever does use one has it asked for at once.
 *
 * holdfast-vault repeats what may pass within its deadline: a failure that arrives here has lasted, or
 * comes with the patience that the server asks for (Retry-After).
 */
#include "renew/renew.h"

enum {
    BACKOFF_MAX_S = 300,
    UNUSED_MAX_S = 1800,
    LIVE_MAX_S = 3600,
    PATIENCE_MAX_S = 3600,
    LIMITED_MIN_S = 15,
    NEEDED_MIN_S = 15,
    REFUSED_MIN_S = 60,
    GAP_MIN_S = 3,
    DOUBLINGS_MAX = 11,
    LEFT_FROM_PERMILLE = 700,
    LEFT_TO_PERMILLE = 900,
    LAST_MOMENT_FROM_S = 60,
    LIFETIME_MAX_S = 10 * 365 * 86400, /* "valid forever" is looked at again after that */
};

/* Spec: Steele, Lea, Flood: Fast splittable pseudorandom number generators (SplitMix64) */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

/* -@range .. +@range */
static int64_t spread(uint64_t seed, int64_t range)
{
    return range > 0 ? (int64_t)(mix(seed) % (uint64_t)(2 * range + 1)) - range : 0;
}

/* A time that lies ahead was taken before the clock stepped back: it counts as now. */
static int64_t elapsed(const struct schedule_input *in, struct wall since)
{
    return in->now.s > since.s ? in->now.s - since.s : 0;
}

static bool has_live(const struct schedule_input *in)
{
    return in->has_cert && in->now.s < in->valid_before.s;
}

static int64_t lifetime_of(const struct schedule_input *in)
{
    int64_t lifetime = 0;

    if (__builtin_sub_overflow(in->valid_before.s, in->received.s, &lifetime) ||
        lifetime > LIFETIME_MAX_S) {
        return LIFETIME_MAX_S;
    }
    return lifetime > 0 ? lifetime : 0;
}

/* How long after it was received a certificate is to be renewed. */
static int64_t planned(const struct schedule_input *in)
{
    int64_t lifetime = lifetime_of(in);
    uint64_t seed = in->seed ^ mix((uint64_t)in->received.s);
    int64_t wait = in->has_recovered ? lifetime / 2 + spread(seed, lifetime / 6)
                                     : lifetime * 2 / 3 + spread(seed, lifetime / 20);

    return has_live(in) && wait > GAP_MIN_S ? wait : GAP_MIN_S;
}

static int64_t until_renewal(const struct schedule_input *in)
{
    int64_t left = in->has_cert ? planned(in) - elapsed(in, in->received) : 0;

    return left > 0 ? left : 0;
}

enum schedule_class schedule_class_of(enum err_code code)
{
    switch (code) {
    case ERR_DENIED:
    case ERR_INPUT:
    case ERR_UNSUPPORTED:
    case ERR_NOT_FOUND:
        return SCHEDULE_REFUSED;
    case ERR_BUSY:
        return SCHEDULE_LIMITED;
    case ERR_CERT:
    case ERR_PROTOCOL:
        return SCHEDULE_WRONG;
    default:
        return SCHEDULE_AWAY;
    }
}

static uint64_t try_seed(const struct schedule_input *in)
{
    return mix(in->seed ^ mix(in->failures));
}

static int64_t around(const struct schedule_input *in, int64_t wait)
{
    return wait + spread(try_seed(in), wait / 4);
}

static int64_t doubled(const struct schedule_input *in, int64_t max)
{
    unsigned doublings = in->failures - 1 < DOUBLINGS_MAX ? in->failures - 1 : DOUBLINGS_MAX;
    int64_t wait = (int64_t)1 << doublings;

    return around(in, wait < max ? wait : max);
}

/* The longest wait without a valid certificate. */
static int64_t without_max(const struct schedule_input *in)
{
    int64_t half = in->has_cert ? lifetime_of(in) / 2 : UNUSED_MAX_S;

    half = half < UNUSED_MAX_S ? half : UNUSED_MAX_S;
    return in->is_in_use || half < BACKOFF_MAX_S ? BACKOFF_MAX_S : half;
}

/* One that ended had its tries before: the outage is a long one. It makes way for those that still
 * are valid, which have a third of a lifetime left at most. */
static int64_t without(const struct schedule_input *in)
{
    int64_t max = without_max(in);
    int64_t wait = in->has_cert && in->failures > 1
                       ? max + (int64_t)(try_seed(in) % (uint64_t)(max / 2))
                       : doubled(in, max);

    return in->is_needed && wait > NEEDED_MIN_S ? NEEDED_MIN_S : wait;
}

/* A share of what the certificate has left at the failure, or all but its last second. */
static int64_t share_of_left(const struct schedule_input *in)
{
    uint64_t range = LEFT_TO_PERMILLE - LEFT_FROM_PERMILLE + 1;
    int64_t permille = LEFT_FROM_PERMILLE + (int64_t)(try_seed(in) % range);
    struct wall then = in->failed_at.s < in->now.s ? in->failed_at : in->now;
    int64_t left = in->valid_before.s - then.s;

    if (!in->is_in_use && left > LAST_MOMENT_FROM_S) {
        left--;
        permille = 1000;
    }
    int64_t longest = LIVE_MAX_S + spread(try_seed(in), LIVE_MAX_S / 4);

    if (left > longest * 1000 / permille) {
        return longest;
    }
    return left * permille / 1000 > 1 ? left * permille / 1000 : 1;
}

static int64_t backoff(const struct schedule_input *in)
{
    enum schedule_class class = schedule_class_of(in->last_error);
    int64_t least = class == SCHEDULE_LIMITED ? LIMITED_MIN_S : 0;
    int64_t asked = in->patience_s < PATIENCE_MAX_S ? in->patience_s : PATIENCE_MAX_S;
    int64_t wait;

    least = least > asked ? least : asked;
    if (class == SCHEDULE_REFUSED) {
        wait = doubled(in, BACKOFF_MAX_S);
        least = least > REFUSED_MIN_S ? least : REFUSED_MIN_S;
    } else if (has_live(in) && in->failed_at.s - in->received.s >= planned(in)) {
        wait = share_of_left(in);
    } else {
        wait = without(in);
    }
    return wait >= least ? wait : least + (int64_t)(try_seed(in) % (uint64_t)(least / 4 + 1));
}

static int64_t until_retry(const struct schedule_input *in)
{
    int64_t left = backoff(in) - elapsed(in, in->failed_at);

    return left > 0 ? left : 0;
}

int64_t schedule_next(const struct schedule_input *in)
{
    if (in->renewal == IDENTITY_RENEWAL_PER_CONNECTION || in->is_asleep) {
        return SCHEDULE_NEVER;
    }
    int64_t renewal = until_renewal(in);
    int64_t retry = in->failures > 0 ? until_retry(in) : 0;

    return renewal > retry ? renewal : retry;
}
