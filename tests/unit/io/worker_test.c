/* Jobs beside the loop: in order, told on the loop, and none lost or told when the worker goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "io/io.h"

enum { JOBS = 100 };

struct job {
    unsigned number;
};

static struct io_loop *loop;
static struct io_worker *worker;
static struct job jobs[JOBS];
static unsigned ran, told;
static pthread_t loop_thread;
static bool free_in_callback;

static void work(void *arg)
{
    const struct job *j = arg;

    assert_false(pthread_equal(pthread_self(), loop_thread));
    assert_int_equal(j->number, ran);
    ran++;
}

static void on_done(void *arg)
{
    const struct job *j = arg;

    assert_true(pthread_equal(pthread_self(), loop_thread));
    assert_int_equal(j->number, told);
    told++;
    if (free_in_callback) {
        io_worker_free(&worker);
    }
    if (told == JOBS || free_in_callback) {
        io_loop_stop(loop);
    }
}

static void put_all(void)
{
    ran = told = 0;
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i].number = i;
        assert_null(io_worker_put(worker, work, on_done, &jobs[i]));
    }
    assert_int_equal(told, 0);
}

static int set_up(void **state)
{
    (void)state;
    loop_thread = pthread_self();
    free_in_callback = false;
    assert_null(io_loop_new(&loop));
    assert_null(io_worker_new(loop, &worker));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    io_worker_free(&worker);
    io_loop_free(&loop);
    return 0;
}

static void in_order(void **state)
{
    (void)state;
    put_all();
    assert_null(io_loop_run(loop));
    assert_int_equal(ran, JOBS);
    assert_int_equal(told, JOBS);
}

static void freed_runs_all_tells_none(void **state)
{
    (void)state;
    put_all();
    io_worker_free(&worker);
    assert_null(worker);
    assert_int_equal(ran, JOBS);
    assert_int_equal(told, 0);
}

static void freed_by_a_callback(void **state)
{
    (void)state;
    free_in_callback = true;
    put_all();
    assert_null(io_loop_run(loop));
    assert_int_equal(ran, JOBS);
    assert_int_equal(told, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(freed_runs_all_tells_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(freed_by_a_callback, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
