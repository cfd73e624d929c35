/*
 * The wire buffer: bytes as RFC 4251 writes them, a maximum that holds, and a reader that cannot
 * leave its bounds.
 */
#include "base/support.h"

/* Memory that cannot be had is answered with NULL, as without the sanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void assert_hex(const struct buf *b, const char *hex)
{
    AUTO(auto_free) char *is = text_hex(buf_view(b));

    assert_string_equal(is, hex);
}

static void test_views(void **state)
{
    struct view empty = {NULL, 0};
    AUTO(auto_free) char *copy = view_dup(view_of("a\0b", 3));
    AUTO(auto_free) char *nothing = view_dup(empty);

    (void)state;
    assert_true(view_is(view_cstr("abc"), "abc"));
    assert_false(view_is(view_cstr("abc"), "abcd"));
    assert_false(view_is(view_of("abcd", 4), "abc"));
    assert_true(view_eq(empty, view_cstr("")));
    assert_true(view_eq(view_cstr(NULL), empty));
    assert_memory_equal(copy, "a\0b", 4);
    assert_string_equal(nothing, "");
    assert_true(view_has_nul(view_of("a\0b", 3)));
    assert_false(view_has_nul(view_cstr("ab")));
    assert_false(view_has_nul(empty));
}

static void test_numbers_and_strings(void **state)
{
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 0);
    buf_put_u8(&b, 0xfe);
    buf_put_bool(&b, true);
    buf_put_bool(&b, false);
    buf_put_u32(&b, 0x01020304);
    buf_put_u64(&b, 0x05060708090a0b0c);
    buf_put_cstr(&b, "hi");
    buf_put_cstr(&b, NULL);
    size_t outer = buf_begin_string(&b);
    size_t inner = buf_begin_string(&b);

    buf_put_u8(&b, 7);
    buf_end_string(&b, inner);
    buf_end_string(&b, outer);
    assert_hex(&b, "fe0100"
                   "01020304"
                   "05060708090a0b0c"
                   "000000026869"
                   "00000000"
                   "000000050000000107");
    struct rd r = rd_of(buf_view(&b));

    assert_int_equal(rd_u8(&r), 0xfe);
    assert_true(rd_bool(&r));
    assert_false(rd_bool(&r));
    assert_int_equal(rd_u32(&r), 0x01020304);
    assert_true(rd_u64(&r) == 0x05060708090a0b0c);
    assert_true(view_is(rd_string(&r), "hi"));
    assert_int_equal(rd_string(&r).len, 0);
    struct rd in = rd_nested(&r);

    assert_true(view_eq(rd_string(&in), view_of("\7", 1)));
    assert_true(rd_at_end(&in));
    assert_ok(rd_end(&r, "r"));
}

/* The examples of RFC 4251, 5 that are not negative, and zeros in front. */
static void test_mpints(void **state)
{
    static const struct {
        struct view number;
        const char *hex;
    } cases[] = {
        {{(const uint8_t *)"", 0}, "00000000"},
        {{(const uint8_t *)"\0\0", 2}, "00000000"},
        {{(const uint8_t *)"\x09\xa3\x78\xf9\xb2\xe3\x32\xa7", 8}, "0000000809a378f9b2e332a7"},
        {{(const uint8_t *)"\x80", 1}, "000000020080"},
        {{(const uint8_t *)"\0\0\0\x80", 4}, "000000020080"},
        {{(const uint8_t *)"\0\x7f", 2}, "000000017f"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf_deinit) struct buf b;
        struct view bare = cases[i].number;

        buf_init(&b, 0);
        buf_put_mpint(&b, bare);
        assert_hex(&b, cases[i].hex);
        while (bare.len > 0 && bare.p[0] == 0) {
            bare = view_of(bare.p + 1, bare.len - 1);
        }
        struct rd r = rd_of(buf_view(&b));

        assert_true(view_eq(rd_mpint(&r), bare));
        assert_ok(rd_end(&r, "mpint"));
    }
}

static void test_bad_mpints(void **state)
{
    static const struct view bad[] = {
        {(const uint8_t *)"\0\0\0\1\x80", 5},     /* negative */
        {(const uint8_t *)"\0\0\0\1\0", 5},       /* zero has no bytes */
        {(const uint8_t *)"\0\0\0\2\0\x7f", 6},   /* a zero too many */
        {(const uint8_t *)"\0\0\0\3\0\0\x80", 7}, /* a zero too many */
        {(const uint8_t *)"\0\0\0\2\1", 5},       /* cut short */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct rd r = rd_of(bad[i]);

        assert_int_equal(rd_mpint(&r).len, 0);
        assert_err(rd_end(&r, "mpint"), ERR_PROTOCOL);
    }
}

static void test_the_maximum_holds(void **state)
{
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 10);
    buf_put(&b, "0123456789", 10);
    assert_ok(buf_check(&b, "b"));
    buf_put(&b, "", 0);
    assert_ok(buf_check(&b, "b"));
    buf_put_u8(&b, 1);
    assert_err(buf_check(&b, "b"), ERR_LIMIT);
    assert_int_equal(b.len, 10);
    buf_drop(&b, 5);
    buf_put_u8(&b, 1); /* there would be room, but what is missing stays missing */
    assert_int_equal(b.len, 5);
    assert_err(buf_check(&b, "b"), ERR_LIMIT);
    buf_clear(&b);
    buf_put_cstr(&b, "123456");
    assert_ok(buf_check(&b, "b"));
    buf_clear(&b);
    buf_put_cstr(&b, "1234567");
    assert_err(buf_check(&b, "b"), ERR_LIMIT);
    buf_clear(&b);
    size_t begun = buf_begin_string(&b);

    buf_put(&b, "1234567", 7);
    buf_end_string(&b, begun);
    buf_put_mpint(&b, view_cstr("1234567"));
    buf_put_u64(&b, 1);
    assert_err(buf_check(&b, "b"), ERR_LIMIT);
    assert_null(buf_reserve(&b, SIZE_MAX));
}

static void test_default_maximum(void **state)
{
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 0);
    assert_non_null(buf_reserve(&b, BUF_MAX_BYTES));
    assert_ok(buf_check(&b, "b"));
    assert_null(buf_reserve(&b, 1));
    assert_err(buf_check(&b, "b"), ERR_LIMIT);
}

static void test_no_memory_is_not_a_limit(void **state)
{
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, SIZE_MAX / 4);
    assert_null(buf_reserve(&b, SIZE_MAX / 8));
    assert_err(buf_check(&b, "b"), ERR_NOMEM);
    buf_clear(&b);
    assert_ok(buf_check(&b, "b"));
}

static void test_reserve_nothing(void **state)
{
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 0);
    assert_non_null(buf_reserve(&b, 0)); /* NULL would mean that it failed */
    assert_ok(buf_check(&b, "b"));
}

static void test_drop(void **state)
{
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 0);
    buf_put(&b, "abcdef", 6);
    buf_drop(&b, 2);
    assert_true(view_is(buf_view(&b), "cdef"));
    buf_drop(&b, 0);
    buf_drop(&b, 4);
    assert_int_equal(b.len, 0);
    buf_put(&b, "xy", 2);
    buf_drop(&b, 3);
    assert_int_equal(b.len, 0);
}

static void test_secret_contents_are_wiped(void **state)
{
    static const uint8_t zeros[64];
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    b.secret = true;
    buf_put_cstr(&b, "1234");
    for (int i = 0; i < 1000; i++) { /* grows on the way, with the contents kept */
        buf_put_cstr(&b, "5678");
    }
    struct rd r = rd_of(buf_view(&b));

    assert_true(view_is(rd_string(&r), "1234"));
    for (int i = 0; i < 1000; i++) {
        assert_true(view_is(rd_string(&r), "5678"));
    }
    buf_clear(&b);
    assert_memory_equal(b.data, zeros, sizeof zeros);
    assert_int_equal(b.len, 0);
    buf_deinit(&b);
    assert_true(b.secret);
    assert_null(b.data);
}

static void test_reader_fails_once_and_stays(void **state)
{
    static const uint8_t data[] = {0, 0, 0, 9, 'a', 'b'};
    struct rd r = rd_of(view_of(data, sizeof data));

    (void)state;
    assert_int_equal(rd_string(&r).len, 0);
    assert_true(rd_failed(&r));
    assert_true(rd_at_end(&r)); /* so loops end */
    assert_int_equal(rd_u8(&r), 0);
    assert_int_equal(rd_u32(&r), 0);
    assert_true(rd_u64(&r) == 0);
    assert_null(rd_cstr(&r));
    assert_true(rd_failed(&(struct rd){.failed = rd_nested(&r).failed}));
    assert_err(rd_end(&r, "data"), ERR_PROTOCOL);
    r = rd_of(view_of(data, sizeof data));
    rd_u32(&r);
    assert_int_equal(rd_rest(&r).len, 2);
    assert_err(rd_end(&r, "data"), ERR_PROTOCOL); /* trailing bytes */
    r = rd_of(view_of(NULL, 0));
    assert_int_equal(rd_bytes(&r, 0).len, 0);
    assert_ok(rd_end(&r, "nothing"));
    assert_int_equal(rd_bytes(&r, 1).len, 0);
    assert_err(rd_end(&r, "nothing"), ERR_PROTOCOL);
    r = rd_of(view_of("\xff\xff\xff\xff", 4));
    assert_int_equal(rd_string(&r).len, 0);
    assert_true(rd_failed(&r));
}

static void test_c_strings(void **state)
{
    struct rd r = rd_of(view_of("\0\0\0\2hi\0\0\0\0\0\0\0\3a\0b", 17));
    AUTO(auto_free) char *hi = rd_cstr(&r);
    AUTO(auto_free) char *empty = rd_cstr(&r);

    (void)state;
    assert_string_equal(hi, "hi");
    assert_string_equal(empty, "");
    assert_null(rd_cstr(&r));
    assert_true(rd_failed(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_numbers_and_strings),
        cmocka_unit_test(test_mpints),
        cmocka_unit_test(test_bad_mpints),
        cmocka_unit_test(test_the_maximum_holds),
        cmocka_unit_test(test_default_maximum),
        cmocka_unit_test(test_no_memory_is_not_a_limit),
        cmocka_unit_test(test_reserve_nothing),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_secret_contents_are_wiped),
        cmocka_unit_test(test_reader_fails_once_and_stays),
        cmocka_unit_test(test_c_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
