/*
 * Login keys between fakes: what is put when, and what a configuration that is tried out is told.
 */
#include "daemon/bind_login_fixture.h"

/* --- what is put -------------------------------------------------------------------------------- */

static void test_others_are_left_alone(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_APPROLE);
    bind_login_tokens(binder);
    assert_int_equal(f.puts, 0);
    ask("vault", "pkcs11:object=login", true);
    assert_refused(ERR_DENIED, "no login of a server 'vault' is with this key");
}

static void test_a_key_is_put_once(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    bind_login_tokens(binder);
    assert_int_equal(f.puts, 1);
    assert_int_equal(f.ready, 1);
    assert_non_null(strstr(f.servers[0].client_public_pem, "BEGIN PUBLIC KEY"));
    assert_null(f.servers[0].client_problem);
    bind_login_tokens(binder);
    bind_login_look(binder);
    assert_int_equal(f.puts, 1);
    assert_int_equal(f.reads, 0); /* a JWT needs no certificate */
}

static void test_a_key_that_is_not_there(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    f.key = NULL;
    f.no_key = ERR_GONE;
    bind_login_tokens(binder);
    bind_login_tokens(binder);
    assert_int_equal(f.puts, 1);
    assert_string_equal(f.servers[0].client_problem, "key pkcs11:object=login is not there");
    assert_true(f.servers[0].client_problem_passes);
    f.no_key = ERR_NOT_FOUND;
    bind_login_tokens(binder);
    assert_false(f.servers[0].client_problem_passes);
    assert_int_equal(f.ready, 0);
    f.key = &key;
    bind_login_tokens(binder);
    assert_int_equal(f.ready, 1);
    assert_null(f.servers[0].client_problem);
    unsigned puts = f.puts;

    f.key = NULL; /* pulled out: the login is left as it is */
    bind_login_tokens(binder);
    assert_int_equal(f.puts, puts);
    ask("vault", "pkcs11:object=login", true);
    assert_refused(ERR_NOT_FOUND, "is not there");
}

static void test_a_certificate_without_its_key(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_CERT);
    f.key = NULL;
    f.no_key = ERR_NOT_FOUND;
    bind_login_tokens(binder);
    assert_string_equal(f.servers[0].client_problem,
                        "key pkcs11:object=login is not there (holdfast enroll makes one)");
}

static void test_a_certificate_is_read_and_put(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_CERT);
    bind_login_look(binder);
    assert_int_equal(f.puts, 0); /* not before it is read */
    bind_login_look(binder);
    assert_int_equal(f.reads, 1);
    certs_come(2);
    assert_int_equal(f.puts, 1);
    assert_int_equal(f.ready, 1);
    AUTO(auto_free) char *first = text_copy(f.servers[0].client_cert_pem);

    assert_non_null(strstr(first, "BEGIN CERTIFICATE"));
    bind_login_look(binder);
    assert_int_equal(f.reads, 1);
    bind_login_tokens(binder); /* perhaps another one */
    bind_login_tokens(binder); /* while it is being read: once more afterwards */
    assert_int_equal(f.reads, 2);
    certs_come(9);
    assert_int_equal(f.reads, 3);
    assert_int_equal(f.puts, 2);
    assert_string_not_equal(f.servers[0].client_cert_pem, first);
}

static void test_no_certificate(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_CERT);
    bind_login_tokens(binder);
    certs_come(0);
    assert_non_null(strstr(f.servers[0].client_problem, "holdfast enroll vault gets one"));
    assert_false(f.servers[0].client_problem_passes);
    assert_null(f.servers[0].client_public_pem);
    bind_login_tokens(binder);
    certs_come(2);
    assert_null(f.servers[0].client_problem);
    assert_int_equal(f.ready, 1);
}

static void test_a_token_that_cannot_be_read_changes_nothing(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_CERT);
    bind_login_tokens(binder);
    certs_come(2);
    bind_login_tokens(binder);
    remote_certs_fn *on_certs = f.on_certs;

    f.on_certs = NULL;
    on_certs(f.on_certs_arg, err_new(ERR_GONE, "the token is away"), NULL, 0);
    assert_int_equal(f.puts, 1);
    assert_non_null(f.servers[0].client_cert_pem);
}

static void test_freed_while_it_reads(void **state)
{
    (void)state;
    add_server("vault", VAULT_LOGIN_CERT);
    bind_login_tokens(binder); /* tear_down() ends the reading after the binder */
    assert_non_null(f.on_certs);
}

/* --- what is tried out -------------------------------------------------------------------------- */

static struct vault_conf trial(enum vault_login login)
{
    return (struct vault_conf){.name = "connector",
                               .address = "https://vault.example.org:8200",
                               .login = login,
                               .client_key = "pkcs11:object=login",
                               .jwt_issuer = "a"};
}

static void test_a_trial_of_a_login_that_is_put(void **state)
{
    struct vault_conf c = trial(VAULT_LOGIN_TOKEN_KEY);

    (void)state;
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    bind_login_look(binder);
    bind_login_fill(binder, &c);
    assert_string_equal(c.name, "vault");
    assert_string_equal(c.client_public_pem, f.servers[0].client_public_pem);
    c = trial(VAULT_LOGIN_APPROLE);
    bind_login_fill(binder, &c);
    assert_null(c.client_public_pem);
    assert_string_equal(c.name, "connector");
}

static void test_a_trial_of_its_own(void **state)
{
    struct vault_conf c = trial(VAULT_LOGIN_CERT);

    (void)state;
    bind_login_fill(binder, &c);
    assert_non_null(strstr(c.client_problem, "is being read"));
    assert_true(c.client_problem_passes);
    certs_come(2);
    c = trial(VAULT_LOGIN_CERT);
    bind_login_fill(binder, &c);
    assert_null(c.client_problem);
    assert_non_null(c.client_public_pem);
    assert_non_null(strstr(c.client_cert_pem, "BEGIN CERTIFICATE"));
    assert_string_equal(c.name, "connector (trial 1)");
    ask(c.name, "pkcs11:object=login", false);
    assert_null(f.answer);
    c = trial(VAULT_LOGIN_TOKEN_KEY); /* another one, beside it */
    bind_login_fill(binder, &c);
    assert_non_null(c.client_public_pem);
    ask(c.name, "pkcs11:object=login", true);
    assert_null(f.answer);
    ask("connector (trial 1)", "pkcs11:object=login", false);
    assert_null(f.answer);
    assert_int_equal(f.signs, 3);
    assert_int_equal(f.puts, 0);
    clock_ms.ms += BIND_LOGIN_TRIAL_MS;
    bind_login_look(binder);
    f.signs = 0;
    ask("connector (trial 1)", "pkcs11:object=login", false);
    assert_refused(ERR_DENIED, "no login of a server 'connector (trial 1)'");
}

static void test_a_trial_beside_a_server_of_its_name(void **state)
{
    struct vault_conf c = trial(VAULT_LOGIN_TOKEN_KEY);

    (void)state;
    c.name = "vault";
    c.client_key = "pkcs11:object=other";
    add_server("vault", VAULT_LOGIN_TOKEN_KEY);
    bind_login_look(binder);
    bind_login_fill(binder, &c);
    assert_string_not_equal(c.name, "vault");
    assert_int_equal(f.puts, 1);
    ask("vault", "pkcs11:object=login", true);
    assert_null(f.answer);
}

static void test_a_trial_with_the_key_of_an_identity(void **state)
{
    struct vault_conf c = trial(VAULT_LOGIN_TOKEN_KEY);

    (void)state;
    f.identity = &web;
    bind_login_fill(binder, &c);
    assert_null(c.client_public_pem);
    assert_non_null(strstr(c.client_problem, "SSH identity web's too"));
    c = trial(VAULT_LOGIN_TOKEN_KEY);
    c.client_key_shared = true;
    bind_login_fill(binder, &c);
    assert_non_null(c.client_public_pem);
    f.key = NULL;
    f.no_key = ERR_GONE;
    c = trial(VAULT_LOGIN_TOKEN_KEY);
    c.client_key = "pkcs11:object=other";
    bind_login_fill(binder, &c);
    assert_string_equal(c.client_problem, "key pkcs11:object=other is not there");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_others_are_left_alone),
        CASE(test_a_key_is_put_once),
        CASE(test_a_key_that_is_not_there),
        CASE(test_a_certificate_without_its_key),
        CASE(test_a_certificate_is_read_and_put),
        CASE(test_no_certificate),
        CASE(test_a_token_that_cannot_be_read_changes_nothing),
        CASE(test_freed_while_it_reads),
        CASE(test_a_trial_of_a_login_that_is_put),
        CASE(test_a_trial_of_its_own),
        CASE(test_a_trial_with_the_key_of_an_identity),
        CASE(test_a_trial_beside_a_server_of_its_name),
    };

    return cmocka_run_group_tests_name("daemon/bind_login", tests, NULL, NULL);
}
