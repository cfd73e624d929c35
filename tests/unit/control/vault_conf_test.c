/* A connector's spec in the words of vault/: every member, and what is put in where one is absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/control.h"

static struct err *read_spec(const char *text, json_t **ret_json, struct vault_conf *ret,
                             char ***ret_more)
{
    *ret_json = json_loads(text, 0, NULL);
    assert_non_null(*ret_json);
    return control_vault_conf(*ret_json, NULL, NULL, ret, ret_more);
}

static void test_approle(void **state)
{
    AUTO(text_list_free) char **more = NULL;
    struct vault_conf c;
    json_t *json;

    (void)state;
    AUTO(err_free) struct err *e = read_spec(
        "{\"addresses\":[\"https://a\",\"https://b\",\"https://c\"],\"server_name\":\"v\","
        "\"namespace\":\"n\",\"renewal_interval_minutes\":3,\"login\":{\"method\":\"approle\","
        "\"mount\":\"team\",\"role_id_file\":\"/r\",\"secret_id_file\":\"/s\","
        "\"secret_id_wrapped\":true,\"wrapping_path\":\"w\"}}",
        &json, &c, &more);

    assert_null(e);
    assert_string_equal(c.address, "https://a");
    assert_int_equal(text_list_len(c.addresses), 2);
    assert_string_equal(c.addresses[1], "https://c");
    assert_string_equal(c.server_name, "v");
    assert_string_equal(c.namespace_, "n");
    assert_int_equal(c.login, VAULT_LOGIN_APPROLE);
    assert_string_equal(c.login_mount, "team");
    assert_string_equal(c.role_id_file, "/r");
    assert_string_equal(c.secret_id_file, "/s");
    assert_true(c.secret_id_wrapped);
    assert_string_equal(c.wrapping_path, "w");
    assert_true(c.renew_by_interval);
    assert_int_equal(c.renew_interval_s, 180);
    json_decref(json);
}

static void test_as_little_as_can_be(void **state)
{
    AUTO(text_list_free) char **more = NULL;
    struct vault_conf c;
    json_t *json;

    (void)state;
    AUTO(err_free) struct err *e = read_spec(
        "{\"addresses\":[\"https://a\"],\"login\":{\"method\":\"token\",\"token_file\":\"/t\"}}",
        &json, &c, &more);

    assert_null(e);
    assert_null(c.addresses);
    assert_null(c.ca_pem);
    assert_int_equal(c.login, VAULT_LOGIN_TOKEN);
    assert_string_equal(c.token_file, "/t");
    assert_string_equal(c.login_mount, "approle"); /* AppRole's own mount */
    assert_true(c.renew_by_interval);              /* so that 0 is never */
    assert_int_equal(c.renew_interval_s, 0);
    assert_int_equal(c.request_timeout_ms, 0);
    json_decref(json);
}

static void test_a_variable_that_is_not_there(void **state)
{
    AUTO(text_list_free) char **more = NULL;
    struct vault_conf c;
    json_t *json;

    (void)state;
    AUTO(err_free) struct err *e = read_spec("{\"addresses\":[\"https://a\"],\"login\":{\"method\":"
                                             "\"token\",\"token_environment\":\"T\"}}",
                                             &json, &c, &more);

    assert_true(err_is(e, ERR_UNSUPPORTED));
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_approle),
        cmocka_unit_test(test_as_little_as_can_be),
        cmocka_unit_test(test_a_variable_that_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
