/*
 * Message 13: every key type signs what a verifier accepts, with the algorithm that the flags or
 * the login ask for; everything that must not be signed is one failure byte, and no token is asked.
 */
#include "protocol/fixture.h"

static const char *const alg_names[] = {"rsa-sha2-512", "ecdsa-sha2-nistp256",
                                        "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
                                        "ssh-ed25519"};

static void ask(struct fixture *f, struct view blob, struct view data, uint32_t flags,
                struct buf *reply)
{
    AUTO(buf_deinit) struct buf request;

    buf_init(&request, 0);
    fixture_put_sign(&request, blob, data, flags);
    fixture_ask(f, buf_view(&request), reply);
}

/* The request must be signed, with @alg, by the key of @type. */
static void signs(struct fixture *f, enum ssh_key_type type, struct view blob, struct view data,
                  uint32_t flags, enum ssh_alg alg)
{
    AUTO(buf_deinit) struct buf reply;
    enum ssh_alg used = SSH_ALG_NONE;

    buf_init(&reply, 0);
    ask(f, blob, data, flags, &reply);
    struct rd r = rd_of(buf_view(&reply));

    assert_int_equal(rd_u8(&r), MSG_SIGN_RESPONSE);
    struct view sig = rd_string(&r);

    fake_ok(rd_end(&r, "the answer"));
    fake_ok(ssh_sig_verify(f->key[type]->public, sig, data, &used));
    assert_int_equal(used, alg);
}

static void refuses(struct fixture *f, struct view blob, struct view data, uint32_t flags)
{
    AUTO(buf_deinit) struct buf reply;
    unsigned asked = f->remote.asked;
    uint64_t refused = fixture_stats(f).refused;

    buf_init(&reply, 0);
    ask(f, blob, data, flags, &reply);
    assert_int_equal(reply.len, 1);
    assert_int_equal(reply.data[0], MSG_FAILURE);
    assert_int_equal(f->remote.asked, asked);
    assert_int_equal(fixture_stats(f).refused, refused + 1);
}

static void put_sshsig(struct buf *b, const char *hash)
{
    buf_put(b, "SSHSIG", 6);
    buf_put_cstr(b, "git");
    buf_put_cstr(b, "");
    buf_put_cstr(b, hash);
    buf_put_string(b, view_of("0123456789abcdef0123456789abcdef", 32));
}

static void each_key_type_signs_as_key_and_as_certificate(void **state)
{
    static const enum ssh_alg algs[] = {SSH_ALG_RSA_SHA512, SSH_ALG_P256, SSH_ALG_P384,
                                        SSH_ALG_P521, SSH_ALG_ED25519};
    struct fixture *f = *state;

    for (size_t i = 0; i < FIXTURE_KEYS; i++) {
        AUTO(buf_deinit) struct buf plain, cert;
        AUTO(auto_free) char *cert_alg = text_fmt("%s-cert-v01@openssh.com", alg_names[i]);
        enum ssh_key_type type = (enum ssh_key_type)i;
        struct view key_blob = ssh_key_blob(f->key[i]->public);

        fixture_give(f, type, 3600);
        buf_init(&plain, 0);
        buf_init(&cert, 0);
        fixture_put_login(&plain, &(struct fixture_login){.alg = alg_names[i], .blob = key_blob});
        fixture_put_login(
            &cert, &(struct fixture_login){.alg = cert_alg, .blob = fixture_cert_blob(f, type)});
        signs(f, type, key_blob, buf_view(&plain), 0, algs[i]);
        signs(f, type, fixture_cert_blob(f, type), buf_view(&cert), 0, algs[i]);
        signs(f, type, key_blob, buf_view(&cert), 0, algs[i]); /* CertificateFile */
    }
    assert_int_equal(fixture_stats(f).signs, 3 * FIXTURE_KEYS);
}

/* Spec: RFC 9987, 5.5.1 */
static void rsa_takes_the_algorithm_from_flags_or_login(void **state)
{
    static const struct {
        uint32_t flags;
        const char *alg;
        enum ssh_alg expected; /* NONE: refused */
    } cases[] = {
        {2, "rsa-sha2-256", SSH_ALG_RSA_SHA256},
        {4, "rsa-sha2-512", SSH_ALG_RSA_SHA512},
        {2, "rsa-sha2-512", SSH_ALG_RSA_SHA256},
        {4, "ssh-rsa", SSH_ALG_RSA_SHA512},
        {0, "rsa-sha2-256", SSH_ALG_RSA_SHA256},
        {0, "rsa-sha2-512", SSH_ALG_RSA_SHA512},
        {0, "rsa-sha2-256-cert-v01@openssh.com", SSH_ALG_RSA_SHA256},
        {0, "rsa-sha2-512-cert-v01@openssh.com", SSH_ALG_RSA_SHA512},
        {6, "rsa-sha2-256", SSH_ALG_RSA_SHA256},
        {0, "ssh-rsa", SSH_ALG_NONE},
        {0, "ssh-rsa-cert-v01@openssh.com", SSH_ALG_NONE},
        {6, "ssh-rsa", SSH_ALG_NONE},
        {0, "ssh-ed25519", SSH_ALG_NONE},
        {0, "no-such-alg", SSH_ALG_NONE},
        {1, "rsa-sha2-512", SSH_ALG_NONE},
        {8, "rsa-sha2-512", SSH_ALG_NONE},
        {UINT32_MAX, "rsa-sha2-512", SSH_ALG_NONE},
    };
    struct fixture *f = *state;
    struct view blob = ssh_key_blob(f->key[SSH_KEY_RSA]->public);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf_deinit) struct buf data;

        buf_init(&data, 0);
        fixture_put_login(&data, &(struct fixture_login){.alg = cases[i].alg, .blob = blob});
        if (cases[i].expected == SSH_ALG_NONE) {
            refuses(f, blob, buf_view(&data), cases[i].flags);
        } else {
            signs(f, SSH_KEY_RSA, blob, buf_view(&data), cases[i].flags, cases[i].expected);
        }
    }
}

static void sshsig_is_signed_and_rsa_then_uses_sha_512(void **state)
{
    AUTO(buf_deinit) struct buf data;
    struct fixture *f = *state;

    buf_init(&data, 0);
    put_sshsig(&data, "sha256");
    signs(f, SSH_KEY_RSA, ssh_key_blob(f->key[SSH_KEY_RSA]->public), buf_view(&data), 0,
          SSH_ALG_RSA_SHA512);
    signs(f, SSH_KEY_ED25519, ssh_key_blob(f->key[SSH_KEY_ED25519]->public), buf_view(&data), 0,
          SSH_ALG_ED25519);
}

static void what_is_neither_is_refused(void **state)
{
    AUTO(buf_deinit) struct buf odd;
    struct fixture *f = *state;
    struct view blob = ssh_key_blob(f->key[SSH_KEY_P256]->public);

    buf_init(&odd, 0);
    put_sshsig(&odd, "md5");
    refuses(f, blob, view_cstr("sign this"), 0);
    refuses(f, blob, view_of("", 0), 0);
    refuses(f, blob, buf_view(&odd), 0);
}

static void a_login_must_name_the_key_that_signs(void **state)
{
    AUTO(buf_deinit) struct buf data, cert;
    struct fixture *f = *state;
    struct view p256 = ssh_key_blob(f->key[SSH_KEY_P256]->public);

    fixture_give(f, SSH_KEY_P384, 3600);
    buf_init(&data, 0);
    buf_init(&cert, 0);
    fixture_put_login(&data,
                      &(struct fixture_login){.alg = "ecdsa-sha2-nistp384",
                                              .blob = ssh_key_blob(f->key[SSH_KEY_P384]->public)});
    fixture_put_login(&cert, &(struct fixture_login){.alg = "ecdsa-sha2-nistp384",
                                                     .blob = fixture_cert_blob(f, SSH_KEY_P384)});
    refuses(f, p256, buf_view(&data), 0);
    refuses(f, p256, buf_view(&cert), 0);
}

static void only_what_is_held_signs(void **state)
{
    AUTO(buf_deinit) struct buf data;
    struct fixture *f = *state;
    struct view blob = ssh_key_blob(f->ca->public);

    buf_init(&data, 0);
    fixture_put_login(&data, &(struct fixture_login){.alg = "ssh-ed25519", .blob = blob});
    refuses(f, blob, buf_view(&data), 0);
    refuses(f, view_of("", 0), buf_view(&data), 0);
    refuses(f, view_cstr("garbage"), buf_view(&data), 0);
}

static struct wall tomorrow(void)
{
    return (struct wall){1LL << 40};
}

static void an_expired_certificate_signs_nothing(void **state)
{
    AUTO(buf_deinit) struct buf data;
    struct fixture *f = *state;

    buf_init(&data, 0);
    fixture_give(f, SSH_KEY_P256, 3600);
    struct view blob = fixture_cert_blob(f, SSH_KEY_P256);

    fixture_put_login(&data, &(struct fixture_login){.alg = "ecdsa-sha2-nistp256", .blob = blob});
    signs(f, SSH_KEY_P256, blob, buf_view(&data), 0, SSH_ALG_P256);
    clock_set_for_test(NULL, tomorrow);
    refuses(f, blob, buf_view(&data), 0);
    clock_set_for_test(NULL, NULL);
}

static void malformed_requests_fail(void **state)
{
    AUTO(buf_deinit) struct buf good;
    struct fixture *f = *state;

    buf_init(&good, 0);
    fixture_put_p256(f, &good, "s");
    for (size_t len = 1; len < good.len; len++) {
        fixture_expect(f, view_of(good.data, len), MSG_FAILURE);
    }
    buf_put_u8(&good, 0);
    fixture_expect(f, buf_view(&good), MSG_FAILURE);
    assert_int_equal(f->remote.asked, 0);
}

/* No bit of a request can be turned without the signature being refused, or being one that fits the
 * bytes that were sent. */
static void each_flipped_bit_is_answered(void **state)
{
    AUTO(buf_deinit) struct buf good, reply;
    struct fixture *f = *state;

    buf_init(&good, 0);
    buf_init(&reply, 0);
    fixture_put_p256(f, &good, "s");
    for (size_t i = 1; i < good.len; i++) {
        good.data[i] = (uint8_t)(good.data[i] ^ 1U << i % 8);
        fixture_ask(f, buf_view(&good), &reply);
        struct rd request = rd_of(view_of(good.data + 1, good.len - 1)), r;

        rd_string(&request);
        struct view data = rd_string(&request);

        r = rd_of(buf_view(&reply));
        if (rd_u8(&r) == MSG_SIGN_RESPONSE) {
            fake_ok(ssh_sig_verify(f->key[SSH_KEY_P256]->public, rd_string(&r), data, NULL));
        } else {
            assert_int_equal(reply.len, 1);
        }
        good.data[i] = (uint8_t)(good.data[i] ^ 1U << i % 8);
    }
}

static void a_token_that_fails_is_a_failure(void **state)
{
    AUTO(buf_deinit) struct buf request;
    struct fixture *f = *state;

    buf_init(&request, 0);
    fixture_put_p256(f, &request, "s");
    f->remote.sign_fails = ERR_GONE;
    fixture_expect(f, buf_view(&request), MSG_FAILURE);
    assert_int_equal(fixture_stats(f).failed, 1);
    assert_int_equal(fixture_stats(f).signs, 0);
}

/* Known out of the cache, its token not seen since the start. */
static void a_key_that_was_not_seen_is_a_failure(void **state)
{
    AUTO(buf_deinit) struct buf request;
    struct fixture *f = *state;

    buf_init(&request, 0);
    fixture_put_p256(f, &request, "s");
    f->remote.find_fails = ERR_GONE;
    fixture_deinit_agent(f);
    fixture_init_agent(f);
    fixture_reconnect(f);
    fixture_expect(f, buf_view(&request), MSG_FAILURE);
    assert_int_equal(f->remote.asked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_key_type_signs_as_key_and_as_certificate),
        TEST(rsa_takes_the_algorithm_from_flags_or_login),
        TEST(sshsig_is_signed_and_rsa_then_uses_sha_512),
        TEST(what_is_neither_is_refused),
        TEST(a_login_must_name_the_key_that_signs),
        TEST(only_what_is_held_signs),
        TEST(an_expired_certificate_signs_nothing),
        TEST(malformed_requests_fail),
        TEST(each_flipped_bit_is_answered),
        TEST(a_token_that_fails_is_a_failure),
        TEST(a_key_that_was_not_seen_is_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
