/* The schedule, case by case, and bounds that hold for every seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "renew/renew.h"

enum { T0 = 1800000000, HOUR = 3600, SEEDS = 2000 };

static struct schedule_input fresh(int64_t ttl_s)
{
    return (struct schedule_input){
        .has_cert = true, .received = {T0}, .valid_before = {T0 + ttl_s}, .now = {T0}, .seed = 1};
}

static struct schedule_input failing(unsigned failures, enum err_code code)
{
    return (struct schedule_input){
        .failures = failures, .last_error = code, .failed_at = {T0}, .now = {T0}, .seed = 1};
}

static void a_first_certificate_is_asked_for_now(void **state)
{
    const struct schedule_input in = {.now = {T0}};

    (void)state;
    assert_int_equal(schedule_next(&in), 0);
}

static void a_renewal_is_spread_around_two_thirds(void **state)
{
    struct schedule_input in = fresh(HOUR);
    int64_t low = INT64_MAX, high = 0;

    (void)state;
    for (in.seed = 0; in.seed < SEEDS; in.seed++) {
        int64_t s = schedule_next(&in);

        assert_in_range(s, 2400 - 180, 2400 + 180);
        assert_int_equal(schedule_next(&in), s);
        low = s < low ? s : low;
        high = s > high ? s : high;
    }
    assert_in_range(low, 2220, 2230);
    assert_in_range(high, 2570, 2580);
}

static void the_next_renewal_of_a_seed_lies_elsewhere(void **state)
{
    struct schedule_input a = fresh(HOUR), b = fresh(HOUR);
    unsigned same = 0;

    (void)state;
    b.received.s = b.now.s = T0 + 2400;
    b.valid_before.s = T0 + 2400 + HOUR;
    for (a.seed = b.seed = 0; a.seed < 100; a.seed++, b.seed++) {
        same += schedule_next(&a) == schedule_next(&b);
    }
    assert_in_range(same, 0, 10);
}

static void seconds_count_down_to_now(void **state)
{
    struct schedule_input in = fresh(HOUR);
    int64_t whole = schedule_next(&in);

    (void)state;
    in.now.s = T0 + 100;
    assert_int_equal(schedule_next(&in), whole - 100);
    in.now.s = T0 + whole;
    assert_int_equal(schedule_next(&in), 0);
    in.now.s = T0 + 2 * HOUR;
    assert_int_equal(schedule_next(&in), 0);
}

static void short_lifetimes_work_and_never_spin(void **state)
{
    struct schedule_input in = fresh(6);

    (void)state;
    for (in.seed = 0; in.seed < SEEDS; in.seed++) {
        in.valid_before.s = T0 + 6;
        assert_int_equal(schedule_next(&in), 4);
        in.valid_before.s = T0 + 1;
        assert_int_equal(schedule_next(&in), 1);
    }
}

static void forever_is_finite(void **state)
{
    struct schedule_input in = fresh(HOUR);

    (void)state;
    in.valid_before.s = INT64_MAX;
    assert_in_range(schedule_next(&in), 86400, (int64_t)10 * 365 * 86400);
    in.received.s = -1;
    assert_in_range(schedule_next(&in), 0, (int64_t)10 * 365 * 86400);
}

static void failures_double_up_to_five_minutes(void **state)
{
    static const int64_t waits[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};

    (void)state;
    for (unsigned n = 1; n < 40; n++) {
        struct schedule_input in = failing(n, ERR_GONE);
        int64_t w = waits[n <= ARRAY_LEN(waits) ? n - 1 : ARRAY_LEN(waits) - 1];

        for (in.seed = 0; in.seed < 200; in.seed++) {
            assert_in_range(schedule_next(&in), w - w / 4, w + w / 4);
        }
    }
}

static void outages_do_not_end_in_step(void **state)
{
    struct schedule_input in = failing(12, ERR_TIMEOUT);
    unsigned counts[376] = {0};

    (void)state;
    for (in.seed = 0; in.seed < SEEDS; in.seed++) {
        counts[schedule_next(&in)]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        assert_in_range(counts[i], 0, SEEDS / 50);
    }
}

static void a_refusal_waits_a_minute_at_least(void **state)
{
    static const enum err_code codes[] = {ERR_DENIED, ERR_INPUT, ERR_UNSUPPORTED};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        for (unsigned n = 1; n < 20; n++) {
            struct schedule_input in = failing(n, codes[i]);

            for (in.seed = 0; in.seed < 200; in.seed++) {
                assert_in_range(schedule_next(&in), 60, 375);
            }
        }
    }
}

/* A certificate that could be saved is not lost to the back-off. */
static void the_last_tenth_is_not_slept_through(void **state)
{
    struct schedule_input in = fresh(HOUR);

    (void)state;
    in.failures = 12;
    in.last_error = ERR_GONE;
    in.failed_at.s = in.now.s = T0 + HOUR - 361;
    assert_int_equal(schedule_next(&in), 1); /* to the edge of the last tenth */
    in.failed_at.s = in.now.s = T0 + HOUR - 360;
    assert_int_equal(schedule_next(&in), 90);
    in.failed_at.s = in.now.s = T0 + HOUR - 40;
    assert_int_equal(schedule_next(&in), 10);
    in.failed_at.s = in.now.s = T0 + HOUR - 2;
    assert_int_equal(schedule_next(&in), 1);
    in.failed_at.s = in.now.s = T0 + HOUR;
    assert_in_range(schedule_next(&in), 225, 375);
    in.last_error = ERR_DENIED;
    in.failed_at.s = in.now.s = T0 + HOUR - 2;
    assert_in_range(schedule_next(&in), 60, 375);
}

/* A failed renewal at somebody's word does not bring the scheduled one forward. */
static void an_early_failure_leaves_the_schedule(void **state)
{
    struct schedule_input in = fresh(HOUR);
    int64_t planned = schedule_next(&in);

    (void)state;
    in.failures = 1;
    in.last_error = ERR_GONE;
    in.failed_at = in.now;
    assert_int_equal(schedule_next(&in), planned);
}

static void clock_steps_back_delay_nothing_unduly(void **state)
{
    struct schedule_input in = fresh(HOUR);

    (void)state;
    in.now.s = T0 - 1000000;
    assert_in_range(schedule_next(&in), 2220, 2580);
    in = failing(3, ERR_GONE);
    in.now.s = T0 - 1000000;
    assert_in_range(schedule_next(&in), 3, 5);
}

static void after_a_failure_it_is_never_now(void **state)
{
    struct schedule_input in = fresh(60);

    (void)state;
    in.failures = 1;
    in.last_error = ERR_CERT;
    for (int64_t t = 0; t < 120; t++) {
        in.failed_at.s = in.now.s = T0 + t;
        for (in.seed = 0; in.seed < 50; in.seed++) {
            assert_in_range(schedule_next(&in), 1, 60);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_certificate_is_asked_for_now),
        cmocka_unit_test(a_renewal_is_spread_around_two_thirds),
        cmocka_unit_test(the_next_renewal_of_a_seed_lies_elsewhere),
        cmocka_unit_test(seconds_count_down_to_now),
        cmocka_unit_test(short_lifetimes_work_and_never_spin),
        cmocka_unit_test(forever_is_finite),
        cmocka_unit_test(failures_double_up_to_five_minutes),
        cmocka_unit_test(outages_do_not_end_in_step),
        cmocka_unit_test(a_refusal_waits_a_minute_at_least),
        cmocka_unit_test(the_last_tenth_is_not_slept_through),
        cmocka_unit_test(an_early_failure_leaves_the_schedule),
        cmocka_unit_test(clock_steps_back_delay_nothing_unduly),
        cmocka_unit_test(after_a_failure_it_is_never_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
