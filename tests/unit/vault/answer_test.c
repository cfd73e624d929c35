#include "vault/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vault/break_it.h"
#include "vault/sign.h"

/* The error of an answer, NULL when it is a good one. */
static struct err *judge(unsigned status, const char *body)
{
    AUTO(vault_json_free) json_t *root = NULL;
    struct err *e = vault_api_read(status, view_cstr(body), &root);

    assert_true(e == NULL || root == NULL);
    return e;
}

static void assert_judged(unsigned status, const char *body, enum err_code code, const char *words)
{
    AUTO(err_free) struct err *e = judge(status, body);

    assert_non_null(e);
    assert_int_equal(err_code(e), code);
    assert_true(vault_api_is_status(e, status));
    assert_non_null(strstr(err_text(e), words));
}

static void each_status_has_its_code_and_vaults_words(void **state)
{
    (void)state;
    assert_judged(400, "{\"errors\":[\"root is not a valid value\"]}", ERR_DENIED,
                  "Vault says: root is not a valid value");
    assert_judged(400, "{\"errors\":[\"Unknown role: web\"]}", ERR_NOT_FOUND, "Unknown role: web");
    assert_judged(403, "{\"errors\":[\"permission denied\"]}", ERR_DENIED, "permission denied");
    assert_judged(404, "{\"errors\":[\"no handler for route\"]}", ERR_NOT_FOUND, "no handler");
    assert_judged(405, "{\"errors\":[]}", ERR_UNSUPPORTED, "status 405 and no reason");
    assert_judged(412, "", ERR_BUSY, "status 412");
    assert_judged(429, "", ERR_BUSY, "status 429");
    assert_judged(500, "<html>", ERR_REMOTE, "status 500");
    assert_judged(503, "{\"errors\":[\"Vault is sealed\"]}", ERR_REMOTE, "Vault is sealed");
    assert_judged(503, "{\"errors\":[\"OpenBao is sealed\"]}", ERR_REMOTE, "Vault is sealed");
    assert_judged(503, "{\"errors\":[\"node is on standby\"]}", ERR_REMOTE, "node is on standby");
    assert_judged(307, "", ERR_REMOTE, "status 307");
    assert_judged(100, "", ERR_REMOTE, "status 100");
}

static void words_over_many_lines_become_one(void **state)
{
    (void)state;
    assert_judged(403, "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}",
                  ERR_DENIED, "1 error occurred: * permission denied (HTTP 403)");
    assert_judged(400, "{\"errors\":[\"  a \",\"b\\r\\n\", 7, \"\"]}", ERR_DENIED, "says: a; b");
}

static void words_have_an_end(void **state)
{
    AUTO(auto_free) char *body = malloc(100000);

    (void)state;
    assert_non_null(body);
    memset(body, 'x', 100000);
    memcpy(body, "{\"errors\":[\"", 12);
    strcpy(body + 99990, "\"]}");
    AUTO(err_free) struct err *e = judge(400, body);

    assert_true(err_is(e, ERR_DENIED));
    assert_in_range(strlen(err_text(e)), 400, 600);
}

static void only_an_object_is_an_answer(void **state)
{
    static const char *const bad[] = {"[]",
                                      "null",
                                      "true",
                                      "\"x\"",
                                      "7",
                                      "<html>",
                                      "{",
                                      "{}}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{} trail",
                                      "{\"\xff\":1}",
                                      "{\"a\":1,\"a\":2}",
                                      " "};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(err_free) struct err *e = judge(200, bad[i]);

        assert_true(err_is(e, ERR_PROTOCOL));
    }
    assert_null(judge(200, "{}"));
    assert_null(judge(204, ""));
}

static const char signed_answer[] = "{\"request_id\":\"1b-2c\",\"data\":{\"serial_number\":\"a1\","
                                    "\"signed_key\":\"ssh-x AAAA\\n\"}}";

static bool read_signed(struct view body, struct vault_signed *ret)
{
    AUTO(vault_json_free) json_t *root = NULL;
    AUTO(err_free) struct err *e = vault_api_read(200, body, &root);

    if (e == NULL) {
        e = vault_sign_read(root, ret);
    }
    assert_true(e == NULL || err_is(e, ERR_PROTOCOL));
    return e == NULL;
}

static void a_certificate_is_found(void **state)
{
    struct vault_signed s = {0};

    (void)state;
    assert_true(read_signed(view_cstr(signed_answer), &s));
    assert_string_equal(s.cert_line, "ssh-x AAAA\n");
    assert_string_equal(s.request_id, "1b-2c");
    vault_signed_deinit(&s);
}

static void answers_of_another_shape_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "{\"data\":null}",
        "{\"data\":[]}",
        "{\"data\":\"signed_key\"}",
        "{\"data\":{}}",
        "{\"data\":{\"signed_key\":7}}",
        "{\"data\":{\"signed_key\":null}}",
        "{\"data\":{\"signed_key\":\"\"}}",
        "{\"data\":{\"signed_key\":\"a\\u0000b\"}}",
        "{\"signed_key\":\"x\"}",
    };
    struct vault_signed s = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(read_signed(view_cstr(bad[i]), &s));
    }
}

static void a_certificate_without_end_is_refused(void **state)
{
    AUTO(auto_free) char *body = malloc(200 * 1024);
    struct vault_signed s = {0};

    (void)state;
    assert_non_null(body);
    memset(body, 'x', 200 * 1024);
    memcpy(body, "{\"data\":{\"signed_key\":\"", 23);
    strcpy(body + 150 * 1024, "\"}}");
    assert_false(read_signed(view_cstr(body), &s));
}

static bool takes_a_certificate(struct view body)
{
    struct vault_signed s = {0};
    bool yes = read_signed(body, &s);

    assert_true(!yes || strlen(s.cert_line) > 0);
    vault_signed_deinit(&s);
    return yes;
}

static void broken_answers_do_no_harm(void **state)
{
    (void)state;
    break_it(view_cstr(signed_answer), takes_a_certificate);
}

static int set_up(void **state)
{
    (void)state;
    vault_api_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_status_has_its_code_and_vaults_words),
        cmocka_unit_test(words_over_many_lines_become_one),
        cmocka_unit_test(words_have_an_end),
        cmocka_unit_test(only_an_object_is_an_answer),
        cmocka_unit_test(a_certificate_is_found),
        cmocka_unit_test(answers_of_another_shape_are_refused),
        cmocka_unit_test(a_certificate_without_end_is_refused),
        cmocka_unit_test(broken_answers_do_no_harm),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
