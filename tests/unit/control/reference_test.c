/* What a reference names, from where it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/reference.h"

static void names(const char *scope, const char *text, const char *at, const char *id)
{
    AUTO(auto_free) char *got_scope = NULL;
    AUTO(auto_free) char *got_id = NULL;
    AUTO(err_free) struct err *e = control_reference(scope, text, &got_scope, &got_id);

    assert_null(e);
    assert_string_equal(got_scope, at);
    assert_string_equal(got_id, id);
}

static void test_up_and_never_else(void **state)
{
    static const char web[] = "org/acme/project/web";

    (void)state;
    names(web, "key", web, "key");
    names(web, "org.key", "org/acme", "key");
    names(web, "account.key", "account", "key");
    names("org/acme", "key", "org/acme", "key");
    names("org/acme", "org.key", "org/acme", "key");
    names("account", "key", "account", "key");
    names("account", "account.key", "account", "key");
}

static void test_no_reference(void **state)
{
    static const char *const texts[] = {"project.key", ".key", "or.key", "orgs.key", "\x01.x"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char *scope = NULL, *id = NULL;
        AUTO(err_free) struct err *e = control_reference("org/acme", texts[i], &scope, &id);

        assert_true(err_is(e, ERR_INPUT));
        assert_null(scope);
    }
    char *scope = NULL, *id = NULL;
    AUTO(err_free) struct err *e = control_reference("account", "org.key", &scope, &id);

    assert_true(err_is(e, ERR_INPUT)); /* there is no organization above the account */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up_and_never_else),
        cmocka_unit_test(test_no_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
