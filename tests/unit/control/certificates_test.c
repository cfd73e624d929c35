/* Certificates of a token: PEM, names that are no text, and what goes wrong. */
#include "control/support.h"

#define PATH "/v1/tokens/demo/certificates"

static void test_none(void **state)
{
    (void)state;
    fake.at_once = true;
    assert_int_equal(ask("GET", PATH, NULL), 200);
    assert_int_equal(json_array_size(at("certificates")), 0);
}

static void test_pem(void **state)
{
    uint8_t der[49];

    (void)state;
    memset(der, 0, sizeof der);
    fake.at_once = true;
    fake.certs = 3;
    fake.cert[0] = (struct remote_cert){"ca", view_of("\x0a\xff", 2), view_of(der, 48)};
    fake.cert[1] = (struct remote_cert){"", view_of(NULL, 0), view_of(der, 49)};
    fake.cert[2] = (struct remote_cert){"D\xe9mo", view_of("\x01", 1), view_of(der, 1)};
    assert_int_equal(ask("GET", PATH, NULL), 200);
    assert_int_equal(json_array_size(at("certificates")), 3);
    assert_text("certificates.0.label", "ca");
    assert_text("certificates.0.id", "0aff");
    assert_text("certificates.0.pem",
                "-----BEGIN CERTIFICATE-----\n"
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                "-----END CERTIFICATE-----\n");
    assert_text("certificates.1.label", "");
    assert_text("certificates.1.id", "");
    assert_text("certificates.1.pem",
                "-----BEGIN CERTIFICATE-----\n"
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                "AA==\n"
                "-----END CERTIFICATE-----\n");
    assert_text("certificates.2.label", "D\\xe9mo");
}

static void test_which_token(void **state)
{
    (void)state;
    fake.at_once = true;
    fake.token[1] = fake.token[0];
    fake.token[1].name = "second";
    fake.tokens = 2;
    assert_int_equal(ask("GET", "/v1/tokens/second/certificates", NULL), 200);
    assert_int_equal(fake.on_token, 1);
    assert_int_equal(ask("GET", "/v1/tokens/other/certificates", NULL), 404);
    assert_problem("not-found", "no token other");
    assert_int_equal(fake.calls, 1);
    assert_int_equal(ask("POST", PATH, NULL), 405);
}

static void test_failure(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "GET", PATH, NULL);
    pump(was_called, &(unsigned){1});
    fake_done(err_add(err_new(ERR_GONE, "removed"), "token demo"));
    client_answer(&c);
    assert_int_equal(c.status, 503);
    client_close(&c);
}

/* The client left before the token answered. */
static void test_nobody_waits(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "GET", PATH, NULL);
    pump(was_called, &(unsigned){1});
    client_close(&c);
    for (unsigned i = 0; i < 10; i++) {
        turn();
    }
    fake_done(err_new(ERR_GONE, "removed"));
    assert_int_equal(ask("GET", "/v1/tokens", NULL), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_none),    TEST(test_pem),          TEST(test_which_token),
        TEST(test_failure), TEST(test_nobody_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
