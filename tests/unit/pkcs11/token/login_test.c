/*
 * Login rules: each PIN leaves once, never for the last try, never to another token, and a device
 * error is not a wrong PIN. Tries are counted by the C_Login calls that the shim saw.
 */
#include "pkcs11/token/fixture.h"

static int start(void **state)
{
    if (fixture_start(state) != 0) {
        return -1;
    }
    fixture_open(*state, &fixture_profile);
    trace_clear(*state);
    return 0;
}

static void test_login_twice(void **state)
{
    struct fixture *x = *state;

    assert_ok(login_with(x->token, SOFTHSM_PIN));
    assert_false(token_needs_login(x->token));
    assert_ok(login_with(x->token, SOFTHSM_PIN)); /* CKR_USER_ALREADY_LOGGED_IN */
    assert_int_equal(traced(x, "C_Login"), 2);
}

static void test_wrong_pin_once(void **state)
{
    struct fixture *x = *state;
    struct token_info now;

    assert_err(login_with(x->token, "99999999"), ERR_PIN, "CKR_PIN_INCORRECT");
    assert_int_equal(traced(x, "C_Login"), 1);
    assert_true(token_needs_login(x->token));
    assert_ok(token_refresh(x->token, &now));
    assert_true(now.flags & CKF_USER_PIN_COUNT_LOW); /* that is how SoftHSM shows one failure */
    assert_ok(login_with(x->token, SOFTHSM_PIN));
    assert_ok(token_refresh(x->token, &now));
    assert_false(now.flags & CKF_USER_PIN_COUNT_LOW);
}

static void test_counter_in_text(void **state)
{
    struct fixture *x = *state;

    assert_err(login_with(x->token, "99999999"), ERR_PIN,
               "PIN counter before: no warning; after: count low");
    assert_err(login_with(x->token, "99999999"), ERR_PIN,
               "PIN counter before: count low; after: count low");
}

static void test_pin_is_not_in_text(void **state)
{
    struct fixture *x = *state;
    AUTO(err_free) struct err *e = login_with(x->token, "99999999");

    assert_non_null(e);
    assert_null(strstr(err_text(e), "9999"));
}

static void test_last_try(void **state)
{
    struct fixture *x = *state;
    AUTO(secret_free) struct secret *pin = NULL;

    assert_ok(secret_new(view_cstr(SOFTHSM_PIN), &pin));
    plan(x, "C_GetTokenInfo:*:flags|=FINAL_TRY");
    assert_err(token_login(x->token, pin, TOKEN_LOGIN_KEEP_LAST_TRY), ERR_PIN, "one try is left");
    assert_int_equal(traced(x, "C_Login"), 0);
    assert_ok(token_login(x->token, pin, TOKEN_LOGIN_USE_LAST_TRY));
    assert_int_equal(traced(x, "C_Login"), 1);
}

static void test_locked(void **state)
{
    struct fixture *x = *state;

    plan(x, "C_GetTokenInfo:*:flags|=LOCKED");
    assert_err(login_with(x->token, SOFTHSM_PIN), ERR_PIN_LOCKED, "not tried");
    assert_int_equal(traced(x, "C_Login"), 0);
    plan(x, "C_Login:*:CKR_PIN_LOCKED");
    assert_err(login_with(x->token, SOFTHSM_PIN), ERR_PIN_LOCKED, "CKR_PIN_LOCKED");
}

/* The try that locks the PIN says so at once. */
static void test_locks_now(void **state)
{
    struct fixture *x = *state;

    plan(x, "C_Login:1:CKR_PIN_INCORRECT,C_GetTokenInfo:2+:flags|=LOCKED");
    assert_err(login_with(x->token, SOFTHSM_PIN), ERR_PIN_LOCKED, "last try");
    assert_int_equal(traced(x, "C_Login"), 1);
}

static void test_another_serial(void **state)
{
    struct fixture *x = *state;

    plan(x, "C_GetTokenInfo:*:serial=0000");
    assert_err(login_with(x->token, SOFTHSM_PIN), ERR_GONE, "PIN not tried");
    assert_int_equal(traced(x, "C_Login"), 0);
}

static void test_device_error(void **state)
{
    struct fixture *x = *state;

    plan(x, "C_Login:*:CKR_DEVICE_ERROR");
    assert_err(login_with(x->token, SOFTHSM_PIN), ERR_GONE, "CKR_DEVICE_ERROR");
    plan(x, "C_Login:*:CKR_GENERAL_ERROR");
    assert_err(login_with(x->token, SOFTHSM_PIN), ERR_REMOTE, "CKR_GENERAL_ERROR");
    assert_int_equal(traced(x, "C_Login"), 2); /* once each */
}

/* SoftHSM's answers while another process rewrites the token: no PIN was compared. */
static void test_retry_without_a_try(void **state)
{
    struct fixture *x = *state;

    plan(x, "C_Login:1:CKR_USER_PIN_NOT_INITIALIZED,C_GetTokenInfo:1:CKR_TOKEN_NOT_RECOGNIZED");
    assert_ok(login_with(x->token, SOFTHSM_PIN));
    assert_int_equal(traced(x, "C_Login"), 2);
    trace_clear(x);
    plan(x, "C_Login:*:CKR_USER_PIN_NOT_INITIALIZED");
    assert_err(login_with(x->token, SOFTHSM_PIN), ERR_PIN, "CKR_USER_PIN_NOT_INITIALIZED");
    assert_int_equal(traced(x, "C_Login"), 6);
}

static void test_no_pin(void **state)
{
    struct fixture *x = *state;

    assert_err(token_login(x->token, NULL, TOKEN_LOGIN_KEEP_LAST_TRY), ERR_PIN, "keypad");
    assert_int_equal(traced(x, "C_Login"), 0);
}

/* The anchor session died with the login: both come back. */
static void test_dead_anchor(void **state)
{
    struct fixture *x = *state;

    assert_ok(login_with(x->token, SOFTHSM_PIN));
    assert_int_equal(x->f->C_CloseAllSessions(x->info.slot_id), CKR_OK);
    assert_ok(login_with(x->token, SOFTHSM_PIN));
    assert_false(token_needs_login(x->token));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_login_twice, start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_wrong_pin_once, start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_counter_in_text, start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_pin_is_not_in_text, start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_last_try, start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_locked, start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_locks_now, start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_another_serial, start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_device_error, start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_retry_without_a_try, start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_no_pin, start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_dead_anchor, start, fixture_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
