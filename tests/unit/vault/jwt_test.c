#include "vault/jwt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* base64url as any decoder wants it again. */
static char *decode(const char *text, size_t len)
{
    AUTO(buf_deinit) struct buf padded;
    AUTO(buf_deinit) struct buf plain;

    buf_init(&padded, 0);
    buf_init(&plain, 0);
    for (size_t i = 0; i < len; i++) {
        buf_put_u8(&padded, (uint8_t)(text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i]));
    }
    while (padded.len % 4 != 0) {
        buf_put_u8(&padded, '=');
    }
    AUTO(err_free) struct err *e = text_unbase64(buf_view(&padded), &plain);

    assert_null(e);
    return view_dup(buf_view(&plain));
}

static const struct vault_jwt whole = {.scheme = SCHEME_EDDSA,
                                       .issuer = "holdfast",
                                       .subject = "host \"a\"",
                                       .audience = "https://v",
                                       .id = "00ff",
                                       .issued = {1000},
                                       .expires = {1060}};

static void header_and_claims_are_as_the_standard_has_them(void **state)
{
    AUTO(buf_deinit) struct buf out;
    struct vault_jwt jwt = whole;

    (void)state;
    buf_init(&out, 0);
    assert_null(vault_jwt_put(&jwt, &out));
    buf_put_u8(&out, 0);
    const char *text = (const char *)out.data, *dot = strchr(text, '.');
    AUTO(auto_free) char *header = decode(text, (size_t)(dot - text));
    AUTO(auto_free) char *claims = decode(dot + 1, strlen(dot + 1));

    assert_string_equal(header, "{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}");
    assert_string_equal(claims, "{\"iss\":\"holdfast\",\"sub\":\"host \\\"a\\\"\",\"aud\":"
                                "\"https://v\",\"jti\":\"00ff\",\"iat\":1000,\"nbf\":1000,"
                                "\"exp\":1060}");
}

static void what_is_not_said_is_left_out(void **state)
{
    AUTO(buf_deinit) struct buf out;
    struct vault_jwt jwt = whole;

    (void)state;
    jwt.subject = jwt.audience = NULL;
    buf_init(&out, 0);
    assert_null(vault_jwt_put(&jwt, &out));
    buf_put_u8(&out, 0);
    const char *dot = strchr((const char *)out.data, '.');
    AUTO(auto_free) char *claims = decode(dot + 1, strlen(dot + 1));

    assert_null(strstr(claims, "sub"));
    assert_null(strstr(claims, "aud"));
    assert_non_null(strstr(claims, "\"exp\":1060"));
}

/* Bytes that base64 would write with each of its own three characters. */
static void the_signature_is_base64url(void **state)
{
    AUTO(buf_deinit) struct buf out;

    (void)state;
    buf_init(&out, 0);
    assert_null(vault_jwt_end(&out, view_of("\xfb\xff\xfe\x01", 4)));
    assert_true(view_is(buf_view(&out), ".-__-AQ"));
}

static void a_claim_that_is_no_text_is_refused(void **state)
{
    AUTO(buf_deinit) struct buf out;
    struct vault_jwt jwt = whole;

    (void)state;
    jwt.subject = "\xff";
    buf_init(&out, 0);
    AUTO(err_free) struct err *e = vault_jwt_put(&jwt, &out);

    assert_true(err_is(e, ERR_INPUT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_and_claims_are_as_the_standard_has_them),
        cmocka_unit_test(what_is_not_said_is_left_out),
        cmocka_unit_test(the_signature_is_base64url),
        cmocka_unit_test(a_claim_that_is_no_text_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
