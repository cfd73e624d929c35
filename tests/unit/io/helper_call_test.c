/*
 * The calls of a real helper process: their turns, their deadlines, what comes back for them. Time
 * jumps where a test would have to wait.
 */
#include "io/helper_fixture.h"

/* Time stands still in a test of the grace, or jumps; timers follow it when they fire. */
static int64_t stands_at_ms, ahead_ms;

static struct mono test_mono(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (struct mono){stands_at_ms != 0 ? stands_at_ms
                                           : now.tv_sec * 1000 + now.tv_nsec / 1000000 + ahead_ms};
}

static void stop_clock(void)
{
    stands_at_ms = 0;
    ahead_ms = 0;
    stands_at_ms = test_mono().ms;
    clock_set_for_test(test_mono, NULL);
}

static void jump(int64_t ms)
{
    *(stands_at_ms != 0 ? &stands_at_ms : &ahead_ms) += ms;
}

static void start_clock(void)
{
    int64_t at = stands_at_ms;

    stands_at_ms = 0;
    ahead_ms = at - (test_mono().ms - ahead_ms);
}

/* A call that ends 20 ms from now: its timer fires after so long, if time has jumped by then. */
static struct io_call short_call(uint8_t op)
{
    struct io_call call = call_of(op, view_of(NULL, 0));

    call.deadline = mono_in(20);
    return call;
}

static void wait_until_nothing_is_out(void)
{
    struct io_timer *look = io_timer_new(loop, stop_by_timer, NULL);

    while (status().outstanding > 0) {
        io_timer_set(look, mono_in(2));
        run();
    }
    io_timer_free(&look);
}

static void test_hung_helper_is_killed(void **state)
{
    (void)state;
    ask(1, OP_ECHO, 1);
    wait_for(1);
    stop_clock();
    ask_as(2, short_call(OP_HANG));
    ask(3, OP_ECHO, 3); /* stuck behind the one that hangs */
    jump(IO_HELPER_GRACE_MS - 1);
    wait_for(2);
    assert_failed(2, ERR_TIMEOUT, "helper demo did not answer in time");
    assert_int_equal(t.downs, 0);
    assert_int_equal(status().outstanding, 2);
    jump(1);
    wait_for(3);
    assert_failed(3, ERR_GONE, "did not answer a request in time");
    assert_int_equal(t.downs, 1);
    start_clock();
    ask(4, OP_ECHO, 4);
    wait_for(4);
    assert_ok(4);
    assert_int_equal(status().restarts, 1);
}

static void test_hung_for_long_is_killed_at_the_deadline(void **state)
{
    (void)state;
    ask(1, OP_ECHO, 1);
    wait_for(1);
    stop_clock();
    ask_as(2, short_call(OP_HANG));
    ask(3, OP_ECHO, 3);
    jump(IO_HELPER_GRACE_MS);
    wait_for(3);
    assert_failed(2, ERR_TIMEOUT, "helper demo did not answer in time and was killed");
    assert_failed(3, ERR_GONE, "did not answer a request in time");
    assert_int_equal(t.downs, 1);
}

static void test_late_answer_is_dropped(void **state)
{
    (void)state;
    ask(1, OP_GROW, 2);
    wait_for(1);
    pid_t pid = status().pid;

    stop_clock();
    ask_as(2, short_call(OP_HOLD));
    jump(IO_HELPER_GRACE_MS - 1);
    wait_for(2);
    assert_failed(2, ERR_TIMEOUT, "did not answer in time");
    io_helper_cancel(helper, t.handle[2]); /* of no consequence any more */
    assert_int_equal(status().outstanding, 1);
    ask(3, OP_RELEASE, 0);
    wait_for(3);
    start_clock();
    wait_until_nothing_is_out();
    jump(IO_HELPER_GRACE_MS);
    run_rounds(3);
    assert_int_equal(t.came, 3);
    assert_int_equal(t.downs, 0);
    ask(4, OP_ECHO, 4);
    wait_for(4);
    assert_ok(4);
    assert_int_equal(status().pid, pid);
}

/* Overload: handed over just before its deadline, behind one that takes its time. */
static void test_late_behind_an_older_one_kills_nobody(void **state)
{
    (void)state;
    ask(1, OP_GROW, 3);
    wait_for(1);
    stop_clock();
    ask(2, OP_HOLD, 0);
    ask_as(3, short_call(OP_HOLD));
    jump(20);
    wait_for(2);
    assert_failed(3, ERR_TIMEOUT, "did not answer in time");
    jump(2 * IO_HELPER_GRACE_MS);
    run_rounds(3);
    assert_int_equal(t.downs, 0);
    assert_int_equal(status().outstanding, 2);
    start_clock();
    ask(4, OP_RELEASE, 0);
    ask(5, OP_RELEASE, 0);
    wait_for(5);
    assert_ok(2);
    wait_until_nothing_is_out();
    assert_int_equal(t.downs, 0);
}

static void test_no_time_left_is_not_handed_over(void **state)
{
    struct io_call exits = call_of(OP_EXIT, view_of(NULL, 0));

    (void)state;
    io_helper_limits(helper, 1, 1);
    ask(1, OP_ECHO, 1);
    wait_for(1);
    exits.deadline = mono_now();
    ask_as(2, exits);
    assert_int_not_equal(t.handle[2], 0);
    assert_false(t.reply[2].came);
    assert_int_equal(status().outstanding, 0);
    wait_for(2);
    assert_failed(2, ERR_TIMEOUT, "waited in vain");
    stop_clock();
    ask(3, OP_ECHO, 3);
    ask_as(4, short_call(OP_EXIT)); /* in the queue */
    ask_as(5, short_call(OP_EXIT));
    jump(20);
    wait_for(3);
    io_helper_cancel(helper, t.handle[5]);
    wait_for(4);
    assert_ok(3);
    assert_failed(4, ERR_TIMEOUT, "waited in vain");
    start_clock();
    ask(6, OP_ECHO, 6);
    wait_for(5);
    assert_ok(6);
    assert_false(t.reply[5].came);
    assert_int_equal(t.downs, 0);
}

static void test_deadline_in_the_queue_harms_nobody(void **state)
{
    struct io_call late = call_of(OP_ECHO, view_of(NULL, 0));

    (void)state;
    io_helper_limits(helper, 1, 1);
    ask(1, OP_GROW, 2);
    wait_for(1);
    ask(2, OP_HOLD, 0);
    late.deadline = mono_in(20);
    ask_as(3, late);
    wait_for(2);
    assert_failed(3, ERR_TIMEOUT, "waited in vain");
    assert_int_equal(t.downs, 0);
    io_helper_limits(helper, 2, 2);
    ask(4, OP_RELEASE, 0);
    wait_for(4);
    assert_ok(2);
}

static void test_slow_lane_leaves_room(void **state)
{
    (void)state;
    io_helper_limits(helper, 4, 2);
    ask(1, OP_GROW, 4);
    wait_for(1);
    for (unsigned i = 10; i < 16; i++) {
        struct io_call hold = call_of(OP_HOLD, view_of(NULL, 0));

        hold.flow = i;
        hold.lane = 1;
        ask_as(i, hold);
    }
    assert_int_equal(status().outstanding, 2);
    assert_int_equal(status().queued, 4);
    struct io_call other = call_of(OP_ECHO, view_cstr("other slot"));

    other.lane = 2;
    ask_as(2, other);
    wait_for(2);
    assert_ok(2);
    for (unsigned i = 20; i < 26; i++) {
        ask(i, OP_RELEASE, 0);
    }
    wait_for(14);
    for (unsigned i = 10; i < 16; i++) {
        assert_ok(i);
    }
}

static void test_flows_take_turns(void **state)
{
    unsigned at = 0;

    (void)state;
    io_helper_limits(helper, 1, 1);
    for (unsigned i = 1; i <= 50; i++) {
        struct io_call flood = call_of(OP_ECHO, view_cstr("flood"));

        flood.flow = 1;
        ask_as(i, flood);
    }
    struct io_call small = call_of(OP_ECHO, view_cstr("small"));

    small.flow = 2;
    ask_as(60, small);
    wait_for(51);
    while (t.order[at] != 60) {
        at++;
    }
    assert_in_range(at, 0, 2);
    for (unsigned i = 1, seen = 0; i < 51; i++) { /* and the flood kept its order */
        if (t.order[i] != 60) {
            assert_true(t.order[i] > seen);
            seen = t.order[i];
        }
    }
}

static void test_cancel(void **state)
{
    (void)state;
    io_helper_limits(helper, 2, 2);
    ask(1, OP_GROW, 3);
    wait_for(1);
    ask(2, OP_HOLD, 0);
    ask(3, OP_HOLD, 0);
    ask(4, OP_ECHO, 4);
    assert_int_equal(status().queued, 1);
    io_helper_cancel(helper, t.handle[4]);
    assert_int_equal(status().queued, 0);
    io_helper_cancel(helper, t.handle[4]); /* stale */
    io_helper_cancel(helper, t.handle[2]); /* handed over: its slot stays taken */
    assert_int_equal(status().outstanding, 2);
    io_helper_limits(helper, 4, 4);
    ask(5, OP_RELEASE, 0);
    ask(6, OP_RELEASE, 0);
    wait_for(4);
    assert_false(t.reply[2].came);
    assert_false(t.reply[4].came);
    for (unsigned n = 7; status().outstanding > 0; n++) { /* the cancelled one is answered, too */
        assert_true(n < REPLIES_MAX);
        ask(n, OP_ECHO, n);
        wait_for(n - 2);
    }
    assert_false(t.reply[2].came);
}

static void test_events(void **state)
{
    struct io_call call = call_of(OP_EVENTS, view_of(NULL, 0));

    (void)state;
    call.on_event = on_event;
    ask_as(1, call);
    wait_for(1);
    assert_true(view_is(buf_view(&t.reply[1].body), "done"));
    assert_int_equal(t.events, 1);
}

static void test_large_bodies(void **state)
{
    AUTO(auto_free) uint8_t *bytes = malloc(IPC_FRAME_MAX_BYTES + 1);

    (void)state;
    memset(bytes, 'x', IPC_FRAME_MAX_BYTES + 1);
    ask_as(1, call_of(OP_ECHO, view_of(bytes, IPC_FRAME_MAX_BYTES)));
    wait_for(1);
    assert_ok(1);
    assert_true(view_eq(buf_view(&t.reply[1].body), view_of(bytes, IPC_FRAME_MAX_BYTES)));
    ask_as(2, call_of(OP_ECHO, view_of(bytes, IPC_FRAME_MAX_BYTES + 1)));
    assert_int_equal(t.handle[2], 0);
    assert_failed(2, ERR_LIMIT, "frame");
}

static void test_full_socket_queues(void **state)
{
    enum { MANY = 300, BYTES = 100 * 1000 };
    AUTO(auto_free) uint8_t *bytes = calloc(1, BYTES);

    (void)state;
    io_helper_limits(helper, MANY, MANY);
    ask(0, OP_GROW, 2);
    wait_for(1);
    for (unsigned i = 1; i <= MANY; i++) {
        memset(bytes, (int)i, BYTES);
        ask_as(i, call_of(OP_ECHO, view_of(bytes, BYTES)));
    }
    assert_in_range(status().outstanding, 2, 100); /* the socket holds no more */
    wait_for(1 + MANY);
    for (unsigned i = 1; i <= MANY; i++) {
        assert_ok(i);
        assert_int_equal(t.reply[i].body.len, BYTES);
        assert_int_equal(t.reply[i].body.data[BYTES - 1], i % 256);
        buf_deinit(&t.reply[i].body);
    }
}

static void test_garbage_ends_it(void **state)
{
    static const uint32_t lengths[] = {1, 8, 9, 1000, IPC_MESSAGE_MAX_BYTES + 1};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(lengths); i++) {
        ask(i, OP_GARBAGE, lengths[i]);
        wait_for(i + 1);
        assert_failed(i, ERR_GONE, "helper demo was ended: a frame ");
        assert_int_equal(t.downs, i + 1);
        if (i == 2) { /* the back-off grows: enough of it */
            new_helper(program, "helper", NULL, 0);
        }
    }
}

static void test_answer_that_nobody_asked_for_ends_it(void **state)
{
    (void)state;
    ask(1, OP_UNASKED, 0);
    wait_for(1);
    assert_failed(1, ERR_GONE, "an answer to request 12345 that nobody made");
}

static void test_call_and_cancel_in_callbacks(void **state)
{
    (void)state;
    ask(1, OP_EXIT, 1);
    ask(2, OP_ECHO, 2);
    ask(3, OP_ECHO, 3);
    t.call_in_reply = true; /* in the callback of the crash */
    t.cancel_in_reply = 3;  /* which fails together with 1 and 2 */
    wait_for(3);
    assert_failed(1, ERR_GONE, "exit status 1");
    assert_failed(2, ERR_GONE, "exit status 1");
    assert_false(t.reply[3].came);
    assert_ok(REPLIES_MAX - 1);
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_hung_helper_is_killed),
        CASE(test_hung_for_long_is_killed_at_the_deadline),
        CASE(test_late_answer_is_dropped),
        CASE(test_late_behind_an_older_one_kills_nobody),
        CASE(test_no_time_left_is_not_handed_over),
        CASE(test_deadline_in_the_queue_harms_nobody),
        CASE(test_slow_lane_leaves_room),
        CASE(test_flows_take_turns),
        CASE(test_cancel),
        CASE(test_events),
        CASE(test_large_bodies),
        CASE(test_full_socket_queues),
        CASE(test_garbage_ends_it),
        CASE(test_answer_that_nobody_asked_for_ends_it),
        CASE(test_call_and_cancel_in_callbacks),
    };

    return run_as("helper_call", tests, ARRAY_LEN(tests), argc, argv);
}
