/* Enrolling and certifying: what reaches enroll/, the steps, the end, leaving early, and no secret left. */
#include "control/support.h"

static const char enrol[] =
    "{\"signer\":\"web\",\"pki_mount\":\"team/"
    "pki\",\"pki_role\":\"agent\",\"common_name\":\"host-1\","
    "\"alt_names\":[\"DNS:a\"],\"ttl_s\":3600,\"key_type\":\"rsa\",\"bits\":2048,"
    "\"allow_extractable\":true,\"one_time_token\":\"s.wrapped\",\"wrapping_path\":\"auth/x\","
    "\"renew\":true}";

static bool has_started(void *arg)
{
    return en.starts == *(unsigned *)arg;
}

static void begin_with(struct client *c, const char *path, const char *body)
{
    unsigned one = 1;

    memset(&en, 0, sizeof en);
    en.login.name = "web";
    client_open(c);
    send_request(c, "POST", path, body);
    pump(has_started, &one);
}

static void test_all_that_is_asked_for_arrives(void **state)
{
    const struct enroll_cert cert = {.subject = (char *)"CN = host-1",
                                     .issuer = (char *)"CN = ca",
                                     .serial = (char *)"01:02",
                                     .pem = (char *)"PEM",
                                     .not_after = {86400}};
    struct client c;

    (void)state;
    begin_with(&c, "/v1/enroll", enrol);
    assert_string_equal(en.server, "web");
    assert_string_equal(en.mount, "team/pki");
    assert_string_equal(en.role, "agent");
    assert_string_equal(en.common_name, "host-1");
    assert_string_equal(en.alt_name, "DNS:a");
    assert_string_equal(en.one_time, "s.wrapped");
    assert_string_equal(en.path, "auth/x");
    assert_int_equal(en.ttl_s, 3600);
    assert_int_equal(en.key_type, SSH_KEY_RSA);
    assert_int_equal(en.key_bits, 2048);
    assert_true(en.allow_extractable && en.renew && !en.certifies);
    en.on_step(en.arg,
               &(struct enroll_step){
                   .name = "token", .state = VAULT_STEP_OK, .text = "unlocked", .took_ms = 3});
    en.on_end(en.arg, NULL, &(struct enroll_outcome){.cert = &cert, .is_new = true});
    client_answer(&c);
    assert_int_equal(c.status, 200);
    line_at(&c, 0);
    assert_text("step", "token");
    assert_text("state", "ok");
    line_at(&c, 1);
    assert_true(json_is_true(at("done")));
    assert_null_at("failed");
    assert_text("certificate.subject", "CN = host-1");
    assert_text("certificate.not_after", "1970-01-02T00:00:00Z");
    assert_int_equal(en.frees, 1);
    client_close(&c);
}

static void test_what_the_signer_says_need_not_be_said(void **state)
{
    struct client c;
    unsigned one = 1;

    (void)state;
    memset(&en, 0, sizeof en);
    en.login = (struct vault_conf){.name = "web", .pki_mount = "machines", .pki_role = "login"};
    client_open(&c);
    send_request(&c, "POST", "/v1/enroll", "{\"signer\":\"web\",\"common_name\":\"host-1\"}");
    pump(has_started, &one);
    assert_string_equal(en.mount, "machines");
    assert_string_equal(en.role, "login");
    assert_int_equal(en.key_type, SSH_KEY_P256);
    assert_string_equal(en.one_time, "");
    en.on_end(
        en.arg, err_new(ERR_INPUT, "one is needed"),
        &(struct enroll_outcome){.failed = "access", .next = "get one", .needs_one_time = true});
    client_answer(&c);
    line_at(&c, 0);
    assert_text("failed", "access");
    assert_text("next", "get one");
    assert_text("error.text", "one is needed");
    assert_true(json_is_true(at("needs_one_time_token")));
    client_close(&c);
}

static void test_a_connector(void **state)
{
    struct client c;
    unsigned one = 1;

    (void)state;
    memset(&en, 0, sizeof en);
    en.login = (struct vault_conf){.name = "acme.main", .pki_role = "login"};
    client_open(&c);
    send_request(&c, "POST", "/v1/enroll",
                 "{\"signer\":\"org.main\",\"scope\":\"org/acme/project/p\","
                 "\"common_name\":\"a\"}");
    pump(has_started, &one);
    assert_string_equal(en.server, "acme.main");
    en.on_end(en.arg, NULL, &(struct enroll_outcome){.failed = NULL});
    client_answer(&c);
    assert_int_equal(c.status, 200);
    client_close(&c);
    client_open(&c);
    send_request(&c, "POST", "/v1/enroll",
                 "{\"signer\":\"main\",\"scope\":\"account\","
                 "\"common_name\":\"a\"}");
    client_answer(&c);
    assert_int_equal(c.status, 404);
    assert_int_equal(en.starts, 1);
    client_close(&c);
}

static void test_what_cannot_be(void **state)
{
    static const char *const bodies[] = {
        "{\"signer\":\"web\",\"common_name\":\"a\"}", /* no role anywhere */
        "{\"signer\":\"web\",\"common_name\":\"a\",\"pki_role\":\"r\",\"key_type\":\"dsa\"}",
        "{\"signer\":\"web\",\"common_name\":\"a\",\"pki_role\":\"r\",\"bits\":2048}",
        "{\"signer\":\"web\",\"common_name\":\"a\",\"pki_role\":\"r\",\"alt_names\":[1]}",
        "{\"signer\":\"web\",\"pki_role\":\"r\"}",
    };

    (void)state;
    memset(&en, 0, sizeof en);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct client c;

        client_open(&c);
        send_request(&c, "POST", "/v1/enroll", bodies[i]);
        client_answer(&c);
        assert_int_equal(c.status, 400);
        client_close(&c);
    }
    assert_int_equal(en.news, 0);
}

static bool was_freed(void *arg)
{
    (void)arg;
    return en.frees == 1;
}

static void test_the_client_leaves(void **state)
{
    struct client c;

    (void)state;
    begin_with(&c, "/v1/enroll", enrol);
    client_close(&c);
    pump(was_freed, NULL);
}

static void test_a_key_is_certified(void **state)
{
    static const char body[] =
        "{\"signer\":\"web\",\"common_name\":\"a\",\"pki_role\":\"r\",\"ca_pem\":\"PEM\"}";
    struct client c;

    (void)state;
    begin_with(&c, "/v1/keys/web/certify", body);
    assert_true(en.certifies);
    assert_string_equal(en.mount, "pki");
    en.on_end(en.arg, err_new(ERR_CERT, "for another key"),
              &(struct enroll_outcome){.failed = "prove", .next = "mend"});
    client_answer(&c);
    line_at(&c, 0);
    assert_text("failed", "prove");
    assert_null_at("certificate");
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_that_is_asked_for_arrives),
        TEST(test_what_the_signer_says_need_not_be_said),
        TEST(test_a_connector),
        TEST(test_what_cannot_be),
        TEST(test_the_client_leaves),
        TEST(test_a_key_is_certified),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
