/* The stream of a connection test: lines as they come, heartbeats, and every way to end. */
#include "control/support.h"

static const char simple[] = "{\"user\":\"u\",\"host\":\"h\"}";

static void run_begins(struct client *c, const char *body)
{
    client_open(c);
    send_request(c, "POST", "/v1/connect", body);
    pump(has_connect, NULL);
}

static void test_a_login(void **state)
{
    static const uint8_t output[] = {'h', 'i', 0xff};
    struct connect_event ev = {.step = CONNECT_TCP, .ok = true, .took_ms = 3, .text = "127.0.0.1"};
    struct client c;

    (void)state;
    run_begins(&c, "{\"user\":\"u\",\"host\":\"h\",\"port\":2222,\"command\":\"id\","
                   "\"step_timeout_ms\":500,\"known_hosts\":\"kh\"}");
    assert_string_equal(fake.connect.user, "u");
    assert_string_equal(fake.connect.host, "h");
    assert_string_equal(fake.connect.command, "id");
    assert_int_equal(fake.connect.port, 2222);
    assert_int_equal(fake.connect.step_timeout_ms, 500);
    assert_int_equal(fake.connect.only_key.len, 0);
    assert_string_equal(fake.known_hosts, "kh");
    fake.on_event(fake.arg, &ev);
    ev = (struct connect_event){.step = CONNECT_SESSION,
                                .ok = true,
                                .text = "",
                                .output = view_of(output, 3),
                                .is_stderr = true};
    fake.on_event(fake.arg, &ev);
    fake.on_end(fake.arg, NULL, 0, 4);
    client_answer(&c);
    assert_int_equal(c.status, 200);
    assert_non_null(strstr(c.headers, "Content-Type: application/x-ndjson\r\n"));
    line_at(&c, 0);
    assert_text("step", "tcp");
    assert_true(json_is_true(at("ok")));
    assert_number("took_ms", 3);
    assert_text("text", "127.0.0.1");
    line_at(&c, 1);
    assert_text("output", "aGn/");
    assert_true(json_is_true(at("stderr")));
    line_at(&c, 2);
    assert_true(json_is_true(at("done")));
    assert_null_at("failed");
    assert_number("exit_code", 0);
    assert_number("exit_status", 4);
    assert_int_equal(fake.connects_freed, 1);
    pump(is_closed, &c);
    client_close(&c);
}

/* A new certificate first, then the connection with it. */
static void test_a_certificate_per_connection(void **state)
{
    struct client c;

    (void)state;
    fake.identity[0].renewal = IDENTITY_RENEWAL_PER_CONNECTION;
    client_open(&c);
    send_request(&c, "POST", "/v1/connect", "{\"user\":\"u\",\"host\":\"h\",\"identity\":\"web\"}");
    pump(was_called, &(unsigned){1});
    assert_int_equal(fake.call, FAKE_RENEW);
    assert_null(fake.connect.host);
    fake_done(NULL);
    pump(has_connect, NULL);
    assert_true(fake.connect.only_key.len > 0);
    fake.on_end(fake.arg, NULL, 0, 0);
    client_answer(&c);
    line_at(&c, 0);
    assert_text("step", "certificate");
    line_at(&c, 1);
    assert_true(json_is_true(at("done")));
    pump(is_closed, &c);
    client_close(&c);
}

static void test_defaults(void **state)
{
    struct client c;

    (void)state;
    run_begins(&c, simple);
    assert_int_equal(fake.connect.port, 22);
    assert_null(fake.connect.command);
    assert_null(fake.connect.known_hosts);
    assert_string_equal(fake.connect.agent_socket, "/run/agent.sock");
    fake.on_end(fake.arg, NULL, 0, 0);
    client_answer(&c);
    client_close(&c);
}

static void test_a_failure(void **state)
{
    struct client c;

    (void)state;
    AUTO(err_free) struct err *why = err_new(ERR_DENIED, "refused by the server");

    run_begins(&c, simple);
    fake.on_event(fake.arg,
                  &(struct connect_event){.step = CONNECT_AUTH, .text = "no", .err = why});
    fake.on_end(fake.arg, err_copy(why), CONNECT_AUTH, 0);
    client_answer(&c);
    line_at(&c, 0);
    assert_true(json_is_false(at("ok")));
    assert_text("error.code", "denied");
    line_at(&c, 1);
    assert_text("failed", "authentication");
    assert_number("exit_code", 16);
    assert_text("error.text", "refused by the server");
    client_close(&c);
}

static void test_cannot_start(void **state)
{
    (void)state;
    fake.no_connect = err_new(ERR_GONE, "no helper");
    assert_int_equal(ask("POST", "/v1/connect", simple), 503);
    assert_problem("gone", "no helper");
    assert_int_equal(fake.connects_freed, 0);
}

static void run_as(const char *identity, struct view wanted)
{
    AUTO(auto_free) char *body =
        text_fmt("{\"user\":\"u\",\"host\":\"h\",\"identity\":\"%s\"}", identity);
    struct client c;

    run_begins(&c, body);
    assert_true(view_eq(fake.connect.only_key, wanted));
    fake.on_end(fake.arg, NULL, 0, 0);
    client_answer(&c);
    client_close(&c);
}

static void test_identity(void **state)
{
    static const char body[] = "{\"user\":\"u\",\"host\":\"h\",\"identity\":\"web\"}";
    struct identity *i = &fake.identity[0];

    (void)state;
    run_as("web", ssh_cert_blob(i->cert[0].current));
    i->offer = IDENTITY_OFFER_KEY;
    run_as("web", ssh_key_blob(i->public));
    i->offer = IDENTITY_OFFER_BOTH;
    run_as("web", ssh_cert_blob(i->cert[0].current));
    i->cert[0].want.request.kind = SSH_CERT_HOST;
    run_as("web", ssh_key_blob(i->public));
    i->offer = IDENTITY_OFFER_CERTIFICATE;
    assert_int_equal(ask("POST", "/v1/connect", body), 502);
    assert_problem("certificate", "no valid user certificate");
    i->problem = err_new(ERR_PIN, "token is locked");
    assert_int_equal(ask("POST", "/v1/connect", body), 423);
    assert_problem("pin", "identity web: token is locked");
    fake.identities = 0;
    assert_int_equal(ask("POST", "/v1/connect", body), 404);
}

static void with_heartbeat(int64_t heartbeat_ms, int64_t wait_max_ms)
{
    control_free(&control);
    io_loop_free(&loop);
    deps.heartbeat_ms = heartbeat_ms;
    deps.wait_max_ms = wait_max_ms;
    start_server();
}

static bool has_two_heartbeats(void *arg)
{
    struct client *c = arg;

    client_read(c);
    char *first = strstr(c->in, "\r\n{}\n\r\n");

    return first != NULL && strstr(first + 2, "\r\n{}\n\r\n") != NULL;
}

static bool was_freed(void *arg)
{
    (void)arg;
    return fake.connects_freed == 1;
}

static void test_heartbeat(void **state)
{
    struct client c;

    (void)state;
    with_heartbeat(5, 0);
    run_begins(&c, simple);
    pump(has_two_heartbeats, &c);
    assert_int_equal(fake.connects_freed, 0);
    fake.on_end(fake.arg, NULL, 0, 0);
    client_answer(&c);
    client_close(&c);
}

/* Nothing is said any more, and the client has gone: the heartbeat finds out, and the run ends. */
static void test_vanished_client(void **state)
{
    struct client c;

    (void)state;
    with_heartbeat(5, 0);
    run_begins(&c, simple);
    pump(has_two_heartbeats, &c);
    client_close(&c);
    pump(was_freed, NULL);
    assert_int_equal(ask("GET", "/v1/tokens", NULL), 200);
}

/* The same before the first line. */
static void test_vanished_at_once(void **state)
{
    struct client c;

    (void)state;
    with_heartbeat(5, 0);
    run_begins(&c, simple);
    client_close(&c);
    pump(was_freed, NULL);
}

static void test_deadline(void **state)
{
    struct client c;

    (void)state;
    with_heartbeat(10, 40);
    run_begins(&c, simple);
    pump(was_freed, NULL);
    client_answer(&c);
    assert_int_equal(c.status, 200);
    const char *end_line = strstr(c.body, "{\"done\"");

    assert_non_null(end_line);
    json_decref(answer);
    answer = json_loads(end_line, 0, NULL);
    assert_text("error.code", "timeout");
    assert_null_at("exit_status");
    client_close(&c);
}

static void test_deadline_before_a_line(void **state)
{
    struct client c;

    (void)state;
    with_heartbeat(0, 20);
    run_begins(&c, simple);
    client_answer(&c);
    assert_int_equal(c.status, 504);
    assert_int_equal(fake.connects_freed, 1);
    client_close(&c);
}

/* A client that does not read is cut off, and the run with it. */
static void test_unread_output(void **state)
{
    enum { PIECE = 256 * 1024, PIECES = 40 };
    uint8_t *piece = calloc(1, PIECE);
    const struct connect_event ev = {
        .step = CONNECT_SESSION, .ok = true, .output = view_of(piece, PIECE)};
    struct client c;
    unsigned n = 0;

    (void)state;
    assert_non_null(piece);
    run_begins(&c, "{\"user\":\"u\",\"host\":\"h\",\"command\":\"yes\"}");
    while (fake.connects_freed == 0 && n++ < PIECES) {
        fake.on_event(fake.arg, &ev);
        turn();
    }
    assert_true(n > 8 && n < PIECES);
    client_answer(&c);
    const char *end_line = strstr(c.body, "{\"done\"");

    assert_non_null(end_line);
    assert_non_null(strstr(end_line, "left unread"));
    client_close(&c);
    free(piece);
}

static void test_server_ends(void **state)
{
    struct client c;

    (void)state;
    run_begins(&c, simple);
    fake.on_event(fake.arg, &(struct connect_event){.step = CONNECT_TCP, .ok = true, .text = ""});
    control_free(&control);
    assert_int_equal(fake.connects_freed, 1);
    pump(is_closed, &c);
    assert_null(strstr(c.in, "done"));
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_login),
        TEST(test_a_certificate_per_connection),
        TEST(test_defaults),
        TEST(test_a_failure),
        TEST(test_cannot_start),
        TEST(test_identity),
        TEST(test_heartbeat),
        TEST(test_vanished_client),
        TEST(test_vanished_at_once),
        TEST(test_deadline),
        TEST(test_deadline_before_a_line),
        TEST(test_unread_output),
        TEST(test_server_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
