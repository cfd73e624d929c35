/*
 * A day of many agents, each with one certificate, on the real schedule (agent/renew/schedule.c): how
 * many requests their signer gets in each second, with and without an outage, and which certificates are
 * lost. Time is a counter, an answer takes none: what is measured is the spread, not a server.
 *
 * Each second has a list of the agents that look at their schedule then. An agent whose schedule says
 * "not yet" is put where it says, or where its certificate ends, whichever is first, because the schedule
 * then changes; the agent itself looks once a minute, which comes to the same.
 *
 * Some are used every few minutes; the rest is left alone, and has the longer waits. A try is one
 * request here, while holdfast-vault makes up to five of it within four seconds, each at its own time.
 *
 * A second in which few requests are expected has a peak that is chance alone. So the peak is of the
 * shortest span that has two hundred requests in the mean, and beside it stands what as many requests at
 * random seconds come to.
 */
#include <stdio.h>
#include <stdlib.h>

#include "renew/renew.h"

enum { DAY_S = 86400, EXPECTED_MIN = 200, PERCENT = 100, USED_PERCENT = 10, USED_EVERY_S = 300 };

struct agent {
    struct schedule_input in;
    int64_t used_at; /* the next time, if somebody uses it */
    int next;        /* in the list of its second; -1: the last */
};

struct fleet {
    int n;
    int64_t lifetime_s, outage_from, outage_to; /* no outage: both 0 */
    uint64_t dice;
    struct agent *agents;
    int first[DAY_S];         /* of each second's list */
    unsigned requests[DAY_S]; /* those that reach the signer, or would */
    uint64_t good, failed, expired,
        lost; /* lost: outlived the outage, and ended without a successor */
};

static uint64_t roll(struct fleet *f)
{
    uint64_t x = f->dice += 0x9e3779b97f4a7c15U; /* SplitMix64 */

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

static void put(struct fleet *f, int i, int64_t at)
{
    if (at < DAY_S) {
        f->agents[i].next = f->first[at];
        f->first[at] = i;
    }
}

static void receive(struct fleet *f, struct agent *a, int64_t at)
{
    a->in.has_recovered = a->in.failures > 0;
    a->in.failures = 0;
    a->in.has_cert = true;
    a->in.received.s = at;
    a->in.valid_before.s = at + f->lifetime_s;
}

static bool is_out(const struct fleet *f, int64_t at)
{
    return at >= f->outage_from && at < f->outage_to;
}

static void request(struct fleet *f, struct agent *a, int64_t at)
{
    f->requests[at]++;
    a->in.is_needed = false;
    if (!is_out(f, at)) {
        f->good++;
        receive(f, a, at);
        return;
    }
    f->failed++;
    a->in.failures++;
    a->in.last_error = ERR_GONE;
    a->in.failed_at.s = at;
}

static void look(struct fleet *f, int i, int64_t at)
{
    struct agent *a = &f->agents[i];

    a->in.now.s = at;
    if (at == a->in.valid_before.s) {
        f->expired++;
        f->lost += at > f->outage_to || at < f->outage_from;
    }
    if (a->in.is_in_use && at >= a->used_at) {
        a->in.is_needed = at >= a->in.valid_before.s;
        a->used_at = at + 1 + (int64_t)(roll(f) % (2 * USED_EVERY_S));
    }
    if (schedule_next(&a->in) == 0) {
        request(f, a, at);
    }
    int64_t wait = schedule_next(&a->in), left = a->in.valid_before.s - at;

    wait = left > 0 && left < wait ? left : wait > 0 ? wait : 1;
    put(f, i, a->in.is_in_use && a->used_at < at + wait ? a->used_at : at + wait);
}

static void start(struct fleet *f)
{
    for (int64_t s = 0; s < DAY_S; s++) {
        f->first[s] = -1;
    }
    for (int i = 0; i < f->n; i++) {
        struct agent *a = &f->agents[i];

        *a = (struct agent){.in = {.seed = roll(f), .is_in_use = i % PERCENT < USED_PERCENT}};
        do { /* an age at which it is not due yet: the day begins in the midst of things */
            receive(f, a, -(int64_t)(roll(f) % (uint64_t)f->lifetime_s));
        } while (schedule_next(&a->in) == 0);
        put(f, i, schedule_next(&a->in));
    }
}

static void run(struct fleet *f)
{
    start(f);
    for (int64_t s = 0; s < DAY_S; s++) {
        int i = f->first[s];

        while (i >= 0) {
            int next = f->agents[i].next;

            look(f, i, s);
            i = next;
        }
    }
}

/* The most requests a second, over any @span seconds from @from on. */
static double peak(const unsigned *requests, int64_t from, int64_t span)
{
    uint64_t sum = 0, most = 0;

    for (int64_t s = from; s < DAY_S; s++) {
        sum += requests[s];
        sum -= s >= from + span ? requests[s - span] : 0;
        most = sum > most && s >= from + span - 1 ? sum : most;
    }
    return (double)most / (double)span;
}

/* As many requests a second at random. */
static void scatter(struct fleet *f, double mean)
{
    for (int64_t s = 0; s < DAY_S; s++) {
        f->requests[s] = 0;
    }
    for (int64_t k = 0; k < (int64_t)(mean * DAY_S); k++) {
        f->requests[roll(f) % DAY_S]++;
    }
}

int main(int argc, char **argv)
{
    static struct fleet f;

    if (argc != 5) {
        fprintf(stderr, "usage: %s AGENTS LIFETIME_S OUTAGE_S SEED\n", argv[0]);
        return 2;
    }
    f.n = atoi(argv[1]);
    f.lifetime_s = atoll(argv[2]);
    f.outage_from = atoll(argv[3]) > 0 ? DAY_S / 2 : 0;
    f.outage_to = f.outage_from + atoll(argv[3]);
    f.dice = strtoull(argv[4], NULL, 10);
    f.agents = f.n > 0 && f.lifetime_s > 0 ? calloc((size_t)f.n, sizeof *f.agents) : NULL;
    if (f.agents == NULL) {
        return 1;
    }
    run(&f);
    double mean = (double)f.n / ((double)f.lifetime_s * 2 / 3);
    int64_t span = (int64_t)(EXPECTED_MIN / mean) + 1;
    double in_span = peak(f.requests, f.outage_to, span);
    double in_second = peak(f.requests, f.outage_to, 1);

    printf(
        "{\"mean\": %.3f, \"span_s\": %lld, \"peak\": %.3f, \"peak_second\": %.3f, \"good\": %llu, "
        "\"failed\": %llu, \"expired\": %llu, \"lost\": %llu, ",
        mean, (long long)span, in_span, in_second, (unsigned long long)f.good,
        (unsigned long long)f.failed, (unsigned long long)f.expired, (unsigned long long)f.lost);
    scatter(&f, mean);
    printf("\"chance\": %.3f, \"chance_second\": %.3f}\n", peak(f.requests, 0, span),
           peak(f.requests, 0, 1));
    free(f.agents);
    return 0;
}
