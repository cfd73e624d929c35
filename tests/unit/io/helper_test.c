/*
 * A real helper process: started, asked, crashed, hung, starved, restarted. Time-outs are short,
 * and nothing is concluded from how long something took, except that back-off waits.
 */
#include "io/helper_program.h"

enum { REPLIES_MAX = 2048, LONG_MS = 15 * 1000 };

static struct io_helper *helper;
static char *program;

struct reply {
    bool came;
    struct err *e;
    struct buf body;
};

static struct {
    struct reply reply[REPLIES_MAX];
    unsigned came, wanted; /* stop at so many replies */
    unsigned order[REPLIES_MAX];
    unsigned ups, downs, events, news;
    char *why;   /* of the last on_down */
    bool set_up; /* on_up makes a setup call before it is ready */
    bool free_in_reply, call_in_reply, restart_in_up;
    unsigned cancel_in_reply; /* index of a call, 0 none */
    uint64_t handle[REPLIES_MAX];
} t;

static void on_reply(void *arg, struct err *e, struct rd *reply);

static struct io_call call_of(uint8_t op, struct view body)
{
    return (struct io_call){
        .op = op, .body = body, .deadline = mono_in(LONG_MS), .on_reply = on_reply};
}

/* The number of a call is its index in t.reply. */
static void ask_as(unsigned number, struct io_call call)
{
    call.arg = &t.reply[number];
    t.handle[number] = io_helper_call(helper, &call);
}

static void ask(unsigned number, uint8_t op, uint32_t value)
{
    AUTO(buf_deinit) struct buf body;

    buf_init(&body, 0);
    buf_put_u32(&body, value);
    ask_as(number, call_of(op, buf_view(&body)));
}

static void on_reply(void *arg, struct err *e, struct rd *reply)
{
    struct reply *r = arg;

    assert_false(r->came);
    assert_int_equal(e == NULL, reply != NULL);
    r->came = true;
    r->e = e;
    if (reply != NULL) {
        buf_init(&r->body, IPC_FRAME_MAX_BYTES);
        buf_put(&r->body, reply->p, reply->left);
    }
    t.order[t.came++] = (unsigned)(r - t.reply);
    if (t.cancel_in_reply != 0) {
        io_helper_cancel(helper, t.handle[t.cancel_in_reply]);
    }
    if (t.call_in_reply) {
        t.call_in_reply = false;
        ask(REPLIES_MAX - 1, OP_ECHO, 1);
    }
    if (t.free_in_reply) {
        t.free_in_reply = false;
        io_helper_free(&helper);
    }
    if (t.came == t.wanted) {
        stop();
    }
}

static void on_up(void *arg)
{
    assert_ptr_equal(arg, &t);
    t.ups++;
    if (t.set_up) {
        struct io_call call = call_of(OP_ECHO, view_cstr("set-up"));

        call.setup = true;
        ask_as(0, call);
    }
    if (t.restart_in_up) {
        AUTO(err_free) struct err *why = err_new(ERR_PIN, "set-up failed");

        io_helper_restart(helper, why);
        return;
    }
    io_helper_ready(helper);
}

static void on_down(void *arg, const struct err *why)
{
    assert_ptr_equal(arg, &t);
    assert_true(err_is(why, ERR_GONE));
    t.downs++;
    auto_free(&t.why);
    t.why = text_copy(err_text(why));
}

static void on_event(void *arg, struct rd *event)
{
    (void)arg;
    assert_true(view_is(rd_rest(event), "half way"));
    t.events++;
}

static void on_news(void *arg, struct rd *event)
{
    assert_ptr_equal(arg, &t);
    assert_true(view_is(rd_rest(event), "news"));
    t.news++;
}

static void new_helper(const char *path, const char *word, const char *value, int64_t idle_exit_ms)
{
    const char *const argv[] = {path, word, value, NULL};
    const char *const env[] = {"HOLDFAST_A=b", "HOLDFAST_C=d", NULL};
    const struct io_helper_conf conf = {
        .name = "demo",
        .argv = argv,
        .env = env,
        .outstanding_max = 8,
        .lane_outstanding_max = 4,
        .idle_exit_ms = idle_exit_ms,
        .on_up = on_up,
        .on_down = on_down,
        .on_event = on_news,
        .arg = &t,
    };

    io_helper_free(&helper);
    assert_null(io_helper_new(loop, &conf, &helper));
}

static int set_up(void **state)
{
    memset(&t, 0, sizeof t);
    new_loop(state);
    new_helper(program, "helper", NULL, 0);
    return 0;
}

static int tear_down(void **state)
{
    io_helper_free(&helper);
    for (unsigned i = 0; i < REPLIES_MAX; i++) {
        err_free(&t.reply[i].e);
        buf_deinit(&t.reply[i].body);
    }
    auto_free(&t.why);
    free_loop(state);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left behind */
    return 0;
}

/* Run until @n replies have come in all. */
static void wait_for(unsigned n)
{
    t.wanted = n;
    if (t.came < n) {
        run();
    }
    assert_int_equal(t.came, n);
}

static struct io_helper_status status(void)
{
    struct io_helper_status s;

    io_helper_status(helper, &s);
    return s;
}

static void assert_ok(unsigned number)
{
    if (t.reply[number].e != NULL) {
        fail_msg("%u: %s", number, err_text(t.reply[number].e));
    }
    assert_true(t.reply[number].came);
}

static void assert_failed(unsigned number, enum err_code code, const char *text)
{
    assert_true(err_is(t.reply[number].e, code));
    if (strstr(err_text(t.reply[number].e), text) == NULL) {
        fail_msg("\"%s\" is not in: %s", text, err_text(t.reply[number].e));
    }
}

static void test_starts_on_demand_and_answers(void **state)
{
    (void)state;
    run_rounds(3);
    assert_int_equal(status().pid, 0);
    ask_as(1, call_of(OP_ECHO, view_cstr("hello")));
    assert_int_equal(status().queued, 1);
    wait_for(1);
    assert_ok(1);
    assert_true(view_is(buf_view(&t.reply[1].body), "hello"));
    assert_true(status().running && status().ready && status().pid > 0);
    assert_int_equal(status().restarts, 0);
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
    ask(2, OP_SIGNAL, SIGSEGV);
    ask(3, OP_ECHO, 3); /* with it as well, behind the one that kills it */
    ask(4, OP_ECHO, 4); /* in the queue */
    assert_int_equal(status().outstanding, 2);
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

static void test_deadline_kills(void **state)
{
    struct io_call hang = call_of(OP_HANG, view_of(NULL, 0));

    (void)state;
    ask(1, OP_ECHO, 1);
    wait_for(1);
    hang.deadline = mono_in(50);
    ask_as(2, hang);
    ask(3, OP_ECHO, 3); /* stuck behind the one that hangs */
    wait_for(3);
    assert_failed(2, ERR_TIMEOUT, "helper demo did not answer in time");
    assert_failed(3, ERR_GONE, "did not answer a request in time");
    assert_int_equal(t.downs, 1);
    ask(4, OP_ECHO, 4);
    wait_for(4);
    assert_ok(4);
    assert_int_equal(status().restarts, 1);
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
    ask(7, OP_ECHO, 7);
    wait_for(5);
    assert_int_equal(status().outstanding, 0);
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

static void test_events(void **state)
{
    struct io_call call = call_of(OP_EVENTS, view_of(NULL, 0));

    (void)state;
    call.on_event = on_event;
    ask_as(1, call);
    wait_for(1);
    assert_true(view_is(buf_view(&t.reply[1].body), "done"));
    assert_int_equal(t.events, 1);
    assert_int_equal(t.news, 1);
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
        CASE(test_starts_on_demand_and_answers),
        CASE(test_inherits_nothing_by_accident),
        CASE(test_set_up_comes_first),
        CASE(test_crash_fails_what_it_had_and_spares_the_queue),
        CASE(test_reasons),
        CASE(test_deadline_kills),
        CASE(test_deadline_in_the_queue_harms_nobody),
        CASE(test_slow_lane_leaves_room),
        CASE(test_flows_take_turns),
        CASE(test_cancel),
        CASE(test_no_such_program),
        CASE(test_dies_before_it_is_ready),
        CASE(test_set_up_fails),
        CASE(test_restart_by_order),
        CASE(test_idle_helper_ends_and_comes_back),
        CASE(test_events),
        CASE(test_large_bodies),
        CASE(test_full_socket_queues),
        CASE(test_garbage_ends_it),
        CASE(test_answer_that_nobody_asked_for_ends_it),
        CASE(test_free_with_open_calls),
        CASE(test_free_in_a_callback),
        CASE(test_free_in_the_callback_of_a_crash),
        CASE(test_call_and_cancel_in_callbacks),
    };
    int as_helper = program_main(argc, argv);

    if (as_helper >= 0) {
        return as_helper;
    }
    AUTO(auto_free) char *self = realpath("/proc/self/exe", NULL);

    program = self;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
