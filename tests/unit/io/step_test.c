/* The watch over time that jumps. A test cannot set the clock, but it can make the timer due: the way from
 * the descriptor to the callback, and its arming anew, are the same. */
#include "io/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/timerfd.h>

#include <cmocka.h>

struct count {
    struct io_loop *loop;
    struct io_step *step;
    unsigned steps;
};

static void make_due(const struct count *c)
{
    const struct itimerspec soon = {.it_value = {.tv_nsec = 1}};

    assert_int_equal(timerfd_settime(io_step_fd(c->step), 0, &soon, NULL), 0);
}

static void on_step(void *arg)
{
    struct count *c = arg;

    if (++c->steps == 2) {
        io_loop_stop(c->loop);
    } else {
        make_due(c);
    }
}

static void each_jump_is_told_once(void **state)
{
    struct count c = {0};
    struct itimerspec armed = {0};
    AUTO(err_free) struct err *e = io_loop_new(&c.loop);

    (void)state;
    assert_null(e);
    c.step = io_step_new(c.loop, on_step, &c);
    assert_non_null(c.step);
    make_due(&c);
    AUTO(err_free) struct err *ran = io_loop_run(c.loop);

    assert_null(ran);
    assert_int_equal(c.steps, 2);
    assert_int_equal(timerfd_gettime(io_step_fd(c.step), &armed), 0);
    assert_true(armed.it_value.tv_sec > 86400); /* it watches on */
    io_step_free(&c.step);
    assert_null(c.step);
    io_loop_free(&c.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_jump_is_told_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
