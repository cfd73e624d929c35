/*
 * Resolved profiles over the wire: all of it arrives, and nothing malformed is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pkcs11/profile/profile.h"

static char *environment[] = {"HOME", "X", NULL};
static char *nowhere[] = {NULL};

static const struct profile_load load = {
    .os_locking = true,
    .threads_max = 3,
    .init_string = "a=b",
    .allow_inet = true,
    .finalize = true,
    .environment = environment,
    .write_paths = nowhere,
};

static const struct profile_token token = {
    .sessions_max = 5,
    .login = PROFILE_LOGIN_NEVER,
    .ecdsa_hash = PROFILE_HASH_TOKEN,
    .ed25519 = true,
    .ed25519_params = PROFILE_PARAMS_NAME,
    .ec_point = PROFILE_POINT_RAW,
    .sign_only = true,
    .cka_sensitive_reported = true,
    .sign_timeout_ms = 1000,
    .login_timeout_ms = 2000,
    .generate_timeout_ms = 3600000,
    .mechanisms_off = {0x1057, 0x40},
    .mechanisms_off_n = 2,
};

static void test_load(void **state)
{
    (void)state;
    AUTO(buf_deinit) struct buf b;
    AUTO(profile_load_deinit) struct profile_load got;

    buf_init(&b, 0);
    profile_load_put(&b, &load);
    struct rd r = rd_of(buf_view(&b));

    assert_null(profile_load_get(&r, &got));
    assert_true(rd_at_end(&r));
    assert_true(got.os_locking && got.allow_inet && got.finalize && !got.allow_exec);
    assert_int_equal(got.threads_max, 3);
    assert_string_equal(got.init_string, "a=b");
    assert_string_equal(got.environment[1], "X");
    assert_null(got.environment[2]);
    assert_non_null(got.write_paths);
    assert_null(got.write_paths[0]);
}

static void test_absent(void **state)
{
    (void)state;
    struct profile_load bare = {.threads_max = 1};
    AUTO(buf_deinit) struct buf b;
    AUTO(profile_load_deinit) struct profile_load got;

    buf_init(&b, 0);
    profile_load_put(&b, &bare);
    struct rd r = rd_of(buf_view(&b));

    assert_null(profile_load_get(&r, &got));
    assert_null(got.init_string);
    assert_null(got.environment);
    assert_null(got.write_paths);
}

static void test_token(void **state)
{
    (void)state;
    AUTO(buf_deinit) struct buf b;
    struct profile_token got;

    buf_init(&b, 0);
    profile_token_put(&b, &token);
    struct rd r = rd_of(buf_view(&b));

    assert_null(profile_token_get(&r, &got));
    assert_true(rd_at_end(&r));
    assert_memory_equal(&got, &token, sizeof got);
}

static void test_truncated(void **state)
{
    (void)state;
    AUTO(buf_deinit) struct buf a;
    AUTO(buf_deinit) struct buf b;

    buf_init(&a, 0);
    buf_init(&b, 0);
    profile_load_put(&a, &load);
    profile_token_put(&b, &token);
    for (size_t cut = 0; cut < a.len; cut++) {
        struct rd r = rd_of(view_of(a.data, cut));
        struct profile_load got;
        AUTO(err_free) struct err *e = profile_load_get(&r, &got);

        assert_true(err_is(e, ERR_PROTOCOL));
    }
    for (size_t cut = 0; cut < b.len; cut++) {
        struct rd r = rd_of(view_of(b.data, cut));
        struct profile_token got;
        AUTO(err_free) struct err *e = profile_token_get(&r, &got);

        assert_true(err_is(e, ERR_PROTOCOL));
    }
}

static void test_flipped(void **state)
{
    (void)state;
    AUTO(buf_deinit) struct buf a;
    AUTO(buf_deinit) struct buf b;

    buf_init(&a, 0);
    buf_init(&b, 0);
    profile_load_put(&a, &load);
    profile_token_put(&b, &token);
    for (size_t i = 0; i < 8 * a.len; i++) {
        a.data[i / 8] ^= (uint8_t)(1 << i % 8);
        struct rd r = rd_of(buf_view(&a));
        AUTO(profile_load_deinit) struct profile_load got = {0};
        AUTO(err_free) struct err *e = profile_load_get(&r, &got);

        assert_true(e != NULL || got.threads_max >= 1);
        a.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = 0; i < 8 * b.len; i++) {
        b.data[i / 8] ^= (uint8_t)(1 << i % 8);
        struct rd r = rd_of(buf_view(&b));
        struct profile_token got;
        AUTO(err_free) struct err *e = profile_token_get(&r, &got);

        assert_true(e != NULL ||
                    (got.login <= PROFILE_LOGIN_NEVER && got.ec_point <= PROFILE_POINT_RAW &&
                     got.mechanisms_off_n <= PROFILE_MECHANISMS_MAX && got.sign_timeout_ms > 0));
        b.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),    cmocka_unit_test(test_absent),
        cmocka_unit_test(test_token),   cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_flipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
