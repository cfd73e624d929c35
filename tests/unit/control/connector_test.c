/* Connectors at work: the way to the settings, the steps of the test, the engines, and leaving early. */
#include "control/support.h"

static const char connector[] =
    "{\"identifier\":\"main\",\"scope\":\"org/acme\",\"revision\":1,\"spec\":{\"type\":\"vault\","
    "\"addresses\":[\"https://a:8200\",\"https://b:8200\"],\"namespace\":\"team\","
    "\"login\":{\"method\":\"token\",\"token_file\":\"/given/t\",\"root\":true},"
    "\"renewal_interval_minutes\":0,\"certificate\":\"account.ca\",\"timeout_s\":7}}";
static const char certificate[] = "{\"identifier\":\"ca\",\"spec\":{\"pem\":\"PEM\"}}";
static const char test_path[] =
    "/v1/scopes/org%2Facme/connectors/main/test?mount=ssh&role=web&principals=a%2Cb";

static bool has_look(void *arg)
{
    return look.checks + look.lists + look.keys == *(unsigned *)arg;
}

static void reach_vault(struct client *c, const char *method, const char *path)
{
    unsigned one = 1;

    client_open(c);
    send_request(c, method, path, NULL);
    reg_await(1);
    assert_string_equal(reg.op, "get");
    assert_int_equal(reg.kind, REGISTRY_CONNECTOR);
    assert_string_equal(reg.scope, "org/acme");
    assert_string_equal(reg.id, "main");
    reg_answer(NULL, connector);
    reg_await(2);
    assert_int_equal(reg.kind, REGISTRY_CERTIFICATE);
    assert_string_equal(reg.scope, "account");
    assert_string_equal(reg.id, "ca");
    reg_answer(NULL, certificate);
    pump(has_look, &one);
}

static void test_a_connector_that_works(void **state)
{
    const struct vault_fact fact = {"ip", "10.0.0.1"};
    struct client c;

    (void)state;
    reach_vault(&c, "POST", test_path);
    assert_string_equal(look.address, "https://a:8200");
    assert_string_equal(look.second, "https://b:8200");
    assert_string_equal(look.ca_pem, "PEM");
    assert_string_equal(look.namespace_, "team");
    assert_string_equal(look.token, "/given/t");
    assert_int_equal(look.login, VAULT_LOGIN_TOKEN);
    assert_true(look.renew_by_interval);
    assert_int_equal(look.renew_interval_s, 0);
    assert_int_equal(look.timeout_ms, 7000);
    assert_string_equal(look.mount, "ssh");
    assert_string_equal(look.role, "web");
    assert_string_equal(look.principals, "a,b");
    look.on_step(look.arg, &(struct vault_step){.kind = VAULT_STEP_REACH,
                                                .state = VAULT_STEP_OK,
                                                .address = "https://a:8200",
                                                .text = "it answers",
                                                .took_ms = 4,
                                                .facts = &fact,
                                                .facts_n = 1});
    look.on_done(look.arg, NULL);
    client_answer(&c);
    assert_int_equal(c.status, 200);
    line_at(&c, 0);
    assert_text("step", "reach");
    assert_text("state", "ok");
    assert_true(json_is_true(at("ok")));
    assert_text("facts.ip", "10.0.0.1");
    line_at(&c, 1);
    assert_true(json_is_true(at("done")));
    assert_null_at("failed");
    assert_int_equal(look.cancelled, 0);
    client_close(&c);
}

static void test_a_connector_that_fails(void **state)
{
    AUTO(err_free) struct err *why = err_new(ERR_CERT, "not signed by that CA");
    struct client c;

    (void)state;
    reach_vault(&c, "POST", test_path);
    look.on_step(look.arg, &(struct vault_step){.kind = VAULT_STEP_TLS,
                                                .state = VAULT_STEP_FAILED,
                                                .text = "no",
                                                .error = why});
    look.on_done(look.arg, err_copy(why));
    client_answer(&c);
    line_at(&c, 0);
    assert_true(json_is_false(at("ok")));
    assert_text("error.code", "certificate");
    line_at(&c, 1);
    assert_text("failed", "tls");
    assert_text("error.text", "not signed by that CA");
    client_close(&c);
}

static void test_it_cannot_begin(void **state)
{
    struct client c;

    (void)state;
    look.refuse = true;
    reach_vault(&c, "POST", test_path);
    client_answer(&c);
    line_at(&c, 0);
    assert_true(json_is_true(at("done")));
    assert_text("error.code", "input");
    client_close(&c);
}

static bool was_cancelled(void *arg)
{
    (void)arg;
    return look.cancelled > 0;
}

static void test_the_client_leaves(void **state)
{
    struct client c;

    (void)state;
    control_free(&control);
    io_loop_free(&loop);
    deps.heartbeat_ms = 20;
    start_server();
    reach_vault(&c, "POST", test_path);
    client_close(&c);
    pump(was_cancelled, NULL); /* a heartbeat finds out */
    assert_int_equal(look.cancelled, 1);
}

static void test_a_broken_connector_is_not_tried(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "POST", test_path, NULL);
    reg_await(1);
    reg_answer(NULL, "{\"identifier\":\"main\",\"broken\":[\"its certificate CA was deleted\"],"
                     "\"spec\":{\"addresses\":[\"https://a\"],\"login\":{}}}");
    assert_int_equal(take_answer(&c), 409);
    assert_problem("busy", "was deleted");
    assert_int_equal(look.checks, 0);
    client_close(&c);
}

static void test_one_that_is_not_stored(void **state)
{
    struct client c;
    unsigned one = 1;

    (void)state;
    client_open(&c);
    send_request(&c, "POST", "/v1/scopes/account/connectors/-/test",
                 "{\"name\":\"New\",\"spec\":{\"addresses\":[\"https://n\"],"
                 "\"login\":{\"method\":\"approle\",\"role_id_file\":\"/r\"}}}");
    reg_await(1);
    assert_string_equal(reg.op, "check");
    assert_int_equal(reg.kind, REGISTRY_CONNECTOR);
    reg_answer(NULL, "{}");
    pump(has_look, &one);
    assert_string_equal(look.address, "https://n");
    assert_int_equal(look.login, VAULT_LOGIN_APPROLE);
    assert_string_equal(look.second, "");
    assert_string_equal(look.mount, "");
    look.on_done(look.arg, NULL);
    client_answer(&c);
    assert_int_equal(c.status, 200);
    client_close(&c);

    client_open(&c);
    send_request(&c, "POST", "/v1/scopes/account/connectors/-/test",
                 "{\"name\":\"New\",\"spec\":{}}");
    reg_await(2);
    reg_answer(err_new(ERR_INPUT, "/spec/addresses is missing"), NULL);
    assert_int_equal(take_answer(&c), 400);
    client_close(&c);
}

static struct secret *the_secret;

static const struct secret *secret_of(void *arg, const char *variable)
{
    (void)arg;
    return text_eq(variable, "KNOWN") ? the_secret : NULL;
}

static int by_environment(const char *variable)
{
    AUTO(auto_free) char *text =
        text_fmt("{\"spec\":{\"addresses\":[\"https://a\"],\"login\":{\"method\":\"token\","
                 "\"token_environment\":\"%s\"}}}",
                 variable);
    struct client c;
    unsigned calls = reg.calls, lists = look.lists + 1;

    client_open(&c);
    send_request(&c, "GET", "/v1/scopes/account/connectors/x/mounts", NULL);
    reg_await(calls + 1);
    reg_answer(NULL, text);
    if (text_eq(variable, "KNOWN")) {
        pump(has_look, &lists);
        look.on_mounts(look.arg, NULL, NULL, 0);
    }
    int status = take_answer(&c);

    client_close(&c);
    return status;
}

static void test_a_token_of_the_environment(void **state)
{
    AUTO(err_free) struct err *e = secret_new(view_cstr("s.value"), &the_secret);

    (void)state;
    assert_null(e);
    control_free(&control);
    io_loop_free(&loop);
    deps.secret_of = secret_of;
    start_server();
    assert_int_equal(by_environment("KNOWN"), 200);
    assert_string_equal(look.token, "s.value");
    assert_int_equal(by_environment("OTHER"), 501);
    assert_problem("unsupported", "OTHER");
    secret_free(&the_secret);
}

static void test_mounts(void **state)
{
    const struct vault_mount mounts[] = {{"ssh", "ssh", "ours"}, {"team/ssh", "ssh", NULL}};
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "GET", "/v1/scopes/org%2Facme%2Fproject%2Fweb/secrets-managers/sm/mounts",
                 NULL);
    reg_await(1);
    assert_int_equal(reg.kind, REGISTRY_SECRETS_MANAGER);
    reg_answer(NULL, "{\"spec\":{\"connector\":\"org.main\"}}");
    reg_await(2);
    assert_int_equal(reg.kind, REGISTRY_CONNECTOR);
    assert_string_equal(reg.scope, "org/acme");
    reg_answer(NULL, connector);
    reg_await(3);
    reg_answer(NULL, certificate);
    assert_int_equal(look.lists, 1);
    look.on_mounts(look.arg, NULL, mounts, 2);
    assert_int_equal(take_answer(&c), 200);
    assert_text("mounts.1.path", "team/ssh");
    assert_null_at("mounts.1.description");
    client_close(&c);
}

static void test_mounts_that_vault_does_not_tell(void **state)
{
    struct client c;

    (void)state;
    reach_vault(&c, "GET", "/v1/scopes/org%2Facme/connectors/main/mounts");
    look.on_mounts(look.arg, err_new(ERR_DENIED, "permission denied"), NULL, 0);
    assert_int_equal(take_answer(&c), 403);
    client_close(&c);

    client_open(&c);
    send_request(&c, "GET", "/v1/scopes/account/secrets-managers/sm/mounts", NULL);
    reg_await(3);
    reg_answer(NULL, "{\"spec\":{}}");
    assert_int_equal(take_answer(&c), 404);
    assert_problem("not-found", "no connector");
    client_close(&c);
}

static void test_no_vault(void **state)
{
    struct client c;

    (void)state;
    control_free(&control);
    io_loop_free(&loop);
    without_vault = true;
    start_server();
    without_vault = false;
    client_open(&c);
    send_request(&c, "POST", test_path, NULL);
    reg_await(1);
    reg_answer(NULL, connector);
    reg_await(2);
    reg_answer(NULL, certificate);
    assert_int_equal(take_answer(&c), 501);
    client_close(&c);
}

/* What was stored under other rules, or by another machine, is not read either. */
static void test_a_file_that_is_not_given(void **state)
{
    static const char theirs[] =
        "{\"identifier\":\"main\",\"scope\":\"org/acme\",\"revision\":1,\"spec\":{\"addresses\":["
        "\"https://a\"],\"login\":{\"method\":\"token\",\"token_file\":\"/etc/shadow\"}}}";
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "POST", test_path, NULL);
    reg_await(1);
    reg_answer(NULL, theirs);
    assert_int_equal(take_answer(&c), 403);
    assert_problem("denied", "/spec/login/token_file");
    assert_int_equal(look.checks, 0);
    client_close(&c);
}

static void test_a_signer_of_the_file(void **state)
{
    unsigned one = 1;
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "POST", "/v1/signers/corp/test?mount=ssh&role=web", NULL);
    pump(has_look, &one);
    assert_string_equal(look.target, "corp");
    assert_string_equal(look.mount, "ssh");
    look.on_done(look.arg, NULL);
    client_answer(&c);
    assert_int_equal(c.status, 200);
    assert_int_equal(ask("POST", "/v1/signers/nobody/test", NULL), 404);
    assert_int_equal(ask("POST", "/v1/signers/local/test", NULL), 501);
    client_close(&c);
}

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBsYEi8rXrcFzhGEBu6OPbP18AOUfKyf783jJ0NrlCeG"

static void ca_key(struct client *c, const char *line)
{
    unsigned one = 1;

    look.keys = 0;
    client_open(c);
    send_request(c, "GET", "/v1/signers/corp/ca?mount=hosts&issuer=two", NULL);
    pump(has_look, &one);
    assert_string_equal(look.target, "corp");
    assert_string_equal(look.mount, "hosts");
    assert_string_equal(look.issuer, "two");
    look.on_ca_key(look.arg, NULL, line);
    take_answer(c);
}

static void test_the_key_of_a_ca(void **state)
{
    struct client c;

    (void)state;
    ca_key(&c, KEY " a comment");
    assert_int_equal(c.status, 200);
    assert_text("public_key", KEY);
    client_close(&c);
    ca_key(&c, "ssh-ed25519 none");
    assert_int_equal(c.status, 502);
    client_close(&c);
    assert_int_equal(ask("GET", "/v1/signers/corp/ca", NULL), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_connector_that_works),
        TEST(test_a_connector_that_fails),
        TEST(test_it_cannot_begin),
        TEST(test_the_client_leaves),
        TEST(test_a_broken_connector_is_not_tried),
        TEST(test_one_that_is_not_stored),
        TEST(test_a_token_of_the_environment),
        TEST(test_mounts),
        TEST(test_mounts_that_vault_does_not_tell),
        TEST(test_no_vault),
        TEST(test_a_file_that_is_not_given),
        TEST(test_a_signer_of_the_file),
        TEST(test_the_key_of_a_ca),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
