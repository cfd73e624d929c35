/* Clients that are broken, slow, silent or many: each costs itself at most. */
#include "protocol/fixture.h"

static const uint8_t list_frame[] = {0, 0, 0, 1, 11};

static void still_serves(struct fixture *f)
{
    AUTO(buf_deinit) struct buf reply;

    buf_init(&reply, 0);
    fixture_reconnect(f);
    fixture_ask(f, view_of(list_frame + 4, 1), &reply);
    assert_int_equal(reply.data[0], MSG_IDENTITIES_ANSWER);
}

static void closes(struct fixture *f, const void *bytes, size_t len)
{
    fixture_reconnect(f);
    fixture_write(f, view_of(bytes, len));
    fixture_run(f, fixture_is_closed);
    assert_int_equal(f->reply.len, 0);
    still_serves(f);
}

static void impossible_lengths_close_the_connection(void **state)
{
    struct fixture *f = *state;

    closes(f, "\xff\xff\xff\xff", 4);
    closes(f, "\xff\xff\xff\xff\x0b", 5);
    closes(f, "\0\x04\0\x01\x0b", 5); /* 256 KiB and one */
    closes(f, "\0\0\0\0", 4);
    closes(f, "GET / HTTP/1.1\r\n\r\n", 18);
}

static bool has_no_connection(struct fixture *f)
{
    return fixture_stats(f).open == 0;
}

static void leaving_at_any_byte_is_harmless(void **state)
{
    AUTO(buf_deinit) struct buf request, frame;
    struct fixture *f = *state;

    buf_init(&request, 0);
    buf_init(&frame, 0);
    fixture_put_p256(f, &request, "s");
    buf_put_string(&frame, buf_view(&request));
    for (size_t i = 0; i < frame.len; i += 7) {
        fixture_reconnect(f);
        fixture_write(f, view_of(frame.data, i));
        auto_close(&f->fd);
        fixture_run(f, has_no_connection);
    }
    assert_int_equal(f->remote.asked, 0);
    still_serves(f);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    AUTO(buf_deinit) struct buf reply;
    struct fixture *f = *state;

    buf_init(&reply, 0);
    for (size_t i = 0; i < sizeof list_frame; i++) {
        assert_false(fixture_has_reply(f));
        fixture_write(f, view_of(list_frame + i, 1));
        f->waiting = 0;
        fixture_run(f, fixture_is_waiting); /* a round of the loop */
    }
    fixture_take(f, &reply);
    assert_int_equal(reply.data[0], MSG_IDENTITIES_ANSWER);
}

static bool has_101_connections(struct fixture *f)
{
    return fixture_stats(f).open == 101;
}

static void a_silent_client_is_left_alone(void **state)
{
    struct fixture *f = *state;
    int fds[100];

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = fixture_connect(f);
    }
    fixture_run(f, has_101_connections);
    still_serves(f);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        close(fds[i]);
    }
    auto_close(&f->fd);
    fixture_run(f, has_no_connection);
    assert_int_equal(fixture_stats(f).connections, 102);
}

/* Asks and asks, and never reads: the agent stops reading, and serves others as before. */
static void a_client_that_does_not_read_is_held_up(void **state)
{
    struct fixture *f = *state;
    int deaf = fixture_connect(f);
    size_t sent = 0;

    for (int round = 0; round < 2000; round++) {
        ssize_t n = send(deaf, list_frame, sizeof list_frame, MSG_DONTWAIT | MSG_NOSIGNAL);

        sent += n > 0 ? (size_t)n : 0;
        if (round % 100 == 0) {
            f->waiting = 0;
            fixture_run(f, fixture_is_waiting);
        }
    }
    still_serves(f);
    assert_in_range(fixture_stats(f).lists, 1, sent / sizeof list_frame + 1);
    close(deaf);
}

static void every_message_number_has_one_answer(void **state)
{
    AUTO(buf_deinit) struct buf reply;
    struct fixture *f = *state;

    buf_init(&reply, 0);
    for (unsigned i = 0; i < 256; i++) {
        uint8_t number = (uint8_t)i;

        fixture_ask(f, view_of(&number, 1), &reply);
        assert_int_equal(reply.data[0],
                         i == MSG_REQUEST_IDENTITIES ? MSG_IDENTITIES_ANSWER : MSG_FAILURE);
        assert_true(i == MSG_REQUEST_IDENTITIES || reply.len == 1);
    }
    assert_int_equal(fixture_stats(f).refused, 255);
}

static void random_frames_have_one_answer_each(void **state)
{
    AUTO(buf_deinit) struct buf reply;
    struct fixture *f = *state;
    uint64_t x = 88172645463325252; /* xorshift: the same bytes in every run */

    buf_init(&reply, 0);
    for (unsigned n = 0; n < 500; n++) {
        uint8_t bytes[64];

        for (size_t i = 0; i < sizeof bytes; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            bytes[i] = (uint8_t)x;
        }
        bytes[0] = (uint8_t)(n % 2 == 0 ? 13 : 27);
        fixture_ask(f, view_of(bytes, 1 + n % (sizeof bytes - 1)), &reply);
        assert_true(reply.data[0] == MSG_FAILURE || reply.data[0] == MSG_EXTENSION_FAILURE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(impossible_lengths_close_the_connection), TEST(leaving_at_any_byte_is_harmless),
        TEST(a_request_may_come_byte_by_byte),         TEST(a_silent_client_is_left_alone),
        TEST(a_client_that_does_not_read_is_held_up),  TEST(every_message_number_has_one_answer),
        TEST(random_frames_have_one_answer_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
