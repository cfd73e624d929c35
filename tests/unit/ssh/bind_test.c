/*
 * session-bind@openssh.com: true only with the host's own signature over this very session id.
 */
#include "ssh/issue.h"

static const char session[] = "01234567890123456789012345678901";

static struct soft host, ca;

static int set_up(void **state)
{
    (void)state;
    soft_init(&host, SSH_KEY_P256);
    soft_init(&ca, SSH_KEY_ED25519);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    soft_deinit(&host);
    soft_deinit(&ca);
    return 0;
}

static void put_bind(struct buf *b, struct view host_key, const char *id, const char *signed_id)
{
    AUTO(buf_deinit) struct buf sig;

    buf_init(&sig, 0);
    soft_put_sig(&host, SSH_ALG_P256, view_cstr(signed_id), &sig);
    buf_put_string(b, host_key);
    buf_put_cstr(b, id);
    buf_put_string(b, buf_view(&sig));
    buf_put_bool(b, true);
}

static struct err *read_and_verify(struct view v)
{
    struct rd r = rd_of(v);
    struct ssh_bind bind;
    struct err *e = ssh_bind_read(&r, &bind);

    return e != NULL ? e : ssh_bind_verify(&bind);
}

static void test_read(void **state)
{
    AUTO(buf_deinit) struct buf b;
    struct ssh_bind bind;

    (void)state;
    buf_init(&b, 0);
    put_bind(&b, ssh_key_blob(host.key), session, session);
    struct rd r = rd_of(buf_view(&b));

    assert_ok(ssh_bind_read(&r, &bind));
    assert_true(view_eq(bind.host_key, ssh_key_blob(host.key)));
    assert_true(view_is(bind.session_id, session));
    assert_true(bind.is_forwarding);
    assert_ok(ssh_bind_verify(&bind));
    bind.signature = view_cstr("");
    assert_err(ssh_bind_verify(&bind), ERR_PROTOCOL);
    bind.host_key = view_cstr("");
    assert_err(ssh_bind_verify(&bind), ERR_PROTOCOL);
}

static void test_lies(void **state)
{
    AUTO(buf_deinit) struct buf other_id, other_key, no_id, long_id;
    char id[SSH_SESSION_ID_MAX_BYTES + 2];

    (void)state;
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    buf_init(&other_id, 0);
    buf_init(&other_key, 0);
    buf_init(&no_id, 0);
    buf_init(&long_id, 0);
    put_bind(&other_id, ssh_key_blob(host.key), session, "another session");
    put_bind(&other_key, ssh_key_blob(ca.key), session, session);
    put_bind(&no_id, ssh_key_blob(host.key), "", "");
    put_bind(&long_id, ssh_key_blob(host.key), id, id);
    assert_err(read_and_verify(buf_view(&other_id)), ERR_DENIED);
    assert_err(read_and_verify(buf_view(&other_key)), ERR_DENIED);
    assert_err(read_and_verify(buf_view(&no_id)), ERR_PROTOCOL);
    assert_err(read_and_verify(buf_view(&long_id)), ERR_PROTOCOL);
}

static void test_host_certificate(void **state)
{
    char *names[] = {"host.example.com", NULL};
    struct ssh_cert_fields f = {
        .kind = SSH_CERT_HOST, .principals = names, .valid_before = SSH_CERT_FOREVER};
    AUTO(buf_deinit) struct buf cert, good, bad;

    (void)state;
    buf_init(&cert, 0);
    buf_init(&good, 0);
    buf_init(&bad, 0);
    assert_ok(write_cert(host.key, &f, &ca, &cert));
    put_bind(&good, buf_view(&cert), session, session);
    put_bind(&bad, buf_view(&cert), session, "another session");
    assert_ok(read_and_verify(buf_view(&good)));
    assert_err(read_and_verify(buf_view(&bad)), ERR_DENIED);
}

static void must_be_malformed(struct view v, void *arg)
{
    (void)arg;
    assert_err(read_and_verify(v), ERR_PROTOCOL);
}

/* Every bit counts but those of the boolean at the end, which nobody signs. */
static void must_fail(struct view v, void *last)
{
    AUTO(err_free) struct err *e = read_and_verify(v);

    assert_true(e != NULL || v.p[v.len - 1] != *(uint8_t *)last);
}

static void test_truncated_and_flipped(void **state)
{
    AUTO(buf_deinit) struct buf b;
    uint8_t last = 1;

    (void)state;
    buf_init(&b, 0);
    put_bind(&b, ssh_key_blob(host.key), session, session);
    each_truncation(buf_view(&b), must_be_malformed, NULL);
    each_flip(buf_view(&b), must_fail, &last);
    buf_put_u8(&b, 0);
    must_be_malformed(buf_view(&b), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_host_certificate),
        cmocka_unit_test(test_truncated_and_flipped),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
