/*
 * Loading, listing and opening: what is there, what happens when it is another token, how many
 * workers it can take, and that the module can be loaded anew in one process.
 */
#include "pkcs11/token/fixture.h"

static void test_list(void **state)
{
    struct fixture *x = *state;
    struct token_library_info info;
    struct token_info tokens[4];
    size_t n = 0;

    token_module_info(x->module, &info);
    assert_string_equal(info.manufacturer, "SoftHSM");
    assert_int_equal(info.cryptoki_major, 2);
    assert_ok(token_list(x->module, tokens, ARRAY_LEN(tokens), &n));
    assert_int_equal(n, 1); /* SoftHSM's free slot holds no initialised token */
    assert_string_equal(tokens[0].label, "demo");
    assert_string_equal(tokens[0].manufacturer, "SoftHSM project");
    assert_string_equal(tokens[0].model, "SoftHSM v2");
    assert_int_equal(strlen(tokens[0].serial), 16);
    assert_true(tokens[0].flags & CKF_LOGIN_REQUIRED);
    assert_ok(token_list(x->module, tokens, 0, &n));
    assert_int_equal(n, 0);
}

static void test_load_again(void **state)
{
    struct fixture *x = *state;
    struct token_info tokens[4];
    size_t n = 0;

    for (int i = 0; i < 3; i++) {
        token_module_unload(&x->module);
        fixture_load_module(x);
    }
    token_module_unload(&x->module);
    assert_int_equal(softhsm_add("second"), 0);
    fixture_load_module(x);
    assert_ok(token_list(x->module, tokens, ARRAY_LEN(tokens), &n));
    assert_int_equal(n, 2);
}

static void test_load_fails(void **state)
{
    struct fixture *x = *state;

    token_module_unload(&x->module);
    plan(x, "C_Initialize:*:CKR_CANT_LOCK");
    assert_err(token_module_load(softhsm_shim_path(), &fixture_load, &x->module), ERR_REMOTE,
               "CKR_CANT_LOCK");
    assert_null(x->module);
    plan(x, "");
    assert_err(token_module_load("/nonexistent.so", &fixture_load, &x->module), ERR_NOT_FOUND,
               "/nonexistent.so");
    fixture_load_module(x);
}

static void test_open(void **state)
{
    struct fixture *x = *state;
    struct token_info now;

    fixture_open(x, &fixture_profile);
    assert_true(token_needs_login(x->token));
    assert_int_equal(token_workers_max(x->token),
                     8); /* the module's threads, as SoftHSM has no limit */
    assert_ok(token_refresh(x->token, &now));
    assert_string_equal(now.serial, x->info.serial);
}

static void test_another_token(void **state)
{
    struct fixture *x = *state;
    struct token_info now;
    size_t n = 0;

    assert_ok(token_list(x->module, &x->info, 1, &n));
    plan(x, "C_GetTokenInfo:*:serial=0000");
    assert_err(token_open(x->module, &x->info, &fixture_profile, &x->token), ERR_GONE, "0000");
    plan(x, "");
    fixture_open(x, &fixture_profile);
    plan(x, "C_GetTokenInfo:*:serial=0000");
    assert_err(token_refresh(x->token, &now), ERR_GONE, "0000");
    plan(x, "C_GetTokenInfo:*:CKR_TOKEN_NOT_PRESENT");
    assert_err(token_refresh(x->token, &now), ERR_GONE, "CKR_TOKEN_NOT_PRESENT");
}

static void test_removed_while_listing(void **state)
{
    struct fixture *x = *state;
    size_t n = 1;

    plan(x, "C_GetTokenInfo:*:CKR_TOKEN_NOT_PRESENT");
    assert_ok(token_list(x->module, &x->info, 1, &n));
    assert_int_equal(n, 0);
    plan(x, "C_GetSlotList:*:CKR_DEVICE_ERROR");
    assert_err(token_list(x->module, &x->info, 1, &n), ERR_GONE, "C_GetSlotList");
}

static unsigned workers_with(struct fixture *x, const char *shim, unsigned profile_max)
{
    struct profile_token profile = fixture_profile;

    profile.sessions_max = profile_max;
    plan(x, shim);
    fixture_open(x, &profile);
    unsigned n = token_workers_max(x->token);

    token_close(&x->token);
    return n;
}

static void test_workers(void **state)
{
    struct fixture *x = *state;

    assert_int_equal(workers_with(x, "", 0), 8);
    assert_int_equal(workers_with(x, "", 5), 2); /* three sessions do not sign */
    assert_int_equal(workers_with(x, "", 3), 1);
    assert_int_equal(workers_with(x, "C_GetTokenInfo:*:sessions=6", 0), 3);
    assert_int_equal(workers_with(x, "C_GetTokenInfo:*:sessions=6", 100), 3);
    assert_int_equal(workers_with(x, "C_GetTokenInfo:*:sessions=1", 0), 1);
}

static bool needs_login_with(struct fixture *x, enum profile_login login, const char *shim)
{
    struct profile_token profile = fixture_profile;

    profile.login = login;
    plan(x, shim);
    fixture_open(x, &profile);
    bool needs = token_needs_login(x->token);

    token_close(&x->token);
    return needs;
}

static void test_login_wanted(void **state)
{
    struct fixture *x = *state;
    const char *none = "C_GetTokenInfo:*:flags&=LOGIN_REQUIRED";

    assert_true(needs_login_with(x, PROFILE_LOGIN_AUTO, ""));
    assert_false(needs_login_with(x, PROFILE_LOGIN_AUTO, none));
    assert_true(needs_login_with(x, PROFILE_LOGIN_ALWAYS, none));
    assert_false(needs_login_with(x, PROFILE_LOGIN_NEVER, ""));
}

static void test_no_session(void **state)
{
    struct fixture *x = *state;
    size_t n = 0;

    assert_ok(token_list(x->module, &x->info, 1, &n));
    plan(x, "C_OpenSession:*:CKR_SESSION_COUNT");
    assert_err(token_open(x->module, &x->info, &fixture_profile, &x->token), ERR_LIMIT,
               "CKR_SESSION_COUNT");
    assert_null(x->token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_list, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_load_again, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_load_fails, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_open, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_another_token, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_removed_while_listing, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_workers, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_login_wanted, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_no_session, fixture_start, fixture_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
