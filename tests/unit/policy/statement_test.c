/*
 * What a login key may sign: real samples of each shape are allowed, everything next to them is not,
 * and nothing that is allowed is anything of SSH. TLS 1.2 and JWT have files of their own.
 */
#include "policy/statement_fixture.h"

/* --- TLS 1.3 ------------------------------------------------------------------------------------ */

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

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_tls13),
        CASE(test_tls13_damaged),
        CASE(test_csr),
        CASE(test_csr_damaged),
        CASE(test_no_csr),
        CASE(test_ssh_is_no_statement),
        CASE(test_the_first_byte_decides),
        CASE(test_borders),
    };

    return cmocka_run_group_tests_name("policy/statement", tests, NULL, NULL);
}
