/*
 * Certificates that we make: ssh-keygen shows what we put in, and our own reader and verifier agree.
 */
#include "ssh/issue.h"

static char *names[] = {"alice", "bob", NULL};
static struct ssh_cert_option critical[] = {
    {"source-address", "10.0.0.0/8"}, {"force-command", "/bin/ls -l"}, {NULL, NULL}};
static struct ssh_cert_option extensions[] = {
    {"permit-pty", NULL}, {"permit-X11-forwarding", ""}, {NULL, NULL}};

static struct ssh_cert_fields fields(void)
{
    return (struct ssh_cert_fields){.serial = 0x0102030405060708,
                                    .kind = SSH_CERT_USER,
                                    .key_id = "vault-alice",
                                    .principals = names,
                                    .valid_after = 1577934245,
                                    .valid_before = 1901577600,
                                    .critical = critical,
                                    .extensions = extensions};
}

static void must_be_shown(const char *shown, const char *const *lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strstr(shown, lines[i]) == NULL) {
            fail_msg("'%s' is not in: %s", lines[i], shown);
        }
    }
}

static void test_ssh_keygen_accepts_ours(void **state)
{
    static const char *const lines[] = {
        "user certificate\n",
        "Key ID: \"vault-alice\"\n",
        "Serial: 72623859790382856\n",
        "Valid: from 2020-01-02T03:04:05 to 2030-04-05T00:00:00\n",
        "Principals: \n                alice\n                bob\n",
        "force-command /bin/ls -l\n                source-address 10.0.0.0/8\n",
        "permit-X11-forwarding\n                permit-pty\n",
    };
    struct ssh_cert_fields f = fields();

    (void)state;
    for (int i = 0; i < TYPES * TYPES; i++) {
        AUTO(ssh_key_free) struct ssh_key *key = key_of_file((enum ssh_key_type)(i % TYPES));
        AUTO(ssh_cert_free) struct ssh_cert *c = NULL;
        AUTO(buf_deinit) struct buf blob;
        struct soft ca;
        char out[4096];

        buf_init(&blob, 0);
        soft_init(&ca, (enum ssh_key_type)(i / TYPES));
        assert_ok(write_cert(key, &f, &ca, &blob));
        assert_ok(ssh_cert_from_blob(buf_view(&blob), &c));
        assert_ok(ssh_cert_verify(c));
        assert_true(ssh_key_eq(ssh_cert_key(c), key));
        assert_true(ssh_key_eq(ssh_cert_ca(c), ca.key));
        assert_string_equal(ssh_cert_fields(c)->critical[0].name, "force-command");
        assert_string_equal(ssh_cert_fields(c)->critical[0].value, "/bin/ls -l");
        assert_string_equal(ssh_cert_fields(c)->extensions[1].value, "");
        AUTO(auto_free) char *line = ssh_cert_line(c, NULL);

        spit(in_folder("made-cert.pub"), line);
        assert_int_equal(RUN(out, "ssh-keygen", "-Lf", in_folder("made-cert.pub")), 0);
        must_be_shown(out, lines, ARRAY_LEN(lines));
        soft_deinit(&ca);
    }
}

static void test_a_host_forever_without_options(void **state)
{
    static const char *const lines[] = {"host certificate\n", "Key ID: \"\"\n", "Valid: forever\n",
                                        "Critical Options: (none)\n", "Extensions: (none)\n"};
    AUTO(ssh_key_free) struct ssh_key *key = key_of_file(SSH_KEY_P256);
    AUTO(ssh_cert_free) struct ssh_cert *c = NULL;
    AUTO(buf_deinit) struct buf blob;
    struct ssh_cert_fields f = {
        .kind = SSH_CERT_HOST, .principals = names, .valid_before = SSH_CERT_FOREVER};
    struct soft ca;
    char out[4096];

    (void)state;
    buf_init(&blob, 0);
    soft_init(&ca, SSH_KEY_ED25519);
    assert_ok(write_cert(key, &f, &ca, &blob));
    assert_ok(ssh_cert_from_blob(buf_view(&blob), &c));
    AUTO(auto_free) char *line = ssh_cert_line(c, "a comment");

    spit(in_folder("made-cert.pub"), line);
    assert_int_equal(RUN(out, "ssh-keygen", "-Lf", in_folder("made-cert.pub")), 0);
    must_be_shown(out, lines, ARRAY_LEN(lines));
    soft_deinit(&ca);
}

static struct soft an_ca;

static struct err *tbs_of(const struct ssh_cert_fields *f, const char *nonce, size_t max)
{
    AUTO(buf_deinit) struct buf out;

    buf_init(&out, max);
    return ssh_cert_put_tbs(&out, an_ca.key, f, an_ca.key, view_cstr(nonce));
}

static void test_what_it_refuses_to_write(void **state)
{
    static const char nonce[] = "0123456789abcdef";
    struct ssh_cert_option twice[] = {{"a", "1"}, {"b", ""}, {"a", "2"}, {NULL, NULL}};
    struct ssh_cert_option nameless[] = {{"", "1"}, {NULL, NULL}};
    struct ssh_cert_option many[SSH_CERT_OPTIONS_MAX + 2] = {{NULL, NULL}};
    char *crowd[SSH_CERT_PRINCIPALS_MAX + 2] = {NULL};
    char *nobody[] = {NULL};
    struct ssh_cert_fields f = fields();

    (void)state;
    soft_init(&an_ca, SSH_KEY_P256);
    assert_ok(tbs_of(&f, nonce, 0));
    assert_err(tbs_of(&f, "0123456789abcde", 0), ERR_BUG);
    assert_err(tbs_of(&f, nonce, 200), ERR_LIMIT);
    f.principals = nobody;
    assert_err(tbs_of(&f, nonce, 0), ERR_INPUT);
    f.principals = NULL;
    assert_err(tbs_of(&f, nonce, 0), ERR_INPUT);
    for (size_t i = 0; i <= SSH_CERT_PRINCIPALS_MAX; i++) {
        crowd[i] = "p";
    }
    f.principals = crowd;
    assert_err(tbs_of(&f, nonce, 0), ERR_LIMIT);
    f = fields();
    f.valid_before = f.valid_after;
    assert_err(tbs_of(&f, nonce, 0), ERR_INPUT);
    f = fields();
    f.kind = (enum ssh_cert_kind)0;
    assert_err(tbs_of(&f, nonce, 0), ERR_INPUT);
    f = fields();
    f.critical = twice;
    assert_err_says(tbs_of(&f, nonce, 0), ERR_INPUT, "'a' is twice");
    f.critical = nameless;
    assert_err(tbs_of(&f, nonce, 0), ERR_INPUT);
    f = fields();
    for (size_t i = 0; i <= SSH_CERT_OPTIONS_MAX; i++) {
        many[i].name = "x";
    }
    f.extensions = many;
    assert_err(tbs_of(&f, nonce, 0), ERR_LIMIT);
    soft_deinit(&an_ca);
}

static void test_finish_keeps_the_limit(void **state)
{
    AUTO(buf_deinit) struct buf tbs;

    (void)state;
    buf_init(&tbs, 0);
    memset(buf_reserve(&tbs, SSH_BLOB_MAX_BYTES - 5), 0, SSH_BLOB_MAX_BYTES - 5);
    assert_ok(ssh_cert_finish(&tbs, view_cstr("s")));
    buf_clear(&tbs);
    memset(buf_reserve(&tbs, SSH_BLOB_MAX_BYTES - 5), 0, SSH_BLOB_MAX_BYTES - 5);
    assert_err(ssh_cert_finish(&tbs, view_cstr("si")), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssh_keygen_accepts_ours),
        cmocka_unit_test(test_a_host_forever_without_options),
        cmocka_unit_test(test_what_it_refuses_to_write),
        cmocka_unit_test(test_finish_keeps_the_limit),
    };

    return cmocka_run_group_tests(tests, make_keys, remove_folder);
}
