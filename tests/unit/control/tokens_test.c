/* Tokens as JSON, and unlock. */
#include "control/support.h"

static void test_list(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/v1/tokens", NULL), 200);
    assert_int_equal(json_array_size(at("tokens")), 1);
    assert_text("tokens.0.name", "demo");
    assert_text("tokens.0.label", "Demo");
    assert_text("tokens.0.serial", "0123");
    assert_text("tokens.0.module", "soft");
    assert_text("tokens.0.module_path", "/lib/soft.so");
    assert_text("tokens.0.uri", "pkcs11:token=demo");
    assert_text("tokens.0.state", "ready");
    assert_number("tokens.0.slot", 7);
    assert_text("tokens.0.hardware", "2.6");
    assert_text("tokens.0.firmware", "0.0");
    assert_null_at("tokens.0.sessions_max");
    assert_number("tokens.0.workers", 2);
    assert_int_equal(json_array_size(at("tokens.0.flags")), 2);
    assert_text("tokens.0.flags.0", "CKF_LOGIN_REQUIRED");
    assert_text("tokens.0.flags.1", "CKF_TOKEN_INITIALIZED");
    assert_true(json_is_false(at("tokens.0.pin.count_low")));
    assert_null_at("tokens.0.error");
}

static void test_states(void **state)
{
    static const char *const names[] = {"absent", "unused", "locked", "ready", "failed"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        fake.token[0].state = (enum remote_token_state)i;
        assert_int_equal(ask("GET", "/v1/tokens/demo", NULL), 200);
        assert_text("state", names[i]);
        assert_int_equal(json_is_null(at("slot")), i == REMOTE_TOKEN_ABSENT);
    }
}

static void test_pin_flags_and_error(void **state)
{
    (void)state;
    AUTO(err_free) struct err *e = err_add(err_new(ERR_GONE, "removed"), "token demo");

    fake.token[0].flags = 0x70000;
    fake.token[0].pin_refused = true;
    fake.token[0].error = e;
    fake.token[0].sessions_max = 16;
    assert_int_equal(ask("GET", "/v1/tokens/0123", NULL), 200);
    assert_true(json_is_true(at("pin.count_low")));
    assert_true(json_is_true(at("pin.final_try")));
    assert_true(json_is_true(at("pin.locked")));
    assert_true(json_is_true(at("pin.refused")));
    assert_number("sessions_max", 16);
    assert_text("error.text", "token demo: removed");
    assert_text("error.code", "gone");
    assert_text("error.chain.1", "removed");
}

static void test_profile(void **state)
{
    char *files_load[] = {"10-default.yaml", NULL};
    char *files_token[] = {"10-default.yaml", "30-softhsm.yaml", NULL};
    struct profile_reason reason = {"ecdsa-hash", "host", "30-softhsm.yaml", 12};
    struct profile_why load = {files_load, NULL, 0};
    struct profile_why token = {files_token, &reason, 1};

    (void)state;
    assert_int_equal(ask("GET", "/v1/tokens/demo", NULL), 200);
    assert_int_equal(json_array_size(at("profile.files")), 0);
    fake.token[0].why_load = &load;
    fake.token[0].why_token = &token;
    assert_int_equal(ask("GET", "/v1/tokens/demo", NULL), 200);
    assert_int_equal(json_array_size(at("profile.files")), 2);
    assert_text("profile.files.1", "30-softhsm.yaml");
    assert_int_equal(json_array_size(at("profile.load")), 0);
    assert_text("profile.token.0.key", "ecdsa-hash");
    assert_text("profile.token.0.value", "host");
    assert_number("profile.token.0.line", 12);
}

static void test_label_that_is_not_utf8(void **state)
{
    (void)state;
    fake.token[0].id.label = "D\xe9mo";
    assert_int_equal(ask("GET", "/v1/tokens", NULL), 200);
    assert_text("tokens.0.label", "D\\xe9mo");
}

static void test_unknown_token(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/v1/tokens/other", NULL), 404);
    assert_problem("not-found", "no token other");
    assert_int_equal(ask("POST", "/v1/tokens/other/unlock", "{\"pin\":\"1\"}"), 404);
    assert_int_equal(fake.calls, 0);
}

static void test_unlock(void **state)
{
    (void)state;
    fake.at_once = true;
    fake.token[1] = fake.token[0];
    fake.token[1].name = "second";
    fake.tokens = 2;
    assert_int_equal(
        ask("POST", "/v1/tokens/second/unlock", "{\"pin\":\"p\xc3\xa4ss\",\"last_try\":true}"),
        200);
    assert_string_equal(fake.pin, "p\xc3\xa4ss");
    assert_true(fake.last_try);
    assert_int_equal(fake.on_token, 1);
    assert_text("name", "second");
    assert_int_equal(ask("POST", "/v1/tokens/demo/unlock", NULL), 200);
    assert_null(fake.pin);
    assert_false(fake.last_try);
    assert_int_equal(fake.on_token, 0);
}

/* The token went away while it was being unlocked. */
static void test_unlocked_and_gone(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "POST", "/v1/tokens/demo/unlock", NULL);
    pump(was_called, &(unsigned){1});
    fake.tokens = 0;
    fake_done(NULL);
    client_answer(&c);
    assert_int_equal(c.status, 404);
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_list),
        TEST(test_states),
        TEST(test_pin_flags_and_error),
        TEST(test_profile),
        TEST(test_label_that_is_not_utf8),
        TEST(test_unknown_token),
        TEST(test_unlock),
        TEST(test_unlocked_and_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
