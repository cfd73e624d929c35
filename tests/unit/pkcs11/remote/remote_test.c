/*
 * The client and the real holdfast-token together: what is listed, found, signed and managed.
 */
#include "fixture.h"

static void test_starts_and_lists(void **state)
{
    struct fixture *f = *state;

    start(f);
    assert_int_equal(remote_tokens(f->r), 1);
    struct remote_token t = token(f, 0);

    assert_int_equal(t.state, REMOTE_TOKEN_READY);
    assert_string_equal(t.name, "a");
    assert_string_equal(t.id.label, "alpha");
    assert_string_equal(t.module, "softhsm");
    assert_non_null(t.why_load);
    assert_non_null(t.why_token);
    assert_true(t.workers >= 1 && t.workers <= 4);
    assert_true(t.helper.running && t.helper.ready && t.helper.restarts == 0);
    assert_null(t.error);
    assert_int_equal(remote_keys(f->r), 0);
    assert_true(f->changes > 0);
}

static void test_signs_with_every_type(void **state)
{
    static const struct {
        enum ssh_key_type type;
        unsigned bits;
        enum ssh_alg alg;
    } kinds[] = {
        {SSH_KEY_RSA, 2048, SSH_ALG_RSA_SHA256}, {SSH_KEY_RSA, 2048, SSH_ALG_RSA_SHA512},
        {SSH_KEY_P256, 0, SSH_ALG_P256},         {SSH_KEY_P384, 0, SSH_ALG_P384},
        {SSH_KEY_P521, 0, SSH_ALG_P521},         {SSH_KEY_ED25519, 0, SSH_ALG_ED25519},
    };
    struct fixture *f = *state;

    start(f);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char label[16];

        snprintf(label, sizeof label, "key%zu", i);

        generate(f, kinds[i].type, kinds[i].bits, label);
        struct remote_key *k = remote_key_ref(last.key);

        assert_true(remote_key_usable(k));
        no_error(sign(f, k, kinds[i].alg, "to be signed"));
        check_signature(k, kinds[i].alg, "to be signed");
        remote_key_unref(&k);
    }
    assert_int_equal(remote_keys(f->r), ARRAY_LEN(kinds));
    no_error(sign(f, remote_key_at(f->r, 2), SSH_ALG_P256, "x"));
    assert_true(err_is(sign(f, remote_key_at(f->r, 2), SSH_ALG_P384, "x"), ERR_INPUT));
    assert_true(err_is(sign(f, remote_key_at(f->r, 2), SSH_ALG_P256, ""), ERR_LIMIT));
}

static struct err *sign_scheme(struct fixture *f, struct remote_key *k, enum scheme scheme,
                               struct view data)
{
    forget_outcome();
    remote_sign_scheme(f->r, k, scheme, data, mono_in(LIMIT_MS), 1, on_raw, &last);
    run_outcome(f);
    return last.e;
}

/* For ES256 and RS512 a signature is what SSH would have; the others are checked where they are
 * made (token/scheme_test.c). */
static void test_signs_by_scheme(void **state)
{
    static uint8_t large[TOKEN_SIGN_MAX_BYTES + 1];
    struct fixture *f = *state;

    start(f);
    generate(f, SSH_KEY_P256, 0, "p256");
    struct remote_key *p256 = remote_key_ref(last.key);

    generate(f, SSH_KEY_RSA, 2048, "rsa");
    struct remote_key *rsa = remote_key_ref(last.key);

    no_error(sign_scheme(f, p256, SCHEME_ES256, view_cstr("to be signed")));
    check_signature(p256, SSH_ALG_P256, "to be signed");
    no_error(sign_scheme(f, rsa, SCHEME_RS512, view_cstr("to be signed")));
    check_signature(rsa, SSH_ALG_RSA_SHA512, "to be signed");
    for (unsigned s = SCHEME_RS256; s < SCHEME_COUNT; s++) {
        no_error(sign_scheme(f, rsa, (enum scheme)s, view_cstr("to be signed")));
        assert_int_equal(last.raw_len, 256);
    }
    assert_true(err_is(sign_scheme(f, rsa, SCHEME_ES256, view_cstr("x")), ERR_INPUT));
    assert_non_null(strstr(err_text(last.e), "key rsa: a key of type rsa makes no ES256"));
    assert_true(err_is(sign_scheme(f, p256, SCHEME_PS256, view_cstr("x")), ERR_INPUT));
    assert_true(err_is(sign_scheme(f, p256, SCHEME_ES384, view_cstr("x")), ERR_INPUT));
    assert_true(err_is(sign_scheme(f, p256, (enum scheme)SCHEME_COUNT, view_cstr("x")), ERR_INPUT));
    assert_true(
        err_is(sign_scheme(f, p256, SCHEME_ES256, view_of(large, sizeof large)), ERR_LIMIT));
    assert_true(err_is(sign(f, rsa, SSH_ALG_RSA_SHA1, "x"), ERR_INPUT));
    remote_key_unref(&p256);
    remote_key_unref(&rsa);
}

static void test_key_facts(void **state)
{
    struct fixture *f = *state;
    struct remote_key_info info;

    start(f);
    generate(f, SSH_KEY_P256, 0, "web");
    remote_key_info_get(last.key, &info);
    assert_string_equal(info.label, "web");
    assert_string_equal(info.token, "a");
    assert_string_equal(info.token_serial, token(f, 0).id.serial);
    assert_true(info.sensitive && info.always_sensitive && info.never_extractable && info.local);
    assert_false(info.extractable);
    assert_true(info.proven);
    assert_null(info.why_not);
    struct remote_key *found = NULL;

    no_error(remote_key_find(f->r, info.uri, &found));
    assert_ptr_equal(found, last.key);
    no_error(remote_key_find(f->r, "pkcs11:token=alpha", &found));
    generate(f, SSH_KEY_P256, 0, "web2");
    AUTO(err_free) struct err *two = remote_key_find(f->r, "pkcs11:token=alpha", &found);

    assert_true(err_is(two, ERR_INPUT));
    assert_non_null(strstr(err_text(two), "object=web2"));
    AUTO(err_free) struct err *none = remote_key_find(f->r, "pkcs11:object=other", &found);

    assert_true(err_is(none, ERR_NOT_FOUND));
}

static void test_deletes(void **state)
{
    struct fixture *f = *state;

    start(f);
    generate(f, SSH_KEY_P256, 0, "old");
    AUTO(remote_key_unref) struct remote_key *k = remote_key_ref(last.key);

    forget_outcome();
    remote_delete(f->r, k, on_done, &last);
    run_outcome(f);
    no_error(last.e);
    assert_int_equal(remote_keys(f->r), 0);
    assert_false(remote_key_usable(k));
    assert_true(err_is(sign(f, k, SSH_ALG_P256, "x"), ERR_NOT_FOUND));
}

static void test_export_is_refused(void **state)
{
    struct fixture *f = *state;

    start(f);
    generate(f, SSH_KEY_P256, 0, "safe");
    AUTO(remote_key_unref) struct remote_key *k = remote_key_ref(last.key);

    forget_outcome();
    remote_try_export(f->r, k, on_text, &last);
    run_outcome(f);
    no_error(last.e);
    assert_non_null(strstr(last.text, "CKR_"));
}

static void test_finds_tokens(void **state)
{
    struct fixture *f = *state;
    size_t i = 99;

    assert_int_equal(softhsm_add("beta"), 0);
    start(f);
    assert_int_equal(remote_tokens(f->r), 2);
    assert_int_equal(token(f, 1).state, REMOTE_TOKEN_UNUSED);
    assert_null(token(f, 1).name);
    no_error(remote_token_find(f->r, "a", &i));
    assert_int_equal(i, 0);
    no_error(remote_token_find(f->r, "beta", &i));
    assert_int_equal(i, 1);
    no_error(remote_token_find(f->r, token(f, 1).uri, &i));
    assert_int_equal(i, 1);
    no_error(remote_token_find(f->r, token(f, 0).id.serial, &i));
    assert_int_equal(i, 0);
    AUTO(err_free) struct err *none = remote_token_find(f->r, "gamma", &i);

    assert_true(err_is(none, ERR_NOT_FOUND));
    AUTO(err_free) struct err *two = remote_token_find(f->r, "pkcs11:model=SoftHSM%20v2", &i);

    assert_true(err_is(two, ERR_INPUT));
}

static void test_one_uri_two_tokens(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(softhsm_add("alpha"), 0);
    use_shim(f);
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_FAILED);
    assert_true(err_is(token(f, 0).error, ERR_INPUT));
    const char *text = err_text(token(f, 0).error);
    const char *first = strstr(text, "serial=");

    assert_non_null(first);
    assert_non_null(strstr(first + 1, "serial="));
    assert_int_equal(calls_of(f, "C_Login"), 0);
}

static void test_two_uris_one_token(void **state)
{
    struct fixture *f = *state;

    f->tokens[1] = (struct remote_token_conf){"b", "pkcs11:model=SoftHSM%20v2", f->pins, 1};
    f->conf.tokens_n = 2;
    use_shim(f);
    start(f);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(token(f, i).state, REMOTE_TOKEN_FAILED);
        assert_true(err_is(token(f, i).error, ERR_INPUT));
    }
    assert_int_equal(calls_of(f, "C_Login"), 0);
}

static void test_two_tokens(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(softhsm_add("beta"), 0);
    f->tokens[1] = (struct remote_token_conf){"b", "pkcs11:token=beta", f->pins, 1};
    f->conf.tokens_n = 2;
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_int_equal(token(f, 1).state, REMOTE_TOKEN_READY);
    generate(f, SSH_KEY_P256, 0, "one");
    no_error(sign(f, last.key, SSH_ALG_P256, "x"));
}

static void test_bad_modules(void **state)
{
    struct fixture *f = *state;
    AUTO(auto_free) char *libc = softhsm_find_loaded("libcmocka.so.0");
    struct remote_module m;

    assert_non_null(libc);
    f->modules[1] = f->modules[0];
    f->modules[0] = (struct remote_module_conf){"missing", "/nonexistent/module.so"};
    f->conf.modules_n = 2;
    start(f);
    remote_module_get(f->r, 0, &m);
    assert_true(err_is(m.error, ERR_NOT_FOUND));
    assert_non_null(strstr(err_text(m.error), "/nonexistent/module.so"));
    remote_module_get(f->r, 1, &m);
    assert_null(m.error);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    remote_free(&f->r);
    f->modules[0] = (struct remote_module_conf){"other", libc};
    start(f);
    remote_module_get(f->r, 0, &m);
    assert_true(err_is(m.error, ERR_INPUT));
}

static void test_missing_helper(void **state)
{
    struct fixture *f = *state;
    struct remote_module m;

    f->conf.helper_path = "/nonexistent/holdfast-token";
    start(f);
    remote_module_get(f->r, 0, &m);
    assert_true(err_is(m.error, ERR_GONE));
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_ABSENT);
}

static unsigned cancelled_ran;

static void on_cancelled(void *arg, struct err *e, struct view raw)
{
    (void)arg;
    (void)raw;
    err_free(&e);
    cancelled_ran++;
}

static void test_cancels(void **state)
{
    struct fixture *f = *state;

    start(f);
    generate(f, SSH_KEY_P256, 0, "k");
    AUTO(remote_key_unref) struct remote_key *k = remote_key_ref(last.key);
    uint64_t handle = remote_sign(f->r, k, SSH_ALG_P256, view_cstr("x"), mono_in(LIMIT_MS), 1,
                                  on_cancelled, NULL);

    assert_int_not_equal(handle, 0);
    remote_cancel(f->r, handle);
    remote_cancel(f->r, handle);
    no_error(sign(f, k, SSH_ALG_P256, "y"));
    remote_cancel(f->r, handle); /* its place serves another by now */
    assert_int_equal(cancelled_ran, 0);
}

static void test_keys_outlive_the_remote(void **state)
{
    struct fixture *f = *state;

    start(f);
    generate(f, SSH_KEY_P256, 0, "k");
    AUTO(remote_key_unref) struct remote_key *k = remote_key_ref(last.key);
    struct remote_key_info info;

    forget_outcome();
    remote_free(&f->r);
    assert_false(remote_key_usable(k));
    remote_key_info_get(k, &info);
    assert_string_equal(info.label, "k");
    assert_non_null(info.why_not);
}

static void test_bad_configuration(void **state)
{
    struct fixture *f = *state;

    f->tokens[0].uri = "pkcs11:token=a;pin-value=1234";
    AUTO(err_free) struct err *e = remote_new(f->loop, &f->conf, NULL, NULL, &f->r);

    assert_true(err_is(e, ERR_INPUT));
    assert_null(f->r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_starts_and_lists),
        TEST(test_signs_with_every_type),
        TEST(test_signs_by_scheme),
        TEST(test_key_facts),
        TEST(test_deletes),
        TEST(test_export_is_refused),
        TEST(test_finds_tokens),
        TEST(test_one_uri_two_tokens),
        TEST(test_two_uris_one_token),
        TEST(test_two_tokens),
        TEST(test_bad_modules),
        TEST(test_missing_helper),
        TEST(test_cancels),
        TEST(test_keys_outlive_the_remote),
        TEST(test_bad_configuration),
    };

    return main_of(tests, ARRAY_LEN(tests), "remote");
}
