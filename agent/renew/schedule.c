/*
 * When to ask for the next certificate: a pure function, so that a simulation can run it for a
 * hundred thousand agents. Same input, same answer; what looks random comes out of the seed.
 *
 * Two rules pull against each other: a certificate must not expire while a signer could still be
 * reached, and agents must neither herd nor hammer. So a renewal is spread over a tenth of the
 * lifetime, failures back off, a refusal waits a minute at least, and only the last tenth of a
 * lifetime shortens the back-off again; never below one second.
 */
#include "renew/renew.h"

enum {
    BACKOFF_MAX_S = 300,
    REFUSED_MIN_S = 60,
    DOUBLINGS_MAX = 9,
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

static int64_t until_renewal(const struct schedule_input *in)
{
    if (!has_live(in)) {
        return 0;
    }
    int64_t lifetime = lifetime_of(in);
    int64_t wait =
        lifetime * 2 / 3 + spread(in->seed ^ mix((uint64_t)in->received.s), lifetime / 20);
    int64_t left = (wait > 1 ? wait : 1) - elapsed(in, in->received);

    return left > 0 ? left : 0;
}

static bool was_refused(const struct schedule_input *in)
{
    return in->last_error == ERR_DENIED || in->last_error == ERR_INPUT ||
           in->last_error == ERR_UNSUPPORTED;
}

static int64_t backoff(const struct schedule_input *in)
{
    unsigned doublings = in->failures - 1 < DOUBLINGS_MAX ? in->failures - 1 : DOUBLINGS_MAX;
    int64_t wait = (int64_t)1 << doublings;
    uint64_t seed = in->seed ^ mix(in->failures);

    wait = wait < BACKOFF_MAX_S ? wait : BACKOFF_MAX_S;
    wait += spread(seed, wait / 4);
    if (was_refused(in) && wait < REFUSED_MIN_S) {
        return REFUSED_MIN_S + (int64_t)(mix(seed) % (REFUSED_MIN_S / 4));
    }
    return wait;
}

/* At most so long after a failure, for the certificate's sake. */
static int64_t patience(const struct schedule_input *in)
{
    int64_t left = in->valid_before.s - in->now.s;
    int64_t before_last_tenth = left - lifetime_of(in) / 10;

    if (before_last_tenth > 0) {
        return before_last_tenth;
    }
    return left / 4 > 1 ? left / 4 : 1;
}

static int64_t until_retry(const struct schedule_input *in)
{
    int64_t left = backoff(in) - elapsed(in, in->failed_at);

    if (left <= 0) {
        return 0;
    }
    if (!was_refused(in) && has_live(in) && patience(in) < left) {
        return patience(in);
    }
    return left;
}

int64_t schedule_next(const struct schedule_input *in)
{
    int64_t renewal = until_renewal(in);
    int64_t retry = in->failures > 0 ? until_retry(in) : 0;

    return renewal > retry ? renewal : retry;
}
