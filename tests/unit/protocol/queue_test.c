/*
 * Requests without waiting for answers: the answers keep the order of the requests, whatever order
 * the token signs in, and what a client left behind is cancelled.
 */
#include "protocol/fixture.h"

static const char *const sessions[] = {"a", "b", "c", "d"};

/* Which session the next answer is a signature for; 0 for a failure, 'L' for a list. */
static char next_answer(struct fixture *f)
{
    AUTO(buf_deinit) struct buf reply;
    struct view blob = ssh_key_blob(f->key[SSH_KEY_P256]->public);

    buf_init(&reply, 0);
    fixture_take(f, &reply);
    struct rd r = rd_of(buf_view(&reply));
    uint8_t type = rd_u8(&r);
    struct view sig = rd_string(&r);

    for (size_t i = 0; type == MSG_SIGN_RESPONSE && i < ARRAY_LEN(sessions); i++) {
        AUTO(buf_deinit) struct buf data;
        AUTO(err_free) struct err *e = NULL;

        buf_init(&data, 0);
        fixture_put_login(&data, &(struct fixture_login){.session = sessions[i],
                                                         .alg = "ecdsa-sha2-nistp256",
                                                         .blob = blob});
        e = ssh_sig_verify(f->key[SSH_KEY_P256]->public, sig, buf_view(&data), NULL);
        if (e == NULL) {
            return *sessions[i];
        }
    }
    return type == MSG_IDENTITIES_ANSWER ? 'L' : '\0';
}

static void put_frame(struct fixture *f, struct buf *out, const char *session)
{
    AUTO(buf_deinit) struct buf request;

    buf_init(&request, 0);
    fixture_put_p256(f, &request, session);
    buf_put_string(out, buf_view(&request));
}

static void send_all(struct fixture *f)
{
    AUTO(buf_deinit) struct buf all;

    buf_init(&all, 0);
    for (size_t i = 0; i < ARRAY_LEN(sessions); i++) {
        put_frame(f, &all, sessions[i]);
    }
    f->remote.hold = true;
    f->waiting = ARRAY_LEN(sessions);
    fixture_write(f, buf_view(&all));
    fixture_run(f, fixture_is_waiting);
}

static void answers_keep_the_order(void **state)
{
    struct fixture *f = *state;

    send_all(f);
    for (size_t i = ARRAY_LEN(sessions); i > 0; i--) {
        fake_release(&f->remote, i - 1); /* the last one first */
    }
    for (size_t i = 0; i < ARRAY_LEN(sessions); i++) {
        assert_int_equal(next_answer(f), *sessions[i]);
    }
    assert_int_equal(fixture_stats(f).signs, ARRAY_LEN(sessions));
}

static void quick_answers_wait_for_slow_ones(void **state)
{
    static const uint8_t list[] = {0, 0, 0, 1, 11}, lock[] = {0, 0, 0, 1, 22};
    AUTO(buf_deinit) struct buf all;
    struct fixture *f = *state;

    buf_init(&all, 0);
    buf_put(&all, list, sizeof list);
    put_frame(f, &all, "a");
    buf_put(&all, list, sizeof list);
    buf_put(&all, lock, sizeof lock);
    put_frame(f, &all, "b");
    buf_put(&all, list, sizeof list);
    f->remote.hold = true;
    f->waiting = 2;
    fixture_write(f, buf_view(&all));
    fixture_run(f, fixture_is_waiting);
    assert_int_equal(next_answer(f), 'L');
    assert_int_equal(f->reply.len, 0);
    f->remote.sign_fails = ERR_GONE;
    fake_release(&f->remote, 1); /* b fails while a still waits */
    f->remote.sign_fails = 0;
    fake_release(&f->remote, 0);
    assert_int_equal(next_answer(f), 'a');
    assert_int_equal(next_answer(f), 'L');
    assert_int_equal(next_answer(f), '\0');
    assert_int_equal(next_answer(f), '\0');
    assert_int_equal(next_answer(f), 'L');
}

static bool has_no_connection(struct fixture *f)
{
    return fixture_stats(f).open == 0;
}

static void a_client_that_leaves_cancels_its_signatures(void **state)
{
    struct fixture *f = *state;

    send_all(f);
    fake_release(&f->remote, 1); /* this answer waits for the first: it is dropped with it */
    auto_close(&f->fd);
    fixture_run(f, has_no_connection);
    assert_int_equal(f->remote.cancelled, 3);
    assert_int_equal(fake_waiting(&f->remote), 0);
}

static void the_end_cancels_them_too(void **state)
{
    struct fixture *f = *state;

    send_all(f);
    protocol_free(&f->socket);
    assert_int_equal(f->remote.cancelled, 4);
}

static bool is_at_the_limit(struct fixture *f)
{
    return fake_waiting(&f->remote) >= PROTOCOL_PENDING_MAX;
}

static bool is_all_answered(struct fixture *f)
{
    while (fake_waiting(&f->remote) > 0) {
        fake_release(&f->remote, 0);
    }
    return fixture_stats(f).signs == 100;
}

/* A hundred at once: the agent takes 64, and goes on as they are answered. */
static void the_number_of_open_requests_is_bounded(void **state)
{
    AUTO(buf_deinit) struct buf all;
    struct fixture *f = *state;

    buf_init(&all, 0);
    for (size_t i = 0; i < 100; i++) {
        put_frame(f, &all, sessions[i % ARRAY_LEN(sessions)]);
    }
    f->remote.hold = true;
    fixture_write(f, buf_view(&all));
    fixture_run(f, is_at_the_limit);
    assert_int_equal(fake_waiting(&f->remote), PROTOCOL_PENDING_MAX);
    fixture_run(f, is_all_answered);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(next_answer(f), *sessions[i % ARRAY_LEN(sessions)]);
    }
}

/* Fairness: requests of one connection carry one flow, those of another a different one. */
static void each_connection_is_a_flow(void **state)
{
    AUTO(buf_deinit) struct buf frame;
    struct fixture *f = *state;
    int first = f->fd;

    buf_init(&frame, 0);
    put_frame(f, &frame, "a");
    f->remote.hold = true;
    f->waiting = 2;
    fixture_write(f, buf_view(&frame));
    f->fd = fixture_connect(f);
    fixture_write(f, buf_view(&frame));
    fixture_run(f, fixture_is_waiting);
    assert_true(f->remote.signs[0].flow != f->remote.signs[1].flow);
    assert_in_range(mono_left_ms(f->remote.signs[0].deadline), PROTOCOL_SIGN_DEADLINE_MS - 10000,
                    PROTOCOL_SIGN_DEADLINE_MS);
    close(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_keep_the_order),
        TEST(quick_answers_wait_for_slow_ones),
        TEST(a_client_that_leaves_cancels_its_signatures),
        TEST(the_end_cancels_them_too),
        TEST(the_number_of_open_requests_is_bounded),
        TEST(each_connection_is_a_flow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
