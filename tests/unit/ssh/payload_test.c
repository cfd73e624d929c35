/*
 * What a sign request is. One changed byte must never turn one kind into another, and what is cut or
 * too long is of no kind.
 */
#include "ssh/support.h"

/* A userauth request; each field can be overridden. */
struct request {
    const char *session_id, *user, *service, *method, *alg, *key, *host_key;
    uint8_t type, follows;
};

static struct request plain(void)
{
    return (struct request){.session_id = "01234567890123456789012345678901",
                            .user = "alice",
                            .service = "ssh-connection",
                            .method = "publickey",
                            .alg = "rsa-sha2-512-cert-v01@openssh.com",
                            .key = "a key blob",
                            .type = 50,
                            .follows = 1};
}

static struct request hostbound(void)
{
    struct request q = plain();

    q.method = "publickey-hostbound-v00@openssh.com";
    q.host_key = "a host key";
    return q;
}

static void put_request(struct buf *b, const struct request *q)
{
    buf_put_cstr(b, q->session_id);
    buf_put_u8(b, q->type);
    buf_put_cstr(b, q->user);
    buf_put_cstr(b, q->service);
    buf_put_cstr(b, q->method);
    buf_put_u8(b, q->follows);
    buf_put_cstr(b, q->alg);
    buf_put_cstr(b, q->key);
    if (q->host_key != NULL) {
        buf_put_cstr(b, q->host_key);
    }
}

static enum ssh_payload_kind kind_of(const struct request *q)
{
    AUTO(buf_deinit) struct buf b;
    struct ssh_payload p;

    buf_init(&b, 0);
    put_request(&b, q);
    ssh_payload_read(buf_view(&b), &p);
    return p.kind;
}

static void test_userauth(void **state)
{
    AUTO(buf_deinit) struct buf b;
    struct request q = plain();
    struct ssh_payload p;

    (void)state;
    buf_init(&b, 0);
    put_request(&b, &q);
    ssh_payload_read(buf_view(&b), &p);
    assert_int_equal(p.kind, SSH_PAYLOAD_USERAUTH);
    assert_true(view_is(p.session_id, q.session_id));
    assert_true(view_is(p.user, "alice"));
    assert_true(view_is(p.alg_name, q.alg));
    assert_int_equal(p.alg, SSH_ALG_RSA_SHA512);
    assert_true(view_is(p.key_blob, "a key blob"));
    assert_int_equal(p.host_key.len, 0);
    assert_int_equal(p.namespace_.len + p.hash_name.len, 0);
}

static void test_hostbound(void **state)
{
    AUTO(buf_deinit) struct buf b;
    struct request q = hostbound();
    struct ssh_payload p;

    (void)state;
    buf_init(&b, 0);
    q.alg = "sk-ssh-ed25519@openssh.com";
    put_request(&b, &q);
    ssh_payload_read(buf_view(&b), &p);
    assert_int_equal(p.kind, SSH_PAYLOAD_USERAUTH);
    assert_true(view_is(p.host_key, "a host key"));
    assert_int_equal(p.alg, SSH_ALG_NONE);
}

static void test_what_is_no_userauth(void **state)
{
    struct request q;
    char long_id[SSH_SESSION_ID_MAX_BYTES + 2];

    (void)state;
#define assert_unknown(base, field, value)                                                         \
    do {                                                                                           \
        q = base();                                                                                \
        assert_int_equal(kind_of(&q), SSH_PAYLOAD_USERAUTH);                                       \
        q.field = value;                                                                           \
        assert_int_equal(kind_of(&q), SSH_PAYLOAD_UNKNOWN);                                        \
    } while (0)
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    assert_unknown(plain, session_id, "");
    assert_unknown(plain, session_id, long_id);
    assert_unknown(plain, type, 51);
    assert_unknown(plain, service, "ssh-userauth");
    assert_unknown(plain, service, "ssh-connection2");
    assert_unknown(plain, method, "hostbased");
    assert_unknown(plain, method, "publickey-hostbound-v00@openssh.com");
    assert_unknown(plain, follows, 0);
    assert_unknown(plain, follows, 2);
    assert_unknown(plain, alg, "");
    assert_unknown(plain, key, "");
    assert_unknown(plain, host_key, "a host key");
    assert_unknown(hostbound, host_key, "");
    assert_unknown(hostbound, host_key, NULL);
    q = plain();
    q.user = "";
    q.session_id = long_id + 1; /* 128 bytes: the longest */
    assert_int_equal(kind_of(&q), SSH_PAYLOAD_USERAUTH);
}

/* OpenSSH reads the user as a C string: a NUL would show it another user than us. */
static void test_a_nul_in_the_user_is_no_userauth(void **state)
{
    AUTO(buf_deinit) struct buf b;
    struct request q = plain();
    struct ssh_payload p;

    (void)state;
    buf_init(&b, 0);
    put_request(&b, &q);
    uint8_t *user = memmem(b.data, b.len, "alice", 5);

    user[4] = '\0';
    ssh_payload_read(buf_view(&b), &p);
    assert_int_equal(p.kind, SSH_PAYLOAD_UNKNOWN);
}

static void put_sshsig(struct buf *b, const char *magic, const char *space, const char *hash,
                       size_t bytes)
{
    static const uint8_t digest[64];

    buf_put(b, magic, 6);
    buf_put_cstr(b, space);
    buf_put_cstr(b, "reserved for later: to be ignored");
    buf_put_cstr(b, hash);
    buf_put_string(b, view_of(digest, bytes));
}

static void test_sshsig(void **state)
{
    static const struct {
        const char *magic, *space, *hash;
        size_t bytes;
        enum ssh_payload_kind kind;
    } cases[] = {
        {"SSHSIG", "git", "sha512", 64, SSH_PAYLOAD_SSHSIG},
        {"SSHSIG", "git", "sha256", 32, SSH_PAYLOAD_SSHSIG},
        {"SSHSIG", "git", "sha256", 64, SSH_PAYLOAD_UNKNOWN},
        {"SSHSIG", "git", "sha512", 32, SSH_PAYLOAD_UNKNOWN},
        {"SSHSIG", "git", "sha1", 20, SSH_PAYLOAD_UNKNOWN},
        {"SSHSIG", "", "sha512", 64, SSH_PAYLOAD_UNKNOWN},
        {"SSHSIh", "git", "sha512", 64, SSH_PAYLOAD_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf_deinit) struct buf b;
        struct ssh_payload p;

        buf_init(&b, 0);
        put_sshsig(&b, cases[i].magic, cases[i].space, cases[i].hash, cases[i].bytes);
        ssh_payload_read(buf_view(&b), &p);
        assert_int_equal(p.kind, cases[i].kind);
        if (p.kind == SSH_PAYLOAD_SSHSIG) {
            assert_true(view_is(p.namespace_, "git"));
            assert_true(view_is(p.hash_name, cases[i].hash));
        }
        assert_int_equal(p.key_blob.len + p.user.len, 0);
    }
}

static void must_be_unknown(struct view data, void *arg)
{
    struct ssh_payload p;

    (void)arg;
    ssh_payload_read(data, &p);
    assert_int_equal(p.kind, SSH_PAYLOAD_UNKNOWN);
    assert_int_equal(p.session_id.len + p.user.len + p.key_blob.len + p.namespace_.len, 0);
}

static void must_keep_its_kind(struct view data, void *kind)
{
    struct ssh_payload p;

    ssh_payload_read(data, &p);
    assert_true(p.kind == SSH_PAYLOAD_UNKNOWN || p.kind == *(enum ssh_payload_kind *)kind);
}

static void walk(struct buf *b, enum ssh_payload_kind kind)
{
    struct ssh_payload p;

    ssh_payload_read(buf_view(b), &p);
    assert_int_equal(p.kind, kind);
    each_truncation(buf_view(b), must_be_unknown, NULL);
    each_flip(buf_view(b), must_keep_its_kind, &kind);
    buf_put_u8(b, 0);
    must_be_unknown(buf_view(b), NULL);
}

static void test_truncated_and_flipped(void **state)
{
    AUTO(buf_deinit) struct buf a, b, c;
    struct request bare = plain(), bound = hostbound();

    (void)state;
    buf_init(&a, 0);
    buf_init(&b, 0);
    buf_init(&c, 0);
    put_request(&a, &bare);
    put_request(&b, &bound);
    put_sshsig(&c, "SSHSIG", "git", "sha512", 64);
    walk(&a, SSH_PAYLOAD_USERAUTH);
    walk(&b, SSH_PAYLOAD_USERAUTH);
    walk(&c, SSH_PAYLOAD_SSHSIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_userauth),
        cmocka_unit_test(test_hostbound),
        cmocka_unit_test(test_what_is_no_userauth),
        cmocka_unit_test(test_a_nul_in_the_user_is_no_userauth),
        cmocka_unit_test(test_sshsig),
        cmocka_unit_test(test_truncated_and_flipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
