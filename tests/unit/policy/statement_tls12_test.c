/*
 * A TLS 1.2 client's transcript: each message in its place, each to its last byte, for our key.
 */
#include "policy/statement_fixture.h"

/* --- TLS 1.2 ------------------------------------------------------------------------------------ */

/* The messages of these numbers, in this order; @n of them. */
static void chain(struct buf *b, const int *which, size_t n)
{
    buf_clear(b);
    for (size_t i = 0; i < n; i++) {
        buf_put(b, parts[which[i]].p, parts[which[i]].len);
    }
}

#define CHAIN(b, ...)                                                                              \
    chain(b, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void test_tls12(void **state)
{
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 0);
    allowed(&tls12, SCHEME_ES256, POLICY_STATEMENT_TLS12);
    allowed(&tls12, SCHEME_RS256, POLICY_STATEMENT_TLS12); /* if the key can, TLS 1.2 may */
    CHAIN(&b, HELLO, SERVER_HELLO, SERVER_CERT, SERVER_KEY, REQUEST, DONE, CLIENT_CERT, CLIENT_KEY);
    allowed(&b, SCHEME_ES256, POLICY_STATEMENT_TLS12);
    CHAIN(&b, HELLO, SERVER_HELLO, SERVER_CERT, REQUEST, DONE, CLIENT_CERT, CLIENT_KEY);
    allowed(&b, SCHEME_ES256, POLICY_STATEMENT_TLS12); /* RSA key exchange has no server's part */
}

static void test_tls12_out_of_order(void **state)
{
    static const int wrong[][PARTS + 1] = {
        {HELLO, SERVER_HELLO, SERVER_CERT, SERVER_KEY, REQUEST, DONE, CLIENT_CERT, -1},
        {HELLO, SERVER_HELLO, SERVER_CERT, SERVER_KEY, DONE, CLIENT_CERT, CLIENT_KEY, -1},
        {HELLO, SERVER_HELLO, SERVER_CERT, SERVER_KEY, REQUEST, CLIENT_CERT, CLIENT_KEY, -1},
        {HELLO, SERVER_HELLO, SERVER_CERT, SERVER_KEY, REQUEST, DONE, CLIENT_KEY, CLIENT_CERT, -1},
        {HELLO, SERVER_HELLO, SERVER_KEY, SERVER_CERT, REQUEST, DONE, CLIENT_CERT, CLIENT_KEY, -1},
        {SERVER_HELLO, SERVER_CERT, SERVER_KEY, REQUEST, DONE, CLIENT_CERT, CLIENT_KEY, -1},
        {HELLO, SERVER_CERT, SERVER_KEY, REQUEST, DONE, CLIENT_CERT, CLIENT_KEY, -1},
        {HELLO, SERVER_HELLO, SERVER_CERT, SERVER_KEY, REQUEST, DONE, CLIENT_KEY, -1},
        {HELLO, SERVER_HELLO, SERVER_CERT, SERVER_KEY, SERVER_KEY, REQUEST, DONE, CLIENT_CERT,
         CLIENT_KEY},
        {HELLO, SERVER_HELLO, SERVER_CERT, SERVER_KEY, REQUEST, DONE, CLIENT_CERT, CLIENT_KEY,
         CLIENT_KEY},
        {HELLO, SERVER_HELLO, -1},
    };
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 0);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        size_t n = 0;

        while (n < PARTS + 1 && wrong[i][n] >= 0) {
            n++;
        }
        chain(&b, wrong[i], n);
        denied(&b, SCHEME_ES256, "TLS");
    }
}

/* A server may staple what OCSP says of its certificate, behind that and nowhere else. */
static void test_tls12_stapled(void **state)
{
    static const uint8_t staple[] = {22, 0, 0, 7, 1, 0, 0, 3, 0x30, 1, 0};
    static const uint8_t empty[] = {22, 0, 0, 4, 1, 0, 0, 0};
    size_t behind = (size_t)(parts[SERVER_KEY].p - tls12.data);
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 0);
    for (size_t i = 0; i < PARTS; i++) { /* in front of each message */
        size_t at = (size_t)(parts[i].p - tls12.data);

        buf_clear(&b);
        buf_put(&b, tls12.data, at);
        buf_put(&b, staple, sizeof staple);
        buf_put(&b, tls12.data + at, tls12.len - at);
        if (at != behind) {
            denied(&b, SCHEME_ES256, "TLS");
            continue;
        }
        allowed(&b, SCHEME_ES256, POLICY_STATEMENT_TLS12);
        whole_only(&b);
        assert_int_equal(flip_all(&b, at, at + sizeof staple - 3), 0);
        assert_int_equal(flip_all(&b, at + sizeof staple - 3, at + sizeof staple), 24);
    }
    buf_clear(&b);
    buf_put(&b, tls12.data, behind);
    buf_put(&b, empty, sizeof empty);
    buf_put(&b, tls12.data + behind, tls12.len - behind);
    denied(&b, SCHEME_ES256, "TLS 1.2 client");
}

static void test_tls12_of_another(void **state)
{
    static const uint8_t nobody[] = {11, 0, 0, 3, 0, 0, 0};
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 0);
    CHAIN(&b, HELLO, SERVER_HELLO, SERVER_CERT, SERVER_KEY, REQUEST, DONE, SERVER_CERT, CLIENT_KEY);
    denied(&b, SCHEME_ES256, "for another key");
    parts[CLIENT_CERT] = view_of(nobody, sizeof nobody);
    CHAIN(&b, HELLO, SERVER_HELLO, SERVER_CERT, SERVER_KEY, REQUEST, DONE, CLIENT_CERT, CLIENT_KEY);
    denied(&b, SCHEME_ES256, "TLS 1.2 client");
    spki.data[spki.len - 1] ^= 1;
    denied(&tls12, SCHEME_ES256, "for another key");
    spki.len = 0;
    denied(&tls12, SCHEME_ES256, "for another key");
}

static void test_tls12_damaged(void **state)
{
    size_t heads = 0;

    (void)state;
    whole_only(&tls12);
    assert_true(flip_all(&tls12, 0, tls12.len) > 0); /* a random, a session's id, ... */
    for (size_t i = 0; i < PARTS; i++) {             /* type and length say what they must */
        size_t at = (size_t)(parts[i].p - tls12.data);

        heads += flip_all(&tls12, at, at + 4);
    }
    assert_int_equal(heads, 0);
    assert_int_equal(flip_all(&tls12, 4, 6), 0); /* the client's version, and the server's */
    size_t hello = (size_t)(parts[SERVER_HELLO].p - tls12.data);

    assert_int_equal(flip_all(&tls12, hello + 4, hello + 6), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_tls12),         CASE(test_tls12_out_of_order),
        CASE(test_tls12_stapled), CASE(test_tls12_of_another),
        CASE(test_tls12_damaged),
    };

    return cmocka_run_group_tests_name("policy/statement_tls12", tests, NULL, NULL);
}
