/* What is seen from where: the whole table, and tags. */
#include "policy/policy.h"

#include "identity/fixture.h"

static void scopes_have_three_forms(void **state)
{
    static const char *const good[] = {"account", "org/a", "org/acme_2", "org/a/project/b",
                                       "org/project/project/project"};
    static const char *const bad[] = {"",
                                      "accounts",
                                      "Account",
                                      "org",
                                      "org/",
                                      "org/A",
                                      "org/a/",
                                      "org/a/project",
                                      "org/a-b",
                                      "org/a/project/",
                                      "org/a/project/b/",
                                      "org/a/b/c",
                                      "/org/a",
                                      "org/a/project/b/project/c"};
    char longest[4 + 129 + 1] = "org/";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(policy_scope_ok(good[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(policy_scope_ok(bad[i]));
    }
    memset(longest + 4, 'a', 128);
    assert_true(policy_scope_ok(longest));
    longest[4 + 128] = 'a';
    assert_false(policy_scope_ok(longest));
}

static void only_upwards(void **state)
{
    static const char *const scopes[] = {
        "", "account", "org/a", "org/a/project/x", "org/a/project/y", "org/ab"};
    static const bool reaches[6][6] = {
        /* from       to: ""     account org/a  x      y      ab */
        /* "" */ {true, true, false, false, false, false},
        /* account */ {false, true, false, false, false, false},
        /* org/a */ {false, true, true, false, false, false},
        /* x */ {false, true, true, true, false, false},
        /* y */ {false, true, true, false, true, false},
        /* org/ab */ {false, true, false, false, false, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        for (size_t k = 0; k < ARRAY_LEN(scopes); k++) {
            if (policy_scope_reaches(scopes[i], scopes[k]) != reaches[i][k]) {
                fail_msg("from '%s' to '%s'", scopes[i], scopes[k]);
            }
        }
    }
}

static void every_tag_is_needed(void **state)
{
    char *tags[] = {(char *)"prod", (char *)"web", NULL};
    char *wanted[] = {(char *)"prod", NULL, NULL};
    const struct policy_view all = {0}, some = {.tags = wanted};
    struct fixture f;

    (void)state;
    fixture_init(&f);
    f.conf[0].tags = tags;
    f.conf[0].scope = "org/acme";
    fixture_start(&f);
    const struct identity *i = identity_at(f.set, 0);

    assert_true(policy_shows(NULL, i));
    assert_true(policy_shows(&all, i));
    assert_true(policy_shows(&some, i));
    wanted[1] = (char *)"web";
    assert_true(policy_shows(&some, i));
    wanted[1] = (char *)"we";
    assert_false(policy_shows(&some, i));
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scopes_have_three_forms),
        cmocka_unit_test(only_upwards),
        cmocka_unit_test(every_tag_is_needed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
