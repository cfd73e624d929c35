/*
 * Signatures: made from what a token gives, checked by us and by ssh-keygen, and refused when one
 * bit is wrong.
 */
#include "ssh/support.h"

static const enum ssh_alg alg_list[] = {
    SSH_ALG_RSA_SHA256, SSH_ALG_RSA_SHA512, SSH_ALG_P256,
    SSH_ALG_P384,       SSH_ALG_P521,       SSH_ALG_ED25519,
};

static enum ssh_key_type type_of(enum ssh_alg alg)
{
    enum ssh_key_type type = SSH_KEY_RSA;

    while (!ssh_alg_fits(alg, type)) {
        type = (enum ssh_key_type)(type + 1);
    }
    return type;
}

static struct soft soft[TYPES], other[TYPES];

static int make_soft(void **state)
{
    for (int i = 0; i < TYPES; i++) {
        soft_init(&soft[i], (enum ssh_key_type)i);
        soft_init(&other[i], (enum ssh_key_type)i);
    }
    return make_keys(state);
}

static int free_soft(void **state)
{
    for (int i = 0; i < TYPES; i++) {
        soft_deinit(&soft[i]);
        soft_deinit(&other[i]);
    }
    return remove_folder(state);
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        enum ssh_alg alg;
    } cases[] = {
        {"ssh-rsa", SSH_ALG_RSA_SHA1},
        {"ssh-rsa-cert-v01@openssh.com", SSH_ALG_RSA_SHA1},
        {"rsa-sha2-256", SSH_ALG_RSA_SHA256},
        {"rsa-sha2-256-cert-v01@openssh.com", SSH_ALG_RSA_SHA256},
        {"rsa-sha2-512-cert-v01@openssh.com", SSH_ALG_RSA_SHA512},
        {"ecdsa-sha2-nistp256", SSH_ALG_P256},
        {"ecdsa-sha2-nistp384-cert-v01@openssh.com", SSH_ALG_P384},
        {"ecdsa-sha2-nistp521", SSH_ALG_P521},
        {"ssh-ed25519-cert-v01@openssh.com", SSH_ALG_ED25519},
        {"none", SSH_ALG_NONE},
        {"", SSH_ALG_NONE},
        {"-cert-v01@openssh.com", SSH_ALG_NONE},
        {"ssh-ed25519-cert-v01@openssh.com-cert-v01@openssh.com", SSH_ALG_NONE},
        {"ssh-ed25519-cert-v00@openssh.com", SSH_ALG_NONE},
        {"ssh-dss", SSH_ALG_NONE},
        {"ssh-ed2551", SSH_ALG_NONE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(ssh_alg_find(view_cstr(cases[i].name)), cases[i].alg);
    }
    for (size_t i = 0; i < ARRAY_LEN(alg_list); i++) {
        assert_int_equal(ssh_alg_find(view_cstr(ssh_alg_name(alg_list[i]))), alg_list[i]);
    }
    assert_int_equal(ssh_alg_default(SSH_KEY_RSA), SSH_ALG_RSA_SHA512);
    for (int i = 0; i < TYPES; i++) {
        enum ssh_key_type type = (enum ssh_key_type)i;

        assert_true(ssh_alg_fits(ssh_alg_default(type), type));
        assert_false(ssh_alg_fits(SSH_ALG_NONE, type));
        assert_false(ssh_alg_fits(ssh_alg_default(type), (enum ssh_key_type)((i + 1) % TYPES)));
    }
}

/* FIPS 180-4's example "abc" */
static void test_digests(void **state)
{
    static const struct {
        enum ssh_alg alg;
        const char *hex;
    } cases[] = {
        {SSH_ALG_RSA_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {SSH_ALG_RSA_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {SSH_ALG_P256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {SSH_ALG_P384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                       "8086072ba1e7cc2358baeca134c825a7"},
        {SSH_ALG_P521, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                       "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
        {SSH_ALG_ED25519, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t out[64];
        size_t len = ssh_alg_digest(cases[i].alg, view_cstr("abc"), out);
        AUTO(auto_free) char *hex = text_hex(view_of(out, len));

        assert_string_equal(hex, cases[i].hex);
    }
}

static void test_made_and_verified(void **state)
{
    struct view data = view_cstr("what is signed");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(alg_list); i++) {
        enum ssh_key_type type = type_of(alg_list[i]);
        AUTO(buf_deinit) struct buf sig;
        enum ssh_alg alg = SSH_ALG_NONE;

        buf_init(&sig, 0);
        soft_put_sig(&soft[type], alg_list[i], data, &sig);
        assert_ok(ssh_sig_verify(soft[type].key, buf_view(&sig), data, &alg));
        assert_int_equal(alg, alg_list[i]);
        assert_err(
            ssh_sig_verify(soft[type].key, buf_view(&sig), view_cstr("what is signeD"), NULL),
            ERR_DENIED);
        assert_err(ssh_sig_verify(other[type].key, buf_view(&sig), data, NULL), ERR_DENIED);
        assert_err(ssh_sig_verify(soft[(type + 1) % TYPES].key, buf_view(&sig), data, NULL),
                   ERR_DENIED);
    }
}

static void must_be_malformed(struct view sig, void *key)
{
    assert_err(ssh_sig_verify(key, sig, view_cstr("data"), NULL), ERR_PROTOCOL);
}

static void must_be_refused(struct view sig, void *key)
{
    AUTO(err_free) struct err *e = ssh_sig_verify(key, sig, view_cstr("data"), NULL);

    assert_true(err_is(e, ERR_PROTOCOL) || err_is(e, ERR_DENIED));
}

static void test_truncated_and_flipped(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(alg_list); i++) {
        enum ssh_key_type type = type_of(alg_list[i]);
        AUTO(buf_deinit) struct buf sig;

        buf_init(&sig, 0);
        soft_put_sig(&soft[type], alg_list[i], view_cstr("data"), &sig);
        each_truncation(buf_view(&sig), must_be_malformed, soft[type].key);
        each_flip(buf_view(&sig), must_be_refused, soft[type].key);
        buf_put_u8(&sig, 0);
        must_be_malformed(buf_view(&sig), soft[type].key);
    }
}

static void test_raw_of_wrong_length(void **state)
{
    uint8_t raw[2048] = {1};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(alg_list); i++) {
        enum ssh_key_type type = type_of(alg_list[i]);
        size_t whole = soft_sign(&soft[type], alg_list[i], view_cstr("data"), raw);
        AUTO(buf_deinit) struct buf out;

        buf_init(&out, 0);
        assert_err(ssh_sig_put(&out, soft[type].key, alg_list[i], view_of(raw, whole + 1)),
                   ERR_PROTOCOL);
        assert_err(ssh_sig_put(&out, soft[type].key, alg_list[i], view_of(raw, 0)), ERR_PROTOCOL);
        if (type != SSH_KEY_RSA) {
            assert_err(ssh_sig_put(&out, soft[type].key, alg_list[i], view_of(raw, whole - 1)),
                       ERR_PROTOCOL);
        }
        assert_err(
            ssh_sig_put(&out, soft[(type + 1) % TYPES].key, alg_list[i], view_of(raw, whole)),
            ERR_PROTOCOL);
        assert_int_equal(out.len, 0);
        out.max = 40;
        assert_err(ssh_sig_put(&out, soft[type].key, alg_list[i], view_of(raw, whole)), ERR_LIMIT);
    }
}

/* r = 0x0080...: one zero less, one sign byte more; s = 1: all but one byte go. */
static void test_mpints_of_an_ecdsa_signature(void **state)
{
    uint8_t raw[64] = {0};
    AUTO(buf_deinit) struct buf out;

    (void)state;
    buf_init(&out, 0);
    raw[1] = 0x80;
    raw[63] = 1;
    assert_ok(ssh_sig_put(&out, soft[SSH_KEY_P256].key, SSH_ALG_P256, view_of(raw, 64)));
    AUTO(auto_free) char *hex = text_hex(buf_view(&out));

    assert_string_equal(hex, "0000001365636473612d736861322d6e69737470323536"
                             "00000029"
                             "00000020"
                             "0080000000000000000000000000000000000000000000000000000000000000"
                             "0000000101");
}

static void test_rsa_with_stripped_zeros(void **state)
{
    const struct soft *s = &soft[SSH_KEY_RSA];
    uint8_t raw[2048];
    char text[32];
    size_t len = 0;

    (void)state;
    for (int i = 0; len == 0 || raw[0] != 0; i++) { /* one in 256 begins with a zero */
        snprintf(text, sizeof text, "try %d", i);
        len = soft_sign(s, SSH_ALG_RSA_SHA256, view_cstr(text), raw);
    }
    AUTO(buf_deinit) struct buf sig, stripped;

    buf_init(&sig, 0);
    buf_init(&stripped, 0);
    assert_ok(ssh_sig_put(&sig, s->key, SSH_ALG_RSA_SHA256, view_of(raw + 1, len - 1)));
    assert_int_equal(sig.len, 4 + 12 + 4 + len);
    assert_ok(ssh_sig_verify(s->key, buf_view(&sig), view_cstr(text), NULL));
    buf_put_cstr(&stripped, "rsa-sha2-256");
    buf_put_string(&stripped, view_of(raw + 1, len - 1));
    assert_ok(ssh_sig_verify(s->key, buf_view(&stripped), view_cstr(text), NULL));
}

static void test_sha1_and_unknown_are_refused(void **state)
{
    static const char *const names[] = {"ssh-rsa", "rsa-sha2-256-cert-v01@openssh.com", "none", "",
                                        "ecdsa-sha2-nistp256"};
    const struct soft *s = &soft[SSH_KEY_RSA];
    uint8_t raw[2048];
    size_t len = soft_sign(s, SSH_ALG_RSA_SHA1, view_cstr("data"), raw);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(buf_deinit) struct buf sig;

        buf_init(&sig, 0);
        buf_put_cstr(&sig, names[i]);
        buf_put_string(&sig, view_of(raw, len));
        assert_err(ssh_sig_verify(s->key, buf_view(&sig), view_cstr("data"), NULL), ERR_DENIED);
    }
    AUTO(buf_deinit) struct buf out;

    buf_init(&out, 0);
    assert_err(ssh_sig_put(&out, s->key, SSH_ALG_RSA_SHA1, view_of(raw, len)), ERR_UNSUPPORTED);
    assert_int_equal(out.len, 0);
}

/* A name that is only for certificates, around a signature that is right. */
static void test_certificate_name_in_a_signature(void **state)
{
    const struct soft *s = &soft[SSH_KEY_ED25519];
    uint8_t raw[2048];
    size_t len = soft_sign(s, SSH_ALG_ED25519, view_cstr("data"), raw);
    AUTO(buf_deinit) struct buf sig;

    (void)state;
    buf_init(&sig, 0);
    buf_put_cstr(&sig, "ssh-ed25519-cert-v01@openssh.com");
    buf_put_string(&sig, view_of(raw, len));
    assert_err(ssh_sig_verify(s->key, buf_view(&sig), view_cstr("data"), NULL), ERR_DENIED);
}

static void test_ecdsa_numbers_that_are_too_long(void **state)
{
    uint8_t number[33];

    (void)state;
    memset(number, 1, sizeof number);
    for (size_t r_len = 32; r_len <= 33; r_len++) {
        AUTO(buf_deinit) struct buf sig;

        buf_init(&sig, 0);
        buf_put_cstr(&sig, "ecdsa-sha2-nistp256");
        size_t begun = buf_begin_string(&sig);

        buf_put_mpint(&sig, view_of(number, r_len));
        buf_put_mpint(&sig, view_of(number, 65 - r_len));
        buf_end_string(&sig, begun);
        assert_err(ssh_sig_verify(soft[SSH_KEY_P256].key, buf_view(&sig), view_cstr("data"), NULL),
                   ERR_PROTOCOL);
    }
}

/* Zeros in front go, a sign byte comes where the number's first bit is set, 0 is one byte. */
static void test_der(void **state)
{
    static const struct {
        const char *r, *s, *der;
    } cases[] = {
        {"01", "02", "3006020101020102"},
        {"007f", "0080", "300702017f02020080"},
        {"", "0000", "3006020100020100"},
        {"00ff01", "8000", "300a020300ff010203008000"},
    };
    uint8_t number[SSH_ECDSA_HALF_MAX_BYTES + 1];
    AUTO(buf_deinit) struct buf out;

    (void)state;
    buf_init(&out, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf_deinit) struct buf r, s;

        buf_init(&r, 0);
        buf_init(&s, 0);
        assert_ok(text_unhex(cases[i].r, &r));
        assert_ok(text_unhex(cases[i].s, &s));
        buf_clear(&out);
        assert_ok(ssh_sig_put_der(&out, buf_view(&r), buf_view(&s)));
        AUTO(auto_free) char *hex = text_hex(buf_view(&out));

        assert_string_equal(hex, cases[i].der);
    }
    memset(number, 0xff, sizeof number);
    struct view most = view_of(number, SSH_ECDSA_HALF_MAX_BYTES);

    buf_clear(&out);
    assert_err(ssh_sig_put_der(&out, view_of(number, sizeof number), most), ERR_PROTOCOL);
    assert_err(ssh_sig_put_der(&out, most, view_of(number, sizeof number)), ERR_PROTOCOL);
    assert_ok(ssh_sig_put_der(&out, most, most)); /* P-521: the length takes two bytes */
    assert_int_equal(out.len, 3 + 2 * (2 + 1 + SSH_ECDSA_HALF_MAX_BYTES));
    out.max = out.len;
    assert_err(ssh_sig_put_der(&out, most, most), ERR_LIMIT);
}

/* The armour of PROTOCOL.sshsig around a blob. */
static void put_armour(struct buf *out, struct view blob)
{
    AUTO(auto_free) char *base64 = text_base64(blob);
    static const char begin[] = "-----BEGIN SSH SIGNATURE-----\n";
    static const char end[] = "\n-----END SSH SIGNATURE-----\n";

    buf_put(out, begin, strlen(begin));
    for (size_t i = 0; i < strlen(base64); i += 70) {
        buf_put(out, base64 + i, strnlen(base64 + i, 70));
        buf_put(out, "\n", i + 70 < strlen(base64) ? 1 : 0);
    }
    buf_put(out, end, strlen(end));
}

static void put_signed_data(struct buf *out, struct view message)
{
    uint8_t hash[64];

    buf_put(out, "SSHSIG", 6);
    buf_put_cstr(out, "file");
    buf_put_cstr(out, "");
    buf_put_cstr(out, "sha512");
    buf_put_string(out, view_of(hash, ssh_alg_digest(SSH_ALG_RSA_SHA512, message, hash)));
}

static void test_ssh_keygen_accepts_ours(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(alg_list); i++) {
        const struct soft *s = &soft[type_of(alg_list[i])];
        AUTO(buf_deinit) struct buf data, sig, blob, text;
        char command[1024], out[512];

        buf_init(&data, 0);
        buf_init(&sig, 0);
        buf_init(&blob, 0);
        buf_init(&text, 0);
        put_signed_data(&data, view_cstr("message"));
        soft_put_sig(s, alg_list[i], buf_view(&data), &sig);
        buf_put(&blob, "SSHSIG", 6);
        buf_put_u32(&blob, 1);
        buf_put_string(&blob, ssh_key_blob(s->key));
        buf_put_cstr(&blob, "file");
        buf_put_cstr(&blob, "");
        buf_put_cstr(&blob, "sha512");
        buf_put_string(&blob, buf_view(&sig));
        put_armour(&text, buf_view(&blob));
        assert_ok(file_replace(in_folder("sig"), buf_view(&text), 0600));
        snprintf(command, sizeof command,
                 "printf message | ssh-keygen -Y check-novalidate -n file -s %s", in_folder("sig"));
        if (RUN(out, "sh", "-c", command) != 0) {
            fail_msg("%s: %s", ssh_alg_name(alg_list[i]), out);
        }
    }
}

static void test_we_accept_those_of_ssh_keygen(void **state)
{
    (void)state;
    for (int i = 0; i < TYPES; i++) {
        enum ssh_key_type type = (enum ssh_key_type)i;
        AUTO(ssh_key_free) struct ssh_key *key = key_of_file(type);
        AUTO(buf_deinit) struct buf data, blob, base64;
        enum ssh_alg alg;

        buf_init(&data, 0);
        buf_init(&blob, 0);
        buf_init(&base64, 0);
        spit(in_folder("m"), "message");
        unlink(in_folder("m.sig"));
        MUST_RUN("ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f",
                 in_folder(ssh_key_type_word(type)), in_folder("m"));
        AUTO(auto_free) char *text = slurp(in_folder("m.sig"));

        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            buf_put(&base64, line, line[0] != '-' ? strlen(line) : 0);
        }
        assert_ok(text_unbase64(buf_view(&base64), &blob));
        struct rd r = rd_of(buf_view(&blob));

        rd_bytes(&r, 10);
        assert_true(view_eq(rd_string(&r), ssh_key_blob(key)));
        for (int skip = 0; skip < 3; skip++) {
            rd_string(&r);
        }
        put_signed_data(&data, view_cstr("message"));
        assert_ok(ssh_sig_verify(key, rd_string(&r), buf_view(&data), &alg));
        assert_int_equal(alg, ssh_alg_default(type));
    }
}

/* Every signature that SSH has is one by a scheme for the same type of key; and a scheme is for one. */
static void test_schemes(void **state)
{
    unsigned fitting = 0;
    enum scheme scheme = SCHEME_PS512;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(alg_list); i++) {
        assert_true(ssh_alg_scheme(alg_list[i], &scheme));
        assert_true(ssh_scheme_fits(scheme, type_of(alg_list[i])));
    }
    assert_false(ssh_alg_scheme(SSH_ALG_NONE, &scheme));
    assert_false(ssh_alg_scheme(SSH_ALG_RSA_SHA1, &scheme));
    assert_int_equal(scheme, SCHEME_EDDSA);
    for (unsigned s = 0; s < SCHEME_COUNT; s++) {
        for (int type = 0; type < TYPES; type++) {
            fitting += ssh_scheme_fits((enum scheme)s, (enum ssh_key_type)type);
        }
    }
    assert_int_equal(fitting, SCHEME_COUNT);
    assert_true(ssh_scheme_fits(SCHEME_ES512, SSH_KEY_P521));
    assert_true(ssh_scheme_fits(SCHEME_PS256, SSH_KEY_RSA));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_schemes),
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_made_and_verified),
        cmocka_unit_test(test_truncated_and_flipped),
        cmocka_unit_test(test_raw_of_wrong_length),
        cmocka_unit_test(test_mpints_of_an_ecdsa_signature),
        cmocka_unit_test(test_rsa_with_stripped_zeros),
        cmocka_unit_test(test_sha1_and_unknown_are_refused),
        cmocka_unit_test(test_certificate_name_in_a_signature),
        cmocka_unit_test(test_ecdsa_numbers_that_are_too_long),
        cmocka_unit_test(test_der),
        cmocka_unit_test(test_ssh_keygen_accepts_ours),
        cmocka_unit_test(test_we_accept_those_of_ssh_keygen),
    };

    return cmocka_run_group_tests(tests, make_soft, free_soft);
}
