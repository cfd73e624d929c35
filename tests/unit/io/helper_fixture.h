#ifndef HF_TESTS_IO_HELPER_FIXTURE_H
#define HF_TESTS_IO_HELPER_FIXTURE_H

/* One helper, calls by number, and what became of each. */
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
    unsigned ups, downs, events;
    char *why;   /* of the last on_down */
    bool set_up; /* on_up makes a setup call before it is ready */
    bool free_in_reply, call_in_reply, restart_in_up;
    unsigned questions; /* sockets for them */
    void (*on_question)(void *arg, uint64_t question, uint8_t op, struct rd *body);
    unsigned cancel_in_reply; /* index of a call, 0 none */
    uint64_t handle[REPLIES_MAX];
} t;

static inline void on_reply(void *arg, struct err *e, struct rd *reply);

static inline struct io_call call_of(uint8_t op, struct view body)
{
    return (struct io_call){
        .op = op, .body = body, .deadline = mono_in(LONG_MS), .on_reply = on_reply};
}

/* The number of a call is its index in t.reply. */
static inline void ask_as(unsigned number, struct io_call call)
{
    call.arg = &t.reply[number];
    t.handle[number] = io_helper_call(helper, &call);
}

static inline void ask(unsigned number, uint8_t op, uint32_t value)
{
    AUTO(buf_deinit) struct buf body;

    buf_init(&body, 0);
    buf_put_u32(&body, value);
    ask_as(number, call_of(op, buf_view(&body)));
}

static inline void on_reply(void *arg, struct err *e, struct rd *reply)
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

static inline void on_up(void *arg)
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

static inline void on_down(void *arg, const struct err *why)
{
    assert_ptr_equal(arg, &t);
    assert_true(err_is(why, ERR_GONE));
    t.downs++;
    auto_free(&t.why);
    t.why = text_copy(err_text(why));
}

static inline void on_event(void *arg, struct rd *event)
{
    (void)arg;
    assert_true(view_is(rd_rest(event), "half way"));
    t.events++;
}

static inline void new_helper(const char *path, const char *word, const char *value,
                              int64_t idle_exit_ms)
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
        .questions = t.questions,
        .on_question = t.on_question,
        .arg = &t,
    };

    io_helper_free(&helper);
    assert_null(io_helper_new(loop, &conf, &helper));
}

static inline int set_up(void **state)
{
    memset(&t, 0, sizeof t);
    new_loop(state);
    new_helper(program, "helper", NULL, 0);
    return 0;
}

static inline int tear_down(void **state)
{
    clock_set_for_test(NULL, NULL);
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
static inline void wait_for(unsigned n)
{
    t.wanted = n;
    if (t.came < n) {
        run();
    }
    assert_int_equal(t.came, n);
}

static inline struct io_helper_status status(void)
{
    struct io_helper_status s;

    io_helper_status(helper, &s);
    return s;
}

static inline void assert_ok(unsigned number)
{
    if (t.reply[number].e != NULL) {
        fail_msg("%u: %s", number, err_text(t.reply[number].e));
    }
    assert_true(t.reply[number].came);
}

static inline void assert_failed(unsigned number, enum err_code code, const char *text)
{
    assert_true(err_is(t.reply[number].e, code));
    if (strstr(err_text(t.reply[number].e), text) == NULL) {
        fail_msg("\"%s\" is not in: %s", text, err_text(t.reply[number].e));
    }
}

static inline int run_as(const char *name, const struct CMUnitTest *tests, size_t n, int argc,
                         char **argv)
{
    int as_helper = program_main(argc, argv);

    if (as_helper >= 0) {
        return as_helper;
    }
    AUTO(auto_free) char *self = realpath("/proc/self/exe", NULL);

    program = self;
    return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

#endif
