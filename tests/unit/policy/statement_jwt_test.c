/*
 * JWTs: the scheme that signs, no header that changes how the rest is read, a speaker, a short life.
 */
#include "policy/statement_fixture.h"

/* --- JWT ---------------------------------------------------------------------------------------- */

static void test_jwt(void **state)
{
    (void)state;
    allowed(&jwt, SCHEME_ES256, POLICY_STATEMENT_JWT);
    denied(&jwt, SCHEME_ES384, "another signature scheme");
    for (int s = 0; s < SCHEME_COUNT; s++) {
        AUTO(auto_free) char *header =
            text_fmt("{\"kid\":\"1\",\"alg\":\"%s\"}", scheme_name((enum scheme)s));

        put_jwt(header, plain_payload);
        allowed(&jwt, (enum scheme)s, POLICY_STATEMENT_JWT);
        denied(&jwt, (enum scheme)((s + 1) % SCHEME_COUNT), "another signature scheme");
    }
    put_jwt("{\"alg\":\"none\"}", plain_payload);
    denied(&jwt, SCHEME_ES256, "another signature scheme");
}

static void test_jwt_headers(void **state)
{
    static const char *const wrong[] = {
        "{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}",
        "{\"alg\":\"ES256\",\"crit\":\"b64\"}",
        "{\"alg\":\"ES256\",\"alg\":\"ES256\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JOSE\"}",
        "{\"alg\":\"ES256\",\"kid\":1}",
        "{\"alg\":\"ES256\"} ",
        "{\"alg\":\"ES256\"}{}",
        "{\"alg\":\"ES256\"",
        "{",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        put_jwt(wrong[i], plain_payload);
        denied(&jwt, SCHEME_ES256, "body of a JWT");
    }
    put_jwt("{\"typ\":\"JWT\"}", plain_payload);
    denied(&jwt, SCHEME_ES256, "another signature scheme");
    put_jwt(" {\"alg\":\"ES256\"}", plain_payload);
    denied(&jwt, SCHEME_ES256, "no TLS client's statement");
}

static void test_jwt_payloads(void **state)
{
    static const struct {
        const char *payload, *why;
    } wrong[] = {
        {"", "body of a JWT"},
        {"[]", "body of a JWT"},
        {"{\"iss\":\"a\",\"iss\":\"a\",\"iat\":1,\"exp\":2}", "body of a JWT"},
        {"{\"iat\":1,\"exp\":2}", "who speaks"},
        {"{\"iss\":1,\"iat\":1,\"exp\":2}", "who speaks"},
        {"{\"iss\":\"a\",\"exp\":2}", "no time"},
        {"{\"iss\":\"a\",\"iat\":1}", "no time"},
        {"{\"iss\":\"a\",\"iat\":1,\"exp\":1.5}", "no time"},
        {"{\"iss\":\"a\",\"iat\":2,\"exp\":2}", "no time"},
        {"{\"iss\":\"a\",\"iat\":-1,\"exp\":2}", "no time"},
        {"{\"iss\":\"a\",\"iat\":1,\"exp\":602}", "no time"},
        {"{\"iss\":\"a\",\"iat\":1,\"exp\":9223372036854775807}", "no time"},
    };

    (void)state;
    put_jwt(plain_header, "{\"iss\":\"a\",\"iat\":1,\"exp\":601}");
    allowed(&jwt, SCHEME_ES256, POLICY_STATEMENT_JWT);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        put_jwt(plain_header, wrong[i].payload);
        denied(&jwt, SCHEME_ES256, wrong[i].why);
    }
}

static void assert_at(int64_t issued_s, const char *why)
{
    AUTO(auto_free) char *payload = text_fmt("{\"iss\":\"a\",\"iat\":%lld,\"exp\":%lld}",
                                             (long long)issued_s, (long long)issued_s + 60);

    put_jwt(plain_header, payload);
    if (why == NULL) {
        allowed(&jwt, SCHEME_ES256, POLICY_STATEMENT_JWT);
    } else {
        denied(&jwt, SCHEME_ES256, why);
    }
}

static void test_jwt_of_another_time(void **state)
{
    int64_t now = wall_now().s;

    (void)state;
    assert_at(now, NULL);
    assert_at(now + POLICY_JWT_AHEAD_MAX_S - 60, NULL); /* Vault's clock may be ahead of ours */
    assert_at(now - 365 * 24 * 3600, NULL);             /* it has ended: no use to anybody */
    assert_at(now + POLICY_JWT_AHEAD_MAX_S + 60, "time that is far ahead");
}

static void test_jwt_damaged(void **state)
{
    (void)state;
    whole_only(&jwt);
    assert_true(flip_all(&jwt, 0, jwt.len) > 0); /* other names */
    size_t dot = (size_t)((uint8_t *)memchr(jwt.data, '.', jwt.len) - jwt.data);

    assert_int_equal(flip_all(&jwt, dot, dot + 1), 0);
    buf_put_u8(&jwt, '=');
    denied(&jwt, SCHEME_ES256, "body of a JWT");
    buf_clear(&jwt);
    put_base64url(&jwt, plain_header);
    denied(&jwt, SCHEME_ES256, "body of a JWT");
    buf_put_u8(&jwt, '.');
    denied(&jwt, SCHEME_ES256, "body of a JWT");
    put_jwt(plain_header, plain_payload);
    buf_put_u8(&jwt, '.');
    put_base64url(&jwt, "a signature");
    denied(&jwt, SCHEME_ES256, "body of a JWT");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_jwt),          CASE(test_jwt_headers),
        CASE(test_jwt_payloads), CASE(test_jwt_of_another_time),
        CASE(test_jwt_damaged),
    };

    return cmocka_run_group_tests_name("policy/statement_jwt", tests, NULL, NULL);
}
