/*
 * Signing for what is not SSH: each scheme, on SoftHSM, with the key it is for, checked by OpenSSL
 * and not by what SSH uses; with the token hashing, with the host hashing, and for PSS with less
 * and less from the token.
 */
#include "pkcs11/token/fixture.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

static const struct {
    enum scheme scheme;
    enum ssh_key_type type;
    const char *md; /* NULL: the key hashes for itself */
    bool pss;
} cases[SCHEME_COUNT] = {
    {SCHEME_ES256, SSH_KEY_P256, "SHA256", false}, {SCHEME_ES384, SSH_KEY_P384, "SHA384", false},
    {SCHEME_ES512, SSH_KEY_P521, "SHA512", false}, {SCHEME_EDDSA, SSH_KEY_ED25519, NULL, false},
    {SCHEME_RS256, SSH_KEY_RSA, "SHA256", false},  {SCHEME_RS384, SSH_KEY_RSA, "SHA384", false},
    {SCHEME_RS512, SSH_KEY_RSA, "SHA512", false},  {SCHEME_PS256, SSH_KEY_RSA, "SHA256", true},
    {SCHEME_PS384, SSH_KEY_RSA, "SHA384", true},   {SCHEME_PS512, SSH_KEY_RSA, "SHA512", true},
};

static struct token_key keys[SSH_KEY_ED25519 + 1];

static const char text[] = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJob2xkZmFzdCJ9";

static void make_keys(struct fixture *x)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        fixture_generate(x, (enum ssh_key_type)i, ssh_key_type_word((enum ssh_key_type)i),
                         &keys[i]);
    }
}

static void drop_keys(void)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        token_key_deinit(&keys[i]);
        keys[i] = (struct token_key){0};
    }
}

/* r||s as DER, which is what OpenSSL verifies. */
static struct view as_der(struct view raw, uint8_t *out)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    int half = (int)raw.len / 2;

    assert_non_null(sig);
    assert_int_equal(
        ECDSA_SIG_set0(sig, BN_bin2bn(raw.p, half, NULL), BN_bin2bn(raw.p + half, half, NULL)), 1);
    int len = i2d_ECDSA_SIG(sig, &out);

    assert_true(len > 0);
    ECDSA_SIG_free(sig);
    return view_of(out - len, (size_t)len);
}

static bool is_signature(size_t i, struct view raw, struct view data)
{
    EVP_PKEY *key = ssh_key_evp(keys[cases[i].type].key);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how = NULL;
    uint8_t der[256];
    struct view sig = raw;

    assert_int_equal(EVP_DigestVerifyInit_ex(ctx, &how, cases[i].md, NULL, NULL, key, NULL), 1);
    if (cases[i].pss) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_mgf1_md_name(how, cases[i].md, NULL), 1);
    }
    if (cases[i].type != SSH_KEY_RSA && cases[i].type != SSH_KEY_ED25519) {
        sig = as_der(raw, der);
    }
    bool good = EVP_DigestVerify(ctx, sig.p, sig.len, data.p, data.len) == 1;

    EVP_MD_CTX_free(ctx);
    return good;
}

static void sign_one(struct fixture *x, size_t i, struct view data)
{
    static const size_t widths[] = {[SSH_KEY_RSA] = 256,
                                    [SSH_KEY_P256] = 64,
                                    [SSH_KEY_P384] = 96,
                                    [SSH_KEY_P521] = 132,
                                    [SSH_KEY_ED25519] = 64};
    AUTO(buf_deinit) struct buf raw;

    buf_init(&raw, 0);
    assert_ok(token_sign(x->token, 0, keys[cases[i].type].number, cases[i].scheme, data, &raw));
    assert_int_equal(raw.len, widths[cases[i].type]);
    assert_true(is_signature(i, buf_view(&raw), data));
    raw.data[raw.len / 2] ^= 1;
    assert_false(is_signature(i, buf_view(&raw), data));
}

static void sign_all(struct fixture *x)
{
    static uint8_t large[TOKEN_SIGN_MAX_BYTES];

    make_keys(x);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sign_one(x, i, view_cstr(text));
        sign_one(x, i, view_of(large, sizeof large));
    }
    drop_keys();
}

static void open_with(struct fixture *x, const struct profile_token *profile)
{
    fixture_open(x, profile);
    assert_ok(login_with(x->token, SOFTHSM_PIN));
}

static void test_host_hashes(void **state)
{
    open_with(*state, &fixture_profile);
    sign_all(*state);
}

static void test_token_hashes(void **state)
{
    struct profile_token profile = fixture_profile;

    profile.rsa_hash = PROFILE_HASH_TOKEN;
    profile.ecdsa_hash = PROFILE_HASH_TOKEN;
    open_with(*state, &profile);
    sign_all(*state);
}

/* The token opened anew, with its keys' new numbers. */
static void reopen(struct fixture *x, const struct profile_token *profile)
{
    struct token_key *again = NULL;
    size_t n = 0;

    token_close(&x->token);
    open_with(x, profile);
    assert_ok(token_keys(x->token, 0, &again, &n));
    assert_int_equal(n, ARRAY_LEN(keys));
    for (size_t i = 0; i < n; i++) {
        assert_null(again[i].why_not);
        keys[ssh_key_type(again[i].key)].number = again[i].number;
    }
    token_keys_free(&again, n);
}

/* Without CKM_SHA*_RSA_PKCS_PSS the token gets the digest; without CKM_RSA_PKCS_PSS the number. */
static void test_less_and_less(void **state)
{
    static const unsigned long off[] = {CKM_SHA256_RSA_PKCS_PSS, CKM_SHA384_RSA_PKCS_PSS,
                                        CKM_SHA512_RSA_PKCS_PSS, CKM_RSA_PKCS_PSS, CKM_RSA_X_509};
    struct fixture *x = *state;
    struct profile_token profile = fixture_profile;
    AUTO(buf_deinit) struct buf raw;

    buf_init(&raw, 0);
    memcpy(profile.mechanisms_off, off, sizeof off);
    open_with(x, &fixture_profile);
    make_keys(x);
    for (size_t n = 3; n <= 4; n++) {
        profile.mechanisms_off_n = n;
        reopen(x, &profile);
        for (size_t i = SCHEME_PS256; i < ARRAY_LEN(cases); i++) {
            sign_one(x, i, view_cstr(text));
        }
    }
    profile.mechanisms_off_n = 5;
    reopen(x, &profile);
    assert_err(
        token_sign(x->token, 0, keys[SSH_KEY_RSA].number, SCHEME_PS256, view_cstr(text), &raw),
        ERR_UNSUPPORTED, "no mechanism for PS256");
    sign_one(x, SCHEME_RS384, view_cstr(text));
    drop_keys();
}

static void test_other_key_types(void **state)
{
    struct fixture *x = *state;
    AUTO(buf_deinit) struct buf raw;

    buf_init(&raw, 0);
    open_with(x, &fixture_profile);
    make_keys(x);
    trace_clear(x);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
            if (k != cases[i].type) {
                assert_err(
                    token_sign(x->token, 0, keys[k].number, cases[i].scheme, view_cstr(text), &raw),
                    ERR_INPUT, scheme_name(cases[i].scheme));
            }
        }
    }
    assert_int_equal(raw.len, 0);
    assert_int_equal(traced(x, ""), 0); /* nothing of it reached the token */
    drop_keys();
}

/* Each call on the way fails once; then the same worker signs again. */
static void test_failures(void **state)
{
    static const struct {
        const char *plan;
        enum err_code code;
    } faults[] = {{"C_SignInit:1:CKR_DEVICE_ERROR", ERR_GONE},
                  {"C_SignInit:1:CKR_MECHANISM_INVALID", ERR_UNSUPPORTED},
                  {"C_Sign:1:CKR_DEVICE_ERROR", ERR_GONE},
                  {"C_Sign:1:CKR_DEVICE_MEMORY", ERR_LIMIT}};
    struct fixture *x = *state;
    AUTO(buf_deinit) struct buf raw;

    buf_init(&raw, 0);
    open_with(x, &fixture_profile);
    make_keys(x);
    for (size_t f = 0; f < ARRAY_LEN(faults); f++) {
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            plan(x, faults[f].plan);
            assert_err(token_sign(x->token, 0, keys[cases[i].type].number, cases[i].scheme,
                                  view_cstr(text), &raw),
                       faults[f].code, strstr(faults[f].plan, "CKR"));
            plan(x, "");
            sign_one(x, i, view_cstr(text));
        }
    }
    assert_int_equal(raw.len, 0);
    drop_keys();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_host_hashes, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_token_hashes, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_less_and_less, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_other_key_types, fixture_start, fixture_stop),
        cmocka_unit_test_setup_teardown(test_failures, fixture_start, fixture_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
