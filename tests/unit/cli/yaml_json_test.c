/*
 * YAML to JSON and back: what words mean, what is refused and where, and that whatever is written is
 * read back as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/yaml_json.h"

static json_t *read_ok(const char *text)
{
    json_t *value = NULL;
    AUTO(err_free) struct err *e = yaml_json_read("x", view_cstr(text), &value);

    if (e != NULL) {
        fail_msg("%s: %s", text, err_text(e));
    }
    return value;
}

static void assert_reads(const char *yaml, const char *json)
{
    json_t *value = read_ok(yaml);
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    assert_string_equal(text, json);
    free(text);
    json_decref(value);
}

static void test_nothing(void **state)
{
    json_t *value = NULL;
    AUTO(err_free) struct err *e = yaml_json_read("x", view_of(NULL, 0), &value);

    (void)state;
    assert_null(e);
    assert_true(json_is_null(value));
}

static void test_words(void **state)
{
    static const char *const pairs[][2] = {
        {"true", "true"},
        {"false", "false"},
        {"null", "null"},
        {"~", "null"},
        {"", "null"},
        {"yes", "\"yes\""},
        {"True", "\"True\""},
        {"5", "5"},
        {"-5", "-5"},
        {"0", "0"},
        {"0755", "\"0755\""},
        {"1.0", "\"1.0\""},
        {"'5'", "\"5\""},
        {"\"true\"", "\"true\""},
        {"0x1f", "\"0x1f\""},
        {"'~'", "\"~\""},
        {"9999999999999999999", "\"9999999999999999999\""},
        {"a: b", "{\"a\":\"b\"}"},
        {"a: [1, b]", "{\"a\":[1,\"b\"]}"},
        {"a:\n- x: 1\n- y:", "{\"a\":[{\"x\":1},{\"y\":null}]}"},
        {"{\"a\":1}", "{\"a\":1}"},
        {"{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"\U0001F600\"}"},
        {"a: |\n  x\n  y\n", "{\"a\":\"x\\ny\\n\"}"},
        {"# only\n", "null"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        assert_reads(pairs[i][0], pairs[i][1]);
    }
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *yaml, *words;
    } wrong[] = {
        {"a: 1\nb: 2\na: 3\n", "a: x:3: this key is there twice"},
        {"{\"a\": 1, \"a\": 2}", "twice"},
        {"a: &x 1\nb: *x\n", "x:2: aliases"},
        {"a: !!binary eA==\n", "x:1: tags"},
        {"a: !x [1]\n", "x:1: tags"},
        {"--- a\n--- b\n", "x:2: a second document"},
        {"a: [1\nb", "not YAML"},
        {"[1]: 2", "a key must be a word"},
        {"a: \"\\0\"", "JSON cannot hold"},
        {"\x01", "not YAML"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        json_t *value = NULL;
        AUTO(err_free) struct err *e = yaml_json_read("x", view_cstr(wrong[i].yaml), &value);

        assert_true(err_is(e, ERR_INPUT));
        assert_null(value);
        if (strstr(err_text(e), wrong[i].words) == NULL) {
            fail_msg("'%s' said: %s", wrong[i].yaml, err_text(e));
        }
    }
}

static void test_limits(void **state)
{
    char deep[YAML_JSON_DEPTH_MAX + 2];
    json_t *value = NULL;

    (void)state;
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    AUTO(err_free) struct err *e = yaml_json_read("x", view_cstr(deep), &value);

    assert_true(err_is(e, ERR_LIMIT));
    AUTO(auto_free) char *large = malloc(YAML_JSON_MAX_BYTES + 1);

    memset(large, ' ', YAML_JSON_MAX_BYTES + 1);
    AUTO(err_free) struct err *e2 =
        yaml_json_read("x", view_of(large, YAML_JSON_MAX_BYTES + 1), &value);

    assert_true(err_is(e2, ERR_LIMIT));
    assert_null(value);
}

/* @value is taken */
static void assert_comes_back(json_t *value)
{
    struct buf text;
    json_t *back = NULL;

    buf_init(&text, 0);
    yaml_json_write(value, &text);
    assert_false(text.failed);
    AUTO(err_free) struct err *e = yaml_json_read("back", buf_view(&text), &back);

    if (e != NULL || !json_equal(value, back)) {
        fail_msg("%s\n%.*s", e != NULL ? err_text(e) : "is not what it was", (int)text.len,
                 (const char *)text.data);
    }
    json_decref(back);
    json_decref(value);
    buf_deinit(&text);
}

static const char *const pieces[] = {
    "a",    "1",    "-",      " ",      "\n",   ":",          "#",          "'",
    "\"",   "\\",   "\t",     "~",      "null", "yes",        "|",          ">",
    "é",    "[",    "]",      "{",      "}",    ",",          "&x",         "*x",
    "!",    "%",    "@",      "`",      "?",    "\xc2\x85",   "\u2028",     "\ufeff",
    "\x7f", "\x01", "\u00a0", "\ufffe", "0x1",  "\U0001F600", "- a",        "a: b",
    "=",    "...",  "---",    ".",      "\r",   "<<",         "2026-11-23", "\r\n",
};

static void test_every_text_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        for (size_t k = 0; k < ARRAY_LEN(pieces); k++) {
            for (size_t m = 0; m < ARRAY_LEN(pieces); m++) {
                AUTO(auto_free) char *text = text_fmt("%s%s%s", pieces[i], pieces[k], pieces[m]);

                assert_comes_back(json_pack("{s:s, s:[s, {s:s}]}", "one", text, text, text, text));
            }
        }
    }
}

static void test_every_shape_comes_back(void **state)
{
    (void)state;
    assert_comes_back(json_pack("{}"));
    assert_comes_back(json_pack("[]"));
    assert_comes_back(
        json_pack("{s:{}, s:[], s:n, s:b, s:i, s:s}", "a", "b", "c", "d", 0, "e", -7, "f", ""));
    assert_comes_back(json_pack("[[[i], i], {s:[[], {}]}, [{s:{s:i}}]]", 1, 2, "a", "b", "c", 3));
    assert_comes_back(json_pack("{s:s, s:{s:s}}", "pem",
                                "-----BEGIN X-----\nQUJD\n-----END X-----\n", "in", "text",
                                "a\n\n\n"));
}

static void test_looks_like_this(void **state)
{
    json_t *value =
        json_pack("{s:s, s:[s, s], s:{s:s, s:i}, s:[{s:s, s:i}], s:[]}", "name", "Main Vault",
                  "addresses", "https://vault.example:8200", "yes", "login", "pem",
                  "-----BEGIN\nQUJD\n", "port", 22, "hosts", "name", "a", "port", 1, "tags");
    struct buf text;

    (void)state;
    buf_init(&text, 0);
    yaml_json_write(value, &text);
    buf_put_u8(&text, 0);
    assert_string_equal((const char *)text.data, "name: Main Vault\n"
                                                 "addresses:\n"
                                                 "  - https://vault.example:8200\n"
                                                 "  - \"yes\"\n"
                                                 "login:\n"
                                                 "  pem: |\n"
                                                 "    -----BEGIN\n"
                                                 "    QUJD\n"
                                                 "  port: 22\n"
                                                 "hosts:\n"
                                                 "  - name: a\n"
                                                 "    port: 1\n"
                                                 "tags: []\n");
    buf_deinit(&text);
    json_decref(value);
}

static const char sample[] =
    "name: \"M\\tx\"\nspec:\n  list: [1, 'a', {b: c}]\n  text: |\n    one\n"
    "    two\n  more:\n    - x: 1\n    - null\n";

/* Whatever comes out is either a value that can be written and read again, or an error. */
static void reads_or_refuses(const char *bytes, size_t len)
{
    json_t *value = NULL;
    AUTO(err_free) struct err *e = yaml_json_read("x", view_of(bytes, len), &value);

    if (e == NULL) {
        assert_comes_back(value);
    } else {
        assert_null(value);
        assert_true(err_is(e, ERR_INPUT));
    }
}

static void test_flipped_and_cut_short(void **state)
{
    char copy[sizeof sample];

    (void)state;
    for (size_t i = 0; i < sizeof sample - 1; i++) {
        reads_or_refuses(sample, i);
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(copy, sample, sizeof copy);
            copy[i] = (char)((unsigned char)copy[i] ^ (1U << bit));
            reads_or_refuses(copy, sizeof sample - 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_every_text_comes_back),
        cmocka_unit_test(test_every_shape_comes_back),
        cmocka_unit_test(test_looks_like_this),
        cmocka_unit_test(test_flipped_and_cut_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
