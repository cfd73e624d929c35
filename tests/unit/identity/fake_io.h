#ifndef FAKE_IO_H
#define FAKE_IO_H

/*
 * Timers and both clocks as a test wants them: time passes only in fake_pass(), and every timer
 * that falls due on the way fires at its own moment. What is put into a writer is on disk after
 * fake_pass(0). Defined under the names of io/loop.h and io/writer.h, so that the code under test
 * links to this instead of libevent and a thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/loop.h"
#include "io/writer.h"

enum { FAKE_TIMERS_MAX = 64, FAKE_FIRES_MAX = 100000, FAKE_WRITES_MAX = 16 };

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

struct fake_write {
    char *path; /* NULL: free */
    bool removal;
    struct buf content;
    mode_t mode;
    io_written_fn *on_written;
    void *arg;
};

struct io_writer {
    struct io_timer *soon;
    struct fake_write writes[FAKE_WRITES_MAX]; /* in order, without gaps */
};

void io_writer_flush(struct io_writer *w)
{
    while (w->writes[0].path != NULL) {
        struct fake_write first = w->writes[0];

        memmove(w->writes, w->writes + 1, (FAKE_WRITES_MAX - 1) * sizeof *w->writes);
        w->writes[FAKE_WRITES_MAX - 1] = (struct fake_write){0};
        struct err *e = NULL;

        if (first.removal) {
            unlink(first.path);
        } else {
            e = file_replace(first.path, buf_view(&first.content), first.mode);
        }

        if (first.on_written != NULL) {
            first.on_written(first.arg, e);
        }
        err_free(&e);
        buf_deinit(&first.content);
        free(first.path);
    }
}

static void fake_write_all(void *writer)
{
    io_writer_flush(writer);
}

struct err *io_writer_new(struct io_loop *l, struct io_writer **ret)
{
    *ret = calloc(1, sizeof **ret);
    assert_non_null(*ret);
    (*ret)->soon = io_timer_new(l, fake_write_all, *ret);
    return NULL;
}

void io_writer_free(struct io_writer **w)
{
    if (*w != NULL) {
        io_writer_flush(*w);
        io_timer_free(&(*w)->soon);
    }
    auto_free(w);
}

struct err *io_writer_put(struct io_writer *w, const char *path, struct buf *content, mode_t mode,
                          io_written_fn *on_written, void *arg)
{
    size_t i = 0;

    while (w->writes[i].path != NULL && !text_eq(w->writes[i].path, path)) {
        assert_true(++i < FAKE_WRITES_MAX);
    }
    free(w->writes[i].path);
    buf_deinit(&w->writes[i].content);
    w->writes[i] = (struct fake_write){.path = text_copy(path),
                                       .removal = content == NULL,
                                       .mode = mode,
                                       .on_written = on_written,
                                       .arg = arg};
    if (content != NULL) {
        w->writes[i].content = *content;
        *content = (struct buf){0};
    }
    io_timer_set(w->soon, fake_mono);
    return NULL;
}

struct err *io_writer_read(struct io_writer *w, const char *path, size_t max_bytes, struct buf *out)
{
    io_writer_flush(w);
    return file_read(path, max_bytes, out);
}

/* fake_step() - the wall clock jumps, the monotonic one does not */
/* fake_sleep() - the machine is suspended: both clocks go on, and no timer fires */
static inline void fake_sleep(int64_t s)
{
    fake_mono.ms += s * 1000;
    fake_wall_ms += s * 1000;
}

static inline void fake_step(int64_t s)
{
    fake_wall_ms += s * 1000;
}

#endif
