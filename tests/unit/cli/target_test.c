/*
 * How a person writes a host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/target.h"

static const char *or_none(const char *text)
{
    return text != NULL ? text : "(none)";
}

static void test_right(void **state)
{
    static const struct {
        const char *text, *user, *infrastructure, *host;
        unsigned port;
    } right[] = {
        {"a.example", NULL, NULL, "a.example", 0},
        {"a.example:22", NULL, NULL, "a.example", 22},
        {"deploy@a:65535", "deploy", NULL, "a", 65535},
        {"a@b@c", "a@b", NULL, "c", 0},
        {"[::1]", NULL, NULL, "::1", 0},
        {"u@[fe80::1]:2222", "u", NULL, "fe80::1", 2222},
        {"::1", NULL, NULL, "::1", 0},
        {"web/db1", NULL, "web", "db1", 0},
        {"root@account.web/db1.example", "root", "account.web", "db1.example", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        AUTO(target_deinit) struct target t = {0};
        AUTO(err_free) struct err *e = target_parse(right[i].text, &t);

        assert_null(e);
        assert_string_equal(or_none(t.user), or_none(right[i].user));
        assert_string_equal(or_none(t.infrastructure), or_none(right[i].infrastructure));
        assert_string_equal(t.host, right[i].host);
        assert_int_equal(t.port, right[i].port);
    }
}

static void test_wrong(void **state)
{
    static const char *const wrong[] = {
        "",     "@a", "u@",     ":22", "a:",   "a:0",   "a:65536", "a:22x",       "a:-1",
        "[::1", "[]", "[::1]x", "/a",  "web/", "a/b/c", "u@/a",    "a:000000022",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct target t = {0};
        AUTO(err_free) struct err *e = target_parse(wrong[i], &t);

        if (!err_is(e, ERR_INPUT)) {
            fail_msg("'%s' was taken", wrong[i]);
        }
        assert_null(t.user);
        assert_null(t.host);
        assert_null(t.infrastructure);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
