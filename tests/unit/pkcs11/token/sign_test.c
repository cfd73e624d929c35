/*
 * Signing: every key type and algorithm, several workers at once, what the hot path calls, and
 * every way it can fail.
 */
#include "pkcs11/token/fixture.h"

static const struct {
    enum ssh_key_type type;
    enum ssh_alg algs[2];
} kinds[] = {
    {SSH_KEY_RSA, {SSH_ALG_RSA_SHA256, SSH_ALG_RSA_SHA512}},
    {SSH_KEY_P256, {SSH_ALG_P256, SSH_ALG_NONE}},
    {SSH_KEY_P384, {SSH_ALG_P384, SSH_ALG_NONE}},
    {SSH_KEY_P521, {SSH_ALG_P521, SSH_ALG_NONE}},
    {SSH_KEY_ED25519, {SSH_ALG_ED25519, SSH_ALG_NONE}},
};

static uint8_t large[TOKEN_SIGN_MAX_BYTES + 1];

/* One byte, a userauth request's size, and the most that can be signed. */
static void sign_all_sizes(struct fixture *x, const struct token_key *k, enum ssh_alg alg)
{
    static const size_t sizes[] = {1, 300, TOKEN_SIGN_MAX_BYTES};

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_ok(sign_and_verify(x->token, 0, k, alg, view_of(large, sizes[i])));
    }
}

static void sign_all_types(struct fixture *x)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct token_key k = {0};

        fixture_generate(x, kinds[i].type, ssh_key_type_word(kinds[i].type), &k);
        assert_true(k.proven);
        for (size_t a = 0; a < 2 && kinds[i].algs[a] != SSH_ALG_NONE; a++) {
            sign_all_sizes(x, &k, kinds[i].algs[a]);
        }
        token_key_deinit(&k);
    }
}

static void test_every_type(void **state)
{
    sign_all_types(*state);
}

/* The same with the token hashing, and where the raw mechanism is missing. SoftHSM has no
 * CKM_ECDSA_SHA256, so ECDSA stays as it is. */
static void test_token_hashes(void **state)
{
    struct fixture *x = *state;
    struct profile_token profile = fixture_profile;

    profile.rsa_hash = PROFILE_HASH_TOKEN;
    profile.ecdsa_hash = PROFILE_HASH_TOKEN;
    fixture_open(x, &profile);
    assert_ok(login_with(x->token, SOFTHSM_PIN));
    sign_all_types(x);
}

static void test_no_raw_rsa(void **state)
{
    struct fixture *x = *state;
    struct token_key k = {0};

    plan(x, "C_GetMechanismList:*:drop=0x1"); /* CKM_RSA_PKCS */
    fixture_open(x, &fixture_profile);
    assert_ok(login_with(x->token, SOFTHSM_PIN));
    fixture_generate(x, SSH_KEY_RSA, "rsa", &k);
    sign_all_sizes(x, &k, SSH_ALG_RSA_SHA512);
    token_key_deinit(&k);
}

static void test_mechanism_off(void **state)
{
    struct fixture *x = *state;
    struct profile_token profile = fixture_profile;
    struct token_key *keys = NULL;
    size_t n = 0;
    struct made made = {.label = "web", .id = 1};

    profile.mechanisms_off[0] = CKM_ECDSA;
    profile.mechanisms_off_n = 1;
    fixture_open(x, &profile);
    assert_ok(login_with(x->token, SOFTHSM_PIN));
    fixture_make(x, &made);
    assert_ok(token_keys(x->token, 0, &keys, &n));
    assert_int_equal(n, 1);
    assert_non_null(strstr(keys[0].why_not, "no mechanism"));
    assert_err(sign_and_verify(x->token, 0, &keys[0], SSH_ALG_P256, view_cstr("x")),
               ERR_UNSUPPORTED, "cannot make");
    token_keys_free(&keys, n);
}

struct signing {
    struct fixture *x;
    const struct token_key *keys;
    unsigned worker, failed;
};

static void *sign_often(void *arg)
{
    struct signing *s = arg;

    for (unsigned i = 0; i < 24; i++) {
        const struct token_key *k = &s->keys[(s->worker + i) % 3];
        uint8_t data[2] = {(uint8_t)s->worker, (uint8_t)i};
        AUTO(err_free) struct err *e =
            sign_and_verify(s->x->token, s->worker, k, ssh_alg_default(ssh_key_type(k->key)),
                            view_of(data, sizeof data));

        s->failed += e != NULL;
    }
    return NULL;
}

/* Four workers on three keys, while the token is listed again and again. */
static void test_four_workers(void **state)
{
    struct fixture *x = *state;
    struct token_key keys[3] = {0};
    struct signing workers[4];
    pthread_t threads[4];

    fixture_generate(x, SSH_KEY_RSA, "a", &keys[0]);
    fixture_generate(x, SSH_KEY_P256, "b", &keys[1]);
    fixture_generate(x, SSH_KEY_ED25519, "c", &keys[2]);
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (struct signing){x, keys, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, sign_often, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        struct token_key *again = NULL;
        size_t n = 0;

        assert_ok(token_keys(x->token, 4, &again, &n));
        assert_int_equal(n, 3);
        token_keys_free(&again, n);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failed, 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        token_key_deinit(&keys[i]);
    }
}

/* From the second signature on: two calls, nothing else. */
static void test_hot_path(void **state)
{
    struct fixture *x = *state;
    struct token_key k = {0};

    fixture_generate(x, SSH_KEY_P256, "web", &k);
    trace_clear(x);
    for (int i = 0; i < 5; i++) {
        assert_ok(sign_and_verify(x->token, 0, &k, SSH_ALG_P256, view_cstr("data")));
    }
    assert_int_equal(traced(x, "C_SignInit"), 5);
    assert_int_equal(traced(x, "C_Sign"), 5);
    assert_int_equal(traced(x, ""), 10);
    trace_clear(x);
    assert_ok(sign_and_verify(x->token, 1, &k, SSH_ALG_P256, view_cstr("data")));
    assert_int_equal(traced(x, "C_OpenSession"), 1);
    assert_int_equal(traced(x, ""), 3);
    token_key_deinit(&k);
}

static void test_refused(void **state)
{
    struct fixture *x = *state;
    struct token_key k = {0};
    struct token_key unknown = {0};

    fixture_generate(x, SSH_KEY_RSA, "web", &k);
    unknown.number = k.number + 1;
    assert_err(sign_and_verify(x->token, 0, &unknown, SSH_ALG_RSA_SHA256, view_cstr("x")),
               ERR_NOT_FOUND, "no key number");
    unknown.number = k.number + TOKEN_KEYS_MAX; /* another owner of the same place */
    assert_err(sign_and_verify(x->token, 0, &unknown, SSH_ALG_RSA_SHA256, view_cstr("x")),
               ERR_NOT_FOUND, "no key number");
    assert_err(sign_and_verify(x->token, 0, &k, SSH_ALG_P256, view_cstr("x")), ERR_INPUT,
               "a key of type rsa makes no ES256 signatures");
    assert_err(sign_and_verify(x->token, 0, &k, SSH_ALG_RSA_SHA1, view_cstr("x")), ERR_UNSUPPORTED,
               "no scheme");
    assert_err(sign_and_verify(x->token, 0, &k, SSH_ALG_RSA_SHA256, view_of(large, 0)), ERR_LIMIT,
               "0 bytes");
    assert_err(sign_and_verify(x->token, 0, &k, SSH_ALG_RSA_SHA256, view_of(large, sizeof large)),
               ERR_LIMIT, "bytes to sign");
    token_key_deinit(&k);
}

/* A token that drops leading bytes: RSA is brought to its length, the others are refused. */
static void test_short_signature(void **state)
{
    struct fixture *x = *state;
    struct token_key rsa = {0};
    struct token_key p256 = {0};
    AUTO(buf_deinit) struct buf raw;

    buf_init(&raw, 0);
    fixture_generate(x, SSH_KEY_RSA, "rsa", &rsa);
    fixture_generate(x, SSH_KEY_P256, "p256", &p256);
    plan(x, "C_Sign:*:shorten");
    assert_ok(token_sign(x->token, 0, rsa.number, SCHEME_RS256, view_cstr("x"), &raw));
    assert_int_equal(raw.len, 256);
    assert_int_equal(raw.data[0], 0);
    buf_clear(&raw);
    assert_err(token_sign(x->token, 0, p256.number, SCHEME_ES256, view_cstr("x"), &raw),
               ERR_PROTOCOL, "63 bytes, where the key makes 64");
    assert_int_equal(raw.len, 0);
    token_key_deinit(&rsa);
    token_key_deinit(&p256);
}

static void test_removed(void **state)
{
    struct fixture *x = *state;
    struct token_key k = {0};

    fixture_generate(x, SSH_KEY_P256, "web", &k);
    plan(x, "C_Sign:1:CKR_DEVICE_REMOVED");
    trace_clear(x);
    assert_err(sign_and_verify(x->token, 0, &k, SSH_ALG_P256, view_cstr("x")), ERR_GONE,
               "C_Sign (CKR_DEVICE_REMOVED)");
    assert_int_equal(traced(x, "C_Sign"), 1); /* never repeated */
    assert_ok(sign_and_verify(x->token, 0, &k, SSH_ALG_P256, view_cstr("x")));
    plan(x, "C_SignInit:*:CKR_TOKEN_NOT_PRESENT,C_OpenSession:*:CKR_TOKEN_NOT_PRESENT");
    assert_err(sign_and_verify(x->token, 0, &k, SSH_ALG_P256, view_cstr("x")), ERR_GONE,
               "CKR_TOKEN_NOT_PRESENT");
    plan(x, "C_Sign:*:CKR_FUNCTION_FAILED");
    assert_err(sign_and_verify(x->token, 0, &k, SSH_ALG_P256, view_cstr("x")), ERR_REMOTE,
               "CKR_FUNCTION_FAILED");
    token_key_deinit(&k);
}

/* A session that died before C_Sign is opened anew, once. */
static void test_dead_session(void **state)
{
    struct fixture *x = *state;
    struct token_key k = {0};

    fixture_generate(x, SSH_KEY_P256, "web", &k);
    plan(x, "C_SignInit:1:CKR_SESSION_HANDLE_INVALID");
    trace_clear(x);
    assert_ok(sign_and_verify(x->token, 0, &k, SSH_ALG_P256, view_cstr("x")));
    assert_int_equal(traced(x, "C_OpenSession"), 1);
    plan(x, "C_SignInit:*:CKR_SESSION_HANDLE_INVALID");
    trace_clear(x);
    assert_err(sign_and_verify(x->token, 0, &k, SSH_ALG_P256, view_cstr("x")), ERR_GONE,
               "CKR_SESSION_HANDLE_INVALID");
    assert_int_equal(traced(x, "C_SignInit"), 2);
    token_key_deinit(&k);
}

/* Logged out behind our back: SoftHSM then knows the handle no more; the answer is still "PIN". */
static void test_login_lost(void **state)
{
    struct fixture *x = *state;
    struct token_key k = {0};
    CK_SESSION_HANDLE s = fixture_session(x);

    fixture_generate(x, SSH_KEY_P256, "web", &k);
    assert_int_equal(x->f->C_Logout(s), CKR_OK);
    assert_err(sign_and_verify(x->token, 0, &k, SSH_ALG_P256, view_cstr("x")), ERR_PIN,
               "CKR_USER_NOT_LOGGED_IN");
    assert_true(token_needs_login(x->token));
    assert_ok(login_with(x->token, SOFTHSM_PIN));
    token_key_deinit(&k);
}

/* One session for everything, as on small tokens. */
static void test_single_session(void **state)
{
    struct fixture *x = *state;
    struct token_key k = {0};

    plan(x, "C_GetTokenInfo:*:sessions=1");
    fixture_open(x, &fixture_profile);
    assert_ok(login_with(x->token, SOFTHSM_PIN));
    trace_clear(x);
    fixture_generate(x, SSH_KEY_P256, "web", &k);
    assert_ok(sign_and_verify(x->token, 0, &k, SSH_ALG_P256, view_cstr("x")));
    assert_ok(token_delete(x->token, 0, view_of(k.id, k.id_len), k.key));
    assert_int_equal(traced(x, "C_OpenSession"), 0);
    token_key_deinit(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_type, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_token_hashes, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_no_raw_rsa, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_mechanism_off, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_four_workers, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_hot_path, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_refused, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_short_signature, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_removed, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_dead_session, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_login_lost, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_single_session, fixture_start, fixture_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
