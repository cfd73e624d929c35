/* Identities and their certificates as JSON, and "renew now". */
#include "control/support.h"

static struct wall now = {4102444800 - 90}; /* 90 s before the sample certificate ends */

static struct wall fixed_now(void)
{
    return now;
}

static void test_held(void **state)
{
    (void)state;
    clock_set_for_test(NULL, fixed_now);
    assert_int_equal(ask("GET", "/v1/identities", NULL), 200);
    assert_int_equal(json_array_size(at("identities")), 1);
    assert_int_equal(ask("GET", "/v1/identities/web", NULL), 200);
    clock_set_for_test(NULL, NULL);
    assert_text("name", "web");
    assert_text("offer", "certificate");
    assert_text("key_uri", "pkcs11:token=demo;object=web");
    assert_text("fingerprint", FINGERPRINT_WEB);
    assert_null_at("problem");
    assert_text("certificates.0.signer", "corp");
    assert_text("certificates.0.kind", "user");
    assert_text("certificates.0.mount", "ssh");
    assert_text("certificates.0.role", "deploy");
    assert_text("certificates.0.state", "active");
    assert_text("certificates.0.type", "ecdsa-sha2-nistp256-cert-v01@openssh.com");
    assert_text("certificates.0.serial", "18446744073709551615");
    assert_text("certificates.0.key_id", "web-id");
    assert_text("certificates.0.principals.1", "root");
    assert_text("certificates.0.ca", FINGERPRINT_CA);
    assert_text("certificates.0.critical_options.force-command", "id");
    assert_text("certificates.0.extensions.permit-pty", "");
    assert_text("certificates.0.valid_after", "2020-01-01T00:00:00Z");
    assert_text("certificates.0.valid_before", "2100-01-01T00:00:00Z");
    assert_number("certificates.0.seconds_left", 90);
    assert_text("certificates.0.renew_at", "2033-05-18T03:33:20Z");
    assert_null_at("certificates.0.error");
    const char *line = json_string_value(at("certificates.0.line"));

    assert_int_equal(strncmp(line, line_cert, strlen(line_cert)), 0);
}

static void test_without_an_end(void **state)
{
    struct identity_cert *c = &fake.identity[0].cert[0];

    (void)state;
    ssh_cert_free(&c->current);
    c->current = fake_cert(line_forever);
    assert_int_equal(ask("GET", "/v1/identities/web", NULL), 200);
    assert_null_at("certificates.0.valid_before");
    assert_null_at("certificates.0.seconds_left");
    assert_text("certificates.0.serial", "0");
}

static void test_wanted(void **state)
{
    struct identity *i = &fake.identity[0];

    (void)state;
    ssh_cert_free(&i->cert[0].current);
    ssh_key_free(&i->public);
    i->key = NULL;
    i->cert[0].state = IDENTITY_CERT_WANTED;
    i->cert[0].error = err_new(ERR_DENIED, "role says no");
    i->problem = err_new(ERR_PIN, "locked");
    i->warning = err_new(ERR_STORE, "cache");
    assert_int_equal(ask("GET", "/v1/identities/web", NULL), 200);
    assert_null_at("fingerprint");
    assert_null_at("public");
    assert_text("problem.code", "pin");
    assert_text("warnings.0", "cache");
    assert_text("certificates.0.state", "wanted");
    assert_text("certificates.0.principals.0", "deploy");
    assert_null_at("certificates.0.type");
    assert_null_at("certificates.0.line");
    assert_null_at("certificates.0.renew_at");
    assert_text("certificates.0.error.text", "role says no");
}

static void test_unknown(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/v1/identities/none", NULL), 404);
    assert_problem("not-found", "no identity none");
    assert_int_equal(ask("POST", "/v1/identities/none/renew", NULL), 404);
    assert_int_equal(fake.calls, 0);
}

static void assert_text_of_standby(bool is_there)
{
    assert_int_equal(ask("GET", "/v1/identities/web", NULL), 200);
    assert_text("renewal", "eager");
    assert_int_equal(json_is_true(at("certificates.0.of_standby")), is_there);
    if (is_there) {
        assert_text("certificates.0.standby", fake_signers[1].name);
    } else {
        assert_null_at("certificates.0.standby");
    }
}

static void test_renew(void **state)
{
    (void)state;
    fake.at_once = true;
    assert_int_equal(ask("POST", "/v1/identities/web/renew", NULL), 200);
    assert_int_equal(fake.calls, 1);
    assert_text("name", "web");
}

static void test_renew_of_the_standby(void **state)
{
    (void)state;
    fake.at_once = true;
    assert_text_of_standby(false);
    assert_int_equal(ask("POST", "/v1/identities/web/renew?standby=true", NULL), 200);
    assert_true(fake.renewed_of_standby);
    assert_int_equal(ask("POST", "/v1/identities/web/renew?standby=perhaps", NULL), 400);
    fake.identity[0].cert[0].want.standby.signer = &fake_signers[1];
    assert_text_of_standby(true);
}

static void test_renew_all(void **state)
{
    (void)state;
    fake.at_once = true;
    assert_int_equal(ask("POST", "/v1/renewals", NULL), 200);
    assert_int_equal(fake.calls, 1);
    assert_number("renewed", 1);
    assert_number("failed", 0);
}

static void test_renew_all_in_vain(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "POST", "/v1/renewals", NULL);
    pump(was_called, &(unsigned){1});
    fake_done(err_new(ERR_GONE, "no Vault"));
    client_answer(&c);
    assert_int_equal(c.status, 200);
    assert_non_null(strstr(c.body, "no Vault"));
    client_close(&c);
}

static void test_renew_in_vain(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "POST", "/v1/identities/web/renew", NULL);
    pump(was_called, &(unsigned){1});
    fake_done(err_native(ERR_REMOTE, ERR_DOMAIN_HTTP, 400, NULL, "vault: no such principal"));
    client_answer(&c);
    assert_int_equal(c.status, 502);
    assert_non_null(strstr(c.body, "no such principal"));
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_held),
        TEST(test_without_an_end),
        TEST(test_wanted),
        TEST(test_unknown),
        TEST(test_renew),
        TEST(test_renew_in_vain),
        TEST(test_renew_of_the_standby),
        TEST(test_renew_all),
        TEST(test_renew_all_in_vain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
