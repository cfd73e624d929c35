/*
 * Text helpers: strict on the way in, safe for a terminal on the way out.
 */
#include "base/support.h"

static void test_hex(void **state)
{
    static const char *const bad[] = {"0", "0g", "g0", "00 ", " 000", "0x00", "\xff\xff"};
    AUTO(buf_deinit) struct buf b;
    AUTO(auto_free) char *hex = text_hex(view_of("\0\x7f\x80\xff", 4));
    AUTO(auto_free) char *empty = text_hex(view_of(NULL, 0));

    (void)state;
    buf_init(&b, 0);
    assert_string_equal(hex, "007f80ff");
    assert_string_equal(empty, "");
    assert_ok(text_unhex("", &b));
    assert_ok(text_unhex("007F80fF", &b));
    assert_true(view_eq(buf_view(&b), view_of("\0\x7f\x80\xff", 4)));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_err(text_unhex(bad[i], &b), ERR_INPUT);
    }
    b.max = b.len + 1;
    assert_err(text_unhex("0000", &b), ERR_LIMIT);
}

/* RFC 4648, 10 */
static void test_base64(void **state)
{
    static const char *const pairs[][2] = {
        {"f", "Zg=="},        {"fo", "Zm8="},        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
    };
    AUTO(buf_deinit) struct buf b;
    AUTO(auto_free) char *empty = text_base64(view_of(NULL, 0));

    (void)state;
    buf_init(&b, 0);
    assert_string_equal(empty, "");
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        AUTO(auto_free) char *text = text_base64(view_cstr(pairs[i][0]));

        assert_string_equal(text, pairs[i][1]);
        buf_clear(&b);
        buf_put_u8(&b, '>'); /* it appends */
        assert_ok(text_unbase64(view_cstr(pairs[i][1]), &b));
        assert_int_equal(b.data[0], '>');
        assert_true(view_is(view_of(b.data + 1, b.len - 1), pairs[i][0]));
    }
}

static void test_bad_base64(void **state)
{
    static const char
        *const
            bad
                [] =
                    {
                        "",        "Z",    "Zg",     "Zg=",   "Zg===", "====", "Z===",
                        "=Zg=",    "Zg=v", "Zm9v\n", " Zm9v", "Zm 9v", "Zm-_", "Zm9vZg==Zm9v",
                        "Zh==", /* a second spelling of Zg== */
                        "Zm9=", /* and of Zm8= */
                        "\xffm9v",
                    };
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_err(text_unbase64(view_cstr(bad[i]), &b), ERR_INPUT);
        assert_int_equal(b.len, 0);
    }
    b.max = 2;
    assert_err(text_unbase64(view_cstr("Zm9v"), &b), ERR_LIMIT);
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t s;
    } good[] = {{"0", 0},
                {"90", 90},
                {"90s", 90},
                {"15m", 900},
                {"8h", 28800},
                {"7d", 604800},
                {"2147483647d", INT64_C(185542587100800)}};
    static const char *const bad[] = {
        "",   "s",     "-1",   "+1",  " 1", "1 ",         "1w",
        "1S", "1h30m", "1.5h", "1hh", "x",  "2147483648", "99999999999999999999999"};
    int64_t s = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_ok(text_duration(good[i].text, &s));
        assert_true(s == good[i].s);
    }
    s = -7;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_err(text_duration(bad[i], &s), ERR_INPUT);
        assert_true(s == -7);
    }
}

static void test_durations_for_people(void **state)
{
    static const struct {
        int64_t s;
        const char *text;
    } cases[] = {{0, "0s"},
                 {45, "45s"},
                 {60, "1m"},
                 {250, "4m 10s"},
                 {3600, "1h"},
                 {3605, "1h"},
                 {12000, "3h 20m"},
                 {86400, "1d"},
                 {86400 * 12 + 4 * 3600 + 59, "12d 4h"},
                 {-5, "-5s"},
                 {INT64_MAX, "106751991167300d 15h"}};
    char out[TEXT_DURATION_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(text_duration_of(cases[i].s, out), cases[i].text);
    }
}

static void test_safe(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"plain ~ text", "plain ~ text"},
        {"a\nb\tc\r\x1b[0m\x7f", "a\\x0ab\\x09c\\x0d\\x1b[0m\\x7f"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x91",
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x91"},
        {"\xc2\x9b", "\\xc2\\x9b"},                   /* a control character in two bytes */
        {"\xc3", "\\xc3"},                            /* cut short */
        {"\xe2\x82", "\\xe2\\x82"},                   /* cut short */
        {"\xc0\xaf", "\\xc0\\xaf"},                   /* too long a form */
        {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},          /* too long a form */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* a surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* above U+10FFFF */
        {"\x80\xff", "\\x80\\xff"},
    };
    AUTO(auto_free) char *nul = text_safe(view_of("a\0b", 3));

    (void)state;
    assert_string_equal(nul, "a\\x00b");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(auto_free) char *out = text_safe(view_cstr(cases[i].in));

        assert_string_equal(out, cases[i].out);
    }
}

static void test_names(void **state)
{
    char longest[66];

    (void)state;
    memset(longest, 'x', 65);
    longest[65] = '\0';
    assert_false(text_name_ok(longest));
    assert_true(text_name_ok(longest + 1));
    assert_true(text_name_ok("Web-1.prod_x"));
    assert_false(text_name_ok(""));
    assert_false(text_name_ok(".x"));
    assert_false(text_name_ok("-x"));
    assert_false(text_name_ok("a/b"));
    assert_false(text_name_ok("a b"));
    assert_false(text_name_ok("\xc3\xbc"));
}

static void test_lists(void **state)
{
    AUTO(text_list_free) char **list = NULL;
    AUTO(text_list_free) char **none = text_list_copy(NULL);

    (void)state;
    assert_int_equal(text_list_len(NULL), 0);
    assert_false(text_list_has(NULL, "a"));
    assert_null(none);
    assert_true(text_list_add(&list, "a"));
    assert_true(text_list_add(&list, "b"));
    AUTO(text_list_free) char **copy = text_list_copy(list);

    AUTO(auto_free) char *joined = text_list_join(list, ", ");
    AUTO(auto_free) char *nothing = text_list_join(NULL, ",");

    assert_string_equal(joined, "a, b");
    assert_string_equal(nothing, "");
    assert_true(text_list_add(&list, "c"));
    assert_int_equal(text_list_len(list), 3);
    assert_int_equal(text_list_len(copy), 2);
    assert_true(text_list_has(copy, "b"));
    assert_false(text_list_has(copy, "c"));
    assert_string_equal(list[2], "c");
    assert_null(list[3]);
}

static void test_small_ones(void **state)
{
    AUTO(auto_free) char *text = text_fmt("%s-%d", "a", 7);
    AUTO(auto_free) char *copy = text_copy(text);

    (void)state;
    assert_string_equal(text, "a-7");
    assert_true(text_eq(text, copy));
    assert_true(text != copy);
    assert_null(text_copy(NULL));
    assert_false(text_eq(NULL, NULL));
    assert_false(text_eq("a", NULL));
    assert_false(text_eq("a", "b"));
}

/* Reads a copy of exact size; what is understood is what would have been written. */
static bool is_list(struct view bytes)
{
    AUTO(auto_free) uint8_t *copy = malloc(bytes.len + 1);
    AUTO(buf_deinit) struct buf again;

    buf_init(&again, 0);
    memcpy(copy + 1, bytes.p, bytes.len);
    struct rd r = rd_of(view_of(copy + 1, bytes.len));
    char **list = text_list_get(&r, 3);
    AUTO(err_free) struct err *e = rd_end(&r, "a list");

    assert_true(list == NULL || !rd_failed(&r));
    text_list_put(&again, list);
    text_list_free(&list);
    /* any byte but 0 is true */
    assert_true(e != NULL || (again.len == bytes.len &&
                              memcmp(again.data + 1, bytes.p + 1, bytes.len - 1) == 0));
    return e == NULL;
}

static void test_lists_on_the_wire(void **state)
{
    char *list[] = {(char[]){"a"}, (char[]){""}, (char[]){"long"}, (char[]){"more"}, NULL};
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 0);
    text_list_put(&b, list);
    assert_false(is_list(buf_view(&b))); /* one more than the reader takes */
    list[3] = NULL;
    buf_clear(&b);
    text_list_put(&b, list);
    assert_true(is_list(buf_view(&b)));
    for (size_t len = 0; len < b.len; len++) {
        assert_false(is_list(view_of(b.data, len)));
    }
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        is_list(buf_view(&b));
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    b.data[9] = 0; /* the "a" */
    assert_false(is_list(buf_view(&b)));
    buf_clear(&b);
    text_list_put(&b, NULL);
    assert_int_equal(b.len, 5);
    assert_true(is_list(buf_view(&b)));
    buf_clear(&b);
    text_list_put(&b, list + 3);
    struct rd r = rd_of(buf_view(&b));
    char **none = text_list_get(&r, 3);

    assert_ok(rd_end(&r, "an empty list"));
    assert_non_null(none);
    assert_null(none[0]);
    text_list_free(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_bad_base64),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_durations_for_people),
        cmocka_unit_test(test_safe),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_small_ones),
        cmocka_unit_test(test_lists_on_the_wire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
