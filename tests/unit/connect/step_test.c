/* Names and exit codes that scripts rely on. */
#include "connect/connect.h"
#include "ssh/support.h"

static void names_and_codes(void **state)
{
    static const char *const names[] = {
        "resolve", "tcp", "key-exchange", "host-key", "identity", "authentication", "session"};

    (void)state;
    for (int i = 0; i < CONNECT_STEPS - 1; i++) {
        assert_string_equal(connect_step_name((enum connect_step)(i + 1)), names[i]);
        assert_int_equal(connect_step_exit((enum connect_step)(i + 1)), 11 + i);
    }
}

static void no_step(void **state)
{
    (void)state;
    assert_int_equal(connect_step_exit((enum connect_step)0), 0);
    assert_int_equal(connect_step_exit(CONNECT_STEPS), 0);
    assert_string_equal(connect_step_name((enum connect_step)0), "none");
    assert_string_equal(connect_step_name(CONNECT_STEPS), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_codes),
        cmocka_unit_test(no_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
