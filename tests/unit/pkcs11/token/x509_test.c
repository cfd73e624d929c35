/*
 * Certificates that a token stores: found without a login, as the bytes that were put there, within
 * limits. Nothing here looks into them, so the test's are no certificates.
 */
#include "pkcs11/token/fixture.h"

/** What put() stores; a NULL label, id 0 or size 0 is left out. */
struct stored {
    const char *label;
    uint8_t id, fill;
    size_t size;
    bool private, not_x509;
};

static void put(struct fixture *x, const struct stored *c)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_CERTIFICATE_TYPE type = c->not_x509 ? CKC_OPENPGP : CKC_X_509;
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL private = c->private ? CK_TRUE : CK_FALSE;
    CK_BYTE id = c->id;
    char url[] = "https://example.com/ca";
    CK_BYTE hash[20] = {0};
    uint8_t *value = malloc(c->size + 1);
    void *label = (void *)(uintptr_t)(c->label != NULL ? c->label : "");
    CK_ATTRIBUTE templ[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_CERTIFICATE_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &private, sizeof private},
        {CKA_SUBJECT, hash, sizeof hash},
        {CKA_ID, &id, c->id != 0},
        {CKA_LABEL, label, c->label != NULL ? strlen(c->label) : 0},
        {CKA_VALUE, value, c->size},
        {CKA_URL, url, c->size > 0 ? 0 : sizeof url - 1},
        {CKA_HASH_OF_SUBJECT_PUBLIC_KEY, hash, c->size > 0 ? 0 : sizeof hash},
        {CKA_HASH_OF_ISSUER_PUBLIC_KEY, hash, c->size > 0 ? 0 : sizeof hash},
    };
    CK_ULONG n = ARRAY_LEN(templ) - (c->not_x509 ? 3 : 0);
    CK_OBJECT_HANDLE o;
    CK_SESSION_HANDLE s = fixture_session(x);

    assert_non_null(value);
    memset(value, c->fill, c->size);
    assert_int_equal(x->f->C_CreateObject(s, templ, n, &o), CKR_OK);
    x->f->C_CloseSession(s);
    free(value);
}

static struct token_cert *list(struct fixture *x, size_t expected)
{
    struct token_cert *certs = NULL;
    size_t n = 0;

    assert_ok(token_certs(x->token, 0, &certs, &n));
    assert_int_equal(n, expected);
    return certs;
}

static const struct token_cert *labelled(const struct token_cert *certs, size_t n,
                                         const char *label)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(certs[i].label, label) == 0) {
            return &certs[i];
        }
    }
    fail_msg("no certificate '%s'", label);
    return NULL;
}

static int start_locked(void **state)
{
    if (fixture_start(state) != 0) {
        return -1;
    }
    fixture_open(*state, &fixture_profile);
    return 0;
}

static void test_without_login(void **state)
{
    struct fixture *x = *state;

    assert_null(list(x, 0));
    put(x, &(struct stored){.label = "ca", .id = 7, .fill = 0x30, .size = 600});
    put(x, &(struct stored){.size = 1, .fill = 0xff});
    struct token_cert *certs = list(x, 2);
    const struct token_cert *ca = labelled(certs, 2, "ca");

    assert_int_equal(ca->id_len, 1);
    assert_int_equal(ca->id[0], 7);
    assert_int_equal(ca->der.len, 600);
    for (size_t i = 0; i < 600; i++) {
        assert_int_equal(ca->der.data[i], 0x30);
    }
    const struct token_cert *bare = labelled(certs, 2, "");

    assert_int_equal(bare->id_len, 0);
    assert_int_equal(bare->der.len, 1);
    token_certs_free(&certs, 2);
    assert_null(certs);
}

static void test_private_ones(void **state)
{
    struct fixture *x = *state;

    assert_ok(login_with(x->token, SOFTHSM_PIN));
    put(x, &(struct stored){.label = "mine", .size = 100, .private = true});
    struct token_cert *certs = list(x, 1);

    token_certs_free(&certs, 1);
    token_close(&x->token);
    fixture_open(x, &fixture_profile);
    assert_null(list(x, 0));
}

static void test_what_is_left_out(void **state)
{
    struct fixture *x = *state;

    put(x, &(struct stored){.label = "largest", .size = TOKEN_CERT_MAX_BYTES});
    put(x, &(struct stored){.label = "too large", .size = TOKEN_CERT_MAX_BYTES + 1});
    put(x, &(struct stored){.label = "only a URL"});
    struct token_cert *certs = list(x, 1);

    assert_string_equal(certs[0].label, "largest");
    assert_int_equal(certs[0].der.len, TOKEN_CERT_MAX_BYTES);
    token_certs_free(&certs, 1);
}

static void test_at_most(void **state)
{
    struct fixture *x = *state;
    struct token_cert *none = NULL;
    size_t n = 0;

    for (unsigned i = 0; i < TOKEN_CERTS_MAX; i++) {
        put(x, &(struct stored){.size = 10, .id = (uint8_t)(i + 1)});
    }
    struct token_cert *certs = list(x, TOKEN_CERTS_MAX);

    token_certs_free(&certs, TOKEN_CERTS_MAX);
    put(x, &(struct stored){.size = 10});
    assert_err(token_certs(x->token, 0, &none, &n), ERR_LIMIT, "65, more than 64");
    assert_null(none);
}

static void test_failures(void **state)
{
    struct fixture *x = *state;
    struct token_cert *certs = NULL;
    size_t n = 0;

    put(x, &(struct stored){.label = "a", .size = 10, .id = 1});
    put(x, &(struct stored){.label = "b", .size = 10, .id = 2});
    plan(x, "C_FindObjectsInit:*:CKR_GENERAL_ERROR");
    assert_err(token_certs(x->token, 0, &certs, &n), ERR_REMOTE, "CKR_GENERAL_ERROR");
    for (unsigned i = 1; i <= 12; i++) { /* two calls an attribute, three attributes each */
        AUTO(auto_free) char *at = text_fmt("C_GetAttributeValue:%u+:CKR_DEVICE_REMOVED", i);

        plan(x, at);
        assert_err(token_certs(x->token, 0, &certs, &n), ERR_GONE, "certificates of token 'demo'");
    }
    plan(x, "C_GetAttributeValue:1:0x11"); /* CKR_ATTRIBUTE_SENSITIVE */
    certs = list(x, 1);
    token_certs_free(&certs, 1);
    plan(x, "C_FindObjectsInit:1:CKR_SESSION_HANDLE_INVALID");
    certs = list(x, 2); /* a dead session is opened anew */
    token_certs_free(&certs, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_without_login, start_locked, fixture_stop),
        cmocka_unit_test_setup_teardown(test_private_ones, start_locked, fixture_stop),
        cmocka_unit_test_setup_teardown(test_what_is_left_out, start_locked, fixture_stop),
        cmocka_unit_test_setup_teardown(test_at_most, start_locked, fixture_stop),
        cmocka_unit_test_setup_teardown(test_failures, start_locked, fixture_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
