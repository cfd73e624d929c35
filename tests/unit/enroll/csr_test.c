/*
 * Certificate requests: every kind of key, names of every kind, and no request leaves with a signature
 * that is not of its key. The openssl command reads what we wrote.
 */
#include "enroll/support.h"

static const struct {
    enum ssh_key_type type;
    unsigned bits;
    enum scheme scheme;
} kinds[] = {
    {SSH_KEY_P256, 0, SCHEME_ES256},   {SSH_KEY_P384, 0, SCHEME_ES384},
    {SSH_KEY_P521, 0, SCHEME_ES512},   {SSH_KEY_ED25519, 0, SCHEME_EDDSA},
    {SSH_KEY_RSA, 2048, SCHEME_RS256},
};

static char *alt[] = {(char *)"web.example",    (char *)"10.0.0.1",
                      (char *)"a@example.org",  (char *)"spiffe://example/web",
                      (char *)"IP:2001:db8::1", NULL};
static const struct enroll_subject subject = {"web-1", alt};

static X509_REQ *read_req(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509_REQ *req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);

    BIO_free(bio);
    return req;
}

static void test_every_kind_of_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct keys k = keys_new(kinds[i].type, kinds[i].bits);
        AUTO(enroll_csr_free) struct enroll_csr *csr = NULL;
        AUTO(buf_deinit) struct buf raw = {0};
        AUTO(auto_free) char *pem = NULL;
        enum scheme scheme;

        buf_init(&raw, 0);
        assert_ok(enroll_csr_scheme(k.public, &scheme));
        assert_int_equal(scheme, kinds[i].scheme);
        assert_ok(enroll_csr_new(k.public, &subject, &csr));
        sign_raw(&k, enroll_csr_message(csr), &raw);
        assert_ok(enroll_csr_finish(csr, buf_view(&raw), &pem));
        X509_REQ *req = read_req(pem);

        assert_non_null(req);
        assert_int_equal(X509_REQ_verify(req, k.pkey), 1);
        X509_REQ_free(req);
        keys_free(&k);
    }
}

static void test_the_names_are_in_it(void **state)
{
    struct keys k = keys_new(SSH_KEY_P256, 0);
    AUTO(enroll_csr_free) struct enroll_csr *csr = NULL;
    AUTO(buf_deinit) struct buf raw = {0};
    AUTO(auto_free) char *pem = NULL;
    char *text = NULL;

    (void)state;
    buf_init(&raw, 0);
    assert_ok(enroll_csr_new(k.public, &subject, &csr));
    sign_raw(&k, enroll_csr_message(csr), &raw);
    assert_ok(enroll_csr_finish(csr, buf_view(&raw), &pem));
    X509_REQ *req = read_req(pem);
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(X509_REQ_print(bio, req), 1);
    BIO_write(bio, "", 1);
    BIO_get_mem_data(bio, &text);
    assert_non_null(strstr(text, "Subject: CN=web-1"));
    assert_non_null(strstr(text, "DNS:web.example, IP Address:10.0.0.1, email:a@example.org, "
                                 "URI:spiffe://example/web, IP Address:2001:DB8:0:0:0:0:0:1"));
    BIO_free(bio);
    X509_REQ_free(req);
    keys_free(&k);
}

static void test_a_signature_that_is_not_of_the_key(void **state)
{
    struct keys k = keys_new(SSH_KEY_P256, 0), other = keys_new(SSH_KEY_P256, 0);
    AUTO(enroll_csr_free) struct enroll_csr *csr = NULL;
    AUTO(buf_deinit) struct buf raw = {0};
    char *pem = NULL;

    (void)state;
    buf_init(&raw, 0);
    assert_ok(enroll_csr_new(k.public, &subject, &csr));
    assert_err(enroll_csr_finish(csr, (struct view){0}, &pem), ERR_CERT);
    sign_raw(&other, enroll_csr_message(csr), &raw);
    assert_err_says(enroll_csr_finish(csr, buf_view(&raw), &pem), ERR_CERT, "not one of its key");
    buf_clear(&raw);
    sign_raw(&k, enroll_csr_message(csr), &raw);
    for (size_t cut = 1; cut < raw.len; cut++) { /* at each byte */
        assert_err(enroll_csr_finish(csr, view_of(raw.data, cut), &pem), ERR_CERT);
    }
    for (size_t bit = 0; bit < raw.len * 8; bit++) {
        raw.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_err(enroll_csr_finish(csr, buf_view(&raw), &pem), ERR_CERT);
        raw.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_ok(enroll_csr_finish(csr, buf_view(&raw), &pem)); /* tries do no harm */
    free(pem);
    keys_free(&k);
    keys_free(&other);
}

static void test_what_cannot_be_asked_for(void **state)
{
    static const char *const bad[] = {"",    "DNS:",         "a b",  "IP:1.2.3", "web,DNS:root",
                                      "b\n", "DNS:\xc3\xa4", "URI:", "email:"};
    struct keys k = keys_new(SSH_KEY_P256, 0), weak = keys_new(SSH_KEY_RSA, 1024);
    char longest[ENROLL_COMMON_NAME_MAX_BYTES + 2];
    char *one[] = {NULL, NULL};
    struct enroll_csr *csr = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        one[0] = (char *)bad[i];
        assert_err(enroll_csr_new(k.public, &(struct enroll_subject){"web", one}, &csr), ERR_INPUT);
    }
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_err(enroll_csr_new(k.public, &(struct enroll_subject){longest, NULL}, &csr), ERR_INPUT);
    assert_err(enroll_csr_new(k.public, &(struct enroll_subject){"", NULL}, &csr), ERR_INPUT);
    assert_err(enroll_csr_new(k.public, &(struct enroll_subject){NULL, NULL}, &csr), ERR_INPUT);
    assert_err(enroll_csr_new(k.public, &(struct enroll_subject){"a\nb", NULL}, &csr), ERR_INPUT);
    assert_err_says(enroll_csr_new(weak.public, &subject, &csr), ERR_UNSUPPORTED, "1024 bits");
    assert_null(csr);
    keys_free(&k);
    keys_free(&weak);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_key),
        cmocka_unit_test(test_the_names_are_in_it),
        cmocka_unit_test(test_a_signature_that_is_not_of_the_key),
        cmocka_unit_test(test_what_cannot_be_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
