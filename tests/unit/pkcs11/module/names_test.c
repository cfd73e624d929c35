/*
 * Names of return values and mechanisms, and what a return value means to a caller.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <p11-kit/pkcs11.h>

#include "pkcs11/module/module.h"

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(ckr_name(CKR_PIN_INCORRECT), "CKR_PIN_INCORRECT");
    assert_string_equal(ckr_name(CKR_OK), "CKR_OK");
    assert_string_equal(ckr_name(CKR_VENDOR_DEFINED | 5), "CKR_VENDOR_DEFINED");
    assert_string_equal(ckr_name(0x7ffffff), "CKR_?");
    assert_string_equal(ckm_name(CKM_EDDSA), "CKM_EDDSA");
    assert_null(ckm_name(0x7ffffff));
}

static void test_mechanisms_by_name(void **state)
{
    (void)state;
    unsigned long m = 0;

    assert_true(ckm_find("CKM_ECDSA", &m));
    assert_int_equal(m, CKM_ECDSA);
    assert_false(ckm_find("ECDSA", &m));
    assert_false(ckm_find("CKM_", &m));
}

static void means(unsigned long rv, enum err_code code)
{
    AUTO(err_free) struct err *e = ckr_err(rv, "call %d", 7);

    assert_int_equal(err_code(e), code);
    assert_int_equal(err_native_code(e), rv);
    assert_int_equal(err_domain(e), ERR_DOMAIN_PKCS11);
    assert_string_equal(err_native_name(e), ckr_name(rv));
    assert_non_null(strstr(err_text(e), "call 7"));
}

static void test_meaning(void **state)
{
    (void)state;
    means(CKR_PIN_INCORRECT, ERR_PIN);
    means(CKR_USER_NOT_LOGGED_IN, ERR_PIN);
    means(CKR_PIN_LOCKED, ERR_PIN_LOCKED);
    means(CKR_DEVICE_REMOVED, ERR_GONE);
    means(CKR_TOKEN_NOT_PRESENT, ERR_GONE);
    means(CKR_SESSION_HANDLE_INVALID, ERR_GONE);
    means(CKR_DEVICE_ERROR, ERR_GONE); /* and never a wrong PIN */
    means(CKR_MECHANISM_INVALID, ERR_UNSUPPORTED);
    means(CKR_GENERAL_ERROR, ERR_REMOTE);
    means(CKR_VENDOR_DEFINED | 1, ERR_REMOTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_mechanisms_by_name),
        cmocka_unit_test(test_meaning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
