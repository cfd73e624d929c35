/*
 * What a login key may sign: real samples of each shape are allowed, everything next to them is not,
 * and nothing that is allowed is anything of SSH.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "policy/statement_samples.h"

enum { TLS13_HEAD_BYTES = 64 + 33 + 1 };

static struct buf tls13, tls12, csr, jwt, spki;

static const char plain_header[] = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}";
static const char plain_payload[] = "{\"iss\":\"holdfast\",\"sub\":\"host1\",\"aud\":\"vault\","
                                    "\"iat\":1700000000,\"exp\":1700000075}";

/* --- verdicts ----------------------------------------------------------------------------------- */

static bool is_allowed(struct view m, enum scheme scheme, enum policy_statement *kind,
                       const char **why)
{
    struct ssh_payload ssh;

    *why = NULL;
    bool yes = policy_statement(m, scheme, buf_view(&spki), kind, why) == POLICY_ALLOW;

    assert_int_equal(yes, *why == NULL);
    ssh_payload_read(m, &ssh);
    assert_true(!yes || ssh.kind == SSH_PAYLOAD_UNKNOWN);
    return yes;
}

static void allowed(const struct buf *m, enum scheme scheme, enum policy_statement kind)
{
    enum policy_statement got;
    const char *why;

    if (!is_allowed(buf_view(m), scheme, &got, &why)) {
        fail_msg("%s", why);
    }
    assert_int_equal(got, kind);
}

static void denied_view(struct view m, enum scheme scheme, const char *text)
{
    enum policy_statement kind = POLICY_STATEMENT_CSR;
    const char *why;

    assert_false(is_allowed(m, scheme, &kind, &why));
    assert_int_equal(kind, POLICY_STATEMENT_CSR); /* written on success only */
    if (strstr(why, text) == NULL) {
        fail_msg("\"%s\" is not in: %s", text, why);
    }
}

static void denied(const struct buf *m, enum scheme scheme, const char *text)
{
    denied_view(buf_view(m), scheme, text);
}

/* Cut anywhere, or with one byte more, it is nothing. Each in a block of its own, for ASan. */
static void whole_only(const struct buf *m)
{
    for (size_t len = 0; len <= m->len + 1; len++) {
        enum policy_statement kind;
        const char *why;
        uint8_t *copy = calloc(1, len + 1);

        assert_non_null(copy);
        memcpy(copy, m->data, len < m->len ? len : m->len);
        if (len > m->len) {
            copy[m->len] = 'A';
        }
        bool yes = is_allowed(view_of(copy, len), SCHEME_ES256, &kind, &why);

        assert_int_equal(yes, len == m->len);
        free(copy);
    }
}

/* One bit at a time; how many of the results are still allowed. */
static size_t flip_all(struct buf *m, size_t from, size_t to)
{
    size_t yes = 0;

    for (size_t bit = from * 8; bit < to * 8; bit++) {
        enum policy_statement kind;
        const char *why;

        m->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        yes += is_allowed(buf_view(m), SCHEME_ES256, &kind, &why);
        m->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    return yes;
}

/* --- TLS 1.3 ------------------------------------------------------------------------------------ */

static void put_tls13(struct buf *b, size_t spaces, const char *context, size_t hash)
{
    buf_clear(b);
    for (size_t i = 0; i < spaces; i++) {
        buf_put_u8(b, ' ');
    }
    buf_put(b, context, strlen(context) + 1);
    memset(buf_reserve(b, hash), 0x5a, hash);
}

static void test_tls13(void **state)
{
    const char *context = "TLS 1.3, client CertificateVerify";

    (void)state;
    allowed(&tls13, SCHEME_ES256, POLICY_STATEMENT_TLS13);
    allowed(&tls13, SCHEME_PS512, POLICY_STATEMENT_TLS13);
    allowed(&tls13, SCHEME_EDDSA, POLICY_STATEMENT_TLS13);
    denied(&tls13, SCHEME_RS256, "PKCS#1 v1.5");
    denied(&tls13, SCHEME_RS512, "PKCS#1 v1.5");
    for (size_t hash = 0; hash <= 80; hash++) {
        put_tls13(&tls13, 64, context, hash);
        if (hash == 32 || hash == 48 || hash == 64) {
            allowed(&tls13, SCHEME_ES384, POLICY_STATEMENT_TLS13);
        } else {
            denied(&tls13, SCHEME_ES384, "without a hash");
        }
    }
    put_tls13(&tls13, 63, context, 32);
    denied(&tls13, SCHEME_ES256, "TLS 1.3 client");
    put_tls13(&tls13, 65, context, 32);
    denied(&tls13, SCHEME_ES256, "TLS 1.3 client");
    put_tls13(&tls13, 64, "TLS 1.3, server CertificateVerify", 32);
    denied(&tls13, SCHEME_ES256, "TLS 1.3 client");
}

static void test_tls13_damaged(void **state)
{
    (void)state;
    whole_only(&tls13);
    assert_int_equal(flip_all(&tls13, 0, TLS13_HEAD_BYTES), 0);
    assert_int_equal(flip_all(&tls13, TLS13_HEAD_BYTES, tls13.len), 32 * 8); /* any hash will do */
}

/* --- TLS 1.2 ------------------------------------------------------------------------------------ */

enum {
    HELLO,
    SERVER_HELLO,
    SERVER_CERT,
    SERVER_KEY,
    REQUEST,
    DONE,
    CLIENT_CERT,
    CLIENT_KEY,
    PARTS
};

static struct view parts[PARTS];

static void split_tls12(void)
{
    struct rd r = rd_of(buf_view(&tls12));

    for (size_t i = 0; i < PARTS; i++) {
        const uint8_t *p = r.p;
        uint32_t len = (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];

        rd_bytes(&r, 4 + len);
        parts[i] = view_of(p, 4 + len);
    }
    assert_true(rd_at_end(&r) && !rd_failed(&r));
}

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

/* --- JWT ---------------------------------------------------------------------------------------- */

static void put_base64url(struct buf *b, const char *text)
{
    AUTO(auto_free) char *plain = text_base64(view_cstr(text));

    for (const char *p = plain; *p != '\0' && *p != '='; p++) {
        buf_put_u8(b, (uint8_t)(*p == '+' ? '-' : *p == '/' ? '_' : *p));
    }
}

static void put_jwt(const char *header, const char *payload)
{
    buf_clear(&jwt);
    put_base64url(&jwt, header);
    buf_put_u8(&jwt, '.');
    put_base64url(&jwt, payload);
}

static void test_jwt(void **state)
{
    (void)state;
    allowed(&jwt, SCHEME_ES256, POLICY_STATEMENT_JWT);
    denied(&jwt, SCHEME_ES384, "another signature scheme");
    for (int s = 0; s < SCHEME_COUNT; s++) {
        AUTO(auto_free) char *header =
            text_fmt("{\"kid\":\"1\",\"alg\":\"%s\"}", scheme_name((enum scheme)s));

        put_jwt(header, plain_payload);
        allowed(&jwt, (enum scheme)s, POLICY_STATEMENT_JWT);
        denied(&jwt, (enum scheme)((s + 1) % SCHEME_COUNT), "another signature scheme");
    }
    put_jwt("{\"alg\":\"none\"}", plain_payload);
    denied(&jwt, SCHEME_ES256, "another signature scheme");
}

static void test_jwt_headers(void **state)
{
    static const char *const wrong[] = {
        "{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}",
        "{\"alg\":\"ES256\",\"crit\":\"b64\"}",
        "{\"alg\":\"ES256\",\"alg\":\"ES256\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JOSE\"}",
        "{\"alg\":\"ES256\",\"kid\":1}",
        "{\"alg\":\"ES256\"} ",
        "{\"alg\":\"ES256\"}{}",
        "{\"alg\":\"ES256\"",
        "{",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        put_jwt(wrong[i], plain_payload);
        denied(&jwt, SCHEME_ES256, "body of a JWT");
    }
    put_jwt("{\"typ\":\"JWT\"}", plain_payload);
    denied(&jwt, SCHEME_ES256, "another signature scheme");
    put_jwt(" {\"alg\":\"ES256\"}", plain_payload);
    denied(&jwt, SCHEME_ES256, "no TLS client's statement");
}

static void test_jwt_payloads(void **state)
{
    static const struct {
        const char *payload, *why;
    } wrong[] = {
        {"", "body of a JWT"},
        {"[]", "body of a JWT"},
        {"{\"iss\":\"a\",\"iss\":\"a\",\"iat\":1,\"exp\":2}", "body of a JWT"},
        {"{\"iat\":1,\"exp\":2}", "who speaks"},
        {"{\"iss\":1,\"iat\":1,\"exp\":2}", "who speaks"},
        {"{\"iss\":\"a\",\"exp\":2}", "no time"},
        {"{\"iss\":\"a\",\"iat\":1}", "no time"},
        {"{\"iss\":\"a\",\"iat\":1,\"exp\":1.5}", "no time"},
        {"{\"iss\":\"a\",\"iat\":2,\"exp\":2}", "no time"},
        {"{\"iss\":\"a\",\"iat\":-1,\"exp\":2}", "no time"},
        {"{\"iss\":\"a\",\"iat\":1,\"exp\":602}", "no time"},
        {"{\"iss\":\"a\",\"iat\":1,\"exp\":9223372036854775807}", "no time"},
    };

    (void)state;
    put_jwt(plain_header, "{\"iss\":\"a\",\"iat\":1,\"exp\":601}");
    allowed(&jwt, SCHEME_ES256, POLICY_STATEMENT_JWT);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        put_jwt(plain_header, wrong[i].payload);
        denied(&jwt, SCHEME_ES256, wrong[i].why);
    }
}

static void test_jwt_damaged(void **state)
{
    (void)state;
    whole_only(&jwt);
    assert_true(flip_all(&jwt, 0, jwt.len) > 0); /* other names */
    size_t dot = (size_t)((uint8_t *)memchr(jwt.data, '.', jwt.len) - jwt.data);

    assert_int_equal(flip_all(&jwt, dot, dot + 1), 0);
    buf_put_u8(&jwt, '=');
    denied(&jwt, SCHEME_ES256, "body of a JWT");
    buf_clear(&jwt);
    put_base64url(&jwt, plain_header);
    denied(&jwt, SCHEME_ES256, "body of a JWT");
    buf_put_u8(&jwt, '.');
    denied(&jwt, SCHEME_ES256, "body of a JWT");
    put_jwt(plain_header, plain_payload);
    buf_put_u8(&jwt, '.');
    put_base64url(&jwt, "a signature");
    denied(&jwt, SCHEME_ES256, "body of a JWT");
}

/* --- CSR ---------------------------------------------------------------------------------------- */

static void test_csr(void **state)
{
    (void)state;
    allowed(&csr, SCHEME_ES256, POLICY_STATEMENT_CSR);
    spki.data[spki.len - 1] ^= 1;
    denied(&csr, SCHEME_ES256, "for another key");
    spki.len = 0;
    denied(&csr, SCHEME_ES256, "for another key");
}

static void test_csr_damaged(void **state)
{
    const uint8_t *key = memmem(csr.data, csr.len, spki.data, spki.len);

    (void)state;
    assert_non_null(key);
    size_t at = (size_t)(key - csr.data);

    whole_only(&csr);
    assert_int_equal(flip_all(&csr, 0, 3 + 3), 0); /* SEQUENCE, its length, version 0 */
    assert_int_equal(flip_all(&csr, at, at + spki.len), 0);
    assert_true(flip_all(&csr, 0, csr.len) > 0); /* another name */
}

/* Bodies of certificates and lists begin as a request does. */
static void test_no_csr(void **state)
{
    static const uint8_t empty[] = {0x30, 0x00};
    static const uint8_t long_form[] = {0x30, 0x81, 0x03, 0x02, 0x01, 0x00};
    static const uint8_t endless[] = {0x30, 0x80, 0x02, 0x01, 0x00, 0x00, 0x00};
    static const uint8_t beyond[] = {0x30, 0x84, 0xff, 0xff, 0xff, 0xff};
    const struct view wrong[] = {
        {empty, sizeof empty},
        {long_form, sizeof long_form},
        {endless, sizeof endless},
        {beyond, sizeof beyond},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        denied_view(wrong[i], SCHEME_ES256, "certificate request");
    }
    struct view cert = view_of(parts[CLIENT_CERT].p + 10, parts[CLIENT_CERT].len - 10);
    struct view body = view_of(cert.p + 4, 4U + ((size_t)cert.p[6] << 8 | cert.p[7]));

    assert_int_equal(cert.p[0], 0x30); /* a whole certificate, and what its CA signs */
    assert_int_equal(body.p[0], 0x30);
    denied_view(cert, SCHEME_ES256, "certificate request");
    denied_view(body, SCHEME_ES256, "certificate request");
}

/* --- all of them -------------------------------------------------------------------------------- */

static void put_userauth(struct buf *b)
{
    buf_put_cstr(b, "0123456789abcdef0123456789abcdef");
    buf_put_u8(b, 50);
    buf_put_cstr(b, "root");
    buf_put_cstr(b, "ssh-connection");
    buf_put_cstr(b, "publickey");
    buf_put_bool(b, true);
    buf_put_cstr(b, "ecdsa-sha2-nistp256");
    buf_put_cstr(b, "blob");
}

static void put_sshsig(struct buf *b)
{
    buf_put(b, "SSHSIG", 6);
    buf_put_cstr(b, "file");
    buf_put_cstr(b, "");
    buf_put_cstr(b, "sha512");
    buf_put_cstr(b, "0123456789012345678901234567890123456789012345678901234567890123");
}

static void test_ssh_is_no_statement(void **state)
{
    AUTO(buf_deinit) struct buf login;
    AUTO(buf_deinit) struct buf sig;
    struct ssh_payload ssh;

    (void)state;
    buf_init(&login, 0);
    buf_init(&sig, 0);
    put_userauth(&login);
    put_sshsig(&sig);
    ssh_payload_read(buf_view(&login), &ssh);
    assert_int_equal(ssh.kind, SSH_PAYLOAD_USERAUTH);
    ssh_payload_read(buf_view(&sig), &ssh);
    assert_int_equal(ssh.kind, SSH_PAYLOAD_SSHSIG);
    denied(&login, SCHEME_ES256, "no TLS client's statement");
    denied(&sig, SCHEME_ES256, "no TLS client's statement");
    assert_int_equal(flip_all(&login, 0, login.len), 0);
    assert_int_equal(flip_all(&sig, 0, sig.len), 0);
}

/* The proof that does not lean on samples: userauth data begins with a length below 2^24, whose first
 * byte is zero, SSHSIG data with an S; no statement does, whatever follows. */
static void test_the_first_byte_decides(void **state)
{
    const struct buf *const all[] = {&tls13, &tls12, &jwt, &csr};
    struct ssh_payload ssh;

    (void)state;
    assert_true(POLICY_STATEMENT_MAX_BYTES < 1 << 24);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        uint8_t first = all[i]->data[0];

        for (unsigned byte = 0; byte < 256; byte++) {
            enum policy_statement kind;
            const char *why;

            all[i]->data[0] = (uint8_t)byte;
            assert_int_equal(is_allowed(buf_view(all[i]), SCHEME_ES256, &kind, &why),
                             byte == first);
        }
        all[i]->data[0] = first;
        assert_true(first != 0 && first != 'S');
        ssh_payload_read(buf_view(all[i]), &ssh);
        assert_int_equal(ssh.kind, SSH_PAYLOAD_UNKNOWN);
    }
}

static void test_borders(void **state)
{
    AUTO(auto_free) uint8_t *spaces = malloc(POLICY_STATEMENT_MAX_BYTES + 1);

    (void)state;
    memset(spaces, ' ', POLICY_STATEMENT_MAX_BYTES + 1);
    denied_view(view_of(NULL, 0), SCHEME_ES256, "nothing to sign");
    denied_view(view_of(spaces, POLICY_STATEMENT_MAX_BYTES + 1), SCHEME_ES256, "too long");
    denied_view(view_of(spaces, POLICY_STATEMENT_MAX_BYTES), SCHEME_ES256, "TLS 1.3 client");
    denied(&tls13, (enum scheme)SCHEME_COUNT, "no such signature scheme");
    assert_string_equal(policy_statement_name(POLICY_STATEMENT_TLS13), "tls13-client");
    assert_string_equal(policy_statement_name(POLICY_STATEMENT_TLS12), "tls12-client");
    assert_string_equal(policy_statement_name(POLICY_STATEMENT_JWT), "jwt");
    assert_string_equal(policy_statement_name(POLICY_STATEMENT_CSR), "csr");
}

/* --- the samples -------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    struct buf *const all[] = {&tls13, &tls12, &csr, &jwt, &spki};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        buf_init(all[i], 0);
    }
    put_tls13(&tls13, 64, "TLS 1.3, client CertificateVerify", 32);
    assert_null(text_unhex(sample_tls12, &tls12));
    assert_null(text_unhex(sample_csr, &csr));
    assert_null(text_unhex(sample_spki, &spki));
    put_jwt(plain_header, plain_payload);
    split_tls12();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_deinit(&tls13);
    buf_deinit(&tls12);
    buf_deinit(&csr);
    buf_deinit(&jwt);
    buf_deinit(&spki);
    return 0;
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_tls13),
        CASE(test_tls13_damaged),
        CASE(test_tls12),
        CASE(test_tls12_out_of_order),
        CASE(test_tls12_of_another),
        CASE(test_tls12_damaged),
        CASE(test_jwt),
        CASE(test_jwt_headers),
        CASE(test_jwt_payloads),
        CASE(test_jwt_damaged),
        CASE(test_csr),
        CASE(test_csr_damaged),
        CASE(test_no_csr),
        CASE(test_ssh_is_no_statement),
        CASE(test_the_first_byte_decides),
        CASE(test_borders),
    };

    return cmocka_run_group_tests_name("policy/statement", tests, NULL, NULL);
}
