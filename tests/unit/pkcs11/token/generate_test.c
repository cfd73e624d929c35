/*
 * Generating, deleting and trying to export: the life of a key, and what is refused.
 */
#include "pkcs11/token/fixture.h"

/* A boolean attribute of the one private key on the token. */
static bool private_flag(struct fixture *x, CK_ATTRIBUTE_TYPE type)
{
    CK_SESSION_HANDLE s = fixture_session(x);
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE templ = {CKA_CLASS, &class, sizeof class};
    CK_BBOOL value = CK_FALSE;
    CK_ATTRIBUTE wanted = {type, &value, sizeof value};
    CK_OBJECT_HANDLE o = 0;
    CK_ULONG n = 0;

    assert_int_equal(x->f->C_FindObjectsInit(s, &templ, 1), CKR_OK);
    assert_int_equal(x->f->C_FindObjects(s, &o, 1, &n), CKR_OK);
    x->f->C_FindObjectsFinal(s);
    assert_int_equal(n, 1);
    assert_int_equal(x->f->C_GetAttributeValue(s, o, &wanted, 1), CKR_OK);
    x->f->C_CloseSession(s);
    return value != CK_FALSE;
}

static void test_sign_only(void **state)
{
    struct fixture *x = *state;
    struct profile_token profile = fixture_profile;
    struct token_key k = {0};

    for (int all = 0; all < 2; all++) {
        profile.sign_only = all == 0;
        token_close(&x->token);
        fixture_open(x, &profile);
        assert_ok(login_with(x->token, SOFTHSM_PIN));
        fixture_generate(x, SSH_KEY_RSA, "web", &k);
        assert_true(private_flag(x, CKA_SIGN));
        assert_int_equal(private_flag(x, CKA_DECRYPT), all); /* SoftHSM's default is true */
        assert_ok(token_delete(x->token, 0, view_of(k.id, k.id_len), k.key));
        token_key_deinit(&k);
    }
}

static size_t count_keys(struct fixture *x)
{
    struct token_key *keys = NULL;
    size_t n = 0;

    assert_ok(token_keys(x->token, 0, &keys, &n));
    token_keys_free(&keys, n);
    return n;
}

static const enum ssh_key_type types[] = {SSH_KEY_RSA, SSH_KEY_P256, SSH_KEY_P384, SSH_KEY_P521,
                                          SSH_KEY_ED25519};

static void test_whole_life(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct token_key k = {0};
        AUTO(auto_free) char *report = NULL;

        fixture_generate(x, types[i], "web", &k);
        assert_int_equal(ssh_key_type(k.key), types[i]);
        assert_string_equal(k.label, "web");
        assert_int_equal(k.id_len, 8);
        assert_true(k.proven && k.local && k.never_extractable);
        assert_ok(sign_and_verify(x->token, 0, &k, ssh_alg_default(types[i]), view_cstr("x")));
        assert_ok(token_try_export(x->token, 0, k.number, &report));
        assert_non_null(strstr(report, "CKR_ATTRIBUTE_SENSITIVE"));
        assert_non_null(strstr(report, "C_WrapKey with an AES key: refused"));
        assert_null(strstr(report, "HANDED OUT"));
        assert_ok(token_delete(x->token, 0, view_of(k.id, k.id_len), k.key));
        assert_int_equal(count_keys(x), 0);
        assert_err(token_delete(x->token, 0, view_of(k.id, k.id_len), k.key), ERR_NOT_FOUND,
                   "no such key");
        token_key_deinit(&k);
    }
}

static struct err *generate_with(struct fixture *x, enum ssh_key_type type, unsigned bits,
                                 const char *label, struct view id)
{
    struct token_key_spec spec = {.type = type, .bits = bits, .label = label, .id = id};
    struct token_key k = {0};
    struct err *e = token_generate(x->token, 0, &spec, &k);

    token_key_deinit(&k);
    return e;
}

static void test_taken(void **state)
{
    struct fixture *x = *state;
    struct view none = view_of(NULL, 0);

    assert_ok(generate_with(x, SSH_KEY_P256, 0, "web", view_of("\x01", 1)));
    assert_err(generate_with(x, SSH_KEY_P256, 0, "db", view_of("\x01", 1)), ERR_EXISTS, "this id");
    assert_err(generate_with(x, SSH_KEY_ED25519, 0, "web", none), ERR_EXISTS, "this label");
    assert_ok(generate_with(x, SSH_KEY_P256, 0, "", none)); /* unnamed keys are not "taken" */
    assert_ok(generate_with(x, SSH_KEY_P256, 0, NULL, none));
    assert_int_equal(count_keys(x), 3);
}

static void test_refused(void **state)
{
    struct fixture *x = *state;
    struct profile_token profile = fixture_profile;
    struct view none = view_of(NULL, 0);
    static const uint8_t long_id[TOKEN_ID_MAX_BYTES + 1];

    assert_err(generate_with(x, SSH_KEY_RSA, 1024, "a", none), ERR_INPUT, "1024");
    assert_err(generate_with(x, SSH_KEY_P256, 0, "a", view_of(long_id, sizeof long_id)), ERR_LIMIT,
               "255");
    token_close(&x->token);
    profile.generate = false;
    fixture_open(x, &profile);
    assert_err(generate_with(x, SSH_KEY_P256, 0, "a", none), ERR_UNSUPPORTED, "profile");
    token_close(&x->token);
    profile = fixture_profile;
    profile.ed25519 = false;
    fixture_open(x, &profile);
    assert_err(generate_with(x, SSH_KEY_ED25519, 0, "a", none), ERR_UNSUPPORTED, "Ed25519");
    token_close(&x->token);
    plan(x, "C_GetMechanismList:*:drop=0x1040");
    fixture_open(x, &fixture_profile);
    assert_err(generate_with(x, SSH_KEY_P256, 0, "a", none), ERR_UNSUPPORTED,
               "CKM_EC_KEY_PAIR_GEN");
}

static void test_not_logged_in(void **state)
{
    struct fixture *x = *state;

    fixture_open(x, &fixture_profile);
    assert_err(generate_with(x, SSH_KEY_P256, 0, "a", view_of(NULL, 0)), ERR_PIN,
               "CKR_USER_NOT_LOGGED_IN");
}

/* A key that does not work is not left behind. */
static void test_removed_when_broken(void **state)
{
    struct fixture *x = *state;

    plan(x, "C_Sign:1:corrupt");
    assert_err(generate_with(x, SSH_KEY_P256, 0, "web", view_of(NULL, 0)), ERR_UNSUPPORTED,
               "do not fit");
    plan(x, "C_Sign:1:CKR_MECHANISM_INVALID");
    assert_err(generate_with(x, SSH_KEY_P256, 0, "web", view_of(NULL, 0)), ERR_UNSUPPORTED,
               "CKR_MECHANISM_INVALID");
    plan(x, "");
    assert_int_equal(count_keys(x), 0);
    assert_ok(generate_with(x, SSH_KEY_P256, 0, "web", view_of(NULL, 0)));
}

/* Keys that share an id: the one that is meant goes, the others stay and work. */
static void test_delete_among_shared_ids(void **state)
{
    struct fixture *x = *state;
    struct token_key *keys = NULL;
    size_t n = 0;
    static const char *const labels[] = {"a", "b", "c"};

    for (size_t i = 0; i < 3; i++) {
        struct made made = {.label = labels[i], .id = 7};

        fixture_make(x, &made);
    }
    assert_ok(token_keys(x->token, 0, &keys, &n));
    assert_ok(token_delete(x->token, 0, view_of("\x07", 1), keys[1].key));
    assert_int_equal(count_keys(x), 2);
    assert_ok(sign_and_verify(x->token, 0, &keys[0], SSH_ALG_P256, view_cstr("x")));
    assert_ok(sign_and_verify(x->token, 0, &keys[2], SSH_ALG_P256, view_cstr("x")));
    assert_err(token_delete(x->token, 0, view_of("\x08", 1), keys[0].key), ERR_NOT_FOUND,
               "no such");
    token_keys_free(&keys, n);
}

/* What cannot be proven is not deleted on a guess. */
static void test_delete_unproven(void **state)
{
    struct fixture *x = *state;
    struct token_key *keys = NULL;
    size_t n = 0;

    for (size_t i = 0; i < 2; i++) {
        struct made made = {.label = "each", .id = 7, .always_authenticate = true};

        fixture_make(x, &made);
    }
    assert_ok(token_keys(x->token, 0, &keys, &n));
    assert_int_equal(n, 2);
    assert_err(token_delete(x->token, 0, view_of("\x07", 1), keys[0].key), ERR_DENIED, "share");
    assert_int_equal(count_keys(x), 2);
    token_keys_free(&keys, n);
}

static void test_export_of_a_weak_key(void **state)
{
    struct fixture *x = *state;
    struct made made = {.label = "weak", .id = 1, .extractable = true};
    struct token_key *keys = NULL;
    char *report = NULL;
    size_t n = 0;

    fixture_make(x, &made);
    assert_ok(token_keys(x->token, 0, &keys, &n));
    assert_err(token_try_export(x->token, 0, keys[0].number, &report), ERR_DENIED,
               "read CKA_VALUE: HANDED OUT");
    assert_null(report);
    assert_err(token_try_export(x->token, 0, keys[0].number + 1, &report), ERR_NOT_FOUND,
               "no key number");
    token_keys_free(&keys, n);
}

static void test_export_without_wrapping(void **state)
{
    struct fixture *x = *state;
    struct token_key k = {0};
    AUTO(auto_free) char *report = NULL;

    fixture_generate(x, SSH_KEY_P256, "web", &k);
    plan(x, "C_GenerateKey:*:CKR_MECHANISM_INVALID");
    assert_ok(token_try_export(x->token, 0, k.number, &report));
    assert_non_null(strstr(report, "not tried"));
    token_key_deinit(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_life, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_sign_only, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_taken, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_refused, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_not_logged_in, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_removed_when_broken, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_delete_among_shared_ids, fixture_start_open,
                                        fixture_stop),
        cmocka_unit_test_setup_teardown(test_delete_unproven, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_export_of_a_weak_key, fixture_start_open,
                                        fixture_stop),
        cmocka_unit_test_setup_teardown(test_export_without_wrapping, fixture_start_open,
                                        fixture_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
