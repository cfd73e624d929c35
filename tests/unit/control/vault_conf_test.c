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
    assert_true(c.renew_by_interval); /* so that 0 is never */
    assert_int_equal(c.renew_interval_s, 0);
    assert_int_equal(c.request_timeout_ms, 0);
    json_decref(json);
}

static void test_every_method(void **state)
{
    static const struct {
        const char *login;
        enum vault_login method;
        const char *mount;
        size_t at;
        const char *value;
    } rows[] = {
        {"{\"method\":\"cert\",\"key\":\"pkcs11:id=%01\"}", VAULT_LOGIN_CERT, "cert",
         offsetof(struct vault_conf, client_key), "pkcs11:id=%01"},
        {"{\"method\":\"cert\",\"role\":\"r\"}", VAULT_LOGIN_CERT, "cert",
         offsetof(struct vault_conf, role), "r"},
        {"{\"method\":\"jwt\",\"jwt_file\":\"/j\"}", VAULT_LOGIN_JWT, "jwt",
         offsetof(struct vault_conf, jwt_file), "/j"},
        {"{\"method\":\"kubernetes\",\"mount\":\"k8s\"}", VAULT_LOGIN_KUBERNETES, "k8s",
         offsetof(struct vault_conf, jwt_file), NULL},
        {"{\"method\":\"userpass\",\"user\":\"u\"}", VAULT_LOGIN_USERPASS, "userpass",
         offsetof(struct vault_conf, user), "u"},
        {"{\"method\":\"userpass\",\"password_file\":\"/p\"}", VAULT_LOGIN_USERPASS, "userpass",
         offsetof(struct vault_conf, password_file), "/p"},
        {"{\"method\":\"token-key\",\"audience\":\"a\"}", VAULT_LOGIN_TOKEN_KEY, "jwt",
         offsetof(struct vault_conf, jwt_audience), "a"},
        {"{\"method\":\"token-key\",\"issuer\":\"i\"}", VAULT_LOGIN_TOKEN_KEY, "jwt",
         offsetof(struct vault_conf, jwt_issuer), "i"},
        {"{\"method\":\"token-key\",\"subject\":\"s\"}", VAULT_LOGIN_TOKEN_KEY, "jwt",
         offsetof(struct vault_conf, jwt_subject), "s"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(auto_free) char *spec = text_fmt("{\"addresses\":[\"https://a\"],\"proxy\":\"p:1\","
                                              "\"no_proxy\":\"n\",\"login\":%s}",
                                              rows[i].login);
        AUTO(text_list_free) char **more = NULL;
        struct vault_conf c;
        json_t *json;
        AUTO(err_free) struct err *e = read_spec(spec, &json, &c, &more);
        const char *value;

        assert_null(e);
        memcpy(&value, (const char *)&c + rows[i].at, sizeof value);
        assert_int_equal(c.login, rows[i].method);
        assert_string_equal(c.login_mount, rows[i].mount);
        assert_string_equal(value != NULL ? value : "", rows[i].value != NULL ? rows[i].value : "");
        assert_string_equal(c.proxy, "p:1");
        assert_string_equal(c.no_proxy, "n");
        json_decref(json);
    }
}

static void test_flags_of_a_login(void **state)
{
    AUTO(text_list_free) char **more = NULL;
    struct vault_conf c;
    json_t *json;

    (void)state;
    AUTO(err_free) struct err *e = read_spec(
        "{\"addresses\":[\"https://a\"],\"login\":{\"method\":\"token\",\"token_wrapped\":true,"
        "\"revoke_on_stop\":true}}",
        &json, &c, &more);

    assert_null(e);
    assert_true(c.token_wrapped);
    assert_true(c.revoke_on_stop);
    assert_null(c.token_file); /* holdfast-vault looks where Vault's own program keeps one */
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
        cmocka_unit_test(test_every_method),
        cmocka_unit_test(test_flags_of_a_login),
        cmocka_unit_test(test_a_variable_that_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
