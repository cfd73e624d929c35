/* What is remembered of a server: for how long, how much, and of what it never is mixed up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vault/memo.h"

static struct vault_memo *memo;
static int64_t now_ms;

static struct mono clock_now(void)
{
    return (struct mono){now_ms};
}

static int set_up(void **state)
{
    (void)state;
    now_ms = 1000;
    clock_set_for_test(clock_now, NULL);
    assert_null(vault_memo_new(&memo));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vault_memo_free(&memo);
    clock_set_for_test(NULL, NULL);
    return 0;
}

static void put(const char *mount, const char *name, const char *text, int64_t life_ms)
{
    vault_memo_put(memo, VAULT_MEMO_ISSUER_KEY, mount, name, text, life_ms);
}

static void expect(const char *mount, const char *name, const char *text)
{
    AUTO(auto_free) char *is = vault_memo_get(memo, VAULT_MEMO_ISSUER_KEY, mount, name);

    if (text == NULL) {
        assert_null(is);
    } else {
        assert_non_null(is);
        assert_string_equal(is, text);
    }
}

static void each_is_what_was_put(void **state)
{
    (void)state;
    expect("ssh", "a", NULL);
    put("ssh", "a", "one", 1000);
    put("ssh", "b", "", 1000);
    put("ssh2", "a", "two", 1000);
    expect("ssh", "a", "one");
    expect("ssh", "b", "");
    expect("ssh2", "a", "two");
    expect("ssh2", "b", NULL);
    put("ssh", "a", "anew", 1000);
    expect("ssh", "a", "anew");
    assert_null(vault_memo_get(memo, VAULT_MEMO_ROLE_CHOOSES, "ssh", "a"));
}

static void it_ends(void **state)
{
    (void)state;
    put("ssh", "a", "one", 1000);
    now_ms += 999;
    expect("ssh", "a", "one");
    now_ms++;
    expect("ssh", "a", NULL);
    put("ssh", "a", "two", 1000);
    expect("ssh", "a", "two");
}

static void the_one_that_ends_first_makes_way(void **state)
{
    char name[16];

    (void)state;
    for (int i = 0; i < VAULT_MEMO_MAX; i++) {
        snprintf(name, sizeof name, "%d", i);
        put("ssh", name, name, i == 70 ? 10 : 1000 + i);
    }
    expect("ssh", "70", "70");
    put("ssh", "more", "x", 1000);
    expect("ssh", "70", NULL);
    expect("ssh", "more", "x");
    for (int i = 0; i < VAULT_MEMO_MAX; i++) {
        snprintf(name, sizeof name, "%d", i);
        expect("ssh", name, i == 70 ? NULL : name);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_is_what_was_put),
        TEST(it_ends),
        TEST(the_one_that_ends_first_makes_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
