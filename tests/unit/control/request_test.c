/* Answers that come late: pipelined behind each other, past the deadline, after the client or the
 * server has gone, and never twice. */
#include "control/support.h"

static void unlock_begins(struct client *c)
{
    unsigned calls = fake.calls + 1;

    client_open(c);
    send_request(c, "POST", "/v1/tokens/demo/unlock", "{\"pin\":\"1\"}");
    pump(was_called, &calls);
}

static void test_late_answer(void **state)
{
    struct client c;

    (void)state;
    unlock_begins(&c);
    client_read(&c);
    assert_int_equal(c.len, 0);
    fake_done(NULL);
    client_answer(&c);
    assert_int_equal(c.status, 200);
    assert_non_null(strstr(c.headers, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(c.headers, "Cache-Control: no-store\r\n"));
    client_close(&c);
}

static void test_answer_at_once(void **state)
{
    (void)state;
    fake.at_once = true;
    assert_int_equal(ask("POST", "/v1/tokens/demo/unlock", "{\"pin\":\"1\"}"), 200);
}

/* Three requests in one write: answered in order, the second and third not before the first. */
static void test_pipelined(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    client_say(&c, "POST /v1/tokens/demo/unlock HTTP/1.1\r\nContent-Length: 11\r\n\r\n"
                   "{\"pin\":\"1\"}"
                   "GET /v1/identities/none HTTP/1.1\r\n\r\n"
                   "GET /v1/tokens HTTP/1.1\r\n\r\n");
    pump(was_called, &(unsigned){1});
    for (unsigned i = 0; i < 20; i++) {
        turn();
    }
    client_read(&c);
    assert_int_equal(c.len, 0);
    fake_done(err_new(ERR_PIN, "wrong"));
    client_answer(&c);
    assert_int_equal(c.status, 423);
    client_answer(&c);
    assert_int_equal(c.status, 404);
    client_answer(&c);
    assert_int_equal(c.status, 200);
    assert_int_equal(fake.calls, 1);
    client_close(&c);
}

static void test_keep_alive(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    for (unsigned i = 0; i < 50; i++) {
        send_request(&c, "GET", i % 2 == 0 ? "/v1/tokens" : "/v1/none", NULL);
        client_answer(&c);
        assert_int_equal(c.status, i % 2 == 0 ? 200 : 404);
    }
    assert_false(c.eof);
    client_close(&c);
}

static void test_deadline(void **state)
{
    struct client c;

    (void)state;
    control_free(&control);
    io_loop_free(&loop);
    deps.wait_max_ms = 30;
    start_server();
    unlock_begins(&c);
    client_answer(&c);
    assert_int_equal(c.status, 504);
    json_decref(answer);
    answer = json_loads(c.body, 0, NULL);
    assert_problem("timeout", "unlock token demo: no answer within 0.03 s");
    send_request(&c, "GET", "/v1/tokens", NULL); /* the connection goes on */
    client_answer(&c);
    assert_int_equal(c.status, 200);
    fake_done(err_new(ERR_PIN, "too late")); /* and the callback is for nobody */
    client_close(&c);
}

static void test_vanished_client(void **state)
{
    struct client c;

    (void)state;
    unlock_begins(&c);
    client_close(&c);
    for (unsigned i = 0; i < 10; i++) {
        turn();
    }
    fake_done(NULL);
    for (unsigned i = 0; i < 10; i++) {
        turn();
    }
    assert_int_equal(ask("GET", "/v1/tokens", NULL), 200);
}

static void test_vanished_client_and_deadline(void **state)
{
    struct client c;

    (void)state;
    control_free(&control);
    io_loop_free(&loop);
    deps.wait_max_ms = 10;
    start_server();
    unlock_begins(&c);
    client_close(&c);
    struct mono until = mono_in(60);

    while (!mono_passed(until)) {
        turn();
    }
    fake_done(NULL);
    assert_int_equal(ask("GET", "/v1/tokens", NULL), 200);
}

static void test_server_ends_first(void **state)
{
    struct client c;

    (void)state;
    unlock_begins(&c);
    control_free(&control);
    pump(is_closed, &c);
    assert_int_equal(c.len, 0);
    fake_done(NULL);
    client_close(&c);
}

/* The client has gone and nobody noticed, then the server ends, then the callback comes. */
static void test_client_then_server_then_callback(void **state)
{
    struct client c;

    (void)state;
    unlock_begins(&c);
    client_close(&c);
    turn();
    control_free(&control);
    fake_done(err_new(ERR_GONE, "over"));
}

/* A client that goes on asking for what waits: there is an end to it, and it passes. */
static void test_too_many_wait(void **state)
{
    void *arg[CONTROL_WAITING_MAX];
    struct client c;

    (void)state;
    control_free(&control);
    io_loop_free(&loop);
    deps.wait_max_ms = 1;
    start_server();
    client_open(&c);
    for (size_t i = 0; i < CONTROL_WAITING_MAX; i++) {
        send_request(&c, "POST", "/v1/tokens/demo/unlock", NULL);
        client_answer(&c);
        assert_int_equal(c.status, 504);
        arg[i] = fake.arg;
    }
    assert_int_equal(ask("POST", "/v1/tokens/demo/unlock", NULL), 409);
    assert_problem("busy", "256 requests wait");
    for (size_t i = 0; i < CONTROL_WAITING_MAX; i++) {
        fake.on_done(arg[i], NULL);
    }
    fake.at_once = true;
    assert_int_equal(ask("POST", "/v1/tokens/demo/unlock", NULL), 200);
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_late_answer),
        TEST(test_answer_at_once),
        TEST(test_pipelined),
        TEST(test_keep_alive),
        TEST(test_deadline),
        TEST(test_vanished_client),
        TEST(test_vanished_client_and_deadline),
        TEST(test_server_ends_first),
        TEST(test_client_then_server_then_callback),
        TEST(test_too_many_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
