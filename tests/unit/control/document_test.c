/* The registry as a whole over HTTP: out, in, and its backup. */
#include "control/support.h"

static int answered(const char *method, const char *path, const char *sent, const char *text)
{
    struct client c;
    unsigned calls = reg.calls;

    client_open(&c);
    send_request(&c, method, path, sent);
    reg_await(calls + 1);
    reg_answer(NULL, text);
    int status = take_answer(&c);

    client_close(&c);
    return status;
}

static void test_export(void **state)
{
    (void)state;
    assert_int_equal(answered("GET", "/v1/registry/export", NULL, "{\"resources\":[]}"), 200);
    assert_string_equal(reg.scope, "account");
    assert_int_equal(
        answered("GET", "/v1/registry/export?scope=org%2Facme", NULL, "{\"resources\":[]}"), 200);
    assert_string_equal(reg.scope, "org/acme");
    assert_int_equal(json_array_size(at("resources")), 0);
    assert_int_equal(ask("GET", "/v1/registry/export?scope=x", NULL), 400);
    assert_int_equal(reg.calls, 2);
}

static void test_apply(void **state)
{
    static const char changes[] = "{\"changes\":[],\"applied\":true}";

    (void)state;
    assert_int_equal(answered("POST", "/v1/registry/apply",
                              "{\"document\":{\"resources\":[{\"scope\":\"org/acme\"}]},"
                              "\"dry_run\":true,\"prune\":true,\"prune_scope\":\"org/acme\"}",
                              changes),
                     200);
    assert_string_equal(reg.body, "{\"resources\":[{\"scope\":\"org/acme\"}]}");
    assert_string_equal(reg.scope, "org/acme");
    assert_true(reg.how.dry_run);
    assert_true(reg.how.prune);
    assert_int_equal(
        answered("POST", "/v1/registry/apply", "{\"document\":{\"resources\":[]}}", changes), 200);
    assert_string_equal(reg.scope, "account");
    assert_false(reg.how.dry_run);
    assert_false(reg.how.prune);
}

static void test_apply_refuses_scopes_that_are_none(void **state)
{
    (void)state;
    assert_int_equal(ask("POST", "/v1/registry/apply",
                         "{\"document\":{\"resources\":[{\"scope\":\"account\"},"
                         "{\"scope\":\"org\"}]}}"),
                     400);
    assert_problem("input", "/document/resources/1");
    assert_int_equal(ask("POST", "/v1/registry/apply", "{\"document\":[]}"), 400);
    assert_int_equal(ask("POST", "/v1/registry/apply", "{}"), 400);
    assert_int_equal(reg.calls, 0);
}

static int copied(const char *what, struct err *e)
{
    AUTO(auto_free) char *path = text_fmt("/v1/registry/%s", what);
    struct client c;
    unsigned calls = reg.calls;

    client_open(&c);
    send_request(&c, "POST", path, "{\"path\":\"/var/backup\"}");
    reg_await(calls + 1);
    assert_string_equal(reg.op, what);
    assert_string_equal(reg.path, "/var/backup");
    reg.on_done(reg.arg, e);
    int status = take_answer(&c);

    client_close(&c);
    return status;
}

static void test_backup_and_restore(void **state)
{
    (void)state;
    assert_int_equal(copied("backup", NULL), 204);
    assert_int_equal(copied("backup", err_new(ERR_EXISTS, "there is one")), 409);
    assert_int_equal(copied("restore", NULL), 204);
    assert_int_equal(copied("restore", err_new(ERR_STORE, "damaged")), 507);
    assert_int_equal(ask("POST", "/v1/registry/backup", "{\"path\":\"backup\"}"), 400);
    assert_problem("input", "/path has to be absolute");
    assert_int_equal(ask("POST", "/v1/registry/restore", "{}"), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_export),
        TEST(test_apply),
        TEST(test_apply_refuses_scopes_that_are_none),
        TEST(test_backup_and_restore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
