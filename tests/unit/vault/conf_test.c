#include "vault/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vault/break_it.h"

static bool parse_conf(struct view bytes)
{
    struct rd r = rd_of(bytes);
    struct vault_conf c = {0};
    AUTO(err_free) struct err *e = vault_conf_get(&r, &c);
    bool good = e == NULL && rd_at_end(&r);

    if (e == NULL) {
        assert_non_null(c.name);
        assert_non_null(c.address);
        assert_true(c.request_timeout_ms >= 0 && c.renew_interval_s >= 0);
        assert_true(c.ca_bundle == NULL || c.ca_pem == NULL);
        assert_true(vault_conf_addresses(&c) <= VAULT_ADDRESSES_MAX);
    } else {
        assert_null(c.name);
    }
    vault_conf_deinit(&c);
    return good;
}

static struct secret *secret_of(const char *text)
{
    struct secret *s = NULL;
    AUTO(err_free) struct err *e = secret_new(view_cstr(text), &s);

    assert_null(e);
    return s;
}

/* There and back; the caller frees. */
static struct vault_conf sent(const struct vault_conf *conf)
{
    AUTO(buf_deinit) struct buf b;
    struct vault_conf got = {0};

    buf_init(&b, 0);
    vault_conf_put(&b, conf);
    struct rd r = rd_of(buf_view(&b));
    AUTO(err_free) struct err *e = vault_conf_get(&r, &got);

    assert_null(e);
    assert_true(rd_at_end(&r));
    break_it(buf_view(&b), parse_conf);
    return got;
}

static void a_small_configuration_survives_the_way(void **state)
{
    AUTO(secret_free) struct secret *token = secret_of("s.token");
    const struct vault_conf conf = {
        .name = "prod", .address = "https://a", .ca_bundle = "/ca.pem", .token = token};
    struct vault_conf got = sent(&conf);

    (void)state;
    assert_string_equal(got.name, "prod");
    assert_string_equal(got.ca_bundle, "/ca.pem");
    assert_string_equal(secret_text(got.token), "s.token");
    assert_null(got.namespace_);
    assert_null(got.token_file);
    assert_null(got.addresses);
    assert_null(got.ca_pem);
    assert_int_equal(got.login, VAULT_LOGIN_TOKEN);
    assert_false(got.renew_by_interval);
    vault_conf_deinit(&got);
}

static void a_whole_configuration_survives_the_way(void **state)
{
    static char *more[] = {"https://c", "https://d", NULL};
    const struct vault_conf conf = {
        .name = "lab",
        .address = "https://b",
        .addresses = more,
        .server_name = "vault.example.org",
        .namespace_ = "team",
        .ca_pem = "-----BEGIN",
        .login = VAULT_LOGIN_APPROLE,
        .login_mount = "approle",
        .role_id_file = "/r",
        .secret_id_file = "/s",
        .secret_id_wrapped = true,
        .wrapping_path = "auth/approle/role/x/secret-id",
        .request_timeout_ms = 1234,
        .renew_by_interval = true,
        .renew_interval_s = 600,
        .token_wrapped = true,
        .revoke_on_stop = true,
        .client_problem_passes = true,
    };
    struct vault_conf got = sent(&conf);

    (void)state;
    assert_string_equal(got.namespace_, "team");
    assert_string_equal(got.server_name, "vault.example.org");
    assert_string_equal(got.ca_pem, "-----BEGIN");
    assert_string_equal(got.wrapping_path, "auth/approle/role/x/secret-id");
    assert_int_equal(got.login, VAULT_LOGIN_APPROLE);
    assert_true(got.secret_id_wrapped);
    assert_int_equal(got.request_timeout_ms, 1234);
    assert_true(got.renew_by_interval);
    assert_int_equal(got.renew_interval_s, 600);
    assert_true(got.token_wrapped);
    assert_true(got.revoke_on_stop);
    assert_true(got.client_problem_passes);
    assert_null(got.role);
    assert_null(got.token);
    assert_int_equal(vault_conf_addresses(&got), 3);
    assert_string_equal(vault_conf_address(&got, 0), "https://b");
    assert_string_equal(vault_conf_address(&got, 2), "https://d");
    assert_string_equal(vault_conf_address(&got, 4), "https://c"); /* around */
    vault_conf_deinit(&got);
}

static void assert_logins_are_the_same(const struct vault_conf *a, const struct vault_conf *b)
{
    assert_int_equal(a->login, b->login);
    assert_string_equal(a->role, b->role);
    assert_string_equal(a->jwt_file, b->jwt_file);
    assert_string_equal(a->user, b->user);
    assert_string_equal(a->password_file, b->password_file);
    assert_string_equal(a->client_key, b->client_key);
    assert_string_equal(a->client_public_pem, b->client_public_pem);
    assert_string_equal(a->client_problem, b->client_problem);
    assert_string_equal(a->client_cert_pem, b->client_cert_pem);
    assert_string_equal(a->jwt_issuer, b->jwt_issuer);
    assert_string_equal(a->pki_mount, b->pki_mount);
    assert_string_equal(a->pki_role, b->pki_role);
    assert_string_equal(a->jwt_subject, b->jwt_subject);
    assert_string_equal(a->jwt_audience, b->jwt_audience);
    assert_string_equal(a->proxy, b->proxy);
    assert_string_equal(a->no_proxy, b->no_proxy);
}

static void every_login_survives_the_way_and_a_copy(void **state)
{
    struct vault_conf conf = {
        .name = "lab",
        .address = "https://b",
        .role = "r",
        .jwt_file = "/j",
        .user = "u",
        .password_file = "/p",
        .client_key = "pkcs11:object=k",
        .client_public_pem = "P",
        .client_problem = "why",
        .client_cert_pem = "C",
        .jwt_issuer = "i",
        .pki_mount = "pki",
        .pki_role = "agent",
        .jwt_subject = "s",
        .jwt_audience = "a",
        .proxy = "http://p",
        .no_proxy = "n",
    };

    (void)state;
    for (unsigned i = 0; i < VAULT_LOGINS; i++) {
        struct vault_conf copy = {0};

        conf.login = (enum vault_login)i;
        struct vault_conf got = sent(&conf);
        AUTO(err_free) struct err *e = vault_conf_copy(&conf, &copy);

        assert_null(e);
        assert_logins_are_the_same(&conf, &got);
        assert_logins_are_the_same(&conf, &copy);
        vault_conf_deinit(&got);
        vault_conf_deinit(&copy);
    }
}

static void each_login_has_a_name_of_its_own(void **state)
{
    enum vault_login found = VAULT_LOGIN_TOKEN;

    (void)state;
    for (unsigned i = 0; i < VAULT_LOGINS; i++) {
        assert_true(vault_login_find(vault_login_name((enum vault_login)i), &found));
        assert_int_equal(found, i);
    }
    assert_string_equal(vault_login_name(VAULT_LOGIN_TOKEN_KEY), "token-key");
    assert_false(vault_login_find("tokenkey", &found));
    assert_false(vault_login_find(NULL, &found));
}

static void a_copy_shares_nothing(void **state)
{
    static char *more[] = {"https://b", NULL};
    AUTO(secret_free) struct secret *token = secret_of("s.token");
    const struct vault_conf conf = {
        .name = "prod", .address = "https://a", .addresses = more, .token = token};
    struct vault_conf copy = {0};
    AUTO(err_free) struct err *e = vault_conf_copy(&conf, &copy);

    (void)state;
    assert_null(e);
    assert_string_equal(copy.name, "prod");
    assert_ptr_not_equal(copy.name, conf.name);
    assert_ptr_not_equal(copy.token, conf.token);
    assert_ptr_not_equal(copy.addresses[0], more[0]);
    assert_string_equal(secret_text(copy.token), "s.token");
    assert_null(copy.ca_bundle);
    vault_conf_deinit(&copy);
    assert_null(copy.name);
    assert_null(copy.token);
}

static void assert_refused(const struct vault_conf *c, enum err_code code)
{
    AUTO(err_free) struct err *e = vault_conf_check(c);

    assert_true(err_is(e, code));
}

static void what_cannot_be_is_refused(void **state)
{
    static char *many[VAULT_ADDRESSES_MAX + 1];
    const struct vault_conf good = {.name = "a", .address = "https://a"};
    struct vault_conf c = good;

    (void)state;
    assert_null(vault_conf_check(&good));
    c.name = "";
    assert_refused(&c, ERR_INPUT);
    c = good;
    c.address = NULL;
    assert_refused(&c, ERR_INPUT);
    c = good;
    c.ca_bundle = c.ca_pem = "x";
    assert_refused(&c, ERR_INPUT);
    c = good;
    c.renew_interval_s = -1;
    assert_refused(&c, ERR_INPUT);
    c = good;
    for (size_t i = 0; i < VAULT_ADDRESSES_MAX; i++) {
        many[i] = "https://x";
    }
    c.addresses = many;
    assert_refused(&c, ERR_LIMIT);
    c = good;
    c.login = (enum vault_login)VAULT_LOGINS;
    assert_refused(&c, ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_configuration_survives_the_way),
        cmocka_unit_test(a_whole_configuration_survives_the_way),
        cmocka_unit_test(every_login_survives_the_way_and_a_copy),
        cmocka_unit_test(each_login_has_a_name_of_its_own),
        cmocka_unit_test(a_copy_shares_nothing),
        cmocka_unit_test(what_cannot_be_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
