/*
 * URIs: what each names, what they match, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pkcs11/module/module.h"

static const struct p11_token_id demo = {
    .label = "demo", .manufacturer = "SoftHSM project", .model = "SoftHSM v2", .serial = "0a1b"};

static struct p11_uri *parse(const char *text)
{
    struct p11_uri *u = NULL;
    AUTO(err_free) struct err *e = p11_uri_parse(text, &u);

    assert_string_equal(err_text(e), "");
    return u;
}

static bool token_fits(const char *text, unsigned long slot)
{
    AUTO(p11_uri_free) struct p11_uri *u = parse(text);

    return p11_uri_matches_token(u, &demo, slot);
}

static void test_token(void **state)
{
    (void)state;
    assert_true(token_fits("pkcs11:", 1));
    assert_true(token_fits("pkcs11:token=demo", 1));
    assert_true(token_fits("pkcs11:token=demo;serial=0a1b;model=SoftHSM%20v2", 1));
    assert_true(token_fits("pkcs11:manufacturer=SoftHSM%20project;object=x", 1));
    assert_false(token_fits("pkcs11:token=dem", 1));
    assert_false(token_fits("pkcs11:token=demo2", 1));
    assert_false(token_fits("pkcs11:token=demo;serial=0a1c", 1));
    assert_true(token_fits("pkcs11:slot-id=7", 7));
    assert_false(token_fits("pkcs11:slot-id=7", 8));
}

static void test_empty_fields(void **state)
{
    (void)state;
    struct p11_token_id bare = {0};
    AUTO(p11_uri_free) struct p11_uri *any = parse("pkcs11:");
    AUTO(p11_uri_free) struct p11_uri *named = parse("pkcs11:token=demo");

    assert_true(p11_uri_matches_token(any, &bare, 0));
    assert_false(p11_uri_matches_token(named, &bare, 0));
}

static bool key_fits(const char *text)
{
    AUTO(p11_uri_free) struct p11_uri *u = parse(text);

    return p11_uri_matches_key(u, "web", view_of("\x01\x02", 2));
}

static void test_key(void **state)
{
    (void)state;
    assert_true(key_fits("pkcs11:token=other"));
    assert_true(key_fits("pkcs11:object=web;type=private"));
    assert_true(key_fits("pkcs11:id=%01%02;type=public"));
    assert_false(key_fits("pkcs11:object=we"));
    assert_false(key_fits("pkcs11:id=%01"));
    assert_false(key_fits("pkcs11:object=web;type=cert"));
    AUTO(p11_uri_free) struct p11_uri *u = parse("pkcs11:token=a;id=%ff%00?pin-source=file:/x");

    assert_null(p11_uri_object(u));
    assert_true(view_eq(p11_uri_id(u), view_of("\xff\x00", 2)));
    assert_string_equal(p11_uri_pin_source(u), "file:/x");
    AUTO(p11_uri_free) struct p11_uri *plain = parse("pkcs11:token=a");

    assert_null(p11_uri_pin_source(plain));
}

static void refused(const char *text, const char *why)
{
    struct p11_uri *u = NULL;
    AUTO(err_free) struct err *e = p11_uri_parse(text, &u);

    assert_true(err_is(e, ERR_INPUT));
    assert_non_null(strstr(err_text(e), why));
    assert_null(u);
}

static void test_refused(void **state)
{
    (void)state;
    refused("http:token=a", "http:");
    refused("", "URI");
    refused("pkcs11:token=%zz", "%zz");
    refused("pkcs11:tokn=a", "do not know");
    refused("pkcs11:object=a%00b", "NUL");
    refused("pkcs11:token=a?pin-value=1234", "pin-value");
}

static void test_pin_is_not_repeated(void **state)
{
    (void)state;
    struct p11_uri *u = NULL;
    AUTO(err_free) struct err *e = p11_uri_parse("pkcs11:token=a?pin-value=8642", &u);

    assert_null(strstr(err_text(e), "8642"));
}

static void test_text(void **state)
{
    (void)state;
    AUTO(auto_free) char *token = p11_uri_text(&demo, NULL, view_of(NULL, 0));
    AUTO(auto_free) char *key = p11_uri_text(&demo, "web; a/b", view_of("\x00\xff", 2));
    AUTO(p11_uri_free) struct p11_uri *t = parse(token);
    AUTO(p11_uri_free) struct p11_uri *k = parse(key);

    assert_true(p11_uri_matches_token(t, &demo, 0));
    assert_true(p11_uri_matches_token(k, &demo, 0));
    assert_string_equal(p11_uri_object(k), "web; a/b");
    assert_true(view_eq(p11_uri_id(k), view_of("\x00\xff", 2)));
    assert_non_null(strstr(key, "type=private"));
}

/* Truncated or flipped, an URI is refused or parsed, but never read beyond its end. */
static void test_damage(void **state)
{
    (void)state;
    static const char sample[] = "pkcs11:token=demo;serial=0a;id=%01%02;object=w?pin-source=f";

    for (size_t cut = 0; cut < sizeof sample; cut++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            AUTO(auto_free) char *text = strndup(sample, cut);
            struct p11_uri *u = NULL;

            if (cut > 0) {
                text[cut - 1] = (char)(text[cut - 1] ^ (1 << bit));
            }
            AUTO(err_free) struct err *e = p11_uri_parse(text, &u);

            assert_true((e == NULL) == (u != NULL));
            p11_uri_free(&u);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token),  cmocka_unit_test(test_empty_fields),
        cmocka_unit_test(test_key),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_text),   cmocka_unit_test(test_pin_is_not_repeated),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
