/*
 * Listing: pairs and proofs, keys that share an id, halves from certificates, and what is said of
 * keys that cannot or should not be used.
 */
#include "pkcs11/token/fixture.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

static struct token_key *list(struct fixture *x, size_t expected)
{
    struct token_key *keys = NULL;
    size_t n = 0;

    assert_ok(token_keys(x->token, 0, &keys, &n));
    assert_int_equal(n, expected);
    return keys;
}

static const struct token_key *labelled(const struct token_key *keys, size_t n, const char *label)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(keys[i].label, label) == 0) {
            return &keys[i];
        }
    }
    fail_msg("no key '%s'", label);
    return NULL;
}

static void test_empty(void **state)
{
    struct token_key *keys = list(*state, 0);

    token_keys_free(&keys, 0);
    assert_null(keys);
}

/* libp11 fails for a whole token that holds one Ed25519 key; we list it beside the others. */
static void test_ed25519_beside_others(void **state)
{
    struct fixture *x = *state;
    struct token_key made[3] = {0};

    fixture_generate(x, SSH_KEY_ED25519, "ed", &made[0]);
    fixture_generate(x, SSH_KEY_P256, "ec", &made[1]);
    fixture_generate(x, SSH_KEY_RSA, "rsa", &made[2]);
    struct token_key *keys = list(x, 3);

    for (size_t i = 0; i < 3; i++) {
        const struct token_key *k = labelled(keys, 3, made[i].label);

        assert_true(ssh_key_eq(k->key, made[i].key));
        assert_int_equal(k->number, made[i].number);
        assert_true(k->proven && k->sensitive && k->always_sensitive && k->never_extractable);
        assert_true(k->local && k->can_sign);
        assert_false(k->extractable || k->always_authenticate);
        assert_null(k->why_not);
        token_key_deinit(&made[i]);
    }
    token_keys_free(&keys, 3);
}

/* What was proven is not signed with again, and keeps its number. */
static void test_proven_once(void **state)
{
    struct fixture *x = *state;
    struct made made = {.label = "web", .id = 1};

    fixture_make(x, &made);
    trace_clear(x);
    struct token_key *first = list(x, 1);
    struct token_key *second = list(x, 1);

    assert_int_equal(traced(x, "C_Sign"), 1);
    assert_true(second[0].proven);
    assert_int_equal(first[0].number, second[0].number);
    token_keys_free(&first, 1);
    token_keys_free(&second, 1);
}

static void test_shared_id(void **state)
{
    struct fixture *x = *state;
    static const char *const labels[] = {"a", "b", "c"};

    for (size_t i = 0; i < 3; i++) {
        struct made made = {.label = labels[i], .id = 7};

        fixture_make(x, &made);
    }
    struct token_key *keys = list(x, 3);

    for (size_t i = 0; i < 3; i++) {
        assert_true(keys[i].proven);
        assert_int_equal(keys[i].id[0], 7);
        assert_ok(sign_and_verify(x->token, 0, &keys[i], SSH_ALG_P256, view_cstr("x")));
        for (size_t k = 0; k < i; k++) {
            assert_false(ssh_key_eq(keys[i].key, keys[k].key));
        }
    }
    token_keys_free(&keys, 3);
}

static void test_extractable(void **state)
{
    struct fixture *x = *state;
    struct made made = {.label = "weak", .id = 1, .extractable = true};

    fixture_make(x, &made);
    struct token_key *keys = list(x, 1);

    assert_true(keys[0].extractable);
    assert_false(keys[0].sensitive || keys[0].never_extractable);
    assert_true(keys[0].proven);
    assert_null(keys[0].why_not);
    token_keys_free(&keys, 1);
}

/* A profile may say that a token's word on this is worth nothing. */
static void test_untrusted_attributes(void **state)
{
    struct fixture *x = *state;
    struct profile_token profile = fixture_profile;
    struct made made = {.label = "web", .id = 1};

    profile.cka_sensitive_reported = false;
    fixture_open(x, &profile);
    assert_ok(login_with(x->token, SOFTHSM_PIN));
    fixture_make(x, &made);
    struct token_key *keys = list(x, 1);

    assert_true(keys[0].extractable);
    assert_false(keys[0].sensitive);
    token_keys_free(&keys, 1);
}

static void test_unusable(void **state)
{
    struct fixture *x = *state;
    struct made each_time = {.label = "each", .id = 1, .always_authenticate = true};
    struct made no_sign = {.label = "nosign", .id = 2, .not_for_signing = true};

    fixture_make(x, &each_time);
    fixture_make(x, &no_sign);
    trace_clear(x);
    struct token_key *keys = list(x, 2);
    const struct token_key *k = labelled(keys, 2, "each");

    assert_true(k->always_authenticate);
    assert_false(k->proven);
    assert_string_equal(k->why_not, "needs the PIN for every signature: not supported yet");
    assert_non_null(strstr(labelled(keys, 2, "nosign")->why_not, "CKA_SIGN"));
    assert_int_equal(traced(x, "C_SignInit"), 0);
    assert_err(sign_and_verify(x->token, 0, k, SSH_ALG_P256, view_cstr("x")), ERR_UNSUPPORTED,
               "cannot make");
    token_keys_free(&keys, 2);
}

static void test_wrong_half(void **state)
{
    struct fixture *x = *state;
    struct made made = {.label = "web", .id = 1};

    fixture_make(x, &made);
    plan(x, "C_Sign:1:corrupt");
    struct token_key *keys = list(x, 1);

    assert_false(keys[0].proven);
    assert_non_null(strstr(keys[0].why_not, "do not fit"));
    token_keys_free(&keys, 1);
    plan(x, "C_Sign:1:CKR_FUNCTION_FAILED");
    keys = list(x, 1);
    assert_non_null(strstr(keys[0].why_not, "CKR_FUNCTION_FAILED"));
    token_keys_free(&keys, 1);
    plan(x, "");
    keys = list(x, 1); /* tried again, as it was not proven */
    assert_true(keys[0].proven);
    token_keys_free(&keys, 1);
}

/* Puts a certificate for the public key on the token. Its signature does not matter here. */
static void put_certificate(struct fixture *x, const struct ssh_key *key, uint8_t id)
{
    X509 *x509 = X509_new();
    EVP_PKEY *signer = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    unsigned char *der = NULL;

    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_set_pubkey(x509, ssh_key_evp(key));
    assert_true(X509_sign(x509, signer, EVP_sha256()) > 0);
    int len = i2d_X509(x509, &der);
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_CERTIFICATE_TYPE type = CKC_X_509;
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL no = CK_FALSE;
    CK_ATTRIBUTE templ[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_CERTIFICATE_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &no, sizeof no},
        {CKA_ID, &id, 1},
        {CKA_VALUE, der, (CK_ULONG)len},
        {CKA_SUBJECT, (void *)"0\0", 2},
    };
    CK_SESSION_HANDLE s = fixture_session(x);
    CK_OBJECT_HANDLE o;

    assert_int_equal(x->f->C_CreateObject(s, templ, ARRAY_LEN(templ), &o), CKR_OK);
    x->f->C_CloseSession(s);
    OPENSSL_free(der);
    X509_free(x509);
    EVP_PKEY_free(signer);
}

static void destroy_public(struct fixture *x)
{
    CK_SESSION_HANDLE s = fixture_session(x);
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_ATTRIBUTE templ = {CKA_CLASS, &class, sizeof class};
    CK_OBJECT_HANDLE o[8];
    CK_ULONG n = 0;

    assert_int_equal(x->f->C_FindObjectsInit(s, &templ, 1), CKR_OK);
    assert_int_equal(x->f->C_FindObjects(s, o, ARRAY_LEN(o), &n), CKR_OK);
    x->f->C_FindObjectsFinal(s);
    for (CK_ULONG i = 0; i < n; i++) {
        assert_int_equal(x->f->C_DestroyObject(s, o[i]), CKR_OK);
    }
    x->f->C_CloseSession(s);
}

static void half_from_certificate(struct fixture *x, enum ssh_key_type type)
{
    struct token_key made = {0};
    struct token_key_spec spec = {
        .type = type, .bits = 2048, .label = ssh_key_type_word(type), .id = view_of("\x05", 1)};

    assert_ok(token_generate(x->token, 0, &spec, &made));
    put_certificate(x, made.key, 5);
    destroy_public(x);
    struct token_key *keys = list(x, 1);

    assert_true(ssh_key_eq(keys[0].key, made.key));
    assert_true(keys[0].proven);
    assert_ok(sign_and_verify(x->token, 0, &keys[0], ssh_alg_default(type), view_cstr("x")));
    assert_false(token_needs_login(x->token)); /* libp11 left our sessions alone */
    assert_ok(token_delete(x->token, 0, view_of("\x05", 1), made.key));
    token_keys_free(&keys, 1);
    token_key_deinit(&made);
}

static void test_certificate(void **state)
{
    half_from_certificate(*state, SSH_KEY_P256);
    half_from_certificate(*state, SSH_KEY_P384);
    half_from_certificate(*state, SSH_KEY_RSA);
    half_from_certificate(*state, SSH_KEY_ED25519);
}

/* RSA private keys show their own public half; curves do not, and cannot be named then. */
static void test_no_public_object(void **state)
{
    struct fixture *x = *state;
    struct token_key rsa = {0};
    struct made made = {.label = "ec", .id = 1, .no_public = true};

    fixture_generate(x, SSH_KEY_RSA, "rsa", &rsa);
    destroy_public(x);
    fixture_make(x, &made);
    struct token_key *keys = list(x, 1);

    assert_true(ssh_key_eq(keys[0].key, rsa.key));
    assert_true(keys[0].proven);
    token_keys_free(&keys, 1);
    token_key_deinit(&rsa);
}

static void test_before_login(void **state)
{
    struct fixture *x = *state;
    struct made made = {.label = "web", .id = 1};

    fixture_make(x, &made);
    token_close(&x->token);
    fixture_open(x, &fixture_profile);
    struct token_key *keys = list(x, 0);

    token_keys_free(&keys, 0);
    assert_ok(login_with(x->token, SOFTHSM_PIN));
    keys = list(x, 1);
    assert_true(keys[0].proven);
    token_keys_free(&keys, 1);
}

static void test_failures(void **state)
{
    struct fixture *x = *state;
    struct made made = {.label = "web", .id = 1};
    struct token_key *keys = NULL;
    size_t n = 0;

    fixture_make(x, &made);
    plan(x, "C_FindObjectsInit:*:CKR_DEVICE_REMOVED");
    assert_err(token_keys(x->token, 0, &keys, &n), ERR_GONE, "CKR_DEVICE_REMOVED");
    plan(x, "C_FindObjects:*:CKR_GENERAL_ERROR");
    assert_err(token_keys(x->token, 0, &keys, &n), ERR_REMOTE, "CKR_GENERAL_ERROR");
    plan(x, "C_Sign:*:CKR_DEVICE_REMOVED");
    assert_err(token_keys(x->token, 0, &keys, &n), ERR_GONE, "CKR_DEVICE_REMOVED");
    plan(x, "C_FindObjectsInit:1:CKR_SESSION_HANDLE_INVALID");
    keys = list(x, 1); /* a dead session is opened anew */
    token_keys_free(&keys, 1);
}

/* A key that was replaced under the same label and id gets another number. */
static void test_numbers(void **state)
{
    struct fixture *x = *state;
    struct made made = {.label = "web", .id = 1};

    fixture_make(x, &made);
    struct token_key *before = list(x, 1);

    assert_ok(token_delete(x->token, 0, view_of("\x01", 1), before[0].key));
    fixture_make(x, &made);
    struct token_key *after = list(x, 1);

    assert_int_not_equal(before[0].number, after[0].number);
    assert_err(sign_and_verify(x->token, 0, &before[0], SSH_ALG_P256, view_cstr("x")),
               ERR_NOT_FOUND, "no key number");
    token_keys_free(&before, 1);
    token_keys_free(&after, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_ed25519_beside_others, fixture_start_open,
                                        fixture_stop),
        cmocka_unit_test_setup_teardown(test_proven_once, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_shared_id, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_extractable, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_untrusted_attributes, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_unusable, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_wrong_half, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_certificate, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_no_public_object, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_before_login, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_failures, fixture_start_open, fixture_stop),
        cmocka_unit_test_setup_teardown(test_numbers, fixture_start_open, fixture_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
