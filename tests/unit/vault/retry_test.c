#include "vault/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int64_t wait_of(enum vault_failure failure, unsigned attempt, uint32_t seed, int64_t left_ms)
{
    return vault_retry_wait_ms(&(struct vault_try){.failure = failure,
                                                   .attempt = attempt,
                                                   .retry_after_ms = -1,
                                                   .left_ms = left_ms,
                                                   .seed = seed});
}

static void what_will_not_change_is_not_repeated(void **state)
{
    (void)state;
    assert_true(wait_of(VAULT_FAIL_FINAL, 0, 1, 60000) < 0);
    assert_true(wait_of(VAULT_FAIL_SERVER, 0, 1, 60000) > 0);
    assert_true(wait_of(VAULT_FAIL_CONNECTION, 0, 1, 60000) > 0);
    assert_true(wait_of(VAULT_FAIL_LIMITED, 0, 1, 60000) > 0);
}

static void waits_double_within_their_shares(void **state)
{
    (void)state;
    for (unsigned attempt = 0; attempt + 1 < VAULT_TRIES_MAX; attempt++) {
        int64_t longest = (int64_t)250 << attempt;

        for (uint32_t seed = 0; seed < 3000; seed += 7) {
            int64_t wait = wait_of(VAULT_FAIL_SERVER, attempt, seed, 1000000);

            assert_in_range(wait, longest / 2, longest);
        }
        assert_int_equal(wait_of(VAULT_FAIL_SERVER, attempt, 0, 1000000), longest / 2);
        assert_int_equal(wait_of(VAULT_FAIL_SERVER, attempt, 999, 1000000), longest);
    }
}

static void tries_end(void **state)
{
    (void)state;
    assert_true(wait_of(VAULT_FAIL_SERVER, VAULT_TRIES_MAX - 2, 1, 1000000) > 0);
    assert_true(wait_of(VAULT_FAIL_SERVER, VAULT_TRIES_MAX - 1, 1, 1000000) < 0);
    assert_true(wait_of(VAULT_FAIL_SERVER, 4000000000U, 1, 1000000) < 0);
}

static void no_wait_beyond_the_deadline(void **state)
{
    (void)state;
    for (int64_t left = 0; left < 400; left++) {
        int64_t wait = wait_of(VAULT_FAIL_CONNECTION, 0, 999, left);

        assert_int_equal(wait, left >= 350 ? 250 : -1);
    }
}

static void the_servers_own_time_is_kept(void **state)
{
    struct vault_try t = {.failure = VAULT_FAIL_LIMITED, .retry_after_ms = 3000, .left_ms = 60000};

    (void)state;
    for (t.seed = 0; t.seed < 2000; t.seed++) {
        assert_in_range(vault_retry_wait_ms(&t), 3000 + 125, 3000 + 250);
    }
    t.retry_after_ms = 8000;
    assert_in_range(vault_retry_wait_ms(&t), 8000 + 125, 8000 + 250);
    t.left_ms = 8000;
    assert_int_equal(vault_retry_wait_ms(&t), -1);
    t.left_ms = INT64_MAX;
    t.retry_after_ms = 8001; /* the agent's schedule keeps that */
    assert_int_equal(vault_retry_wait_ms(&t), -1);
    t.retry_after_ms = INT64_MAX;
    assert_int_equal(vault_retry_wait_ms(&t), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_will_not_change_is_not_repeated),
        cmocka_unit_test(waits_double_within_their_shares),
        cmocka_unit_test(tries_end),
        cmocka_unit_test(no_wait_beyond_the_deadline),
        cmocka_unit_test(the_servers_own_time_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
