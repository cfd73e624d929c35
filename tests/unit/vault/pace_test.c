#include "vault/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct mono begin = {123456};

static struct mono after(int64_t ms)
{
    return (struct mono){begin.ms + ms};
}

static void the_first_is_free(void **state)
{
    struct vault_pace p = {0};

    (void)state;
    assert_int_equal(vault_pace_wait_ms(&p, begin), 0);
    assert_int_equal(vault_pace_wait_ms(&p, (struct mono){0}), 0);
}

static void a_refusal_doubles_the_wait(void **state)
{
    static const int64_t waits[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct vault_pace p = {0};
    struct mono now = begin;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        vault_pace_tried(&p, now, true);
        assert_int_equal(vault_pace_wait_ms(&p, now), waits[i]);
        assert_int_equal(vault_pace_wait_ms(&p, (struct mono){now.ms + waits[i]}), 0);
        now.ms += 1000000; /* the other bound is not met */
    }
    for (unsigned i = 0; i < 100; i++) { /* no shift beyond the width */
        vault_pace_tried(&p, now, true);
        now.ms += 1000000;
    }
    assert_int_equal(p.not_before.ms, now.ms - 1000000 + VAULT_PACE_LONGEST_MS);
}

static void success_and_forgiveness_begin_anew(void **state)
{
    struct vault_pace p = {0};

    (void)state;
    vault_pace_tried(&p, begin, true);
    vault_pace_forgive(&p);
    assert_int_equal(vault_pace_wait_ms(&p, begin), 0);
    vault_pace_tried(&p, begin, true);
    assert_int_equal(vault_pace_wait_ms(&p, begin), 1000);
    vault_pace_tried(&p, after(1000), false);
    assert_int_equal(vault_pace_wait_ms(&p, after(1000)), 0);
}

/* Whoever tries whenever it is allowed, for an hour: the bound of each minute. */
static void count(bool refused)
{
    enum { HOUR_MS = 3600 * 1000, MINUTE_MS = 60 * 1000, STEP_MS = 50 };
    static int64_t at[HOUR_MS / STEP_MS];
    struct vault_pace p = {0};
    size_t n = 0, first = 0;

    for (int64_t t = 0; t < HOUR_MS; t += STEP_MS) {
        if (vault_pace_wait_ms(&p, after(t)) > 0) {
            continue;
        }
        vault_pace_tried(&p, after(t), refused);
        at[n++] = t;
        while (at[first] <= t - MINUTE_MS) {
            first++;
        }
        assert_true(n - first <= VAULT_PACE_BURST + MINUTE_MS / VAULT_PACE_EVERY_MS);
    }
    assert_true(n <= VAULT_PACE_BURST + HOUR_MS / VAULT_PACE_EVERY_MS);
    assert_true(n >= (refused ? HOUR_MS / VAULT_PACE_LONGEST_MS : HOUR_MS / VAULT_PACE_EVERY_MS));
}

static void no_minute_sees_more_than_its_share(void **state)
{
    (void)state;
    count(false);
    count(true);
}

static void a_burst_is_there_again_after_a_pause(void **state)
{
    struct vault_pace p = {0};

    (void)state;
    for (int64_t t = 0; t <= 1000000; t += 1000000) {
        for (unsigned i = 0; i < VAULT_PACE_BURST; i++) {
            assert_int_equal(vault_pace_wait_ms(&p, after(t)), 0);
            vault_pace_tried(&p, after(t), false);
        }
        assert_int_equal(vault_pace_wait_ms(&p, after(t)), VAULT_PACE_EVERY_MS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_free),
        cmocka_unit_test(a_refusal_doubles_the_wait),
        cmocka_unit_test(success_and_forgiveness_begin_anew),
        cmocka_unit_test(no_minute_sees_more_than_its_share),
        cmocka_unit_test(a_burst_is_there_again_after_a_pause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
