/* What a list of extensions in the configuration comes to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/parts.h"

static struct ssh_cert_option *list;
static bool role_may_choose;

static int tear_down(void **state)
{
    (void)state;
    ssh_cert_options_free(&list);
    return 0;
}

static void ask(char **from, unsigned n, enum ssh_cert_kind kind)
{
    ssh_cert_options_free(&list);
    role_may_choose = true;
    assert_null(parts_extensions(from, n, kind, &list, &role_may_choose));
}

static void nothing_said_is_the_least(void **state)
{
    (void)state;
    ask(NULL, 0, SSH_CERT_USER);
    assert_true(role_may_choose);
    assert_int_equal(ssh_cert_options_len(list), 1);
    assert_string_equal(list[0].name, "permit-pty");
    assert_string_equal(list[0].value, "");
    ask(NULL, 0, SSH_CERT_HOST);
    assert_false(role_may_choose);
    assert_null(list);
}

static void the_role_may_be_left_to_choose(void **state)
{
    char *from[] = {(char *)"role", NULL};

    (void)state;
    ask(from, 1, SSH_CERT_USER);
    assert_false(role_may_choose);
    assert_null(list);
    ask(from, 1, SSH_CERT_HOST);
    assert_null(list);
}

static void all_else_is_exact(void **state)
{
    char *from[] = {(char *)"permit-pty", (char *)"x@example.org=a=b", NULL};

    (void)state;
    ask(from, 2, SSH_CERT_USER);
    assert_false(role_may_choose);
    assert_int_equal(ssh_cert_options_len(list), 2);
    assert_string_equal(list[1].name, "x@example.org");
    assert_string_equal(list[1].value, "a=b");
    ask(from, 0, SSH_CERT_USER); /* none: not the same as nothing said */
    assert_false(role_may_choose);
    assert_non_null(list);
    assert_null(list[0].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_said_is_the_least, tear_down),
        cmocka_unit_test_teardown(the_role_may_be_left_to_choose, tear_down),
        cmocka_unit_test_teardown(all_else_is_exact, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
