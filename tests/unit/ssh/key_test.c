/*
 * Public keys: read as ssh-keygen wrote them, shown as ssh-keygen shows them, and refused whenever
 * they are not exactly right.
 */
#include "ssh/support.h"

static void test_agrees_with_ssh_keygen(void **state)
{
    static const char *const shown[TYPES] = {"RSA", "ECDSA", "ECDSA", "ECDSA", "ED25519"};

    (void)state;
    for (int i = 0; i < TYPES; i++) {
        enum ssh_key_type type = (enum ssh_key_type)i;
        AUTO(auto_free) char *line = slurp(pub_path(type));
        AUTO(ssh_key_free) struct ssh_key *k = key_of_file(type);
        char out[512], expected[512], fingerprint[SSH_FINGERPRINT_BYTES];

        assert_int_equal(RUN(out, "ssh-keygen", "-lf", pub_path(type)), 0);
        snprintf(expected, sizeof expected, "%u %s some comment (%s)\n", ssh_key_bits(k),
                 ssh_key_fingerprint(k, fingerprint), shown[i]);
        assert_string_equal(out, expected);
        assert_int_equal(ssh_key_type(k), type);
        AUTO(auto_free) char *again = ssh_key_line(k, "some comment");

        line[strcspn(line, "\n")] = '\0';
        assert_string_equal(again, line);
    }
}

static void test_blob_and_parts_give_the_same_key(void **state)
{
    (void)state;
    for (int i = 0; i < TYPES; i++) {
        enum ssh_key_type type = (enum ssh_key_type)i;
        AUTO(ssh_key_free) struct ssh_key *k = key_of_file(type);
        AUTO(ssh_key_free) struct ssh_key *from_blob = NULL;
        AUTO(ssh_key_free) struct ssh_key *from_parts = NULL;
        struct rd r = rd_of(ssh_key_blob(k));

        assert_ok(ssh_key_from_blob(ssh_key_blob(k), &from_blob));
        assert_true(ssh_key_eq(k, from_blob));
        assert_true(view_is(rd_string(&r), ssh_key_type_name(type)));
        if (type == SSH_KEY_RSA) {
            struct view e = rd_mpint(&r);

            assert_ok(ssh_key_from_rsa(rd_mpint(&r), e, &from_parts));
        } else {
            if (type != SSH_KEY_ED25519) {
                rd_string(&r);
            }
            assert_ok(ssh_key_from_point(type, rd_string(&r), &from_parts));
        }
        assert_true(ssh_key_eq(k, from_parts));
        assert_int_equal(EVP_PKEY_eq(ssh_key_evp(k), ssh_key_evp(from_parts)), 1);
    }
}

/* The public keys of RFC 8032, 7.1 test 1 and of P-256's base point (SEC 2), and what ssh-keygen
 * 9.2 prints for the first. */
static void test_fixed_vectors(void **state)
{
    static const char line[] =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    static const char g[] = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                            "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    AUTO(ssh_key_free) struct ssh_key *ed = NULL, *p256 = NULL;
    AUTO(buf_deinit) struct buf point;
    char fingerprint[SSH_FINGERPRINT_BYTES];

    (void)state;
    buf_init(&point, 0);
    assert_ok(
        text_unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", &point));
    assert_ok(ssh_key_from_point(SSH_KEY_ED25519, buf_view(&point), &ed));
    AUTO(auto_free) char *ed_line = ssh_key_line(ed, NULL);

    assert_string_equal(ed_line, line);
    assert_string_equal(ssh_key_fingerprint(ed, fingerprint),
                        "SHA256:bbXpuKG6zhzdmnxq256TlqzFBzRl2f6OOg722cYNbU8");
    buf_clear(&point);
    assert_ok(text_unhex(g, &point));
    assert_ok(ssh_key_from_point(SSH_KEY_P256, buf_view(&point), &p256));
    assert_int_equal(ssh_key_blob(p256).len, 4 + 19 + 4 + 8 + 4 + 65);
}

static void must_fail(struct view blob, void *arg)
{
    struct ssh_key *k = NULL;
    AUTO(err_free) struct err *e = ssh_key_from_blob(blob, &k);

    (void)arg;
    assert_non_null(e);
    assert_null(k);
}

/* A flipped bit gives an error or another key, never the same one. */
static void must_differ(struct view blob, void *arg)
{
    AUTO(ssh_key_free) struct ssh_key *k = NULL;
    AUTO(err_free) struct err *e = ssh_key_from_blob(blob, &k);

    assert_true((e == NULL) == (k != NULL));
    if (k != NULL) {
        assert_true(view_eq(ssh_key_blob(k), blob));
        assert_false(ssh_key_eq(k, arg));
    }
}

static void test_truncated_and_flipped(void **state)
{
    (void)state;
    for (int i = 0; i < TYPES; i++) {
        AUTO(ssh_key_free) struct ssh_key *k = key_of_file((enum ssh_key_type)i);
        bool is_ec = i == SSH_KEY_P256 || i == SSH_KEY_P384 || i == SSH_KEY_P521;

        each_truncation(ssh_key_blob(k), must_fail, NULL);
        /* one flipped bit takes an EC point off its curve, whichever it is */
        each_flip(ssh_key_blob(k), is_ec ? must_fail : must_differ, k);
    }
}

static void test_trailing_byte_is_malformed(void **state)
{
    (void)state;
    for (int i = 0; i < TYPES; i++) {
        AUTO(ssh_key_free) struct ssh_key *k = key_of_file((enum ssh_key_type)i);
        AUTO(buf_deinit) struct buf b;
        struct ssh_key *none = NULL;

        buf_init(&b, 0);
        buf_put(&b, ssh_key_blob(k).p, ssh_key_blob(k).len);
        buf_put_u8(&b, 0);
        assert_err(ssh_key_from_blob(buf_view(&b), &none), ERR_PROTOCOL);
    }
}

static struct err *point_of_hex(enum ssh_key_type type, const char *hex)
{
    AUTO(buf_deinit) struct buf b;
    AUTO(ssh_key_free) struct ssh_key *k = NULL;

    buf_init(&b, 0);
    assert_ok(text_unhex(hex, &b));
    return ssh_key_from_point(type, buf_view(&b), &k);
}

/* RFC 8032 leaves these out or demands their refusal: the eight points of small order, encodings
 * of y not below p, and a y that has no x. */
static void test_bad_ed25519_points(void **state)
{
    static const char *const bad[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0200000000000000000000000000000000000000000000000000000000000000",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f70751",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a00",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_err(point_of_hex(SSH_KEY_ED25519, bad[i]), ERR_PROTOCOL);
    }
    /* y = 3 and y = 4 are on the curve and of large order */
    assert_ok(point_of_hex(SSH_KEY_ED25519,
                           "0300000000000000000000000000000000000000000000000000000000000000"));
    assert_ok(point_of_hex(SSH_KEY_ED25519,
                           "0400000000000000000000000000000000000000000000000000000000000080"));
}

static void test_bad_ec_points(void **state)
{
    static const char *const bad[] = {
        "00",                                                                 /* infinity */
        "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296", /* compressed */
        /* hybrid */
        "076b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        /* off the curve */
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f4",
        /* x = p + 5: as a number modulo p it is on the curve, but p + 5 is not below p */
        "04ffffffff00000001000000000000000000000001000000000000000000000004"
        "459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc",
        "",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_err(point_of_hex(SSH_KEY_P256, bad[i]), ERR_PROTOCOL);
    }
    assert_err(point_of_hex(SSH_KEY_RSA, "00"), ERR_BUG);
}

static struct err *rsa_of(size_t bits, uint8_t last, const char *e_hex)
{
    AUTO(buf_deinit) struct buf e;
    AUTO(ssh_key_free) struct ssh_key *k = NULL;
    uint8_t n[SSH_RSA_MAX_BITS / 8 + 1];
    size_t len = (bits + 7) / 8;

    buf_init(&e, 0);
    assert_ok(text_unhex(e_hex, &e));
    memset(n, 0x5a, sizeof n);
    n[0] = (uint8_t)(1 << (bits + 7) % 8);
    n[len - 1] = last;
    return ssh_key_from_rsa(view_of(n, len), buf_view(&e), &k);
}

static void test_rsa_limits(void **state)
{
    (void)state;
    assert_ok(rsa_of(SSH_RSA_MIN_BITS, 1, "010001"));
    assert_ok(rsa_of(SSH_RSA_MAX_BITS, 1, "03"));
    assert_err(rsa_of(SSH_RSA_MIN_BITS - 1, 1, "010001"), ERR_UNSUPPORTED);
    assert_err(rsa_of(SSH_RSA_MAX_BITS + 1, 1, "010001"), ERR_UNSUPPORTED);
    assert_err(rsa_of(2048, 1, "01ffffffffffffffff"), ERR_UNSUPPORTED);
    assert_err(rsa_of(2048, 2, "010001"), ERR_PROTOCOL);
    assert_err(rsa_of(2048, 1, "010000"), ERR_PROTOCOL);
    assert_err(rsa_of(2048, 1, "01"), ERR_PROTOCOL);
    assert_err(rsa_of(2048, 1, ""), ERR_PROTOCOL);
}

static void test_rsa_leading_zeros_make_no_other_key(void **state)
{
    AUTO(ssh_key_free) struct ssh_key *k = key_of_file(SSH_KEY_RSA);
    AUTO(ssh_key_free) struct ssh_key *padded = NULL;
    struct rd r = rd_of(ssh_key_blob(k));
    uint8_t n[300] = {0};

    (void)state;
    rd_string(&r);
    struct view e = rd_mpint(&r);
    struct view bare = rd_mpint(&r);

    memcpy(n + 3, bare.p, bare.len);
    assert_ok(ssh_key_from_rsa(view_of(n, bare.len + 3), e, &padded));
    assert_true(ssh_key_eq(k, padded));
}

static struct err *blob_of_name(const char *name, const char *second)
{
    AUTO(buf_deinit) struct buf b;
    AUTO(ssh_key_free) struct ssh_key *k = NULL;
    AUTO(buf_deinit) struct buf g;

    buf_init(&b, 0);
    buf_init(&g, 0);
    assert_ok(text_unhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                         "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
                         &g));
    buf_put_cstr(&b, name);
    buf_put_cstr(&b, second);
    buf_put_string(&b, buf_view(&g));
    return ssh_key_from_blob(buf_view(&b), &k);
}

static void test_other_types(void **state)
{
    AUTO(buf_deinit) struct buf big;
    struct ssh_key *k = NULL;

    (void)state;
    assert_ok(blob_of_name("ecdsa-sha2-nistp256", "nistp256"));
    assert_err(blob_of_name("ecdsa-sha2-nistp256", "nistp384"), ERR_PROTOCOL);
    assert_err(blob_of_name("ssh-dss", "nistp256"), ERR_UNSUPPORTED);
    assert_err(blob_of_name("", ""), ERR_UNSUPPORTED);
    assert_err(blob_of_name("sk-ecdsa-sha2-nistp256@openssh.com", "nistp256"), ERR_UNSUPPORTED);
    assert_err_says(blob_of_name("ecdsa-sha2-nistp256-cert-v01@openssh.com", "nistp256"),
                    ERR_UNSUPPORTED, "certificate");
    buf_init(&big, 0);
    buf_put_cstr(&big, "ssh-rsa");
    memset(buf_reserve(&big, SSH_BLOB_MAX_BYTES), 0, SSH_BLOB_MAX_BYTES);
    assert_err(ssh_key_from_blob(buf_view(&big), &k), ERR_LIMIT);
    assert_err(ssh_key_from_rsa(buf_view(&big), view_cstr("\3"), &k), ERR_LIMIT);
}

static void test_lines(void **state)
{
#define ED "AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
    static const char *const good[] = {"ssh-ed25519 " ED, "ssh-ed25519 " ED "\n",
                                       "ssh-ed25519 " ED " me\r\n", " \tssh-ed25519\t" ED "  a b "};
    static const char *const bad[] = {
        "",
        "\n",
        "ssh-ed25519",
        "ssh-ed25519 ",
        ED,
        "ssh-rsa " ED,
        "no-pty ssh-ed25519 " ED,
        "ssh-ed25519 " ED "\nssh-ed25519 " ED,
        "ssh-ed25519 " ED "\n\n",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1E=",
        "ssh-ed25519 " ED "=",
        "ssh-ed25519 AAAA",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        AUTO(ssh_key_free) struct ssh_key *k = NULL;

        assert_ok(ssh_key_from_line(good[i], &k));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(ssh_key_free) struct ssh_key *k = NULL;

        assert_err(ssh_key_from_line(bad[i], &k), ERR_INPUT);
    }
    AUTO(ssh_key_free) struct ssh_key *k = NULL;

    assert_ok(ssh_key_from_line(good[0], &k));
    AUTO(auto_free) char *line = ssh_key_line(k, "x\nssh-rsa y");

    assert_string_equal(line, "ssh-ed25519 " ED " x\\x0assh-rsa y");
#undef ED
}

static void test_copies_and_words(void **state)
{
    AUTO(ssh_key_free) struct ssh_key *k = key_of_file(SSH_KEY_P256);
    AUTO(ssh_key_free) struct ssh_key *other = key_of_file(SSH_KEY_P384);
    struct ssh_key *copy = ssh_key_copy(k);
    struct ssh_key *none = ssh_key_copy(NULL);
    enum ssh_key_type type;

    (void)state;
    assert_true(ssh_key_eq(k, copy));
    assert_false(ssh_key_eq(k, other));
    ssh_key_free(&copy);
    assert_null(copy);
    assert_int_equal(ssh_key_bits(k), 256); /* the first owner still has it */
    assert_null(none);
    ssh_key_free(&none);
    for (int i = 0; i < TYPES; i++) {
        assert_true(ssh_key_type_find(ssh_key_type_word((enum ssh_key_type)i), &type));
        assert_int_equal(type, i);
    }
    assert_false(ssh_key_type_find("P256", &type));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_ssh_keygen),
        cmocka_unit_test(test_blob_and_parts_give_the_same_key),
        cmocka_unit_test(test_fixed_vectors),
        cmocka_unit_test(test_truncated_and_flipped),
        cmocka_unit_test(test_trailing_byte_is_malformed),
        cmocka_unit_test(test_bad_ed25519_points),
        cmocka_unit_test(test_bad_ec_points),
        cmocka_unit_test(test_rsa_limits),
        cmocka_unit_test(test_rsa_leading_zeros_make_no_other_key),
        cmocka_unit_test(test_other_types),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_copies_and_words),
    };

    return cmocka_run_group_tests(tests, make_keys, remove_folder);
}
