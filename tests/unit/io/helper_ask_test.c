/*
 * A real helper process asks back: it is answered at once, later, with an error, not at all; it gives
 * up, dies with a question open, and sends what is no question.
 */
#include "io/helper_fixture.h"
#include "io/helper_impl.h"

enum { ASKED_MAX = 16 };

static struct {
    uint64_t handle[ASKED_MAX];
    char *body[ASKED_MAX];
    unsigned n, wanted;
} asked;

static void keep(void *arg, uint64_t question, uint8_t op, struct rd *body)
{
    assert_ptr_equal(arg, &t);
    assert_int_equal(op, 7);
    assert_int_not_equal(question, 0);
    asked.handle[asked.n] = question;
    asked.body[asked.n++] = view_dup(rd_rest(body));
    if (asked.n == asked.wanted) {
        stop();
    }
}

static void echo(void *arg, uint64_t question, uint8_t op, struct rd *body)
{
    keep(arg, question, op, body);
    io_helper_answer(helper, question, NULL, rd_rest(body));
}

static void answer_large(void *arg, uint64_t question, uint8_t op, struct rd *body)
{
    AUTO(auto_free) void *large = calloc(1, IPC_FRAME_MAX_BYTES);

    keep(arg, question, op, body);
    io_helper_answer(helper, question, NULL, view_of(large, IPC_FRAME_MAX_BYTES));
}

static void free_helper(void *arg, uint64_t question, uint8_t op, struct rd *body)
{
    keep(arg, question, op, body);
    io_helper_free(&helper);
}

static void restart(void *arg, uint64_t question, uint8_t op, struct rd *body)
{
    keep(arg, question, op, body);
    io_helper_restart(helper, NULL);
    io_helper_answer(helper, question, NULL, view_cstr("too late"));
}

static void asked_by(unsigned n)
{
    asked.wanted = n;
    if (asked.n < n) {
        run();
    }
    assert_int_equal(asked.n, n);
}

static void with(void (*on_question)(void *arg, uint64_t question, uint8_t op, struct rd *body),
                 unsigned questions)
{
    t.on_question = on_question;
    t.questions = questions;
    new_helper(program, "helper", NULL, 0);
}

/* Have the helper ask @text on socket @i. */
static void have_asked(unsigned number, uint32_t i, uint32_t patience_ms, const char *text)
{
    AUTO(buf_deinit) struct buf body;

    buf_init(&body, 0);
    buf_put_u32(&body, i);
    buf_put_u32(&body, patience_ms);
    buf_put(&body, text, strlen(text));
    ask_as(number, call_of(OP_ASK, buf_view(&body)));
}

static void assert_got(unsigned number, const char *text)
{
    assert_ok(number);
    assert_true(view_is(buf_view(&t.reply[number].body), text));
}

static void test_answered_at_once(void **state)
{
    (void)state;
    with(echo, 2);
    have_asked(1, 0, LONG_MS, "first");
    have_asked(2, 1, LONG_MS, "second");
    have_asked(3, 0, LONG_MS, "third");
    wait_for(3);
    assert_got(1, "first");
    assert_got(2, "second");
    assert_got(3, "third");
}

static void test_answered_later_and_in_any_order(void **state)
{
    (void)state;
    with(keep, 2);
    ask(1, OP_GROW, 2);
    wait_for(1);
    have_asked(2, 0, LONG_MS, "a");
    have_asked(3, 1, LONG_MS, "b");
    asked_by(2);
    unsigned a = asked.body[0][0] == 'a' ? 0 : 1;

    io_helper_answer(helper, asked.handle[1 - a], NULL, view_cstr("to b"));
    wait_for(2);
    assert_got(3, "to b");
    io_helper_answer(helper, asked.handle[a], NULL, view_cstr("to a"));
    io_helper_answer(helper, asked.handle[a], NULL, view_cstr("again: nobody waits"));
    wait_for(3);
    assert_got(2, "to a");
}

static void test_the_answer_is_an_error(void **state)
{
    (void)state;
    with(keep, 1);
    have_asked(1, 0, LONG_MS, "please");
    asked_by(1);
    io_helper_answer(helper, asked.handle[0], err_new(ERR_PIN, "token demo needs a PIN"),
                     view_of(NULL, 0));
    wait_for(1);
    assert_failed(1, ERR_PIN, "token demo needs a PIN");
}

static void test_too_long_an_answer_is_an_error(void **state)
{
    AUTO(auto_free) void *large = calloc(1, IPC_FRAME_MAX_BYTES + 1);

    (void)state;
    with(keep, 1);
    have_asked(1, 0, LONG_MS, "please");
    asked_by(1);
    io_helper_answer(helper, asked.handle[0], NULL, view_of(large, IPC_FRAME_MAX_BYTES + 1));
    wait_for(1);
    assert_failed(1, ERR_LIMIT, "frame");
}

static void test_nobody_answers(void **state)
{
    (void)state;
    with(NULL, 1);
    have_asked(1, 0, LONG_MS, "anybody?");
    wait_for(1);
    assert_failed(1, ERR_DENIED, "answers no questions");
}

static void test_given_up(void **state)
{
    (void)state;
    with(keep, 1);
    have_asked(1, 0, 0, "one");
    asked_by(1);
    wait_for(1);
    assert_failed(1, ERR_TIMEOUT, "did not answer in time");
    io_helper_answer(helper, asked.handle[0], NULL,
                     view_cstr("on the wire before two")); /* dropped there */
    have_asked(2, 0, 0, "two");
    asked_by(2);
    wait_for(2);
    assert_failed(2, ERR_TIMEOUT, "did not answer in time");
    have_asked(3, 0, LONG_MS, "three");
    asked_by(3);
    io_helper_answer(helper, asked.handle[1], NULL, view_cstr("to two")); /* dropped here */
    io_helper_answer(helper, asked.handle[2], NULL, view_cstr("to three"));
    wait_for(3);
    assert_got(3, "to three");
}

static void test_dies_with_a_question_open(void **state)
{
    (void)state;
    with(keep, 1);
    have_asked(1, 0, LONG_MS, "one");
    asked_by(1);
    kill(status().pid, SIGKILL);
    wait_for(1);
    assert_failed(1, ERR_GONE, "killed by signal 9");
    have_asked(2, 0, LONG_MS, "two");
    asked_by(2);
    io_helper_answer(helper, asked.handle[0], err_new(ERR_BUG, "for the dead"), view_of(NULL, 0));
    io_helper_answer(helper, asked.handle[1], NULL, view_cstr("to two"));
    wait_for(2);
    assert_got(2, "to two");
    assert_int_not_equal(asked.handle[0], asked.handle[1]);
    assert_int_equal(t.downs, 1);
}

static void test_no_such_question(void **state)
{
    (void)state;
    with(echo, 1);
    for (uint64_t q = 0; q < 1024; q++) {
        io_helper_answer(helper, q, NULL, view_cstr("?"));
    }
    io_helper_answer(helper, UINT64_MAX, err_new(ERR_BUG, "?"), view_of(NULL, 0));
    have_asked(1, 0, LONG_MS, "alive");
    wait_for(1);
    assert_got(1, "alive");
}

static void test_no_question_ends_it(void **state)
{
    (void)state;
    with(echo, 1);
    ask(1, OP_ASK_GARBAGE, 0);
    wait_for(1);
    while (t.downs == 0) {
        run_rounds(1);
    }
    assert_string_equal(t.why, "helper demo was ended: a question with id 0 and operation 7");
    have_asked(2, 0, LONG_MS, "alive");
    wait_for(2);
    assert_got(2, "alive");
}

static void test_a_closed_socket_ends_it(void **state)
{
    (void)state;
    with(echo, 2);
    ask(1, OP_ASK_CLOSE, 0);
    wait_for(1);
    while (t.downs == 0) {
        run_rounds(1);
    }
    assert_string_equal(t.why, "helper demo was ended: it closed a socket for questions");
}

static void test_a_full_socket_waits(void **state)
{
    (void)state;
    with(answer_large, 1);
    ask(1, OP_GROW, 2);
    wait_for(1);
    ask(2, OP_ASK_UNREAD,
        8); /* more than the socket takes; each question gives up the one before */
    asked_by(8);
    assert_int_equal(t.came, 1);
    assert_true(helper->question[0].answer.len > IPC_FRAME_MAX_BYTES);
    ask(3, OP_RELEASE, 0);
    wait_for(3);
    assert_ok(2);
    assert_int_equal(t.reply[2].body.len, IPC_FRAME_MAX_BYTES);
    assert_int_equal(helper->question[0].answer.len, 0);
}

static void test_freed_while_asked(void **state)
{
    (void)state;
    with(free_helper, 1);
    have_asked(1, 0, LONG_MS, "the end");
    wait_for(1);
    assert_failed(1, ERR_GONE, "shut down");
}

static void test_restarted_while_asked(void **state)
{
    (void)state;
    with(restart, 1);
    have_asked(1, 0, LONG_MS, "again");
    wait_for(1);
    assert_failed(1, ERR_GONE, "by order");
    ask(2, OP_ECHO, 1);
    wait_for(2);
    assert_ok(2);
}

static void test_inherits_its_sockets_only(void **state)
{
    const char expected[] = "HOLDFAST_A=b;HOLDFAST_C=d;0 1 2 3 4 5 6 \1";

    (void)state;
    with(echo, 3);
    ask(1, OP_LOOK, 0);
    wait_for(1);
    assert_ok(1);
    assert_int_equal(t.reply[1].body.len, sizeof expected - 1);
    assert_memory_equal(t.reply[1].body.data, expected, sizeof expected - 1);
}

static void test_as_many_as_there_may_be(void **state)
{
    const char *const argv[] = {program, "helper", NULL};
    const struct io_helper_conf conf = {
        .name = "demo", .argv = argv, .questions = IO_HELPER_QUESTIONS_MAX + 1, .arg = &t};
    struct io_helper *none = NULL;

    (void)state;
    AUTO(err_free) struct err *e = io_helper_new(loop, &conf, &none);

    assert_true(err_is(e, ERR_BUG));
    assert_null(none);
    with(echo, IO_HELPER_QUESTIONS_MAX);
    have_asked(1, IO_HELPER_QUESTIONS_MAX - 1, LONG_MS, "the last");
    wait_for(1);
    assert_got(1, "the last");
}

static int end(void **state)
{
    for (unsigned i = 0; i < asked.n; i++) {
        free(asked.body[i]);
    }
    memset(&asked, 0, sizeof asked);
    return tear_down(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answered_at_once),
        TEST(test_answered_later_and_in_any_order),
        TEST(test_the_answer_is_an_error),
        TEST(test_too_long_an_answer_is_an_error),
        TEST(test_nobody_answers),
        TEST(test_given_up),
        TEST(test_dies_with_a_question_open),
        TEST(test_no_such_question),
        TEST(test_no_question_ends_it),
        TEST(test_a_closed_socket_ends_it),
        TEST(test_a_full_socket_waits),
        TEST(test_freed_while_asked),
        TEST(test_restarted_while_asked),
        TEST(test_inherits_its_sockets_only),
        TEST(test_as_many_as_there_may_be),
    };

    return run_as("io/helper_ask", tests, ARRAY_LEN(tests), argc, argv);
}
