/* The test of an SSH key: a fresh certificate, then a login with it. */
#include "control/support.h"

static const char path[] = "/v1/scopes/org%2Facme/ssh-keys/deploy/test";
static const char key[] = "{\"ssh_key\":{\"scope\":\"org/acme\",\"identifier\":\"deploy\","
                          "\"spec\":{\"user_name\":\"alice\"}}}";

static bool renews(void *arg)
{
    (void)arg;
    return fake.call == FAKE_RENEW;
}

static void begin_test(struct client *c, const char *body)
{
    unsigned calls = reg.calls;

    client_open(c);
    send_request(c, "POST", path, body);
    reg_await(calls + 1);
    assert_string_equal(reg.op, "resolve");
    assert_string_equal(reg.scope, "org/acme");
    assert_string_equal(reg.id, "deploy");
    reg_answer(NULL, key);
    pump(renews, NULL);
}

static void test_a_key_that_works(void **state)
{
    struct client c;

    (void)state;
    begin_test(&c, "{\"host\":\"h\",\"command\":\"id\",\"known_hosts\":\"kh\"}");
    fake_done(NULL);
    pump(has_connect, NULL);
    assert_string_equal(fake.connect.user, "alice");
    assert_string_equal(fake.connect.host, "h");
    assert_string_equal(fake.connect.command, "id");
    assert_string_equal(fake.known_hosts, "kh");
    assert_int_equal(fake.connect.port, 22);
    assert_true(view_eq(fake.connect.only_key, ssh_cert_blob(fake.identity[0].cert[0].current)));
    fake.on_event(fake.arg, &(struct connect_event){.step = CONNECT_TCP, .ok = true, .text = "t"});
    fake.on_end(fake.arg, NULL, 0, 0);
    client_answer(&c);
    line_at(&c, 0);
    assert_text("step", "certificate");
    assert_non_null(strstr(json_string_value(at("text")), "valid until"));
    line_at(&c, 1);
    assert_text("step", "tcp");
    line_at(&c, 2);
    assert_true(json_is_true(at("done")));
    assert_null_at("failed");
    client_close(&c);
}

static void test_no_certificate(void **state)
{
    struct client c;

    (void)state;
    ssh_cert_free(&fake.identity[0].cert[0].current);
    begin_test(&c, "{\"host\":\"h\"}");
    fake_done(err_new(ERR_REMOTE, "permission denied"));
    client_answer(&c);
    line_at(&c, 1);
    assert_text("failed", "certificate");
    assert_number("exit_code", 10);
    assert_null_at("exit_status");
    assert_text("error.text", "permission denied");
    assert_int_equal(fake.connects, 0);
    client_close(&c);
}

static void test_a_bare_key(void **state)
{
    struct client c;

    (void)state;
    fake.identity[0].certs = 0;
    fake.identity[0].offer = IDENTITY_OFFER_KEY;
    client_open(&c);
    send_request(&c, "POST", path, "{\"host\":\"h\",\"port\":2222}");
    reg_await(1);
    reg_answer(NULL, key);
    pump(has_connect, NULL);
    assert_int_equal(fake.call, FAKE_NOTHING); /* there is nothing to renew */
    assert_int_equal(fake.connect.port, 2222);
    assert_true(view_eq(fake.connect.only_key, ssh_key_blob(fake.identity[0].public)));
    fake.on_end(fake.arg, err_new(ERR_DENIED, "no"), CONNECT_AUTH, 0);
    client_answer(&c);
    line_at(&c, 1);
    assert_text("failed", "authentication");
    fake.identity[0].certs = 1;
    client_close(&c);
}

static void test_before_any_line(void **state)
{
    struct client c;

    (void)state;
    assert_int_equal(ask("POST", path, "{}"), 400);
    client_open(&c);
    send_request(&c, "POST", path, "{\"host\":\"h\"}");
    reg_await(1);
    reg_answer(err_new(ERR_DENIED, "SSH key deploy is broken"), NULL);
    assert_int_equal(take_answer(&c), 403);
    client_close(&c);
    without_identity = true;
    client_open(&c);
    send_request(&c, "POST", path, "{\"host\":\"h\"}");
    reg_await(2);
    reg_answer(NULL, key);
    assert_int_equal(take_answer(&c), 404);
    assert_problem("not-found", "no identity of this agent");
    without_identity = false;
    client_close(&c);
}

static void test_cannot_connect(void **state)
{
    struct client c;

    (void)state;
    begin_test(&c, "{\"host\":\"h\"}");
    fake.no_connect = err_new(ERR_GONE, "no helper");
    fake_done(NULL);
    client_answer(&c);
    line_at(&c, 1);
    assert_true(json_is_true(at("done")));
    assert_text("error.text", "no helper");
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_key_that_works), TEST(test_no_certificate), TEST(test_a_bare_key),
        TEST(test_before_any_line),  TEST(test_cannot_connect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
