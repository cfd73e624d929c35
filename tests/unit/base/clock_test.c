/*
 * The two clocks: deadlines that saturate, and the seam that tests of other folders stand on.
 */
#include <openssl/asn1.h>

#include "base/support.h"

static int64_t ms;

static struct mono fake_mono(void)
{
    return (struct mono){ms};
}

static struct wall fake_wall(void)
{
    return (struct wall){1700000000};
}

static int real_clocks(void **state)
{
    (void)state;
    clock_set_for_test(NULL, NULL);
    return 0;
}

static void test_deadlines(void **state)
{
    (void)state;
    clock_set_for_test(fake_mono, fake_wall);
    ms = 1000;
    struct mono t = mono_in(50);

    assert_int_equal(t.ms, 1050);
    assert_int_equal(mono_left_ms(t), 50);
    assert_false(mono_passed(t));
    ms = 1049;
    assert_false(mono_passed(t));
    ms = 1050;
    assert_true(mono_passed(t));
    assert_int_equal(mono_left_ms(t), 0);
    ms = 9999;
    assert_int_equal(mono_left_ms(t), 0);
    assert_int_equal(wall_now().s, 1700000000);
}

static void test_never(void **state)
{
    (void)state;
    clock_set_for_test(fake_mono, fake_wall);
    ms = 1000;
    assert_true(mono_in(INT64_MAX).ms == INT64_MAX);
    assert_true(mono_in(INT64_MAX - 999).ms == INT64_MAX);
    assert_true(mono_in(INT64_MAX - 1000).ms == INT64_MAX);
    assert_true(mono_in(INT64_MAX - 1001).ms == INT64_MAX - 1);
    assert_false(mono_passed(mono_in(INT64_MAX)));
    assert_true(mono_passed(mono_in(-1)));
}

static void test_kernel_times(void **state)
{
    struct timespec now, then = mono_kernel_in(1999);

    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t left = (then.tv_sec - now.tv_sec) * 1000 + (then.tv_nsec - now.tv_nsec) / 1000000;

    assert_true(left > 0 && left <= 1999);
    for (int i = 0; i < 1000; i++) {
        then = mono_kernel_in(i);
        assert_true(then.tv_nsec >= 0 && then.tv_nsec < 1000000000);
    }
}

static void test_text_back(void **state)
{
    static const char *const wrong[] = {NULL,
                                        "",
                                        "2026",
                                        "2026-11-23T02:40:00",
                                        "yesterday",
                                        "2026-11-23T02:40:00Z ",
                                        "2026-13-23T02:40:00Z"};
    char out[WALL_TEXT_BYTES];

    (void)state;
    for (int64_t s = -1; s < (1LL << 37); s = s * 3 + 7) {
        assert_int_equal(wall_of_text(wall_text((struct wall){s}, out)).s, s);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(wall_of_text(wrong[i]).s, 0);
    }
}

static void test_times_of_certificates(void **state)
{
    static const struct {
        const char *text;
        int64_t s;
    } cases[] = {
        {"700101000000Z", 0},           {"19700101000001Z", 1},
        {"20380119031408Z", 1LL << 31}, {"99991231235959Z", 253402300799},
        {"500101000000Z", -631152000},  {"20261332000000Z", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ASN1_TIME *t = ASN1_TIME_new();

        assert_int_equal(ASN1_STRING_set(t, cases[i].text, -1), 1);
        t->type = strlen(cases[i].text) == 13 ? V_ASN1_UTCTIME : V_ASN1_GENERALIZEDTIME;
        assert_int_equal(wall_of_asn1(t).s, cases[i].s);
        ASN1_TIME_free(t);
    }
    assert_int_equal(wall_of_asn1(NULL).s, 0);
}

static void test_real_clocks(void **state)
{
    struct mono before = mono_now();

    (void)state;
    assert_true(before.ms > 0);
    assert_true(mono_now().ms >= before.ms);
    assert_true(wall_now().s > 1700000000);
}

static void test_text(void **state)
{
    char out[WALL_TEXT_BYTES];

    (void)state;
    assert_string_equal(wall_text((struct wall){0}, out), "1970-01-01T00:00:00Z");
    assert_string_equal(wall_text((struct wall){1700000000}, out), "2023-11-14T22:13:20Z");
    assert_string_equal(wall_text((struct wall){951782400}, out), "2000-02-29T00:00:00Z");
    assert_string_equal(wall_text((struct wall){-1}, out), "1969-12-31T23:59:59Z");
    assert_string_equal(wall_text((struct wall){INT64_MAX}, out), "?");
    assert_string_equal(wall_text((struct wall){67767976233532799}, out),
                        "2147483647-12-31T23:59:59Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_deadlines, real_clocks),
        cmocka_unit_test_teardown(test_never, real_clocks),
        cmocka_unit_test(test_kernel_times),
        cmocka_unit_test(test_text_back),
        cmocka_unit_test(test_times_of_certificates),
        cmocka_unit_test(test_real_clocks),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
