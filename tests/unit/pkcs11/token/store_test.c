/*
 * Certificates that we store: what the token then has, what is left alone, and that whatever fails,
 * at any call, an old or the new one is there and the next call leaves just the new one.
 */
#define FIXTURE_NO_ED25519
#include "pkcs11/token/fixture.h"
#include "pkcs11/x509_make.h"

/* A key with two certificates, none of them stored yet. */
static struct {
    struct token_key *keys;
    size_t n;
    struct buf old, new;
} with;

static int start_with_key(void **state)
{
    if (fixture_start_open(state) != 0) {
        return -1;
    }
    fixture_make(*state, &(struct made){.label = "login", .id = 7});
    assert_ok(token_keys(((struct fixture *)*state)->token, 0, &with.keys, &with.n));
    assert_int_equal(with.n, 1);
    x509_make(with.keys[0].key, 1, &with.old);
    x509_make(with.keys[0].key, 0x123456789, &with.new);
    return 0;
}

static int stop_with_key(void **state)
{
    token_keys_free(&with.keys, with.n);
    buf_deinit(&with.old);
    buf_deinit(&with.new);
    return fixture_stop(state);
}

static struct err *store(struct fixture *x, const struct buf *der)
{
    return token_cert_store(x->token, &with.keys[0], buf_view(der));
}

/* How many certificates the token has, and how often it has this one. */
static size_t count(struct fixture *x, const struct buf *der, size_t *ret_all)
{
    struct token_cert *certs = NULL;
    size_t all = 0;
    size_t n = 0;

    assert_ok(token_certs(x->token, 0, &certs, &all));
    for (size_t i = 0; i < all; i++) {
        n += view_eq(buf_view(&certs[i].der), buf_view(der));
    }
    token_certs_free(&certs, all);
    *ret_all = all;
    return n;
}

static void has_only(struct fixture *x, const struct buf *der)
{
    size_t all = 0;

    assert_int_equal(count(x, der, &all), 1);
    assert_int_equal(all, 1);
}

static void attribute_is(struct fixture *x, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
                         CK_ATTRIBUTE_TYPE type, struct view wanted)
{
    uint8_t value[256];
    CK_ATTRIBUTE a = {type, value, sizeof value};

    assert_int_equal(x->f->C_GetAttributeValue(s, o, &a, 1), CKR_OK);
    assert_int_equal(a.ulValueLen, wanted.len);
    assert_memory_equal(value, wanted.p, wanted.len);
}

static void test_attributes(void **state)
{
    static const uint8_t serial[] = {2, 5, 1, 0x23, 0x45, 0x67, 0x89};
    struct fixture *x = *state;
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL no = CK_FALSE;
    CK_CERTIFICATE_TYPE type = CKC_X_509;
    CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof class}};
    CK_OBJECT_HANDLE o;
    CK_ULONG n = 0;
    const unsigned char *p = with.new.data;
    const unsigned char *name;
    size_t len = 0;

    assert_ok(store(x, &with.new));
    X509 *x509 = d2i_X509(NULL, &p, (long)with.new.len);
    CK_SESSION_HANDLE s = fixture_session(x);

    assert_int_equal(x->f->C_FindObjectsInit(s, templ, 1), CKR_OK);
    assert_int_equal(x->f->C_FindObjects(s, &o, 1, &n), CKR_OK);
    assert_int_equal(x->f->C_FindObjectsFinal(s), CKR_OK);
    assert_int_equal(n, 1);
    attribute_is(x, s, o, CKA_ID, view_of("\x07", 1));
    attribute_is(x, s, o, CKA_LABEL, view_cstr("login"));
    attribute_is(x, s, o, CKA_TOKEN, view_of(&yes, 1));
    attribute_is(x, s, o, CKA_PRIVATE, view_of(&no, 1));
    attribute_is(x, s, o, CKA_CERTIFICATE_TYPE, view_of(&type, sizeof type));
    attribute_is(x, s, o, CKA_SERIAL_NUMBER, view_of(serial, sizeof serial));
    assert_int_equal(X509_NAME_get0_der(X509_get_subject_name(x509), &name, &len), 1);
    attribute_is(x, s, o, CKA_SUBJECT, view_of(name, len));
    assert_int_equal(X509_NAME_get0_der(X509_get_issuer_name(x509), &name, &len), 1);
    attribute_is(x, s, o, CKA_ISSUER, view_of(name, len));
    has_only(x, &with.new); /* read without what we have just looked at */
    X509_free(x509);
    x->f->C_CloseSession(s);
}

static void test_replaces(void **state)
{
    struct fixture *x = *state;

    assert_ok(store(x, &with.old));
    has_only(x, &with.old);
    assert_ok(store(x, &with.new));
    has_only(x, &with.new);
    trace_clear(x);
    assert_ok(store(x, &with.new)); /* the same once more writes nothing */
    has_only(x, &with.new);
    assert_int_equal(traced(x, "C_CreateObject"), 0);
    assert_int_equal(traced(x, "C_DestroyObject"), 0);
}

static void put_garbage(struct fixture *x)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_CERTIFICATE_TYPE type = CKC_X_509;
    CK_BBOOL yes = CK_TRUE;
    CK_BYTE id = 7;
    char text[] = "no certificate";
    CK_ATTRIBUTE templ[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_CERTIFICATE_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_SUBJECT, text, 2},
        {CKA_ID, &id, 1},
        {CKA_VALUE, text, sizeof text},
    };
    CK_OBJECT_HANDLE o;
    CK_SESSION_HANDLE s = fixture_session(x);

    assert_int_equal(x->f->C_CreateObject(s, templ, ARRAY_LEN(templ), &o), CKR_OK);
    x->f->C_CloseSession(s);
}

/* What shares the id by accident, or the key under another id, is not ours to remove. */
static void test_what_is_left_alone(void **state)
{
    struct fixture *x = *state;
    struct token_key other = {.label = (char[]){"other"}, .id = {7}, .id_len = 1};
    struct token_key elsewhere = with.keys[0];
    AUTO(buf_deinit) struct buf others = {0};
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    unsigned char *point = NULL;
    size_t len = EVP_PKEY_get1_encoded_public_key(pkey, &point);
    size_t all = 0;

    assert_ok(ssh_key_from_point(SSH_KEY_P256, view_of(point, len), &other.key));
    x509_make(other.key, 1, &others);
    elsewhere.id[0] = 8;
    assert_ok(token_cert_store(x->token, &other, buf_view(&others)));
    assert_ok(token_cert_store(x->token, &elsewhere, buf_view(&with.old)));
    put_garbage(x);
    assert_ok(store(x, &with.old));
    assert_ok(store(x, &with.new));
    assert_int_equal(count(x, &with.new, &all), 1);
    assert_int_equal(all, 4);
    assert_int_equal(count(x, &others, &all), 1);
    assert_int_equal(count(x, &with.old, &all), 1);
    ssh_key_free(&other.key);
    OPENSSL_free(point);
    EVP_PKEY_free(pkey);
}

static void test_bad_input(void **state)
{
    static uint8_t large[TOKEN_CERT_MAX_BYTES + 1];
    struct fixture *x = *state;
    struct token_key other = {.label = (char[]){"rsa"}, .id = {9}, .id_len = 1};
    struct token_key rsa = {0};

    fixture_generate(x, SSH_KEY_RSA, "rsa", &rsa);
    other.key = rsa.key;
    assert_err(token_cert_store(x->token, &other, buf_view(&with.new)), ERR_INPUT,
               "the certificate is for another key");
    assert_err(token_cert_store(x->token, &with.keys[0], view_of(large, sizeof large)), ERR_LIMIT,
               "65537 bytes");
    trace_clear(x);
    for (size_t len = 0; len < with.new.len; len++) {
        assert_err(token_cert_store(x->token, &with.keys[0], view_of(with.new.data, len)),
                   ERR_INPUT, "not one X.509 certificate");
    }
    buf_put_u8(&with.new, 0);
    assert_err(store(x, &with.new), ERR_INPUT, "not one X.509 certificate");
    assert_int_equal(traced(x, ""), 0);
    token_key_deinit(&rsa);
}

/* A flipped bit: no certificate, one for another key, or one that is taken for what it says. */
static void test_flipped(void **state)
{
    struct fixture *x = *state;
    size_t all = 0;

    plan(x, "C_CreateObject:*:0x0"); /* nothing is written */
    for (size_t bit = 0; bit < 8 * with.new.len; bit++) {
        with.new.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct err *e = store(x, &with.new);

        assert_true(err_is(e, ERR_INPUT) || err_is(e, ERR_REMOTE));
        err_free(&e);
        with.new.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_err(store(x, &with.new), ERR_REMOTE, "does not give back the certificate");
    plan(x, "");
    assert_int_equal(count(x, &with.new, &all), 0);
    assert_int_equal(all, 0);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *plan;
        enum err_code code;
        const char *text;
    } cases[] = {
        {"C_CreateObject:1:CKR_TOKEN_WRITE_PROTECTED", ERR_DENIED,
         "on token 'demo': the token is read-only: C_CreateObject (CKR_TOKEN_WRITE_PROTECTED)"},
        {"C_CreateObject:1:CKR_SESSION_READ_ONLY", ERR_DENIED, "the token is read-only"},
        {"C_CreateObject:1:CKR_DEVICE_MEMORY", ERR_LIMIT,
         "the token is full: C_CreateObject (CKR_DEVICE_MEMORY)"},
        {"C_CreateObject:1:CKR_ACTION_PROHIBITED", ERR_DENIED, "CKR_ACTION_PROHIBITED"},
        {"C_CreateObject:1:CKR_DEVICE_ERROR", ERR_GONE, "CKR_DEVICE_ERROR"},
        {"C_CreateObject:1:0x0", ERR_REMOTE, "does not give back"},
        {"C_CreateObject:1:CKR_USER_NOT_LOGGED_IN", ERR_PIN, "CKR_USER_NOT_LOGGED_IN"},
    };
    struct fixture *x = *state;

    assert_ok(store(x, &with.old));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        plan(x, cases[i].plan);
        assert_err(store(x, &with.new), cases[i].code, cases[i].text);
        plan(x, "");
        has_only(x, &with.old);
    }
    assert_true(token_needs_login(x->token));
}

/* Write-protected from the first: there is no read-write session. */
static void test_read_only(void **state)
{
    struct fixture *x = *state;

    plan(x, "C_OpenSession:*:CKR_TOKEN_WRITE_PROTECTED");
    assert_err(store(x, &with.new), ERR_DENIED,
               "the token is read-only: C_OpenSession (CKR_TOKEN_WRITE_PROTECTED)");
}

/* The new one is there: whoever stored it may go on with it. */
static void test_old_one_stays(void **state)
{
    struct fixture *x = *state;
    size_t all = 0;

    assert_ok(store(x, &with.old));
    plan(x, "C_DestroyObject:*:CKR_ACTION_PROHIBITED");
    assert_err(store(x, &with.new), ERR_EXISTS, "an older one stays");
    plan(x, "C_DestroyObject:1:CKR_DEVICE_REMOVED");
    assert_err(store(x, &with.new), ERR_GONE, "CKR_DEVICE_REMOVED");
    assert_int_equal(count(x, &with.new, &all), 1);
    assert_int_equal(count(x, &with.old, &all), 1);
    plan(x, "");
    assert_ok(store(x, &with.new));
    has_only(x, &with.new);
}

/* Fails @call, each time one later, until a store does without it. Return: how often it failed. */
static unsigned fail_each(struct fixture *x, const char *call, const char *code)
{
    for (unsigned n = 1;; n++) {
        AUTO(auto_free) char *text = text_fmt("%s:%u:%s", call, n, code);
        size_t all = 0;

        fixture_drop_certs(x, 7);
        assert_ok(store(x, &with.old));
        plan(x, text);
        struct err *e = store(x, &with.new);
        bool failed = e != NULL;

        err_free(&e);
        plan(x, "");
        size_t there = count(x, &with.old, &all) + count(x, &with.new, &all);

        assert_true(there >= 1 && there == all);
        assert_ok(store(x, &with.new));
        has_only(x, &with.new);
        if (!failed) {
            return n - 1;
        }
    }
}

static void test_each_call_fails(void **state)
{
    static const char *const calls[] = {"C_FindObjectsInit", "C_FindObjects", "C_GetAttributeValue",
                                        "C_CreateObject", "C_DestroyObject"};
    static const char *const codes[] = {"CKR_DEVICE_ERROR", "CKR_DEVICE_MEMORY",
                                        "CKR_TOKEN_WRITE_PROTECTED", "CKR_GENERAL_ERROR",
                                        "CKR_SESSION_HANDLE_INVALID"};

    for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
        for (size_t r = 0; r < ARRAY_LEN(codes); r++) {
            assert_true(fail_each(*state, calls[c], codes[r]) >= 1);
        }
    }
    fail_each(*state, "C_GetSessionInfo", "CKR_SESSION_HANDLE_INVALID");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_with_key, stop_with_key)
    const struct CMUnitTest tests[] = {
        TEST(test_attributes), TEST(test_replaces),      TEST(test_what_is_left_alone),
        TEST(test_bad_input),  TEST(test_flipped),       TEST(test_refusals),
        TEST(test_read_only),  TEST(test_old_one_stays), TEST(test_each_call_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
