/*
 * What may be signed for an offer, and how: only a login of this user with this identity, with the
 * algorithm that the bytes name, and never SHA-1.
 */
#include "connect/auth.h"
#include "ssh/issue.h"

static struct soft rsa, ec;

static int make_soft_keys(void **state)
{
    (void)state;
    soft_init(&rsa, SSH_KEY_RSA);
    soft_init(&ec, SSH_KEY_P256);
    return 0;
}

static int free_soft_keys(void **state)
{
    (void)state;
    soft_deinit(&rsa);
    soft_deinit(&ec);
    return 0;
}

/* Spec: RFC 4252, 7 */
static void put_login(struct buf *b, const char *user, const char *alg, struct view blob)
{
    buf_clear(b);
    buf_put_cstr(b, "0123456789abcdef0123456789abcdef");
    buf_put_u8(b, 50);
    buf_put_cstr(b, user);
    buf_put_cstr(b, "ssh-connection");
    buf_put_cstr(b, "publickey");
    buf_put_bool(b, true);
    buf_put_cstr(b, alg);
    buf_put_string(b, blob);
}

static void take_cert(struct connect_identity *id, const struct soft *key, struct buf *blob)
{
    char alice[] = "alice";
    char *principals[] = {alice, NULL};
    const struct ssh_cert_fields f = {.kind = SSH_CERT_USER,
                                      .key_id = alice,
                                      .principals = principals,
                                      .valid_before = SSH_CERT_FOREVER};

    assert_ok(write_cert(key->key, &f, &ec, blob));
    assert_ok(ssh_cert_from_blob(buf_view(blob), &id->cert));
}

static void algorithms(void **state)
{
    struct connect_identity id = {.key = ssh_key_copy(rsa.key)}, ec_id = {.key = ec.key};
    struct buf b, blob;
    enum ssh_alg alg = SSH_ALG_NONE;
    uint32_t flags = 99;

    (void)state;
    buf_init(&b, 0);
    buf_init(&blob, 0);
    put_login(&b, "alice", "rsa-sha2-512", ssh_key_blob(rsa.key));
    assert_ok(connect_auth_sign_request(buf_view(&b), &id, "alice", &alg, &flags));
    assert_int_equal(alg, SSH_ALG_RSA_SHA512);
    assert_int_equal(flags, SSH_AGENT_RSA_SHA2_512);

    take_cert(&id, &rsa, &blob);
    put_login(&b, "alice", "rsa-sha2-256-cert-v01@openssh.com", buf_view(&blob));
    assert_ok(connect_auth_sign_request(buf_view(&b), &id, "alice", &alg, &flags));
    assert_int_equal(alg, SSH_ALG_RSA_SHA256);
    assert_int_equal(flags, SSH_AGENT_RSA_SHA2_256);

    put_login(&b, "alice", "ssh-rsa-cert-v01@openssh.com", buf_view(&blob));
    assert_err_says(connect_auth_sign_request(buf_view(&b), &id, "alice", &alg, &flags),
                    ERR_UNSUPPORTED, "SHA-1");
    put_login(&b, "alice", "rsa-sha3-999", buf_view(&blob));
    assert_err_says(connect_auth_sign_request(buf_view(&b), &id, "alice", &alg, &flags),
                    ERR_UNSUPPORTED, "rsa-sha3-999");

    put_login(&b, "alice", "ecdsa-sha2-nistp256", ssh_key_blob(ec.key));
    assert_ok(connect_auth_sign_request(buf_view(&b), &ec_id, "alice", &alg, &flags));
    assert_int_equal(alg, SSH_ALG_P256);
    assert_int_equal(flags, 0);
    put_login(&b, "alice", "ecdsa-sha2-nistp384", ssh_key_blob(ec.key));
    assert_err(connect_auth_sign_request(buf_view(&b), &ec_id, "alice", &alg, &flags),
               ERR_UNSUPPORTED);
    buf_deinit(&b);
    buf_deinit(&blob);
    ssh_key_free(&id.key);
    ssh_cert_free(&id.cert);
}

static void other_things(void **state)
{
    const struct connect_identity id = {.key = ec.key};
    struct buf b;
    enum ssh_alg alg = SSH_ALG_NONE;
    uint32_t flags = 0;

    (void)state;
    buf_init(&b, 0);
    put_login(&b, "alice", "ecdsa-sha2-nistp256", ssh_key_blob(ec.key));
    assert_err(connect_auth_sign_request(buf_view(&b), &id, "bob", &alg, &flags), ERR_PROTOCOL);
    put_login(&b, "alice", "rsa-sha2-512", ssh_key_blob(rsa.key));
    assert_err(connect_auth_sign_request(buf_view(&b), &id, "alice", &alg, &flags), ERR_PROTOCOL);
    assert_err(connect_auth_sign_request(view_cstr("SSHSIG"), &id, "alice", &alg, &flags),
               ERR_PROTOCOL);
    buf_deinit(&b);
}

/* Whatever a bit does, the user and the key that we meant stay the ones that are signed for. */
static void check_damaged(struct view data, void *arg)
{
    const struct connect_identity id = {.key = ec.key};
    enum ssh_alg alg = SSH_ALG_NONE;
    uint32_t flags = 0;
    AUTO(err_free) struct err *e = connect_auth_sign_request(data, &id, "alice", &alg, &flags);

    if (!e) {
        struct ssh_payload p;
        ssh_payload_read(data, &p);
        assert_true(view_is(p.user, "alice") && view_eq(p.key_blob, ssh_key_blob(ec.key)));
        assert_int_equal(alg, SSH_ALG_P256);
    }
    *(size_t *)arg += !e;
}

static void damaged(void **state)
{
    struct buf b;
    size_t worked = 0;

    (void)state;
    buf_init(&b, 0);
    put_login(&b, "alice", "ecdsa-sha2-nistp256", ssh_key_blob(ec.key));
    each_flip(buf_view(&b), check_damaged, &worked);
    assert_true(worked >= 32 * 8); /* bits of the session id */
    worked = 0;
    each_truncation(buf_view(&b), check_damaged, &worked);
    assert_int_equal(worked, 0);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(algorithms),
        cmocka_unit_test(other_things),
        cmocka_unit_test(damaged),
    };

    return cmocka_run_group_tests(tests, make_soft_keys, free_soft_keys);
}
