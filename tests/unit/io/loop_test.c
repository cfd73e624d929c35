/* Timers: on time, never early, at most once, and by the project's clock rather than libevent's. */
#include "io/support.h"

static unsigned fired;
static struct mono due;

static void on_fire(void *arg)
{
    (void)arg;
    assert_true(mono_passed(due));
    fired++;
    stop();
}

static void test_fires_once_and_not_early(void **state)
{
    struct io_timer *t = io_timer_new(loop, on_fire, NULL);

    (void)state;
    fired = 0;
    due = mono_in(7);
    io_timer_set(t, due);
    assert_true(io_timer_is_set(t));
    run();
    assert_false(io_timer_is_set(t));
    run_rounds(3);
    assert_int_equal(fired, 1);
    io_timer_set(t, (struct mono){0}); /* long past */
    run();
    assert_int_equal(fired, 2);
    io_timer_free(&t);
}

static void test_cleared_timer_does_not_fire(void **state)
{
    struct io_timer *t = io_timer_new(loop, on_fire, NULL);

    (void)state;
    fired = 0;
    due = (struct mono){0};
    io_timer_set(t, due);
    io_timer_clear(t);
    assert_false(io_timer_is_set(t));
    run_rounds(3);
    io_timer_set(t, due);
    io_timer_free(&t);
    assert_null(t);
    run_rounds(3);
    assert_int_equal(fired, 0);
}

/* A clock that stands still for the first times it is asked: libevent's time has run out by then,
 * and the timer has to wait for ours. */
enum { STILL = 6 };

static unsigned asked;

static struct mono slow_mono(void)
{
    return (struct mono){++asked < STILL ? 1000 : 2000};
}

static void on_late_fire(void *arg)
{
    (void)arg;
    fired++;
    stop();
}

static void test_follows_our_clock(void **state)
{
    struct io_timer *t = io_timer_new(loop, on_late_fire, NULL);

    (void)state;
    fired = 0;
    asked = 0;
    clock_set_for_test(slow_mono, NULL);
    io_timer_set(t, (struct mono){1003});
    assert_null(io_loop_run(loop));
    clock_set_for_test(NULL, NULL);
    assert_int_equal(fired, 1);
    assert_true(asked >= STILL);
    io_timer_free(&t);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, new_loop, free_loop)
    const struct CMUnitTest tests[] = {
        CASE(test_fires_once_and_not_early),
        CASE(test_cleared_timer_does_not_fire),
        CASE(test_follows_our_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
