/* Runs on many hosts: the way to them, their order, failures, and every way to end. */
#include "control/support.h"

static const char infra[] =
    "{\"identifier\":\"prod\",\"spec\":{\"ssh_key\":\"deploy\",\"concurrency\":2,\"hosts\":["
    "{\"name\":\"a\",\"address\":\"10.0.0.1\",\"host_key\":\"ssh-ed25519 AAAA\"},"
    "{\"name\":\"b\",\"tags\":[\"db\"]},{\"name\":\"c\",\"tags\":[\"db\"]}]}}";
static const char key[] = "{\"ssh_key\":{\"scope\":\"org/acme\",\"identifier\":\"deploy\","
                          "\"spec\":{\"user_name\":\"alice\",\"port\":2200}},\"connector\":null}";

static bool renews(void *arg)
{
    (void)arg;
    return fake.call == FAKE_RENEW;
}

static bool started(void *arg)
{
    return fake.connects == *(unsigned *)arg;
}

static void await_hosts(unsigned n)
{
    pump(started, &n);
}

/* As far as the fresh certificate. */
static void run_infrastructure(struct client *c, const char *more)
{
    AUTO(auto_free) char *body = text_fmt("{\"scope\":\"org/acme/project/web\",\"command\":\"id\","
                                          "\"infrastructure\":\"org.prod\"%s}",
                                          more);
    unsigned calls = reg.calls;

    client_open(c);
    send_request(c, "POST", "/v1/runs", body);
    reg_await(calls + 1);
    assert_string_equal(reg.op, "get");
    assert_int_equal(reg.kind, REGISTRY_INFRASTRUCTURE);
    assert_string_equal(reg.scope, "org/acme");
    assert_string_equal(reg.id, "prod");
    reg_answer(NULL, infra);
    reg_await(calls + 2);
    assert_string_equal(reg.op, "resolve");
    assert_string_equal(reg.scope, "org/acme");
    assert_string_equal(reg.id, "deploy");
    reg_answer(NULL, key);
    pump(renews, NULL);
}

static struct connect_run *host(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(fake.runs); i++) {
        if (fake.runs[i] != NULL && strcmp(fake.runs[i]->host, name) == 0) {
            return fake.runs[i];
        }
    }
    fail_msg("no session with %s", name);
    return NULL;
}

static void end_of(const char *name, struct err *e, enum connect_step failed, int status)
{
    struct connect_run *run = host(name);

    run->on_end(run->arg, e, failed, status);
}

static json_t *last_line(struct client *c)
{
    size_t lines = 0;

    for (const char *p = c->body; *p != '\0'; p++) {
        lines += *p == '\n';
    }
    return line_at(c, lines - 1);
}

static void test_an_infrastructure(void **state)
{
    static const uint8_t output[] = {'x'};
    struct client c;

    (void)state;
    run_infrastructure(&c, "");
    assert_int_equal(fake.connects, 0); /* the certificate first */
    fake_done(NULL);
    await_hosts(2); /* two at a time */
    assert_string_equal(host("10.0.0.1")->known_hosts_text, "[10.0.0.1]:2200 ssh-ed25519 AAAA\n");
    assert_false(host("10.0.0.1")->files);
    assert_string_equal(host("b")->known_hosts_text, "");
    assert_true(host("b")->files);
    assert_int_equal(host("b")->port, 2200);
    assert_string_equal(host("b")->user, "alice");
    host("b")->on_event(host("b")->arg, &(struct connect_event){.step = CONNECT_SESSION,
                                                                .ok = true,
                                                                .text = "",
                                                                .output = view_of(output, 1)});
    end_of("b", err_new(ERR_DENIED, "refused"), CONNECT_AUTH, 0);
    assert_string_equal(host("c")->host, "c"); /* one that failed makes room for the next */
    end_of("10.0.0.1", NULL, 0, 0);
    end_of("c", NULL, 0, 3);
    client_answer(&c);
    assert_int_equal(c.status, 200);
    line_at(&c, 0);
    assert_text("step", "certificate");
    assert_true(json_is_true(at("ok")));
    line_at(&c, 1);
    assert_text("host", "b");
    assert_text("step", "session");
    assert_text("output", "eA==");
    line_at(&c, 2);
    assert_text("host", "b");
    assert_true(json_is_true(at("done")));
    assert_text("failed", "authentication");
    last_line(&c);
    assert_true(json_is_true(at("done")));
    assert_int_equal(json_array_size(at("summary")), 3);
    assert_text("summary.0.host", "a"); /* in the order of the infrastructure */
    assert_text("summary.1.error.text", "refused");
    assert_number("summary.1.exit_code", 16);
    assert_number("summary.2.exit_status", 3);
    assert_null(json_object_get(answer, "error"));
    assert_int_equal(fake.connects_freed, 3);
    client_close(&c);
}

static void test_a_limit_and_all_at_once(void **state)
{
    struct client c;

    (void)state;
    run_infrastructure(&c, ",\"limit\":\"db\",\"concurrency\":50");
    fake_done(NULL);
    await_hosts(2);
    end_of("c", NULL, 0, 0);
    end_of("b", NULL, 0, 0);
    client_answer(&c);
    last_line(&c);
    assert_int_equal(json_array_size(at("summary")), 2);
    assert_text("summary.0.host", "b");
    client_close(&c);

    run_infrastructure(&c, ",\"limit\":\"nobody\"");
    fake_done(NULL);
    client_answer(&c);
    last_line(&c);
    assert_int_equal(json_array_size(at("summary")), 0);
    assert_text("error.code", "not-found");
    client_close(&c);
}

static void test_a_session_that_cannot_start(void **state)
{
    struct client c;

    (void)state;
    run_infrastructure(&c, "");
    fake.no_connect = err_new(ERR_GONE, "no helper");
    fake_done(NULL); /* the first host ends at once, the next ones begin */
    await_hosts(2);
    end_of("b", NULL, 0, 0);
    end_of("c", NULL, 0, 0);
    client_answer(&c);
    last_line(&c);
    assert_text("summary.0.error.text", "no helper");
    assert_null_at("summary.1.failed");
    client_close(&c);
}

static void test_no_fresh_certificate(void **state)
{
    struct client c;

    (void)state;
    run_infrastructure(&c, ""); /* that of before is valid: go on, and say so */
    fake_done(err_new(ERR_GONE, "Vault is away"));
    await_hosts(2);
    end_of("10.0.0.1", NULL, 0, 0);
    end_of("b", NULL, 0, 0);
    end_of("c", NULL, 0, 0);
    client_answer(&c);
    line_at(&c, 0);
    assert_true(json_is_false(at("ok")));
    assert_text("error.text", "Vault is away");
    client_close(&c);

    ssh_cert_free(&fake.identity[0].cert[0].current); /* none of before: the end */
    run_infrastructure(&c, "");
    fake_done(err_new(ERR_GONE, "Vault is away"));
    client_answer(&c);
    line_at(&c, 1);
    assert_true(json_is_true(at("done")));
    assert_text("error.text", "Vault is away");
    assert_int_equal(fake.connects, 3);
    client_close(&c);
}

static void test_the_key_left_while_we_waited(void **state)
{
    struct client c;

    (void)state;
    run_infrastructure(&c, "");
    without_identity = true;
    fake_done(NULL);
    without_identity = false;
    client_answer(&c);
    last_line(&c);
    assert_text("error.code", "not-found");
    assert_int_equal(fake.connects, 0);
    client_close(&c);
}

static bool all_freed(void *arg)
{
    (void)arg;
    return fake.connects == fake.connects_freed;
}

static void test_the_client_leaves(void **state)
{
    struct client c;

    (void)state;
    control_free(&control);
    io_loop_free(&loop);
    deps.heartbeat_ms = 20;
    start_server();
    run_infrastructure(&c, "");
    client_close(&c); /* while the certificate is on its way */
    for (int i = 0; i < 50; i++) {
        turn();
        poll(NULL, 0, 1);
    }
    fake_done(NULL);
    run_infrastructure(&c, "");
    fake_done(NULL);
    await_hosts(2);
    client_close(&c); /* while sessions go on: all of them end, and no other begins */
    pump(all_freed, NULL);
    assert_int_equal(fake.connects, 2);
}

static void test_hosts_with_a_key(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "POST", "/v1/runs",
                 "{\"scope\":\"org/acme\",\"hosts\":[\"x:22\",\"y\"],\"ssh_key\":\"deploy\","
                 "\"user\":\"bob\",\"known_hosts\":\"kh\",\"concurrency\":1}");
    reg_await(1);
    assert_string_equal(reg.op, "resolve");
    reg_answer(NULL, key);
    pump(renews, NULL);
    fake_done(NULL);
    await_hosts(1);
    assert_int_equal(host("x")->port, 22);
    assert_string_equal(host("x")->user, "bob");
    assert_string_equal(fake.known_hosts, "kh");
    assert_null(fake.connect.command);
    end_of("x", NULL, 0, 0);
    await_hosts(2);
    assert_int_equal(host("y")->port, 2200);
    end_of("y", NULL, 0, 0);
    client_answer(&c);
    client_close(&c);
}

static void test_hosts_with_an_identity(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "POST", "/v1/runs", "{\"hosts\":[\"x\"],\"identity\":\"web\",\"user\":\"u\"}");
    pump(renews, NULL);
    fake_done(NULL);
    await_hosts(1);
    assert_int_equal(host("x")->port, 22);
    end_of("x", NULL, 0, 0);
    client_answer(&c);
    client_close(&c);
    assert_int_equal(reg.calls, 0);
    assert_int_equal(
        ask("POST", "/v1/runs", "{\"hosts\":[\"x\"],\"identity\":\"none\",\"user\":\"u\"}"), 404);
}

static void test_what_does_not_fit_together(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{\"hosts\":[\"x\"]}",
        "{\"hosts\":[],\"ssh_key\":\"k\"}",
        "{\"hosts\":[\"x\"],\"infrastructure\":\"i\"}",
        "{\"hosts\":[\"x\"],\"ssh_key\":\"k\",\"identity\":\"web\",\"user\":\"u\"}",
        "{\"hosts\":[\"x\"],\"identity\":\"web\"}",
        "{\"hosts\":[\"x:0\"],\"ssh_key\":\"k\"}",
        "{\"infrastructure\":\"i\",\"identity\":\"web\",\"user\":\"u\"}",
        "{\"infrastructure\":\"i\",\"concurrency\":51}",
        "{\"infrastructure\":\"i\",\"concurrency\":0}",
        "{\"infrastructure\":\"org.i\"}",
        "{\"infrastructure\":\"i\",\"scope\":\"org\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        if (ask("POST", "/v1/runs", bodies[i]) != 400) {
            fail_msg("%s", bodies[i]);
        }
    }
    assert_int_equal(reg.calls, 0);
}

static void test_an_infrastructure_that_is_not_whole(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "POST", "/v1/runs", "{\"infrastructure\":\"prod\"}");
    reg_await(1);
    reg_answer(NULL, "{\"spec\":{\"hosts\":[{\"name\":\"a\"}]}}");
    assert_int_equal(take_answer(&c), 409);
    assert_problem("busy", "no SSH key");
    client_close(&c);
    client_open(&c);
    send_request(&c, "POST", "/v1/runs", "{\"infrastructure\":\"prod\"}");
    reg_await(2);
    reg_answer(err_new(ERR_NOT_FOUND, "no infrastructure prod"), NULL);
    assert_int_equal(take_answer(&c), 404);
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_infrastructure),
        TEST(test_a_limit_and_all_at_once),
        TEST(test_a_session_that_cannot_start),
        TEST(test_no_fresh_certificate),
        TEST(test_the_key_left_while_we_waited),
        TEST(test_the_client_leaves),
        TEST(test_hosts_with_a_key),
        TEST(test_hosts_with_an_identity),
        TEST(test_what_does_not_fit_together),
        TEST(test_an_infrastructure_that_is_not_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
