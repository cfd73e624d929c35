/*
 * Scheme names: each is found again, and nothing else is.
 */
#include "base/support.h"

static void test_each_name_is_found(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SCHEME_COUNT; i++) {
        enum scheme found = i == 0 ? SCHEME_PS512 : SCHEME_ES256;

        assert_true(scheme_find(scheme_name((enum scheme)i), &found));
        assert_int_equal(found, i);
    }
    /* Spec: RFC 7518, 3.1; RFC 8037, 3.1 */
    assert_string_equal(scheme_name(SCHEME_ES512), "ES512");
    assert_string_equal(scheme_name(SCHEME_EDDSA), "EdDSA");
    assert_string_equal(scheme_name(SCHEME_PS256), "PS256");
}

static void test_other_names_are_not(void **state)
{
    static const char *const bad[] = {NULL,    "",       "none", "HS256",
                                      "es256", "ES256 ", "ES25", "EDDSA"};
    enum scheme found = SCHEME_RS512;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(scheme_find(bad[i], &found));
        assert_int_equal(found, SCHEME_RS512);
    }
    assert_null(scheme_name((enum scheme)SCHEME_COUNT));
    assert_null(scheme_name((enum scheme) - 1));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_name_is_found),
        cmocka_unit_test(test_other_names_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
