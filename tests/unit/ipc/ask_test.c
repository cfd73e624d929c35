/*
 * A question on one end of a pair, with the answer put there beforehand: ids grow by one, so it is
 * known which one is waited for, and nothing here depends on threads or on how long anything takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "ipc/ipc.h"

enum { OP = 7, LONG_MS = 10 * 1000 };

static int pair[2]; /* 0: the agent's */
static struct buf reply;

static struct err *ask(const char *text, int64_t patience_ms)
{
    return ipc_ask(pair[1], OP, view_cstr(text), mono_in(patience_ms), &reply);
}

/* The id of the question that the agent has received. */
static uint32_t asked(const char *text)
{
    AUTO(buf_deinit) struct buf in;
    enum ipc_result result;
    struct ipc_frame f;

    buf_init(&in, 0);
    assert_null(ipc_recv(pair[0], &in, false, &result));
    assert_int_equal(result, IPC_DONE);
    assert_null(ipc_frame_read(buf_view(&in), &f));
    assert_int_equal(f.op, OP);
    assert_true(view_is(rd_rest(&f.body), text));
    return f.id;
}

static uint32_t next_id(void)
{
    AUTO(err_free) struct err *e = ask("which id?", 0);

    assert_true(err_is(e, ERR_TIMEOUT));
    return asked("which id?") + 1;
}

static void send_bytes(struct view bytes)
{
    enum ipc_result result;

    assert_null(ipc_send(pair[0], bytes, false, &result));
    assert_int_equal(result, IPC_DONE);
}

static void answer(uint32_t id, uint8_t op, struct view body)
{
    AUTO(buf_deinit) struct buf frame;

    buf_init(&frame, 0);
    assert_null(ipc_frame_make(&frame, id, op, body));
    send_bytes(buf_view(&frame));
}

static void test_answer(void **state)
{
    uint32_t id = next_id();

    (void)state;
    answer(id, IPC_REPLY_OK, view_cstr("yes"));
    assert_null(ask("may I?", LONG_MS));
    assert_true(view_is(buf_view(&reply), "yes"));
    assert_int_equal(asked("may I?"), id);
    answer(id + 1, IPC_REPLY_OK, view_of(NULL, 0));
    assert_null(ask("empty?", LONG_MS));
    assert_int_equal(reply.len, 0);
}

static void test_error(void **state)
{
    AUTO(err_free) struct err *no = err_new(ERR_PIN, "no PIN");
    AUTO(buf_deinit) struct buf body;

    (void)state;
    buf_init(&body, 0);
    err_put(&body, no);
    answer(next_id(), IPC_REPLY_ERR, buf_view(&body));
    AUTO(err_free) struct err *e = ask("sign?", LONG_MS);

    assert_true(err_is(e, ERR_PIN));
    assert_string_equal(err_text(e), "no PIN");
}

static void test_late_answers_are_dropped(void **state)
{
    uint32_t id = next_id();

    (void)state;
    answer(id - 1, IPC_REPLY_OK, view_cstr("late"));
    answer(id + 1, IPC_REPLY_OK, view_cstr("foreign"));
    answer(id, IPC_REPLY_OK, view_cstr("mine"));
    assert_null(ask("?", LONG_MS));
    assert_true(view_is(buf_view(&reply), "mine"));
}

static void test_no_answer(void **state)
{
    (void)state;
    buf_put(&reply, "kept", 4);
    AUTO(err_free) struct err *e = ask("?", 30);

    assert_true(err_is(e, ERR_TIMEOUT));
    assert_true(view_is(buf_view(&reply), "kept"));
    err_free(&e);
    ipc_close(&pair[0]);
    e = ask("?", LONG_MS);
    assert_true(err_is(e, ERR_GONE));
    err_free(&e);
    ipc_close(&pair[1]);
    e = ask("?", LONG_MS);
    assert_non_null(e);
}

static void test_the_agent_ends_while_waited_for(void **state)
{
    (void)state;
    assert_int_equal(shutdown(pair[0], SHUT_WR), 0);
    AUTO(err_free) struct err *e = ask("?", LONG_MS);

    assert_true(err_is(e, ERR_GONE));
}

static void test_too_long(void **state)
{
    AUTO(auto_free) void *bytes = calloc(1, IPC_FRAME_MAX_BYTES + 1);

    (void)state;
    AUTO(err_free) struct err *e =
        ipc_ask(pair[1], OP, view_of(bytes, IPC_FRAME_MAX_BYTES + 1), mono_in(LONG_MS), &reply);

    assert_true(err_is(e, ERR_LIMIT));
    reply.max = 3;
    answer(next_id(), IPC_REPLY_OK, view_cstr("four"));
    err_free(&e);
    e = ask("?", LONG_MS);
    assert_true(err_is(e, ERR_LIMIT));
}

static void test_other_kinds(void **state)
{
    (void)state;
    for (unsigned op = 0; op < 256; op++) {
        if (op != IPC_REPLY_OK) {
            answer(next_id(), (uint8_t)op, view_of(NULL, 0));
            AUTO(err_free) struct err *e = ask("?", LONG_MS);

            assert_true(err_is(e, ERR_PROTOCOL));
            asked("?");
        }
    }
}

/* The whole answer but for one bit, or but for its end: what is not a frame is an error, what is for
 * another question is none, and only a change of the body goes unseen. */
static void damaged(const struct buf *whole, size_t len, size_t bit)
{
    AUTO(buf_deinit) struct buf frame;

    buf_init(&frame, 0);
    buf_put(&frame, whole->data, len);
    if (bit < len * 8) {
        frame.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    bool other_id = bit / 8 >= 4 && bit / 8 < 8;
    bool body = bit / 8 >= IPC_FRAME_HEAD_BYTES;

    send_bytes(buf_view(&frame));
    AUTO(err_free) struct err *e = ask("?", 0);

    asked("?");
    if (len < whole->len) {
        assert_true(err_is(e, ERR_PROTOCOL));
    } else if (other_id) {
        assert_true(err_is(e, ERR_TIMEOUT));
    } else {
        assert_true(body ? e == NULL : err_is(e, ERR_PROTOCOL));
    }
}

static void test_damaged_answers(void **state)
{
    AUTO(buf_deinit) struct buf frame;
    const size_t len = IPC_FRAME_HEAD_BYTES + 3;

    (void)state;
    buf_init(&frame, 0);
    for (size_t bit = 0; bit < len * 8; bit++) {
        assert_null(ipc_frame_make(&frame, next_id(), IPC_REPLY_OK, view_cstr("yes")));
        damaged(&frame, len, bit);
    }
    for (size_t n = 1; n < len; n++) {
        assert_null(ipc_frame_make(&frame, next_id(), IPC_REPLY_OK, view_cstr("yes")));
        damaged(&frame, n, SIZE_MAX);
    }
}

static int set_up(void **state)
{
    (void)state;
    buf_init(&reply, 0);
    assert_null(ipc_pair(pair));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_deinit(&reply);
    ipc_close(&pair[0]);
    ipc_close(&pair[1]);
    return 0;
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_answer),
        CASE(test_error),
        CASE(test_late_answers_are_dropped),
        CASE(test_no_answer),
        CASE(test_the_agent_ends_while_waited_for),
        CASE(test_too_long),
        CASE(test_other_kinds),
        CASE(test_damaged_answers),
    };

    return cmocka_run_group_tests_name("ipc/ask", tests, NULL, NULL);
}
