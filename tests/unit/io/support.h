#ifndef HF_TESTS_IO_SUPPORT_H
#define HF_TESTS_IO_SUPPORT_H

/* What the tests of io/ share: one loop, run until a callback says stop; a test that waits in vain
 * fails after GUARD_MS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/io.h"

enum { GUARD_MS = 20 * 1000 };

static struct io_loop *loop;

static inline void guard_fired(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for %d ms", GUARD_MS);
}

/** run() - until stop() is called in a callback */
static inline void run(void)
{
    struct io_timer *guard = io_timer_new(loop, guard_fired, NULL);

    io_timer_set(guard, mono_in(GUARD_MS));
    assert_null(io_loop_run(loop));
    io_timer_free(&guard);
}

static inline void stop(void)
{
    io_loop_stop(loop);
}

static inline void stop_by_timer(void *arg)
{
    (void)arg;
    stop();
}

/** run_rounds() - @n rounds of the loop: for "nothing more happens" */
static inline void run_rounds(unsigned n)
{
    struct io_timer *now = io_timer_new(loop, stop_by_timer, NULL);

    for (unsigned i = 0; i < n; i++) {
        io_timer_set(now, (struct mono){0});
        assert_null(io_loop_run(loop));
    }
    io_timer_free(&now);
}

static inline int new_loop(void **state)
{
    (void)state;
    assert_null(io_loop_new(&loop));
    return 0;
}

static inline int free_loop(void **state)
{
    (void)state;
    io_loop_free(&loop);
    return 0;
}

#endif
