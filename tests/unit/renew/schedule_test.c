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
        assert_int_equal(schedule_next(&in), 3);
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

static void failures_double(const int64_t *waits, size_t n, bool in_use)
{
    for (unsigned f = 1; f < 40; f++) {
        struct schedule_input in = failing(f, ERR_GONE);
        int64_t w = waits[f <= n ? f - 1 : n - 1];

        in.is_in_use = in_use;
        for (in.seed = 0; in.seed < 200; in.seed++) {
            assert_in_range(schedule_next(&in), w - w / 4, w + w / 4);
        }
    }
}

static void without_a_certificate_failures_double_up_to_a_limit(void **state)
{
    static const int64_t used[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
    static const int64_t unused[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800, 1800};

    (void)state;
    failures_double(used, ARRAY_LEN(used), true);
    failures_double(unused, ARRAY_LEN(unused), false);
}

static void outages_do_not_end_in_step(void **state)
{
    struct schedule_input in = failing(12, ERR_TIMEOUT);
    unsigned counts[2251] = {0};

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

/* One life from the first failure on; returns how many tries there were, the last a second before. */
static unsigned tries_to_the_end(struct schedule_input in, int64_t ttl_s)
{
    unsigned tries = 0;

    in.now.s = T0 + schedule_next(&in);
    while (in.now.s < T0 + ttl_s) {
        int64_t left = T0 + ttl_s - in.now.s;

        in.failures++;
        in.last_error = ERR_GONE;
        in.failed_at = in.now;
        int64_t wait = schedule_next(&in);

        assert_in_range(wait, left * 7 / 10 > 1 ? left * 7 / 10 : 1, left);
        assert_true(wait < left || left == 1);
        in.now.s += wait;
        tries++;
    }
    assert_int_equal(in.now.s, T0 + ttl_s);
    return tries;
}

static void what_is_left_is_shared_out(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct schedule_input in = fresh(HOUR);

        in.seed = seed;
        assert_int_equal(tries_to_the_end(in, HOUR), 2);
        in = fresh(HOUR);
        in.seed = seed;
        in.is_in_use = true;
        assert_in_range(tries_to_the_end(in, HOUR), 3, 9);
    }
}

static void what_is_missed_is_asked_for_at_once(void **state)
{
    struct schedule_input in = failing(20, ERR_GONE);

    (void)state;
    in.is_needed = true;
    assert_int_equal(schedule_next(&in), 15);
    in.now.s = T0 + 300;
    assert_int_equal(schedule_next(&in), 0);
    in = failing(20, ERR_DENIED);
    in.is_needed = true;
    assert_in_range(schedule_next(&in), 60, 375);
}

static void what_nobody_uses_makes_way(void **state)
{
    static const struct {
        int64_t ttl_s, from, to;
    } cases[] = {{60, 300, 450}, {HOUR, 1800, 2700}, {86400, 1800, 2700}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct schedule_input in = fresh(cases[i].ttl_s);

        in.failures = 3;
        in.last_error = ERR_GONE;
        in.failed_at = in.now = in.valid_before;
        for (in.seed = 0; in.seed < SEEDS; in.seed++) {
            assert_in_range(schedule_next(&in), cases[i].from, cases[i].to);
        }
    }
}

static void those_that_came_together_part(void **state)
{
    struct schedule_input in = fresh(HOUR);
    int64_t low = INT64_MAX, high = 0;

    (void)state;
    in.has_recovered = true;
    for (in.seed = 0; in.seed < SEEDS; in.seed++) {
        int64_t s = schedule_next(&in);

        low = s < low ? s : low;
        high = s > high ? s : high;
    }
    assert_in_range(low, 1200, 1210);
    assert_in_range(high, 2390, 2400);
}

static void much_that_is_left_is_not_slept_away(void **state)
{
    struct schedule_input in = fresh((int64_t)30 * 86400);

    (void)state;
    in.failures = 1;
    in.last_error = ERR_TIMEOUT;
    in.failed_at.s = in.now.s = T0 + (int64_t)25 * 86400;
    for (in.seed = 0; in.seed < SEEDS; in.seed++) {
        assert_in_range(schedule_next(&in), 2700, 4500);
    }
}

static void who_asks_for_patience_gets_it(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 20; n++) {
        struct schedule_input in = failing(n, ERR_BUSY);

        assert_in_range(schedule_next(&in), 15, 2250);
    }
    for (int64_t asked = 1; asked < 10000; asked += 99) {
        struct schedule_input in = failing(1, ERR_BUSY);
        int64_t least = asked < 15 ? 15 : asked < 3600 ? asked : 3600;

        in.patience_s = asked;
        in.is_needed = true;
        assert_in_range(schedule_next(&in), least, least + least / 4);
    }
    assert_int_equal(schedule_class_of(ERR_BUSY), SCHEDULE_LIMITED);
}

static void no_clock_asks_for_what_sleeps(void **state)
{
    struct schedule_input in = {.now = {T0}, .renewal = IDENTITY_RENEWAL_PER_CONNECTION};

    (void)state;
    assert_true(schedule_next(&in) == SCHEDULE_NEVER);
    in.renewal = IDENTITY_RENEWAL_WHEN_USED;
    assert_int_equal(schedule_next(&in), 0);
    in.is_asleep = true;
    assert_true(schedule_next(&in) == SCHEDULE_NEVER);
}

/* SplitMix64, as good as any for histories. */
static uint64_t roll(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15U;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

/* One certificate's life among signers that do as they like: lifetimes from a second to a day,
 * failures of every class in any order. Returns the most requests of any minute. */
static unsigned busiest_minute(uint64_t seed, int64_t ttl_s)
{
    enum { REQUESTS = 600, MINUTE = 60 };
    struct schedule_input in = {.now = {T0}, .seed = seed};
    int64_t at[REQUESTS];
    uint64_t dice = seed;
    unsigned most = 0;

    for (size_t n = 0, first = 0; n < REQUESTS; n++) {
        in.is_in_use = roll(&dice) % 2 == 0;
        in.is_needed = in.is_in_use && roll(&dice) % 2 == 0;
        in.has_recovered = roll(&dice) % 2 == 0;
        in.now.s += schedule_next(&in);
        at[n] = in.now.s;
        while (at[n] - at[first] >= MINUTE) {
            first++;
        }
        most = n + 1 - first > most ? (unsigned)(n + 1 - first) : most;
        if (roll(&dice) % 4 < seed % 4) {
            in.failures++;
            in.last_error = (enum err_code)(ERR_INPUT + roll(&dice) % ERR_BUG);
            in.failed_at = in.now;
        } else {
            in.failures = 0;
            in.has_cert = true;
            in.received = in.now;
            in.valid_before.s = in.now.s + (int64_t)(roll(&dice) % (uint64_t)ttl_s) + 1;
        }
        if (roll(&dice) % 50 == 0) { /* the clock is set */
            in.now.s += (int64_t)(roll(&dice) % 7200) - 3600;
            at[n] = at[first = n] = in.now.s;
        }
    }
    return most;
}

static void no_history_is_a_hot_loop(void **state)
{
    static const int64_t ttls[] = {1, 2, 5, 10, 60, HOUR, 86400};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ttls); i++) {
        for (uint64_t seed = 0; seed < 400; seed++) {
            assert_in_range(busiest_minute(seed, ttls[i]), 1, SCHEDULE_PER_MINUTE_MAX);
        }
    }
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
        cmocka_unit_test(without_a_certificate_failures_double_up_to_a_limit),
        cmocka_unit_test(outages_do_not_end_in_step),
        cmocka_unit_test(a_refusal_waits_a_minute_at_least),
        cmocka_unit_test(what_is_left_is_shared_out),
        cmocka_unit_test(what_is_missed_is_asked_for_at_once),
        cmocka_unit_test(what_nobody_uses_makes_way),
        cmocka_unit_test(those_that_came_together_part),
        cmocka_unit_test(much_that_is_left_is_not_slept_away),
        cmocka_unit_test(who_asks_for_patience_gets_it),
        cmocka_unit_test(no_clock_asks_for_what_sleeps),
        cmocka_unit_test(no_history_is_a_hot_loop),
        cmocka_unit_test(an_early_failure_leaves_the_schedule),
        cmocka_unit_test(clock_steps_back_delay_nothing_unduly),
        cmocka_unit_test(after_a_failure_it_is_never_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
