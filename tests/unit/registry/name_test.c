/* Names, identifiers, scopes and references as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "registry/name.h"
#include "registry/registry.h"

static bool name_ok(const char *name)
{
    struct err *e = registry_name_check(name);
    bool ok = e == NULL;

    assert_true(ok || err_code(e) == ERR_INPUT);
    err_free(&e);
    return ok;
}

static void repeat(char *out, const char *what, size_t n)
{
    *out = '\0';
    for (size_t i = 0; i < n; i++) {
        strcat(out, what);
    }
}

static void names(void **state)
{
    static const char *const good[] = {
        "a",   "Main Vault",       "Zürich",    "日本語",
        "a/b", "x'; DROP TABLE--", "../../etc", "\xf0\x9f\x94\x91 key"};
    static const char *const bad[] = {"",
                                      " a",
                                      "a ",
                                      "a\nb",
                                      "a\x7f",
                                      "\xc2\x85",
                                      "\xff",
                                      "\xc0\x80",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "a\xe2\x80\xaez",
                                      "\xe2\x81\xa6x",
                                      "\xef\xbb\xbfx",
                                      "\xe3\x80\x80x",
                                      "\xe2\x82"};
    char text[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(name_ok(good[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(name_ok(bad[i]));
    }
    repeat(text, "ü", 128);
    assert_true(name_ok(text));
    repeat(text, "ü", 129);
    assert_false(name_ok(text));
    repeat(text, "\xf0\x9f\x94\x91", 128);
    assert_true(name_ok(text));
}

static void identifiers(void **state)
{
    static const char *const rows[][2] = {
        {"Main Vault", "main_vault"},
        {"  a--b  ", "a_b"},
        {"Zürich Straße", "zurich_strasse"},
        {"Ærø Łódź ĳ", "aero_lodz_ij"},
        {"__x__", "x"},
        {"Org", "org_"},
        {"account", "account_"},
        {"../../etc/passwd", "etc_passwd"},
        {"x'; DROP TABLE t;--", "x_drop_table_t"},
        {"2024", "2024"},
        {"ÀÿĀžſ", "ayazs"},
        {"日本 7", "7"},
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(auto_free) char *id = registry_identifier_make(rows[i][0]);

        assert_string_equal(id, rows[i][1]);
        assert_true(registry_identifier_ok(id));
    }
    repeat(text, "Œ", 128);
    AUTO(auto_free) char *longest = registry_identifier_make(text);
    AUTO(auto_free) char *japan = registry_identifier_make("日本");
    AUTO(auto_free) char *korea = registry_identifier_make("한국");

    assert_int_equal(strlen(longest), 128);
    assert_int_equal(strncmp(japan, "n_", 2), 0);
    assert_true(registry_identifier_ok(japan));
    assert_string_not_equal(japan, korea);
}

static void scopes(void **state)
{
    static const char *const good[] = {"account", "org/acme", "org/a_1/project/web"};
    static const char *const bad[] = {"",
                                      "Account",
                                      "org",
                                      "org/",
                                      "org/A",
                                      "org/a/",
                                      "org/a/project",
                                      "org/a/project/",
                                      "org/a/project/b/",
                                      "org/a/project/b/c",
                                      "org/../x",
                                      "account/",
                                      "org/a/team/b",
                                      "project/b",
                                      "org/a.b"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_null(registry_scope_check(good[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err *e = registry_scope_check(bad[i]);

        assert_true(err_is(e, ERR_INPUT));
        err_free(&e);
    }
    assert_true(registry_scope_is_below("org/a/project/b", "org/a"));
    assert_true(registry_scope_is_below("org/a", "account"));
    assert_true(registry_scope_is_below("org/a", "org/a"));
    assert_false(registry_scope_is_below("org/ab", "org/a"));
    assert_false(registry_scope_is_below("account", "org/a"));
}

static void references(void **state)
{
    static const struct {
        const char *from, *reference, *scope, *id; /* scope NULL: refused */
    } rows[] = {
        {"account", "x", "account", "x"},
        {"account", "account.x", "account", "x"},
        {"account", "org.x", NULL, NULL},
        {"org/a", "x", "org/a", "x"},
        {"org/a", "org.x", "org/a", "x"},
        {"org/a", "account.x", "account", "x"},
        {"org/a/project/p", "x", "org/a/project/p", "x"},
        {"org/a/project/p", "org.x", "org/a", "x"},
        {"org/a/project/p", "account.x", "account", "x"},
        {"org/a/project/p", "account", "org/a/project/p", "account"},
        {"org/a", "project.x", NULL, NULL},
        {"org/a", "org/b.x", NULL, NULL},
        {"org/a", "org/a/project/p.x", NULL, NULL},
        {"org/a", "account.org.x", NULL, NULL},
        {"org/a", "../x", NULL, NULL},
        {"org/a", "X", NULL, NULL},
        {"org/a", "", NULL, NULL},
        {"org/a", "account.", NULL, NULL},
        {"sideways", "x", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(auto_free) char *scope = NULL;
        const char *id = NULL;
        struct err *e = registry_reference_resolve(rows[i].from, rows[i].reference, &scope, &id);

        if (rows[i].scope == NULL) {
            assert_true(err_is(e, ERR_INPUT));
            err_free(&e);
        } else {
            assert_null(e);
            assert_string_equal(scope, rows[i].scope);
            assert_string_equal(id, rows[i].id);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(identifiers),
        cmocka_unit_test(scopes),
        cmocka_unit_test(references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
