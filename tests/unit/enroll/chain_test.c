/*
 * Which certificate a login key logs in with, out of what lies on a token, and what is shown with it. Keys and certificates are
 * made here, for a day that is fixed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "enroll/enroll.h"

enum { DAY_S = 24 * 3600, ON_TOKEN_MAX = 16 };

static const struct wall now = {1700000000};

static EVP_PKEY *ours, *another, *ca_key, *middle_key;
static struct ssh_key *key;
static X509 *made[ON_TOKEN_MAX];
static struct remote_cert on_token[ON_TOKEN_MAX];
static size_t n;

static EVP_PKEY *new_key(void)
{
    EVP_PKEY *k = EVP_EC_gen("P-256");

    assert_non_null(k);
    return k;
}

static void set_name(X509_NAME *name, const char *text)
{
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)text, -1, -1, 0),
                     1);
}

/* On the token, valid from and until so many days from now. */
static X509 *put(const char *subject, EVP_PKEY *k, const char *issuer, EVP_PKEY *signs,
                 int from_days, int until_days)
{
    X509 *x = X509_new();
    unsigned char *der = NULL;

    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), (long)n + 1);
    set_name(X509_get_subject_name(x), subject);
    set_name(X509_get_issuer_name(x), issuer);
    ASN1_TIME_set(X509_getm_notBefore(x), now.s + (int64_t)from_days * DAY_S);
    ASN1_TIME_set(X509_getm_notAfter(x), now.s + (int64_t)until_days * DAY_S);
    X509_set_pubkey(x, k);
    assert_true(X509_sign(x, signs, EVP_sha256()) > 0);
    int len = i2d_X509(x, &der);

    assert_true(len > 0);
    on_token[n] = (struct remote_cert){.label = subject, .der = {der, (size_t)len}};
    made[n++] = x;
    return x;
}

static void put_bytes(const char *bytes, size_t len)
{
    uint8_t *der = OPENSSL_memdup(bytes, len);

    made[n] = NULL;
    on_token[n++] = (struct remote_cert){.label = "?", .der = {der, len}};
}

static struct err *full(char **ret_pem)
{
    AUTO(enroll_cert_deinit) struct enroll_cert c = {0};
    struct err *e = enroll_cert_choose(on_token, n, key, now, &c);

    if (e == NULL) {
        *ret_pem = enroll_cert_full_pem(&c);
    }
    return e;
}

/* The chain is of these certificates and no more. */
static void assert_chain(X509 *const *expected, size_t expected_n)
{
    AUTO(auto_free) char *pem = NULL;
    struct err *e = full(&pem);

    if (e != NULL) {
        fail_msg("%s", err_text(e));
    }
    BIO *bio = BIO_new_mem_buf(pem, -1);

    for (size_t i = 0; i < expected_n; i++) {
        X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        assert_non_null(x);
        assert_int_equal(X509_cmp(x, expected[i]), 0);
        X509_free(x);
    }
    assert_null(PEM_read_bio_X509(bio, NULL, NULL, NULL));
    BIO_free(bio);
}

static void assert_none(enum err_code code, const char *words)
{
    char *pem = NULL;
    AUTO(err_free) struct err *e = full(&pem);

    assert_true(err_is(e, code));
    assert_null(pem);
    if (strstr(err_text(e), words) == NULL) {
        fail_msg("\"%s\" is not in: %s", words, err_text(e));
    }
}

static void test_none(void **state)
{
    (void)state;
    assert_none(ERR_NOT_FOUND, "no certificate for the key");
    put("another", another, "CA", ca_key, -1, 9);
    put_bytes("", 0);
    put_bytes("\x30\x03garbage", 5);
    assert_none(ERR_NOT_FOUND, "no certificate for the key");
}

static void test_the_one_that_is_valid_longest(void **state)
{
    (void)state;
    put("another", another, "CA", ca_key, -1, 90);
    put("short", ours, "CA", ca_key, -1, 2);
    X509 *best = put("long", ours, "CA", ca_key, -1, 9);

    put("early", ours, "CA", ca_key, 1, 30);
    put("late", ours, "CA", ca_key, -30, -1);
    put_bytes("\x30\x80\x00\x00", 4);
    assert_chain(&best, 1);
}

static void test_none_that_is_valid(void **state)
{
    (void)state;
    put("old", ours, "CA", ca_key, -30, -2);
    put("late", ours, "CA", ca_key, -30, -1);
    assert_none(ERR_CERT, "ended at 2023-11-13T22:13:20Z");
    put("early", ours, "CA", ca_key, 1, 30);
    assert_none(ERR_CERT, "valid from 2023-11-15T22:13:20Z only");
}

static void test_the_chain_without_its_root(void **state)
{
    X509 *chain[2];

    (void)state;
    put("CA", ca_key, "CA", ca_key, -99, 99);
    chain[1] = put("middle", middle_key, "CA", ca_key, -99, 99);
    put("middle", another, "CA", ca_key, -99, 99); /* its name, but not its key */
    chain[0] = put("host", ours, "middle", middle_key, -1, 9);
    assert_chain(chain, 2);
}

static void test_a_chain_that_goes_round(void **state)
{
    AUTO(auto_free) char *pem = NULL;
    size_t certs = 0;

    (void)state;
    put("host", ours, "a", ca_key, -1, 9);
    put("a", ca_key, "b", middle_key, -1, 9);
    put("b", middle_key, "a", ca_key, -1, 9);
    assert_null(full(&pem));
    for (const char *p = pem; (p = strstr(p, "BEGIN CERTIFICATE")) != NULL; p++) {
        certs++;
    }
    assert_int_equal(certs, 1 + ENROLL_CHAIN_MAX);
}

/* As a token takes it: what was chosen, then those above it. */
static void test_a_pile(void **state)
{
    AUTO(enroll_cert_deinit) struct enroll_cert c = {0};
    AUTO(buf_deinit) struct buf pile;

    (void)state;
    put("middle", middle_key, "CA", ca_key, -99, 99);
    put("middle", middle_key, "CA", ca_key, -99, 199); /* renewed: the longer */
    put("host", ours, "middle", middle_key, -1, 9);
    assert_null(enroll_cert_choose(on_token, n, key, now, &c));
    buf_init(&pile, 0);
    assert_null(enroll_cert_pile(&c, &pile));
    assert_int_equal(pile.len, on_token[2].der.len + on_token[1].der.len);
    assert_memory_equal(pile.data, on_token[2].der.p, on_token[2].der.len);
    assert_memory_equal(pile.data + on_token[2].der.len, on_token[1].der.p, on_token[1].der.len);
}

static void test_a_clock_that_is_a_little_slow(void **state)
{
    AUTO(auto_free) char *pem = NULL;

    (void)state;
    X509 *x = put("host", ours, "CA", ca_key, 0, 9);

    n--;
    ASN1_TIME_set(X509_getm_notBefore(x), now.s + ENROLL_SKEW_S);
    X509_sign(x, ca_key, EVP_sha256());
    OPENSSL_free((void *)(uintptr_t)on_token[n].der.p);
    unsigned char *der = NULL;

    on_token[n].der.len = (size_t)i2d_X509(x, &der);
    on_token[n++].der.p = der;
    assert_null(full(&pem));
}

static int set_up(void **state)
{
    unsigned char point[65];
    size_t len = 0;

    (void)state;
    ours = new_key();
    another = new_key();
    ca_key = new_key();
    middle_key = new_key();
    assert_int_equal(EVP_PKEY_get_octet_string_param(ours, "pub", point, sizeof point, &len), 1);
    assert_null(ssh_key_from_point(SSH_KEY_P256, view_of(point, len), &key));
    n = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < n; i++) {
        X509_free(made[i]);
        OPENSSL_free((void *)(uintptr_t)on_token[i].der.p);
    }
    EVP_PKEY_free(ours);
    EVP_PKEY_free(another);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(middle_key);
    ssh_key_free(&key);
    return 0;
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_none),
        CASE(test_the_one_that_is_valid_longest),
        CASE(test_none_that_is_valid),
        CASE(test_the_chain_without_its_root),
        CASE(test_a_chain_that_goes_round),
        CASE(test_a_pile),
        CASE(test_a_clock_that_is_a_little_slow),
    };

    return cmocka_run_group_tests_name("enroll/chain", tests, NULL, NULL);
}
