/*
 * Certificates above those of keys: each is there once, as long as some certificate leads to it, and
 * what others stored stays.
 */
#define FIXTURE_NO_ED25519
#include "pkcs11/token/fixture.h"
#include "pkcs11/x509_make.h"

enum { DAY_S = 24 * 3600 };

/* Two keys with one id each, and three CAs between a root and them. */
static struct {
    struct token_key *keys;
    size_t n;
    EVP_PKEY *root, *middle, *other;
    struct buf middle_cert, renewed, other_cert, root_cert;
    struct buf leaf, another, stored;
} w;

static void make(const char *subject, EVP_PKEY *key, const char *issuer, EVP_PKEY *signer, int days,
                 struct buf *out)
{
    X509 *x = X509_new();
    unsigned char *der = NULL;

    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), days);
    x509_name(X509_get_issuer_name(x), issuer);
    x509_name(X509_get_subject_name(x), subject);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), (long)days * DAY_S);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, signer, EVP_sha256()) > 0);
    int len = i2d_X509(x, &der);

    assert_true(len > 0);
    buf_init(out, 0);
    buf_put(out, der, (size_t)len);
    OPENSSL_free(der);
    X509_free(x);
}

static int start_with_keys(void **state)
{
    if (fixture_start_open(state) != 0) {
        return -1;
    }
    fixture_make(*state, &(struct made){.label = "login", .id = 7});
    fixture_make(*state, &(struct made){.label = "second", .id = 8});
    assert_ok(token_keys(((struct fixture *)*state)->token, 0, &w.keys, &w.n));
    assert_int_equal(w.n, 2);
    w.root = EVP_EC_gen("P-256");
    w.middle = EVP_EC_gen("P-256");
    w.other = EVP_EC_gen("P-256");
    make("root", w.root, "root", w.root, 300, &w.root_cert);
    make("middle", w.middle, "root", w.root, 90, &w.middle_cert);
    make("middle", w.middle, "root", w.root, 99, &w.renewed);
    make("other", w.other, "middle", w.middle, 90, &w.other_cert);
    make("host", ssh_key_evp(w.keys[0].key), "middle", w.middle, 2, &w.leaf);
    make("second", ssh_key_evp(w.keys[1].key), "middle", w.middle, 3, &w.another);
    buf_init(&w.stored, 0);
    return 0;
}

static int stop_with_keys(void **state)
{
    struct buf *all[] = {&w.middle_cert, &w.renewed, &w.other_cert, &w.root_cert,
                         &w.leaf,        &w.another, &w.stored};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        buf_deinit(all[i]);
    }
    token_keys_free(&w.keys, w.n);
    EVP_PKEY_free(w.root);
    EVP_PKEY_free(w.middle);
    EVP_PKEY_free(w.other);
    return fixture_stop(state);
}

/* Up to three above the leaf; NULL: no more. */
static struct err *store(struct fixture *x, size_t key, const struct buf *leaf,
                         const struct buf *first, const struct buf *second)
{
    const struct buf *all[] = {leaf, first, second};

    buf_clear(&w.stored);
    for (size_t i = 0; i < ARRAY_LEN(all) && all[i] != NULL; i++) {
        buf_put(&w.stored, all[i]->data, all[i]->len);
    }
    return token_cert_store(x->token, &w.keys[key], buf_view(&w.stored));
}

/* How often the token has it; *@ret_all: and how many in all. */
static size_t count(struct fixture *x, const struct buf *der, size_t *ret_all)
{
    struct token_cert *certs = NULL;
    size_t n = 0;

    *ret_all = 0;
    assert_ok(token_certs(x->token, 0, &certs, ret_all));
    for (size_t i = 0; i < *ret_all; i++) {
        n += view_eq(buf_view(&certs[i].der), buf_view(der));
        assert_int_equal(text_eq(certs[i].label, TOKEN_CHAIN_LABEL), certs[i].id_len == 20);
    }
    token_certs_free(&certs, *ret_all);
    return n;
}

static void has(struct fixture *x, const struct buf *der, size_t of_all)
{
    size_t all;

    assert_int_equal(count(x, der, &all), 1);
    assert_int_equal(all, of_all);
}

static void test_each_once(void **state)
{
    struct fixture *x = *state;

    assert_ok(store(x, 0, &w.leaf, &w.middle_cert, &w.root_cert));
    has(x, &w.leaf, 3);
    has(x, &w.middle_cert, 3);
    has(x, &w.root_cert, 3);
    assert_ok(store(x, 1, &w.another, &w.middle_cert, NULL));
    has(x, &w.another, 4);
    trace_clear(x);
    assert_ok(store(x, 1, &w.another, &w.middle_cert, NULL));
    assert_int_equal(traced(x, "C_CreateObject"), 0);
    fixture_drop_certs(x, w.keys[0].id[0]);
    assert_ok(store(x, 1, &w.another, NULL, NULL)); /* the other key still needs them */
    has(x, &w.middle_cert, 3);
}

static void test_what_leads_nowhere_goes(void **state)
{
    struct fixture *x = *state;
    AUTO(buf_deinit) struct buf next = {0};

    make("host", ssh_key_evp(w.keys[0].key), "other", w.other, 5, &next);
    assert_ok(store(x, 0, &w.leaf, &w.middle_cert, NULL));
    assert_ok(store(x, 0, &w.leaf, &w.renewed, NULL)); /* the same CA, and it lasts longer */
    has(x, &w.renewed, 2);
    assert_ok(store(x, 0, &next, &w.other_cert, NULL));
    has(x, &w.other_cert, 3);
    has(x, &w.renewed, 3); /* it is above the other */
    assert_ok(store(x, 0, &w.leaf, NULL, NULL));
    has(x, &w.renewed, 2);
}

/* A certificate under another label is somebody else's, also one that leads nowhere. */
static void test_what_others_stored_stays(void **state)
{
    struct fixture *x = *state;
    AUTO(buf_deinit) struct buf next = {0};
    struct token_key theirs = {.label = (char[]){"CA"}, .id = {9}, .id_len = 1};
    unsigned char *point = NULL;
    size_t len = EVP_PKEY_get1_encoded_public_key(w.middle, &point);

    assert_ok(ssh_key_from_point(SSH_KEY_P256, view_of(point, len), &theirs.key));
    assert_ok(token_cert_store(x->token, &theirs, buf_view(&w.middle_cert)));
    assert_ok(store(x, 0, &w.leaf, &w.middle_cert, NULL)); /* it is there */
    make("host", ssh_key_evp(w.keys[0].key), "root", w.root, 5, &next);
    assert_ok(store(x, 0, &next, NULL, NULL));
    size_t all = 0, theirs_n = 0;
    struct token_cert *certs = NULL;

    assert_ok(token_certs(x->token, 0, &certs, &all));
    assert_int_equal(all, 2);
    for (size_t i = 0; i < all; i++) {
        theirs_n += text_eq(certs[i].label, "CA");
    }
    assert_int_equal(theirs_n, 1);
    token_certs_free(&certs, all);
    ssh_key_free(&theirs.key);
    OPENSSL_free(point);
}

static void test_bad_input(void **state)
{
    struct fixture *x = *state;

    trace_clear(x);
    assert_err(store(x, 0, &w.leaf, &w.other_cert, NULL), ERR_INPUT, "with those above it");
    assert_err(store(x, 0, &w.middle_cert, &w.root_cert, NULL), ERR_INPUT, "for another key");
    assert_ok(store(x, 0, &w.leaf, NULL, NULL));
    trace_clear(x);
    buf_clear(&w.stored);
    buf_put(&w.stored, w.leaf.data, w.leaf.len);
    for (size_t i = 0; i <= TOKEN_CHAIN_MAX; i++) {
        buf_put(&w.stored, i == 0 ? w.middle_cert.data : w.root_cert.data,
                i == 0 ? w.middle_cert.len : w.root_cert.len);
    }
    assert_err(token_cert_store(x->token, &w.keys[0], buf_view(&w.stored)), ERR_INPUT,
               "with those above it");
    for (size_t cut = w.leaf.len + 1; cut < w.leaf.len + w.middle_cert.len; cut++) {
        assert_err(token_cert_store(x->token, &w.keys[0], view_of(w.stored.data, cut)), ERR_INPUT,
                   "with those above it");
    }
    assert_int_equal(traced(x, ""), 0);
}

/* Whatever fails: a certificate of the key is there, and the next call leaves just the new state. */
static void test_each_call_fails(void **state)
{
    static const char *const calls[] = {"C_FindObjectsInit", "C_FindObjects", "C_GetAttributeValue",
                                        "C_CreateObject", "C_DestroyObject"};
    struct fixture *x = *state;
    AUTO(buf_deinit) struct buf next = {0};
    size_t all;

    make("host", ssh_key_evp(w.keys[0].key), "other", w.other, 5, &next);
    for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
        bool failed = true;

        for (unsigned n = 1; failed; n++) {
            AUTO(auto_free) char *text = text_fmt("%s:%u:CKR_DEVICE_MEMORY", calls[c], n);

            assert_ok(store(x, 0, &next, &w.other_cert, &w.middle_cert));
            plan(x, text);
            struct err *e = store(x, 0, &w.leaf, &w.renewed, NULL);

            failed = e != NULL;
            err_free(&e);
            plan(x, "");
            assert_true(count(x, &w.leaf, &all) + count(x, &next, &all) >= 1);
            assert_ok(store(x, 0, &w.leaf, &w.renewed, NULL));
            has(x, &w.leaf, 2);
            has(x, &w.renewed, 2);
            assert_true(failed || n > 1);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_with_keys, stop_with_keys)
    const struct CMUnitTest tests[] = {
        TEST(test_each_once),       TEST(test_what_leads_nowhere_goes),
        TEST(test_bad_input),       TEST(test_what_others_stored_stays),
        TEST(test_each_call_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
