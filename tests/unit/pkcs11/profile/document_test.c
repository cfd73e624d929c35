/*
 * Reading one profile file: what is refused, and that the message names file, line and key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pkcs11/profile/document.h"

static const char good[] = "# a comment\n"
                           "match:\n"
                           "  module: [\"libx*.so\", 'liby.so']\n"
                           "  firmware-version: 1.2..1.9\n"
                           "token:\n"
                           "  login: never\n"
                           "  sign-timeout: 2m\n"
                           "  mechanisms-off: [CKM_EDDSA]\n";

static void test_lines(void **state)
{
    (void)state;
    AUTO(document_free) struct document *d = NULL;
    AUTO(err_free) struct err *e = document_parse("x.yaml", view_cstr(good), &d);

    assert_string_equal(err_text(e), "");
    assert_int_equal(d->settings[SECTION_MATCH][0].line, 3);
    assert_int_equal(d->settings[SECTION_MATCH][0].words_count, 2);
    assert_int_equal(d->settings[SECTION_TOKEN][1].line, 6);
    assert_string_equal(d->settings[SECTION_TOKEN][1].text, "never");
    assert_int_equal(d->settings[SECTION_TOKEN][0].line, 0);
    assert_true(d->match.firmware.set);
    assert_string_equal(d->match.module[1], "liby.so");
}

static void refused(const char *text, const char *line, const char *key)
{
    struct document *d = NULL;
    AUTO(err_free) struct err *e = document_parse("x.yaml", view_cstr(text), &d);

    assert_true(err_is(e, ERR_INPUT));
    assert_null(d);
    if (strncmp(err_text(e), line, strlen(line)) != 0 || strstr(err_text(e), key) == NULL) {
        fail_msg("'%s' does not start with %s and name %s", err_text(e), line, key);
    }
}

static void test_refused(void **state)
{
    (void)state;
    refused("token:\n  login: auto\n  logon: auto\n", "x.yaml:3:", "'logon'");
    refused("token:\n\n  logon: auto\n  login: auto\n", "x.yaml:3:", "'logon'");
    refused("tokens:\n  login: auto\n", "x.yaml:1:", "'tokens'");
    refused("load:\n  login: auto\n", "x.yaml:2:", "'login'");
    refused("token:\n  login: auto\n  login: never\n", "x.yaml:3:", "login");
    refused("token:\n  login: maybe\n", "x.yaml:2:", "token.login");
    refused("load:\n  os-locking: oui\n", "x.yaml:2:", "load.os-locking");
    refused("load:\n  threads-max: 0\n", "x.yaml:2:", "load.threads-max");
    refused("load:\n  threads-max: 65\n", "x.yaml:2:", "load.threads-max");
    refused("load:\n  threads-max: -1\n", "x.yaml:2:", "load.threads-max");
    refused("load:\n  threads-max: core\n", "x.yaml:2:", "load.threads-max");
    refused("token:\n  sessions-max: cores\n", "x.yaml:2:", "token.sessions-max");
    refused("load:\n  threads-max: [1]\n", "x.yaml:2:", "threads-max");
    refused("load:\n  environment: HOME\n", "x.yaml:2:", "environment");
    refused("token:\n  sign-timeout: 0\n", "x.yaml:2:", "token.sign-timeout");
    refused("token:\n  sign-timeout: 2h\n", "x.yaml:2:", "token.sign-timeout");
    refused("token:\n  mechanisms-off:\n    - CKM_NONE\n", "x.yaml:2:", "CKM_NONE");
    refused("match:\n  model: a\n  firmware-version: 1\n", "x.yaml:3:", "match.firmware-version");
    refused("match:\n  firmware-version: 2.0..1.0\n", "x.yaml:2:", "match.firmware-version");
    refused("match:\n  firmware-version: ..\n", "x.yaml:2:", "match.firmware-version");
    refused("token: [\n", "x.yaml:2:", "not YAML");
}

static bool fits(const char *version, unsigned major, unsigned minor)
{
    AUTO(auto_free) char *text = text_fmt("match:\n  firmware-version: %s\n", version);
    AUTO(document_free) struct document *d = NULL;
    AUTO(err_free) struct err *e = document_parse("x.yaml", view_cstr(text), &d);
    struct profile_facts facts = {.firmware_major = major, .firmware_minor = minor};

    assert_string_equal(err_text(e), "");
    return document_matches(d, &facts, true);
}

static void test_versions(void **state)
{
    (void)state;
    assert_true(fits("1.9", 1, 9));
    assert_false(fits("1.9", 1, 10));
    assert_true(fits("1.2..1.9", 1, 2));
    assert_true(fits("1.2..1.9", 1, 9));
    assert_false(fits("1.2..1.9", 1, 1));
    assert_false(fits("1.2..1.9", 2, 3));
    assert_true(fits("..1.4", 0, 0));
    assert_true(fits("2.0..", 255, 0));
    assert_false(fits("2.0..", 1, 255));
}

static void test_match(void **state)
{
    (void)state;
    AUTO(document_free) struct document *d = NULL;
    AUTO(err_free) struct err *e = document_parse(
        "x.yaml", view_cstr("match:\n  module: ['libx*.so*']\n  model: 'X ?'\n"), &d);
    struct profile_facts facts = {.module_path = "/usr/lib/libx2.so.1", .token = {.model = "X 5"}};

    assert_null(e);
    assert_true(document_matches(d, &facts, true));
    facts.token.model = "X 55";
    assert_false(document_matches(d, &facts, true));
    assert_true(document_matches(d, &facts, false)); /* only the file name is known */
    facts.token.model = NULL;
    assert_false(document_matches(d, &facts, true));
    facts.module_path = "/usr/lib/libx2.so.d/other.so";
    assert_false(document_matches(d, &facts, false));
    facts.module_path = NULL;
    assert_false(document_matches(d, &facts, false));
}

/* An empty file has no bytes to point at. */
static void test_nothing(void **state)
{
    AUTO(document_free) struct document *d = NULL, *of_text = NULL;
    AUTO(err_free) struct err *e = document_parse("x.yaml", view_of(NULL, 0), &d);
    AUTO(err_free) struct err *e_of_text = document_parse("x.yaml", view_cstr("# x\n"), &of_text);

    (void)state;
    assert_string_equal(err_text(e), err_text(e_of_text));
}

/* Truncated at each byte and with each bit flipped: refused or read, never a crash or a leak. */
static void test_damage(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof good; cut++) {
        for (unsigned bit = 0; bit < 9; bit++) {
            char text[sizeof good];
            struct document *d = NULL;

            memcpy(text, good, sizeof good);
            if (cut > 0 && bit < 8) {
                text[cut - 1] = (char)(text[cut - 1] ^ (1 << bit));
            }
            AUTO(err_free) struct err *e =
                document_parse("x.yaml", view_of(text, bit < 8 ? sizeof good - 1 : cut), &d);

            assert_true((e == NULL) == (d != NULL));
            document_free(&d);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_match),   cmocka_unit_test(test_versions),
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
