/*
 * The life of a real helper process: started, set up, crashed, idle, restarted, freed. Nothing is
 * concluded from how long something took, except that back-off waits.
 */
#include "io/helper_fixture.h"

static void test_starts_on_demand_and_answers(void **state)
{
    (void)state;
    run_rounds(3);
    assert_int_equal(status().pid, 0);
    assert_int_equal(status().since.s, 0);
    ask_as(1, call_of(OP_ECHO, view_cstr("hello")));
    assert_int_equal(status().queued, 1);
    wait_for(1);
    assert_ok(1);
    assert_true(view_is(buf_view(&t.reply[1].body), "hello"));
    assert_true(status().running && status().ready && status().pid > 0);
    assert_int_equal(status().restarts, 0);
    assert_in_range(status().since.s, wall_now().s - 60, wall_now().s);
    assert_int_equal(t.ups, 1);
    assert_int_equal(t.downs, 0);
    ask_as(2, call_of(99, view_of(NULL, 0)));
    wait_for(2);
    assert_failed(2, ERR_UNSUPPORTED, "no operation 99");
}

static void test_inherits_nothing_by_accident(void **state)
{
    const char expected[] = "HOLDFAST_A=b;HOLDFAST_C=d;0 1 2 3 \1";
    int stray = dup(0); /* not close-on-exec */

    (void)state;
    ask(1, OP_LOOK, 0);
    wait_for(1);
    assert_ok(1);
    assert_int_equal(t.reply[1].body.len, sizeof expected - 1);
    assert_memory_equal(t.reply[1].body.data, expected, sizeof expected - 1);
    close(stray);
}

static void test_set_up_comes_first(void **state)
{
    (void)state;
    t.set_up = true;
    ask(1, OP_ECHO, 1);
    ask(2, OP_ECHO, 2);
    wait_for(3);
    assert_int_equal(t.order[0], 0);
    assert_true(view_is(buf_view(&t.reply[0].body), "set-up"));
    struct io_call late = call_of(OP_ECHO, view_cstr("x"));

    new_helper(program, "helper", NULL, 0);
    late.setup = true; /* nothing to set up: it is down */
    ask_as(3, late);
    assert_int_equal(t.handle[3], 0);
    assert_failed(3, ERR_GONE, "set-up");
}

static void test_crash_fails_what_it_had_and_spares_the_queue(void **state)
{
    (void)state;
    ask(1, OP_ECHO, 1);
    wait_for(1);
    pid_t first = status().pid;

    io_helper_limits(helper, 2, 2);
    kill(first, SIGSTOP); /* so that it does not die before it has both */
    ask(2, OP_SIGNAL, SIGSEGV);
    ask(3, OP_ECHO, 3); /* with it as well, behind the one that kills it */
    ask(4, OP_ECHO, 4); /* in the queue */
    assert_int_equal(status().outstanding, 2);
    kill(first, SIGCONT);
    wait_for(4);
    assert_failed(2, ERR_GONE, "helper demo died: killed by signal 11 (Segmentation fault)");
    assert_failed(3, ERR_GONE, "helper demo died: killed by signal 11");
    assert_ok(4);
    assert_int_equal(t.downs, 1);
    assert_string_equal(t.why, "helper demo died: killed by signal 11 (Segmentation fault)");
    assert_int_equal(t.ups, 2);
    assert_int_not_equal(status().pid, first);
    assert_int_equal(status().restarts, 1);
    assert_string_equal(err_text(status().last_error), t.why);
}

static void test_reasons(void **state)
{
    (void)state;
    ask(1, OP_SIGNAL, SIGABRT);
    wait_for(1);
    assert_failed(1, ERR_GONE, "killed by signal 6 (Aborted)");
    ask(2, OP_EXIT, 3);
    wait_for(2);
    assert_failed(2, ERR_GONE, "exit status 3");
    ask(3, OP_EXIT, 0); /* no success while somebody waits */
    wait_for(3);
    assert_failed(3, ERR_GONE, "exit status 0");
    ask(4, OP_ECHO, 1);
    wait_for(4);
    assert_ok(4);
}

static void test_no_such_program(void **state)
{
    struct mono began = mono_now();

    (void)state;
    new_helper("/no/such/program", NULL, NULL, 0);
    for (unsigned i = 1; i <= 3; i++) {
        ask(i, OP_ECHO, 1);
        wait_for(i);
        assert_failed(i, ERR_GONE, "helper demo did not start");
        assert_failed(i, ERR_GONE, "No such file or directory");
        assert_int_equal(t.downs, i);
    }
    assert_true(mono_now().ms - began.ms >= 100 + 200); /* the back-off */
    assert_int_equal(t.ups, 0);
}

static void test_dies_before_it_is_ready(void **state)
{
    (void)state;
    new_helper(program, "exit", "7", 0);
    t.set_up = true;
    ask(1, OP_ECHO, 1);
    ask(2, OP_ECHO, 2);
    wait_for(3);
    assert_failed(0, ERR_GONE, "exit status 7");
    assert_failed(1, ERR_GONE, "exit status 7");
    assert_failed(2, ERR_GONE, "exit status 7");
    assert_int_equal(t.downs, 1);
}

static void test_set_up_fails(void **state)
{
    (void)state;
    t.restart_in_up = true;
    ask(1, OP_ECHO, 1);
    wait_for(1);
    assert_failed(1, ERR_GONE, "helper demo was ended: set-up failed");
    assert_string_equal(t.why, "helper demo was ended: set-up failed");
    t.restart_in_up = false;
    ask(2, OP_ECHO, 2);
    wait_for(2);
    assert_ok(2);
}

static void test_restart_by_order(void **state)
{
    AUTO(err_free) struct err *why = err_new(ERR_DENIED, "new configuration");

    (void)state;
    ask(1, OP_ECHO, 1);
    wait_for(1);
    ask(2, OP_HOLD, 0); /* does not end by itself: it will be killed */
    io_helper_restart(helper, why);
    assert_failed(2, ERR_GONE, "helper demo was ended: new configuration");
    assert_int_equal(t.downs, 1);
    assert_false(status().running);
    io_helper_restart(helper, why); /* nothing to end */
    assert_int_equal(t.downs, 1);
    ask(3, OP_ECHO, 3);
    wait_for(3);
    assert_ok(3);
    assert_int_equal(t.downs, 1);
}

static void test_idle_helper_ends_and_comes_back(void **state)
{
    struct io_timer *look = io_timer_new(loop, stop_by_timer, NULL);

    (void)state;
    new_helper(program, "helper", NULL, 30);
    ask(1, OP_ECHO, 1);
    wait_for(1);
    while (status().pid != 0) {
        io_timer_set(look, mono_in(5));
        run();
    }
    assert_int_equal(t.downs, 0);
    assert_null(status().last_error);
    ask(2, OP_ECHO, 2);
    wait_for(2);
    assert_ok(2);
    assert_int_equal(t.ups, 2);
    io_timer_free(&look);
}

static void test_free_with_open_calls(void **state)
{
    (void)state;
    ask(1, OP_HOLD, 0);
    struct io_call mine = call_of(OP_ECHO, view_of(NULL, 0));

    mine.flow = 9;
    run_rounds(1);
    ask_as(2, mine);
    io_helper_free(&helper);
    assert_null(helper);
    assert_failed(1, ERR_GONE, "helper demo is shut down");
    assert_failed(2, ERR_GONE, "helper demo is shut down");
    assert_int_equal(t.downs, 0);
    run_rounds(3);
}

static void test_free_in_a_callback(void **state)
{
    (void)state;
    ask(1, OP_ECHO, 1);
    ask(2, OP_ECHO, 2);
    ask(3, OP_ECHO, 3);
    t.free_in_reply = true;
    wait_for(3);
    assert_null(helper);
    assert_ok(1);
    assert_failed(2, ERR_GONE, "shut down");
    run_rounds(3);
}

static void test_free_in_the_callback_of_a_crash(void **state)
{
    (void)state;
    ask(1, OP_EXIT, 1);
    ask(2, OP_ECHO, 2);
    t.free_in_reply = true;
    wait_for(2);
    assert_null(helper);
    assert_int_equal(t.downs, 0);
    run_rounds(3);
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_starts_on_demand_and_answers),
        CASE(test_inherits_nothing_by_accident),
        CASE(test_set_up_comes_first),
        CASE(test_crash_fails_what_it_had_and_spares_the_queue),
        CASE(test_reasons),
        CASE(test_no_such_program),
        CASE(test_dies_before_it_is_ready),
        CASE(test_set_up_fails),
        CASE(test_restart_by_order),
        CASE(test_idle_helper_ends_and_comes_back),
        CASE(test_free_with_open_calls),
        CASE(test_free_in_a_callback),
        CASE(test_free_in_the_callback_of_a_crash),
    };

    return run_as("helper", tests, ARRAY_LEN(tests), argc, argv);
}
