/* Status: all members that openapi.yaml promises, signers, and the warnings. */
#include "control/support.h"

static void ask_status(void)
{
    assert_int_equal(ask("GET", "/v1/status", NULL), 200);
}

static bool is_warned(const char *text)
{
    json_t *w;
    size_t i;

    json_array_foreach(at("warnings"), i, w)
    {
        if (strstr(json_string_value(w), text) != NULL) {
            return true;
        }
    }
    return false;
}

#define assert_warned(text)                                                                        \
    do {                                                                                           \
        ask_status();                                                                              \
        assert_true(is_warned(text));                                                              \
    } while (0)

static void test_members(void **state)
{
    (void)state;
    AUTO(err_free) struct err *e = err_new(ERR_NOT_FOUND, "no such file");

    fake.modules = 2;
    fake.module[0] = (struct remote_module){
        .name = "soft",
        .path = "/lib/soft.so",
        .helper = {.running = true, .pid = 42, .restarts = 1, .queued = 2, .outstanding = 3}};
    fake.vault_helper = (struct io_helper_status){
        .running = true, .pid = 43, .since = {1800000000}, .restarts = 4, .last_error = e};
    fake.module[1] = (struct remote_module){.name = "gone", .path = "/gone.so", .error = e};
    ask_status();
    assert_text("version", HOLDFAST_VERSION);
    assert_number("pid", getpid());
    assert_number("uptime_s", 0);
    assert_text("config_file", "holdfast.yaml");
    assert_text("agent.socket", "/run/agent.sock");
    assert_number("agent.open", 6);
    assert_number("agent.connections", 5);
    assert_number("agent.lists", 4);
    assert_number("agent.signs", 3);
    assert_number("agent.refused", 2);
    assert_number("agent.failed", 1);
    assert_text("memory", "absent");
    assert_null_at("modules.0.error");
    assert_number("modules.0.helper.pid", 42);
    assert_number("modules.0.helper.restarts", 1);
    assert_number("modules.0.helper.queued", 2);
    assert_number("modules.0.helper.outstanding", 3);
    assert_null_at("modules.0.helper.since");
    assert_null_at("modules.0.helper.last_error");
    assert_number("vault_helper.pid", 43);
    assert_number("vault_helper.restarts", 4);
    assert_text("vault_helper.since", "2027-01-15T08:00:00Z");
    assert_text("vault_helper.last_error.text", "no such file");
    assert_text("modules.1.error.code", "not-found");
    assert_null_at("modules.1.helper.pid");
    assert_text("tokens.0.name", "demo");
    assert_text("identities.0.name", "web");
    assert_text("keys.0.label", "web");
    assert_true(is_warned("memory for secrets"));
    assert_int_equal(json_array_size(at("warnings")), 1);
    fake_audit_error = err_new(ERR_STORE, "no space");
    ask_status();
    err_free(&fake_audit_error);
    assert_true(is_warned("the audit trail cannot be written, and its lines wait: no space"));
}

static void test_signers(void **state)
{
    (void)state;
    AUTO(err_free) struct err *e = err_new(ERR_REMOTE, "sealed");

    ask_status(); /* without its own account, the certificates tell */
    assert_text("signers.0.name", "corp");
    assert_text("signers.0.state", "ok");
    assert_text("signers.0.last_ok", "2027-01-15T08:00:00Z");
    assert_text("signers.1.kind", "ca");
    assert_text("signers.1.state", "never-used");
    assert_null_at("signers.1.last_ok");
    fake.identity[0].cert[0].error = err_copy(e);
    ask_status();
    assert_text("signers.0.state", "failing");
    fake.vaults = 1;
    fake.vault[0] = (struct vault_status){.name = "corp",
                                          .address = "https://v:8200",
                                          .state = VAULT_FAILING,
                                          .last_error = e,
                                          .last_ok = {1800000000},
                                          .skew_s = -5,
                                          .has_skew = true};
    ask_status();
    assert_text("signers.0.kind", "vault");
    assert_text("signers.0.address", "https://v:8200");
    assert_text("signers.0.state", "failing");
    assert_text("signers.0.last_error.text", "sealed");
    assert_number("signers.0.skew_s", -5);
    assert_false(is_warned("clock"));
    fake.vault[0].state = VAULT_NEVER_USED;
    fake.vault[0].has_skew = false;
    ask_status();
    assert_text("signers.0.state", "never-used");
    assert_null_at("signers.0.skew_s");
    assert_null_at("signers.0.patience_until");
    fake.vault[0].patience_until = (struct wall){1800000000};
    ask_status();
    assert_text("signers.0.patience_until", "2027-01-15T08:00:00Z");
    assert_warned("corp asks to be left alone until 2027-01-15T08:00:00Z");
}

static void test_too_many_keys(void **state)
{
    (void)state;
    fake_offers = 6;
    ask_status();
    assert_false(is_warned("MaxAuthTries"));
    fake_offers = 7;
    assert_warned("/run/agent.sock offers 7 keys");
    fake_offers = 0;
}

static void test_token_warnings(void **state)
{
    (void)state;
    fake.token[0].flags = 0x10000;
    assert_warned("token demo was given a wrong PIN");
    fake.token[0].flags = 0x30000;
    assert_warned("token demo: one more wrong PIN locks it");
    fake.token[0].flags = 0x70000;
    assert_warned("token demo locked its PIN");
    fake.token[0].pin_refused = true;
    assert_warned("token demo refused the configured PIN");
    fake.token[0].state = REMOTE_TOKEN_UNUSED; /* not our business */
    ask_status();
    assert_false(is_warned("token demo"));
}

static void test_key_warnings(void **state)
{
    struct remote_key *k = fake_add_key(line_rsa, "rsa", "pkcs11:token=demo;object=rsa");

    (void)state;
    k->info.local = false;
    assert_warned("key rsa on demo was made off the token");
    k->info.sensitive = false;
    assert_warned("key rsa on demo may leave the token: it is not sensitive");
    k->info.extractable = true;
    assert_warned("key rsa on demo may leave the token: it is extractable");
    fake.key[0].info.local = false; /* used by an identity, which has its own word on it */
    ask_status();
    assert_false(is_warned("key web"));
}

static struct wall near_the_end(void)
{
    return (struct wall){4102444800 - 250};
}

static struct wall past_the_end(void)
{
    return (struct wall){4102444800 + 1};
}

static void test_certificate_warnings(void **state)
{
    struct identity *i = &fake.identity[0];

    (void)state;
    i->warning = err_new(ERR_STORE, "cache file is damaged");
    assert_warned("identity web: cache file is damaged");
    i->cert[0].error = err_new(ERR_REMOTE, "sealed");
    ask_status();
    assert_false(is_warned("sealed")); /* years are left */
    clock_set_for_test(NULL, near_the_end);
    assert_warned("identity web: its certificate of corp ends in 4m 10s, at ");
    assert_warned(", and no new one comes: seal");
    clock_set_for_test(NULL, past_the_end);
    assert_warned("identity web has no valid certificate of corp: sealed");
    clock_set_for_test(NULL, NULL);
    ssh_cert_free(&i->cert[0].current);
    assert_warned("identity web has no valid certificate of corp: sealed");
}

static void test_clock_warning(void **state)
{
    (void)state;
    fake.vaults = 1;
    fake.vault[0] = (struct vault_status){.name = "corp", .skew_s = -125, .has_skew = true};
    assert_warned("the clock of corp is 2m 5s behind ours");
    fake.vault[0].skew_s = 61;
    assert_warned("the clock of corp is 1m 1s ahead of ours");
}

/* Waiting for the tokens: the answer comes when they have settled, or did not in time. */
static void test_settle(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct client c;

        client_open(&c);
        send_request(&c, "GET", "/v1/status?settle=3s", NULL);
        pump(was_called, &(unsigned){i + 1});
        assert_in_range(fake.settle_ms, 1, 3000);
        client_read(&c);
        assert_int_equal(c.len, 0);
        fake_done(i == 0 ? NULL : err_new(ERR_TIMEOUT, "not yet"));
        client_answer(&c);
        assert_int_equal(c.status, 200);
        client_close(&c);
    }
    assert_int_equal(ask("GET", "/v1/status?settle=0", NULL), 200);
    assert_int_equal(ask("GET", "/v1/status?settle=61", NULL), 400);
    assert_int_equal(ask("GET", "/v1/status?settle=soon", NULL), 400);
    assert_problem("input", "query: settle has to be 0 to 60 seconds");
    assert_int_equal(fake.calls, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_members),        TEST(test_signers),      TEST(test_too_many_keys),
        TEST(test_token_warnings), TEST(test_key_warnings), TEST(test_certificate_warnings),
        TEST(test_clock_warning),  TEST(test_settle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
