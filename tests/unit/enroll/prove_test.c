/*
 * What comes back is proven: the certificate as it should be passes, and each lie about it is refused
 * with a sentence that says which one it is.
 */
#include "enroll/support.h"

static struct {
    struct keys own, ca, other;
    X509 *root, *stranger; /* the stranger has the root's name and another key */
    char *root_pem, *stranger_pem;
    struct recipe good;
    struct enroll_asked asked;
} s;

static char *alt[] = {(char *)"web.example", (char *)"10.0.0.1", NULL};

static int set_up(void **state)
{
    (void)state;
    s.own = keys_new(SSH_KEY_P256, 0);
    s.ca = keys_new(SSH_KEY_P256, 0);
    s.other = keys_new(SSH_KEY_P256, 0);
    s.root = ca_new("root", s.ca.pkey);
    s.stranger = ca_new("root", s.other.pkey);
    s.root_pem = pem_of(s.root);
    s.stranger_pem = pem_of(s.stranger);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    keys_free(&s.own);
    keys_free(&s.ca);
    keys_free(&s.other);
    X509_free(s.root);
    X509_free(s.stranger);
    free(s.root_pem);
    free(s.stranger_pem);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    s.good = (struct recipe){.common_name = "web",
                             .alt = "DNS:web.example,IP:10.0.0.1",
                             .usage = "clientAuth,serverAuth",
                             .key_usage = "critical,digitalSignature",
                             .from = NOW - 30,
                             .to = NOW + HOUR,
                             .version = X509_VERSION_3,
                             .issuer = s.root,
                             .key = s.own.pkey,
                             .signer = s.ca.pkey};
    s.asked = (struct enroll_asked){
        .key = s.own.public, .subject = {"web", alt}, .ttl_s = HOUR, .now = {NOW}};
    return 0;
}

static struct err *prove(const char *chain, struct enroll_cert *ret)
{
    X509 *cert = bake(&s.good);
    AUTO(auto_free) char *pem = pem_of(cert);

    X509_free(cert);
    return enroll_prove(&s.asked, pem, chain, ret);
}

#define assert_refused(text)                                                                       \
    do {                                                                                           \
        struct enroll_cert none_ = {0};                                                            \
        assert_err_says(prove(s.root_pem, &none_), ERR_CERT, text);                                \
        assert_null(none_.pem);                                                                    \
    } while (0)

static void test_one_as_it_should_be(void **state)
{
    AUTO(enroll_cert_deinit) struct enroll_cert c = {0};

    (void)state;
    assert_ok(prove(s.root_pem, &c));
    assert_string_equal(c.subject, "CN = web");
    assert_string_equal(c.issuer, "CN = root");
    assert_string_equal(c.common_name, "web");
    assert_string_equal(c.alt_names[0], "DNS:web.example");
    assert_string_equal(c.alt_names[1], "IP:10.0.0.1");
    assert_string_equal(c.chain_pem, ""); /* no server wants to be shown a root */
    assert_int_equal(c.not_before.s, NOW - 30);
    assert_int_equal(c.not_after.s, NOW + HOUR);
    assert_int_equal(enroll_cert_due(&c).s, NOW - 30 + (HOUR + 30) / 3 * 2);
}

static void test_what_may_differ(void **state)
{
    struct enroll_cert c = {0};

    (void)state;
    s.good.usage = NULL;
    s.good.key_usage = NULL;
    s.good.alt = "DNS:web.example,IP:10.0.0.1,DNS:web"; /* the common name, repeated */
    assert_ok(prove(s.root_pem, &c));
    enroll_cert_deinit(&c);
    s.good.from = NOW + ENROLL_SKEW_S - 1; /* a clock that is a little off */
    s.good.to = NOW + HOUR + ENROLL_SKEW_S - 1;
    s.asked.ca_pem = s.root_pem; /* and nothing comes along */
    assert_ok(prove(NULL, &c));
    enroll_cert_deinit(&c);
}

static void test_lies_about_the_key_and_its_kind(void **state)
{
    (void)state;
    s.good.key = s.other.pkey;
    assert_refused("it is for another key");
    begin(NULL);
    s.good.constraints = "critical,CA:TRUE";
    assert_refused("it is a CA's certificate");
    begin(NULL);
    s.good.key_usage = "critical,digitalSignature,keyCertSign";
    assert_refused("it is a CA's certificate");
    begin(NULL);
    s.good.usage = "serverAuth";
    assert_refused("no clientAuth");
    begin(NULL);
    s.good.key_usage = "critical,keyAgreement";
    assert_refused("no digitalSignature");
    begin(NULL);
    s.good.version = X509_VERSION_1;
    s.good.alt = s.good.usage = s.good.key_usage = NULL;
    assert_refused("version 1, not 3");
}

static void test_lies_about_time(void **state)
{
    (void)state;
    s.good.from = NOW + ENROLL_SKEW_S + 1;
    assert_refused("it begins at");
    begin(NULL);
    s.good.from = NOW - 2 * HOUR;
    s.good.to = NOW;
    assert_refused("it ended at");
    begin(NULL);
    s.good.from = NOW + HOUR;
    s.good.to = NOW;
    assert_refused("before it begins");
    begin(NULL);
    s.good.to = NOW + HOUR + ENROLL_SKEW_S + 1;
    assert_refused("were asked for");
    begin(NULL);
    s.asked.ttl_s = 0;
    s.good.to = NOW + 100 * 365 * (int64_t)DAY;
    assert_refused("taken unasked");
}

static void test_lies_about_names(void **state)
{
    (void)state;
    s.good.common_name = "root";
    assert_refused("it is for \"root\", not for \"web\"");
    begin(NULL);
    s.good.common_name = NULL;
    assert_refused("no common name");
    begin(NULL);
    s.good.alt = "DNS:web.example";
    assert_refused("it lacks the name IP:10.0.0.1");
    begin(NULL);
    s.good.alt = NULL;
    assert_refused("it lacks the name DNS:web.example");
    begin(NULL);
    s.good.alt = "DNS:web.example,IP:10.0.0.1,DNS:bank.example";
    assert_refused("nobody asked for the name DNS:bank.example");
    begin(NULL);
    s.good.alt = "DNS:web.example,IP:10.0.0.1,RID:1.2.3";
    assert_refused("nobody asked for the name of an unknown kind");
}

static void test_lies_about_the_issuer(void **state)
{
    X509 *self;
    AUTO(auto_free) char *self_pem = NULL;
    struct enroll_cert c = {0};

    (void)state;
    assert_err_says(prove(NULL, &c), ERR_CERT, "no certificate of its CA came along");
    assert_err_says(prove(s.stranger_pem, &c), ERR_CERT, "the CA that came along did not issue it");
    s.asked.ca_pem = s.stranger_pem;
    assert_err_says(prove(s.root_pem, &c), ERR_CERT, "the CA that is configured did not issue it");
    s.asked.ca_pem = "";
    assert_err_says(prove(s.root_pem, &c), ERR_CERT, "holds no certificate");
    begin(NULL);
    s.good.signer = s.other.pkey; /* its name says root, its signature does not */
    assert_refused("the CA that came along did not issue it");
    s.good.issuer = NULL; /* signed by itself, and sent as its own chain */
    s.good.signer = s.own.pkey;
    self = bake(&s.good);
    self_pem = pem_of(self);
    X509_free(self);
    assert_err_says(enroll_prove(&s.asked, self_pem, self_pem, &c), ERR_CERT,
                    "no certificate of its CA came along");
    assert_null(c.pem);
}

static void test_an_issuer_that_is_no_ca(void **state)
{
    struct recipe middle = s.good;
    struct enroll_cert c = {0};

    (void)state;
    middle.common_name = "middle";
    middle.key = s.other.pkey;
    middle.alt = NULL;
    s.good.issuer = bake(&middle);
    s.good.signer = s.other.pkey;
    AUTO(auto_free) char *middle_pem = pem_of(s.good.issuer);
    AUTO(auto_free) char *chain = text_fmt("%s%s", middle_pem, s.root_pem);

    assert_err(prove(chain, &c), ERR_CERT);
    X509_free(s.good.issuer);
    middle.constraints = "critical,CA:TRUE,pathlen:0";
    middle.key_usage = "critical,keyCertSign";
    middle.usage = NULL;
    s.good.issuer = bake(&middle);
    AUTO(auto_free) char *ca_pem = pem_of(s.good.issuer);
    AUTO(auto_free) char *good_chain = text_fmt("%s%s", ca_pem, s.root_pem);

    s.asked.ca_pem = s.root_pem; /* who stands above who issued it */
    assert_ok(prove(good_chain, &c));
    assert_string_equal(c.chain_pem, ca_pem);
    enroll_cert_deinit(&c);
    X509_free(s.good.issuer);
}

static void test_an_issuer_that_has_ended(void **state)
{
    struct recipe old = {.common_name = "root",
                         .key_usage = "critical,keyCertSign",
                         .constraints = "critical,CA:TRUE",
                         .from = NOW - 2 * DAY,
                         .to = NOW - DAY,
                         .version = X509_VERSION_3,
                         .key = s.ca.pkey,
                         .signer = s.ca.pkey};
    X509 *cert = bake(&old);
    AUTO(auto_free) char *pem = pem_of(cert);
    struct enroll_cert c = {0};

    (void)state;
    X509_free(cert);
    assert_err_says(prove(pem, &c), ERR_CERT, "expired");
}

/* As the one certificate of a token. */
static struct err *choose(struct view der, struct enroll_cert *ret)
{
    const struct remote_cert cert = {.label = "login", .der = der};

    return enroll_cert_choose(&cert, 1, s.own.public, (struct wall){NOW}, ret);
}

static void test_what_is_no_certificate(void **state)
{
    X509 *cert = bake(&s.good);
    AUTO(auto_free) char *pem = pem_of(cert);
    AUTO(auto_free) char *two = text_fmt("%s%s", pem, pem);
    struct enroll_cert c = {0};
    uint8_t *der = NULL;
    int len = i2d_X509(cert, &der);

    (void)state;
    X509_free(cert);
    assert_err_says(enroll_prove(&s.asked, "", s.root_pem, &c), ERR_CERT, "0 certificates");
    assert_err_says(enroll_prove(&s.asked, two, s.root_pem, &c), ERR_CERT, "2 certificates");
    assert_err(enroll_prove(&s.asked, pem, "-----BEGIN CERTIFICATE-----\nAAAA\n", &c), ERR_CERT);
    for (int cut = 0; cut < len; cut++) {
        assert_err(choose(view_of(der, (size_t)cut), &c), ERR_NOT_FOUND);
    }
    for (int bit = 0; bit < len * 8; bit++) { /* whatever it says then, nothing breaks */
        AUTO(err_free) struct err *e = NULL;

        der[bit / 8] ^= (uint8_t)(1u << bit % 8);
        e = choose(view_of(der, (size_t)len), &c);
        der[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (e == NULL) {
            enroll_cert_deinit(&c);
        }
    }
    OPENSSL_free(der);
}

static void test_each_bit_of_it_counts(void **state)
{
    X509 *cert = bake(&s.good);
    uint8_t *der = NULL;
    int len = i2d_X509(cert, &der);

    (void)state;
    X509_free(cert);
    for (int bit = 0; bit < len * 8; bit += 3) {
        struct enroll_cert c = {0};
        const unsigned char *p = der;

        der[bit / 8] ^= (uint8_t)(1u << bit % 8);
        X509 *bent = d2i_X509(NULL, &p, len);

        if (bent != NULL) {
            AUTO(auto_free) char *pem = pem_of(bent);

            assert_err(enroll_prove(&s.asked, pem, s.root_pem, &c), ERR_CERT);
        }
        X509_free(bent);
        ERR_clear_error();
        der[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    OPENSSL_free(der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_as_it_should_be, begin),
        cmocka_unit_test_setup(test_what_may_differ, begin),
        cmocka_unit_test_setup(test_lies_about_the_key_and_its_kind, begin),
        cmocka_unit_test_setup(test_lies_about_time, begin),
        cmocka_unit_test_setup(test_lies_about_names, begin),
        cmocka_unit_test_setup(test_lies_about_the_issuer, begin),
        cmocka_unit_test_setup(test_an_issuer_that_is_no_ca, begin),
        cmocka_unit_test_setup(test_an_issuer_that_has_ended, begin),
        cmocka_unit_test_setup(test_what_is_no_certificate, begin),
        cmocka_unit_test_setup(test_each_bit_of_it_counts, begin),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
