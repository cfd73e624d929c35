/*
 * JWTs: the scheme that signs, no header that changes how the rest is read, the claims of the
 * configuration and no others, a short life.
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
        {"{\"iss\":\"a\",\"exp\":2}", "no time"},
        {"{\"iss\":\"a\",\"iat\":1}", "no time"},
        {"{\"iss\":\"a\",\"iat\":1,\"exp\":1.5}", "no time"},
        {"{\"iss\":\"a\",\"iat\":2,\"exp\":2}", "no time"},
        {"{\"iss\":\"a\",\"iat\":-1,\"exp\":2}", "no time"},
        {"{\"iss\":\"a\",\"iat\":1,\"exp\":602}", "no time"},
        {"{\"iss\":\"a\",\"iat\":1,\"exp\":9223372036854775807}", "no time"},
    };

    (void)state;
    claims = (struct policy_claims){.issuer = "a"};
    put_jwt(plain_header, "{\"iss\":\"a\",\"iat\":1,\"exp\":601}");
    allowed(&jwt, SCHEME_ES256, POLICY_STATEMENT_JWT);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        put_jwt(plain_header, wrong[i].payload);
        denied(&jwt, SCHEME_ES256, wrong[i].why);
    }
}

/* --- claims ------------------------------------------------------------------------------------- */

/* A payload with these members beside a time. */
static void put_claims(const char *members)
{
    AUTO(auto_free) char *payload = text_fmt("{%s,\"iat\":1,\"exp\":2}", members);

    put_jwt(plain_header, payload);
}

static const struct claim {
    const char *name, *value, *others, *why;
} claim[] = {{"iss", "holdfast", "\"sub\":\"host1\",\"aud\":\"vault\"", "who speaks"},
             {"sub", "host1", "\"iss\":\"holdfast\",\"aud\":\"vault\"", "another subject"},
             {"aud", "vault", "\"iss\":\"holdfast\",\"sub\":\"host1\"", "another audience"}};

/* The others, and this one with a value between these texts. */
static void denied_with(const struct claim *c, const char *before, const char *value,
                        const char *after, const char *why)
{
    AUTO(auto_free) char *members =
        text_fmt("%s,\"%s\":%s%s%s", c->others, c->name, before, value, after);

    put_claims(members);
    denied(&jwt, SCHEME_ES256, why);
}

static void test_each_claim_is_the_configured_one(void **state)
{
    static const char *const around[][2] = {
        {"\"", "x\""},  {"\"x", "\""},    {"\" ", "\""},        {"\"", "\\n\""},
        {"[\"", "\"]"}, {"{\"", "\":1}"}, {"[\"", "\",\"x\"]"},
    };
    static const char *const instead[] = {"\"\"", "1", "1.0", "null", "true", "[]", "{}"};

    (void)state;
    for (const struct claim *c = claim; c < claim + ARRAY_LEN(claim); c++) {
        put_claims(c->others);
        denied(&jwt, SCHEME_ES256, c->why);
        for (size_t i = 0; i < ARRAY_LEN(around); i++) {
            denied_with(c, around[i][0], c->value, around[i][1], c->why);
        }
        for (size_t i = 0; i < ARRAY_LEN(instead); i++) {
            denied_with(c, instead[i], "", "", c->why);
        }
        denied_with(c, "\"", c->value, "\\u0000\"", "body of a JWT");
    }
}

static void test_each_claim_comes_once(void **state)
{
    (void)state;
    for (const struct claim *c = claim; c < claim + ARRAY_LEN(claim); c++) {
        AUTO(auto_free) char *again = text_fmt("\",\"%s\":\"%s\"", c->name, c->value);
        AUTO(auto_free) char *shouted = /* as some readers of JSON take it */
            text_fmt("\",\"%c%s\":\"other\"", c->name[0] - 'a' + 'A', c->name + 1);

        denied_with(c, "\"", c->value, again, "body of a JWT");
        denied_with(c, "\"", c->value, shouted, "claims what no login of ours needs");
    }
}

static void test_a_claim_that_is_not_configured(void **state)
{
    (void)state;
    claims.audience = NULL;
    denied(&jwt, SCHEME_ES256, "another audience");
    put_claims("\"iss\":\"holdfast\",\"sub\":\"host1\",\"aud\":null");
    denied(&jwt, SCHEME_ES256, "another audience");
    put_claims("\"iss\":\"holdfast\",\"sub\":\"host1\"");
    allowed(&jwt, SCHEME_ES256, POLICY_STATEMENT_JWT);
}

/* Vault's roles may ask for any claim (bound_claims), and take groups from one (groups_claim). */
static void test_no_other_claims(void **state)
{
    static const char plain[] = "\"iss\":\"holdfast\",\"sub\":\"host1\",\"aud\":\"vault\"";
    static const char *const wrong[] = {"\"groups\":[\"admin\"]", "\"role\":\"admin\"", "\"jti\":1",
                                        "\"nbf\":\"1\"", "\"azp\":\"vault\""};
    AUTO(auto_free) char *full = text_fmt("%s,\"jti\":\"7\",\"nbf\":1", plain);

    (void)state;
    put_claims(full);
    allowed(&jwt, SCHEME_ES256, POLICY_STATEMENT_JWT);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        AUTO(auto_free) char *members = text_fmt("%s,%s", plain, wrong[i]);

        put_claims(members);
        denied(&jwt, SCHEME_ES256, "claims what no login of ours needs");
    }
}

static void test_no_jwt_where_none_is_needed(void **state)
{
    enum policy_statement kind;
    const char *why = NULL;

    (void)state;
    assert_int_equal(
        policy_statement(buf_view(&jwt), SCHEME_ES256, buf_view(&spki), NULL, &kind, &why),
        POLICY_DENY);
    assert_string_equal(why, "this login needs no JWT");
}

/* --- time --------------------------------------------------------------------------------------- */

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
    claims = (struct policy_claims){.issuer = "a"};
    assert_at(now, NULL);
    assert_at(now + POLICY_JWT_AHEAD_MAX_S - 60, NULL); /* Vault's clock may be ahead of ours */
    assert_at(now - 365 * 24 * 3600, NULL);             /* it has ended: no use to anybody */
    assert_at(now + POLICY_JWT_AHEAD_MAX_S + 60, "time that is far ahead");
}

static void test_jwt_damaged(void **state)
{
    (void)state;
    whole_only(&jwt);
    assert_true(flip_all(&jwt, 0, jwt.len) > 0); /* other times */
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
        CASE(test_jwt),
        CASE(test_jwt_headers),
        CASE(test_jwt_payloads),
        CASE(test_each_claim_is_the_configured_one),
        CASE(test_each_claim_comes_once),
        CASE(test_a_claim_that_is_not_configured),
        CASE(test_no_other_claims),
        CASE(test_no_jwt_where_none_is_needed),
        CASE(test_jwt_of_another_time),
        CASE(test_jwt_damaged),
    };

    return cmocka_run_group_tests_name("policy/statement_jwt", tests, NULL, NULL);
}
