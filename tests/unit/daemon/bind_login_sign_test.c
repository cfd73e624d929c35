/*
 * Login keys between fakes: what is signed for whom. What may be signed by its shape is
 * policy/statement_test.c's.
 */
#include "daemon/bind_login_fixture.h"

/* --- what is signed ----------------------------------------------------------------------------- */

static void test_signed(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    bind_login_look(binder);
    ask("vault", "pkcs11:object=login", true);
    assert_null(f.answer);
    assert_string_equal(f.signature, "signature");
    assert_facts("server=vault;key=pkcs11:object=login;statement=jwt;scheme=ES256;result=signed;");
}

static void test_each_login_its_own_shape(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    add_server("other", VAULT_LOGIN_CERT);
    bind_login_look(binder);
    ask("vault", "pkcs11:object=login", false);
    assert_refused(ERR_DENIED, "a login by token-key needs no tls13-client");
    ask("other", "pkcs11:object=login", true);
    assert_refused(ERR_DENIED, "this login needs no JWT");
    assert_facts("server=other;key=pkcs11:object=login;scheme=ES256;"
                 "result=this login needs no JWT;");
    ask("other", "pkcs11:object=login", false);
    assert_null(f.answer);
    assert_int_equal(f.notes, 3);
}

/* holdfast-vault does not choose who it is, nor to whom. */
static void test_the_claims_of_the_configuration(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    bind_login_look(binder);
    f.servers[0].jwt_subject = "host1";
    ask("vault", "pkcs11:object=login", true);
    f.servers[0].jwt_subject = NULL;
    assert_refused(ERR_DENIED, "another subject");
    f.servers[0].jwt_audience = "vault";
    ask("vault", "pkcs11:object=login", true);
    f.servers[0].jwt_audience = NULL;
    assert_refused(ERR_DENIED, "another audience");
    free((char *)(uintptr_t)f.servers[0].jwt_issuer);
    f.servers[0].jwt_issuer = NULL;
    ask("vault", "pkcs11:object=login", true);
    assert_refused(ERR_DENIED, "who speaks"); /* it is "holdfast" by itself */
}

static void test_a_trial_has_claims_of_its_own(void **state)
{
    struct vault_conf trial = {.name = "vault",
                               .login = VAULT_LOGIN_TOKEN_KEY,
                               .client_key = "pkcs11:object=login",
                               .jwt_issuer = "a"};
    struct vault_conf other = trial;

    (void)state;
    other.jwt_audience = "elsewhere";
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    bind_login_look(binder);
    bind_login_fill(binder, &trial);
    assert_string_equal(trial.name, "vault"); /* it logs in as the server does */
    bind_login_fill(binder, &other);
    AUTO(auto_free) char *name = text_copy(other.name);

    assert_string_equal(name, "vault (trial 1)");
    ask(name, "pkcs11:object=login", true);
    assert_refused(ERR_DENIED, "another audience");
    trial.name = "candidate";
    trial.jwt_subject = "host1";
    bind_login_fill(binder, &trial);
    assert_string_equal(trial.name, "candidate (trial 2)");
    other.name = "vault";
    bind_login_fill(binder, &other);
    assert_string_equal(other.name, name);
}

static void test_no_other_key_and_no_other_bytes(void **state)
{
    const struct vault_question q = {.server = "vault",
                                     .key = "pkcs11:object=login",
                                     .scheme = SCHEME_ES256,
                                     .message = {(const uint8_t *)"SSHSIG", 6}};

    (void)state;
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    bind_login_look(binder);
    ask("vault", "pkcs11:object=web", true);
    assert_refused(ERR_DENIED, "no login of a server 'vault' is with this key");
    ask("nobody", "pkcs11:object=login", true);
    assert_refused(ERR_DENIED, "no login of a server 'nobody' is with this key");
    assert_int_equal(f.notes, 1); /* the first stranger of a minute */
    f.on_question(f.on_question_arg, 7, &q);
    assert_refused(ERR_DENIED, "no TLS client's statement");
    assert_int_equal(f.notes, 2);
}

static void test_the_key_of_an_identity(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    bind_login_look(binder);
    f.identity = &web;
    ask("vault", "pkcs11:object=login", true); /* before anybody has looked again */
    assert_refused(ERR_DENIED, "is SSH identity web's too");
    bind_login_look(binder);
    assert_null(f.servers[0].client_public_pem);
    assert_non_null(strstr(f.servers[0].client_problem, "say share-with-ssh there"));
    f.servers[0].client_key_shared = true;
    bind_login_look(binder);
    assert_non_null(f.servers[0].client_public_pem);
    ask("vault", "pkcs11:object=login", true);
    assert_null(f.answer);
    assert_int_equal(f.signs, 1);
}

static void test_so_many_a_minute(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    bind_login_look(binder);
    for (unsigned i = 0; i < 3 * BIND_LOGIN_PER_MINUTE_MAX; i++) {
        ask("vault", "pkcs11:object=login", true);
        clock_ms.ms += 100; /* 36 s in all */
    }
    assert_true(err_is(f.answer, ERR_LIMIT));
    assert_int_equal(f.answers, 3 * BIND_LOGIN_PER_MINUTE_MAX);
    assert_int_equal(f.signs, BIND_LOGIN_PER_MINUTE_MAX);
    assert_int_equal(f.notes, BIND_LOGIN_PER_MINUTE_MAX + 1);
    clock_ms.ms += 60 * 1000;
    ask("vault", "pkcs11:object=login", true);
    assert_null(f.answer);
    assert_int_equal(f.signs, BIND_LOGIN_PER_MINUTE_MAX + 1);
}

static void test_the_token_fails(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    bind_login_look(binder);
    f.sign_later = true;
    ask("vault", "pkcs11:object=login", true);
    assert_int_equal(f.answers, 0);
    f.on_signed(f.on_signed_arg, err_new(ERR_PIN, "no PIN"), view_of(NULL, 0));
    assert_true(err_is(f.answer, ERR_PIN));
    assert_facts("server=vault;key=pkcs11:object=login;statement=jwt;scheme=ES256;result=no PIN;");
}

static void test_freed_while_it_signs(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    bind_login_look(binder);
    f.sign_later = true;
    ask("vault", "pkcs11:object=login", true);
    bind_login_free(&binder);
    assert_int_equal(f.cancels, 1);
    assert_int_equal(f.answers, 0);
}

static void test_a_server_that_left(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    bind_login_look(binder);
    vault_conf_deinit(&f.servers[--f.servers_n]);
    bind_login_look(binder);
    ask("vault", "pkcs11:object=login", true);
    assert_refused(ERR_DENIED, "no login of a server 'vault'");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_signed),
        CASE(test_each_login_its_own_shape),
        CASE(test_the_claims_of_the_configuration),
        CASE(test_a_trial_has_claims_of_its_own),
        CASE(test_no_other_key_and_no_other_bytes),
        CASE(test_the_key_of_an_identity),
        CASE(test_so_many_a_minute),
        CASE(test_the_token_fails),
        CASE(test_freed_while_it_signs),
        CASE(test_a_server_that_left),
    };

    return cmocka_run_group_tests_name("daemon/bind_login_sign", tests, NULL, NULL);
}
