/*
 * Tokens that come, change and go at run time. The shim's trace counts C_Login: a change of the
 * configuration is no reason to spend a PIN try.
 */
#include "fixture.h"

static struct remote_token_conf named(struct fixture *f, const char *name, const char *uri)
{
    return (struct remote_token_conf){name, uri, f->pins, 1};
}

static void put(struct fixture *f, const struct remote_token_conf *conf)
{
    no_error(remote_token_put(f->r, conf));
    settle(f);
}

static void test_comes_and_goes(void **state)
{
    struct fixture *f = *state;
    const struct remote_token_conf a = f->tokens[0];

    f->conf.tokens_n = 0;
    use_shim(f);
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_UNUSED);
    put(f, &a);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_int_equal(calls_of(f, "C_Login"), 1);
    generate(f, SSH_KEY_P256, 0, "k");
    struct remote_key *k = remote_key_ref(last.key);

    no_error(sign(f, k, SSH_ALG_P256, "x"));
    remote_token_remove(f->r, "a");
    remote_token_remove(f->r, "a"); /* absent: fine */
    settle(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_UNUSED);
    assert_false(remote_key_usable(k));
    assert_int_equal(remote_keys(f->r), 0);
    assert_true(err_is(sign(f, k, SSH_ALG_P256, "x"), ERR_GONE));
    put(f, &a); /* the key is the same one again */
    assert_true(remote_key_usable(k));
    no_error(sign(f, k, SSH_ALG_P256, "x"));
    assert_int_equal(calls_of(f, "C_Login"), 2);
    remote_key_unref(&k);
}

static void test_the_same_again_does_nothing(void **state)
{
    struct fixture *f = *state;

    use_shim(f);
    start(f);
    put(f, &f->tokens[0]);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_int_equal(calls_of(f, "C_Login"), 1);
}

static void test_unchanged_sources_are_not_tried_again(void **state)
{
    struct fixture *f = *state;
    char other[192];

    write_file(f->pin_file, "wrong-pin\n");
    use_shim(f);
    start(f);
    assert_int_equal(calls_of(f, "C_Login"), 1);
    f->tokens[0].uri = "pkcs11:token=alpha;model=SoftHSM%20v2";
    put(f, &f->tokens[0]);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_string_equal(token(f, 0).uri, f->tokens[0].uri);
    assert_int_equal(calls_of(f, "C_Login"), 1);
    remote_token_remove(f->r, "a");
    settle(f);
    put(f, &f->tokens[0]);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_int_equal(calls_of(f, "C_Login"), 1);
    snprintf(other, sizeof other, "%s.other", f->pin_file);
    write_file(other, SOFTHSM_PIN "\n");
    f->pins[1] = (struct remote_pin_source){.kind = REMOTE_PIN_FILE, .text = other};
    f->tokens[0].pins_n = 2;
    put(f, &f->tokens[0]); /* only the new one */
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_int_equal(calls_of(f, "C_Login"), 2);
}

/* The helper died in the login, so nobody knows whether the try was spent: the token's leaving does not
 * make it fresh. */
static void test_a_try_without_an_end_is_remembered(void **state)
{
    struct fixture *f = *state;

    use_shim(f);
    write_file(f->control, "C_Login:1:crash");
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    write_file(f->control, "");
    unsigned calls = calls_of(f, "C_Login");

    remote_token_remove(f->r, "a");
    settle(f);
    put(f, &f->tokens[0]);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_int_equal(calls_of(f, "C_Login"), calls);
    no_error(unlock(f, NULL, false));
    assert_int_equal(calls_of(f, "C_Login"), calls + 1);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
}

static void test_another_uri_is_another_token(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(softhsm_add("beta"), 0);
    start(f);
    assert_string_equal(token(f, 0).id.label, "alpha");
    f->tokens[0].uri = "pkcs11:token=beta";
    put(f, &f->tokens[0]);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_string_equal(token(f, 0).id.label, "beta");
    f->tokens[0].uri = "pkcs11:token=gamma";
    put(f, &f->tokens[0]);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_ABSENT);
}

static void test_a_newcomer_gives_way(void **state)
{
    struct fixture *f = *state;
    const struct remote_token_conf b = named(f, "b", "pkcs11:model=SoftHSM%20v2");
    const struct remote_token_conf c = named(f, "c", "pkcs11:manufacturer=SoftHSM%20project");

    use_shim(f);
    start(f);
    put(f, &b);
    put(f, &c);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_int_equal(token(f, 1).state, REMOTE_TOKEN_FAILED);
    assert_non_null(strstr(err_text(token(f, 1).error), "also configured as token a"));
    assert_int_equal(calls_of(f, "C_Login"), 1);
    remote_token_remove(f->r, "a");
    settle(f);
    assert_string_equal(token(f, 0).name, "b");
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_int_equal(token(f, 1).state, REMOTE_TOKEN_FAILED);
    no_error(remote_token_put(f->r, &f->tokens[0])); /* it is the newcomer now */
    settle(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    assert_int_equal(token(f, 2).state, REMOTE_TOKEN_FAILED);
}

static void test_removed_while_it_logs_in(void **state)
{
    struct fixture *f = *state;

    use_shim(f);
    no_error(remote_new(f->loop, &f->conf, on_change, f, &f->r));
    remote_start(f->r);
    remote_token_remove(f->r, "a"); /* before it was even seen */
    no_error(remote_token_put(f->r, &f->tokens[0]));
    settle(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    for (int i = 0; i < 3; i++) {
        remote_token_remove(f->r, "a");
        no_error(remote_token_put(f->r, &f->tokens[0]));
        remote_token_remove(f->r, "a");
        settle(f);
        assert_int_equal(token(f, 0).state, REMOTE_TOKEN_UNUSED);
        no_error(remote_token_put(f->r, &f->tokens[0]));
    }
    settle(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
}

static void test_wrong_ones_change_nothing(void **state)
{
    struct fixture *f = *state;
    AUTO(err_free) struct err *no_uri = NULL;
    AUTO(err_free) struct err *bad_uri = NULL;
    const struct remote_token_conf bad = named(f, "b", "token=b");
    struct remote_token_conf worse = f->tokens[0];

    start(f);
    no_uri = remote_token_put(f->r, &bad);
    assert_true(err_is(no_uri, ERR_INPUT));
    worse.uri = "pkcs11:token=%";
    bad_uri = remote_token_put(f->r, &worse);
    assert_true(err_is(bad_uri, ERR_INPUT));
    settle(f);
    assert_int_equal(remote_tokens(f->r), 1);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
}

static void test_many_come_and_go(void **state)
{
    struct fixture *f = *state;

    start(f);
    for (unsigned i = 0; i < 200; i++) {
        AUTO(auto_free) char *name = text_fmt("t%u", i);
        AUTO(auto_free) char *uri = text_fmt("pkcs11:token=none-%u", i);
        const struct remote_token_conf conf = named(f, name, uri);

        no_error(remote_token_put(f->r, &conf));
        remote_token_remove(f->r, name);
    }
    settle(f);
    assert_int_equal(remote_tokens(f->r), 1);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_comes_and_goes),
        TEST(test_the_same_again_does_nothing),
        TEST(test_unchanged_sources_are_not_tried_again),
        TEST(test_a_try_without_an_end_is_remembered),
        TEST(test_another_uri_is_another_token),
        TEST(test_a_newcomer_gives_way),
        TEST(test_removed_while_it_logs_in),
        TEST(test_wrong_ones_change_nothing),
        TEST(test_many_come_and_go),
    };

    return main_of(tests, ARRAY_LEN(tests), "remote change");
}
