#ifndef FAKE_IO_H
#define FAKE_IO_H

/*
 * Timers and both clocks as a test wants them: time passes only in fake_pass(), and every timer
 * that falls due on the way fires at its own moment. Defined under the names of io/loop.h, so that
 * the code under test links to this instead of libevent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io/loop.h"

enum { FAKE_TIMERS_MAX = 64, FAKE_FIRES_MAX = 100000 };

struct io_timer {
    bool set;
    struct mono at;
    void (*on_fire)(void *arg);
    void *arg;
};

static struct io_timer *fake_timers[FAKE_TIMERS_MAX];
static struct mono fake_mono = {1000};
static int64_t fake_wall_ms = 1800000000500; /* the half second shows rounding that goes wrong */
static unsigned fake_fires;

static struct mono fake_mono_now(void)
{
    return fake_mono;
}

static struct wall fake_wall_now(void)
{
    return (struct wall){fake_wall_ms / 1000};
}

static inline void fake_clock_start(void)
{
    clock_set_for_test(fake_mono_now, fake_wall_now);
}

struct io_timer *io_timer_new(struct io_loop *l, void (*on_fire)(void *arg), void *arg)
{
    (void)l;
    for (size_t i = 0; i < FAKE_TIMERS_MAX; i++) {
        if (fake_timers[i] == NULL) {
            fake_timers[i] = calloc(1, sizeof *fake_timers[i]);
            assert_non_null(fake_timers[i]);
            fake_timers[i]->on_fire = on_fire;
            fake_timers[i]->arg = arg;
            return fake_timers[i];
        }
    }
    return NULL;
}

void io_timer_free(struct io_timer **tp)
{
    for (size_t i = 0; i < FAKE_TIMERS_MAX && *tp != NULL; i++) {
        if (fake_timers[i] == *tp) {
            fake_timers[i] = NULL;
        }
    }
    auto_free(tp);
}

void io_timer_set(struct io_timer *t, struct mono at)
{
    t->set = true;
    t->at = at;
}

void io_timer_clear(struct io_timer *t)
{
    t->set = false;
}

bool io_timer_is_set(const struct io_timer *t)
{
    return t->set;
}

static inline struct io_timer *fake_next_timer(struct mono until)
{
    struct io_timer *first = NULL;

    for (size_t i = 0; i < FAKE_TIMERS_MAX; i++) {
        struct io_timer *t = fake_timers[i];

        if (t != NULL && t->set && t->at.ms <= until.ms &&
            (first == NULL || t->at.ms < first->at.ms)) {
            first = t;
        }
    }
    return first;
}

/* fake_pass() - let @ms pass; 0 runs what is due now */
static inline void fake_pass(int64_t ms)
{
    struct mono until = {fake_mono.ms + ms};
    struct io_timer *t;

    while ((t = fake_next_timer(until)) != NULL) {
        int64_t step = t->at.ms - fake_mono.ms;

        step = step > 0 ? step : 0;
        fake_mono.ms += step;
        fake_wall_ms += step;
        t->set = false;
        assert_in_range(++fake_fires, 0, FAKE_FIRES_MAX);
        t->on_fire(t->arg);
    }
    fake_wall_ms += until.ms - fake_mono.ms;
    fake_mono = until;
}

/* fake_step() - the wall clock jumps, the monotonic one does not */
static inline void fake_step(int64_t s)
{
    fake_wall_ms += s * 1000;
}

#endif
