/* The built-in signer and the audit trail over the API. */
#include "control/support.h"

static void test_shown(void **state)
{
    (void)state;
    fake_the_ca.key = line_web;
    fake_ca.n = 2;
    fake_ca.list[0] = (struct ca_revocation){
        .serial = UINT64_MAX, .reason = "lost", .at = {1600000000}, .until = {1700000000}};
    fake_ca.list[1] = (struct ca_revocation){.key_id = "laptop"};
    assert_int_equal(ask("GET", "/v1/cas/local", NULL), 200);
    assert_text("name", "local");
    assert_text("public_key", line_web);
    assert_text("krl", "/state/ca-own.krl");
    assert_text("revoked.0.serial", "18446744073709551615");
    assert_text("revoked.0.at", "2020-09-13T12:26:40Z");
    assert_null_at("revoked.1.serial");
    assert_text("revoked.1.key_id", "laptop");
    fake_ca.n = 0;
    fake_the_ca.key = NULL;
    assert_int_equal(ask("GET", "/v1/cas/local", NULL), 200);
    assert_null_at("public_key");
    assert_int_equal(ask("GET", "/v1/cas/none", NULL), 404);
    assert_int_equal(ask("GET", "/v1/cas/corp", NULL), 501);
}

static void test_what_is_not_on_the_disk(void **state)
{
    AUTO(err_free) struct err *problem = err_new(ERR_STORE, "rename /state/ca-own.krl: no space");

    (void)state;
    fake_the_ca.problem = problem;
    assert_int_equal(ask("GET", "/v1/cas/local", NULL), 200);
    assert_text("problem.text", "rename /state/ca-own.krl: no space");
    assert_int_equal(ask("GET", "/v1/status", NULL), 200);
    AUTO(auto_free) char *all = json_dumps(at("warnings"), 0);

    assert_non_null(strstr(all, "what local has revoked is not on the disk: rename /state"));
    fake_the_ca.problem = NULL;
    assert_int_equal(ask("GET", "/v1/cas/local", NULL), 200);
    assert_null_at("problem");
}

static void test_revoked(void **state)
{
    (void)state;
    assert_int_equal(
        ask("POST", "/v1/cas/local/revocations", "{\"serial\":\"7\",\"reason\":\"stolen\"}"), 200);
    assert_true(fake_ca.asked.serial == 7);
    assert_int_equal(ask("POST", "/v1/cas/local/revocations", "{\"key_id\":\"laptop\"}"), 200);
    assert_string_equal(fake_ca.key_id, "laptop");
    AUTO(auto_free) char *body = text_fmt("{\"certificate\":\"%s\"}", line_cert);

    assert_int_equal(ask("POST", "/v1/cas/local/revocations", body), 200);
    assert_true(fake_ca.asked.serial == UINT64_MAX);
    assert_true(fake_ca.asked.until.s == 4102444800);
    fake_the_ca.key = line_web; /* which did not sign it */
    assert_int_equal(ask("POST", "/v1/cas/local/revocations", body), 400);
    fake_the_ca.key = NULL;
    fake_ca.error = err_new(ERR_GONE, "the CA's key was never seen");
    assert_true(ask("POST", "/v1/cas/local/revocations", "{\"serial\":\"7\"}") >= 400);
}

static void test_revoking_nonsense(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{\"serial\":\"0\"}",
        "{\"serial\":\"-1\"}",
        "{\"serial\":\"1x\"}",
        "{\"serial\":\"18446744073709551616\"}",
        "{\"serial\":7}",
        "{\"serial\":\"7\",\"key_id\":\"a\"}",
        "{\"certificate\":\"ssh-rsa AAAA\"}",
        "{\"reason\":\"because\"}",
    };

    (void)state;
    memset(&fake_ca.asked, 0, sizeof fake_ca.asked);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        assert_int_equal(ask("POST", "/v1/cas/local/revocations", bodies[i]), 400);
        assert_true(fake_ca.asked.serial == 0);
    }
}

static void test_audit(void **state)
{
    static const char *const bad[] = {"/v1/audit?last=0", "/v1/audit?last=1001", "/v1/audit?last=x",
                                      "/v1/audit?last=", "/v1/audit?last=-1"};

    (void)state;
    assert_int_equal(ask("GET", "/v1/audit", NULL), 200);
    assert_int_equal(json_array_size(at("lines")), 2);
    assert_text("lines.1.event", "b");
    assert_int_equal(ask("GET", "/v1/audit?last=1", NULL), 200);
    assert_number("lines.0.seq", 2);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(ask("GET", bad[i], NULL), 400);
    }
    assert_int_equal(ask("POST", "/v1/audit/verify", NULL), 200);
    assert_number("lines", 2);
    fake_audit_broken = true;
    assert_true(ask("POST", "/v1/audit/verify", NULL) >= 400);
    fake_audit_broken = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shown),   TEST(test_what_is_not_on_the_disk),
        TEST(test_revoked), TEST(test_revoking_nonsense),
        TEST(test_audit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
