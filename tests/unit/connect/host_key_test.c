/*
 * Whom we believe: each way in which a host can be known, and each way in which a certificate can
 * fail to speak for it. Keys and certificates are made here, so every field can be wrong alone.
 */
#include "connect/host_key.h"
#include "ssh/issue.h"

static struct soft host, other, ca, other_ca;
static const struct wall now = {1000};

static int make_soft_keys(void **state)
{
    (void)state;
    soft_init(&host, SSH_KEY_ED25519);
    soft_init(&other, SSH_KEY_P256);
    soft_init(&ca, SSH_KEY_P384);
    soft_init(&other_ca, SSH_KEY_ED25519);
    return 0;
}

static int free_soft_keys(void **state)
{
    (void)state;
    soft_deinit(&host);
    soft_deinit(&other);
    soft_deinit(&ca);
    soft_deinit(&other_ca);
    return 0;
}

/* A known_hosts of "names key" lines for web, port 2222. */
struct line {
    const char *names;
    const struct soft *key;
};

static struct connect_known *know(const struct line *lines, size_t count)
{
    struct connect_known *k = NULL;
    struct buf text;

    buf_init(&text, 0);
    for (size_t i = 0; i < count; i++) {
        AUTO(auto_free) char *key = ssh_key_line(lines[i].key->key, NULL);
        AUTO(auto_free) char *line = text_fmt("%s %s\n", lines[i].names, key);
        buf_put(&text, line, strlen(line));
    }
    assert_ok(connect_known_new("web.example", 2222, &k));
    assert_ok(connect_known_scan(k, "FILE", buf_view(&text)));
    buf_deinit(&text);
    return k;
}

#define KNOW(...)                                                                                  \
    know((const struct line[]){__VA_ARGS__},                                                       \
         sizeof((const struct line[]){__VA_ARGS__}) / sizeof(struct line))

static const struct ssh_cert_fields *good_fields(struct ssh_cert_fields *f)
{
    static char elsewhere[] = "elsewhere", pattern[] = "*.example", key_id[] = "the web";
    static char *principals[] = {elsewhere, pattern, NULL};

    *f = (struct ssh_cert_fields){
        .serial = 7,
        .kind = SSH_CERT_HOST,
        .key_id = key_id,
        .principals = principals,
        .valid_after = 900,
        .valid_before = 1100,
    };
    return f;
}

static void add_cert(struct connect_certs *certs, const struct soft *key, const struct soft *signer,
                     const struct ssh_cert_fields *f)
{
    struct buf blob;

    buf_init(&blob, 0);
    assert_ok(write_cert(key->key, f, signer, &blob));
    assert_ok(ssh_cert_from_blob(buf_view(&blob), &certs->list[certs->count]));
    certs->count++;
    buf_deinit(&blob);
}

static void decides(struct connect_known *known, const struct connect_certs *certs,
                    enum err_code code, const char *words)
{
    static const struct connect_certs none = {0};
    AUTO(connect_known_free) struct connect_known *k = known;
    AUTO(auto_free) char *text = NULL;
    AUTO(err_free) struct err *e =
        connect_host_key_decide(k, certs ? certs : &none, host.key, now, &text);

    if ((int)code == 0) {
        if (e || !strstr(text, words)) {
            fail_msg("%s%s, wanted %s", e ? err_text(e) : "", text ? text : "", words);
        }
        return;
    }
    assert_null(text);
    if (!e || err_code(e) != code || !strstr(err_text(e), words)) {
        fail_msg("%s, wanted %s", e ? err_text(e) : "accepted", words);
    }
}

static void plain_keys(void **state)
{
    char print[SSH_FINGERPRINT_BYTES];

    (void)state;
    decides(KNOW({"[web.example]:2222", &other}, {"[web.example]:2222", &host}), NULL, 0, "FILE:2");
    decides(KNOW({"web.example", &host}), NULL, 0, "whatever the port");
    decides(KNOW({"[web.example]:2222", &other}), NULL, ERR_DENIED, "FILE:1 has p256");
    decides(KNOW({"[web.example]:2222", &other}), NULL, ERR_DENIED,
            ssh_key_fingerprint(host.key, print));
    decides(KNOW({"[web.example]:2222", &other}), NULL, ERR_DENIED,
            ssh_key_fingerprint(other.key, print));
    decides(KNOW({"[web.example]:2222", &other}, {"[web.example]:2222", &other_ca}), NULL,
            ERR_DENIED, "FILE:2 has ed25519");
    decides(KNOW({"elsewhere", &host}), NULL, ERR_NOT_FOUND,
            "known_hosts: [web.example]:2222 ssh-ed");
    decides(KNOW({"web.example", &other}), NULL, ERR_NOT_FOUND, "is not known");
}

static void revoked_keys(void **state)
{
    (void)state;
    decides(KNOW({"web.example", &host}, {"@revoked *", &host}), NULL, ERR_DENIED, "FILE:2");
    decides(KNOW({"@revoked web.example", &host}, {"[web.example]:2222", &host}), NULL, ERR_DENIED,
            "FILE:1");
    decides(KNOW({"@revoked *", &other}, {"web.example", &host}), NULL, 0, "FILE:2");
}

/* The one certificate of @f, signed by @signer for the host, decides. */
static void cert_decides(struct connect_known *k, const struct ssh_cert_fields *f,
                         const struct soft *signer, enum err_code code, const char *words)
{
    struct connect_certs certs = {0};

    add_cert(&certs, &host, signer, f);
    decides(k, &certs, code, words);
    connect_certs_deinit(&certs);
}

static void certificates(void **state)
{
    struct ssh_cert_fields f;
    char *wrong[] = {(char[]){"*.examples"}, NULL};
    char *exact[] = {(char[]){"web.example"}, NULL}, *negated[] = {(char[]){"!web.example"}, NULL};
    struct ssh_cert_option critical[] = {{(char[]){"x"}, (char[]){""}}, {NULL, NULL}};

    (void)state;
#define KNOWN_CA KNOW({"@cert-authority *.example", &ca})
    cert_decides(KNOWN_CA, good_fields(&f), &ca, 0,
                 "@cert-authority in FILE:1 by certificate \"the");
    f.principals = exact;
    cert_decides(KNOWN_CA, &f, &ca, 0, "serial 7");
    f.principals = wrong;
    cert_decides(KNOWN_CA, &f, &ca, ERR_CERT, "it is for (*.examples), not for web.example");
    f.principals = negated;
    cert_decides(KNOWN_CA, &f, &ca, ERR_CERT, "it is for");
    good_fields(&f);
    f.kind = SSH_CERT_USER;
    cert_decides(KNOWN_CA, &f, &ca, ERR_CERT, "no host certificate");
    good_fields(&f);
    f.valid_before = 1000;
    cert_decides(KNOWN_CA, &f, &ca, ERR_CERT, "expired at 1970-01-01T00:16:40Z");
    good_fields(&f);
    f.valid_after = 1001;
    cert_decides(KNOWN_CA, &f, &ca, ERR_CERT, "valid only from 1970-01-01T00:16:41Z");
    good_fields(&f);
    f.critical = critical;
    cert_decides(KNOWN_CA, &f, &ca, ERR_CERT, "critical option");
    good_fields(&f);
    cert_decides(KNOWN_CA, &f, &other_ca, ERR_CERT, "its CA is ed25519");
    cert_decides(KNOW({"@cert-authority *", &ca}, {"@revoked *", &ca}), &f, &ca, ERR_DENIED,
                 "its CA p384");
    cert_decides(KNOW({"@cert-authority *", &ca}, {"@revoked *", &host}), &f, &ca, ERR_DENIED,
                 "@revoked in FILE:2");
    cert_decides(KNOW({"@cert-authority *.org", &ca}), &f, &ca, ERR_NOT_FOUND, "is not known");
    cert_decides(KNOW({"@cert-authority *", &ca}, {"[web.example]:2222", &other}), &f, &ca,
                 ERR_DENIED, "host key changed");
}

/* A certificate that is good, but for a key that the host did not prove to hold. */
static void certificate_of_another_key(void **state)
{
    struct ssh_cert_fields f;
    struct connect_certs certs = {0};
    char print[SSH_FINGERPRINT_BYTES];

    (void)state;
    add_cert(&certs, &other, &ca, good_fields(&f));
    decides(KNOWN_CA, &certs, ERR_CERT, ssh_key_fingerprint(other.key, print));
    decides(KNOWN_CA, &certs, ERR_CERT, "but it proved to hold");
    add_cert(&certs, &host, &ca, &f);
    decides(KNOWN_CA, &certs, 0, "ed25519");
    connect_certs_deinit(&certs);
}

/* Every flipped bit of a certificate takes its word away. */
static void check_flipped(struct view blob, void *arg)
{
    struct connect_certs certs = {0};
    const struct connect_known_entry *entry = NULL;
    AUTO(err_free) struct err *e = ssh_cert_from_blob(blob, &certs.list[0]);

    if (!e) {
        certs.count = 1;
        e = connect_host_key_cert_ok(arg, certs.list[0], now, &entry);
    }
    assert_non_null(e);
    connect_certs_deinit(&certs);
}

static void flipped_certificate(void **state)
{
    struct ssh_cert_fields f;
    struct connect_certs certs = {0};
    AUTO(connect_known_free) struct connect_known *k = KNOW({"@cert-authority *", &other_ca});
    const struct connect_known_entry *entry = NULL;

    (void)state;
    add_cert(&certs, &host, &other_ca, good_fields(&f));
    assert_ok(connect_host_key_cert_ok(k, certs.list[0], now, &entry));
    assert_int_equal(entry->line, 1);
    each_flip(ssh_cert_blob(certs.list[0]), check_flipped, k);
    each_truncation(ssh_cert_blob(certs.list[0]), check_flipped, k);
    connect_certs_deinit(&certs);
}

static void no_certificate(void **state)
{
    struct connect_certs certs = {0};

    (void)state;
    decides(KNOWN_CA, NULL, ERR_CERT, "shows no host certificate");
    assert_ok(connect_certs_read(&certs, view_cstr("# web:2222 SSH-2.0-X\nweb: no\x1bkey\n")));
    decides(KNOWN_CA, &certs, ERR_CERT, "no host certificate: web: no\\x1bkey");
    connect_certs_deinit(&certs);
}

static void output_of_keyscan(void **state)
{
    struct ssh_cert_fields f;
    struct connect_certs made = {0}, read = {0};

    (void)state;
    add_cert(&made, &host, &ca, good_fields(&f));
    AUTO(auto_free) char *line = ssh_cert_line(made.list[0], NULL);
    AUTO(auto_free) char *key = ssh_key_line(host.key, NULL);
    AUTO(auto_free) char *text =
        text_fmt("# web:2222 SSH-2.0-X\r\n%s\n[web]:2222 %s\n@cert-authority web %s\n"
                 "web %s\nssh-ed25519-cert-v01@openssh.com AAAA\n%s\n%s\n%s\n%s\n%s\n%s\n",
                 line, line, line, key, line, line, line, line, line, line);
    assert_ok(connect_certs_read(&read, view_cstr(text)));
    assert_int_equal(read.count, CONNECT_CERTS_MAX);
    assert_non_null(strstr(read.remark, "web ssh-ed25519"));
    decides(KNOWN_CA, &read, 0, "serial 7");
    connect_certs_deinit(&read);
    connect_certs_deinit(&made);
}

static void which_keys_to_ask_for(void **state)
{
    struct ssh_cert_fields f;
    struct connect_certs certs = {0};
    AUTO(connect_known_free) struct connect_known *plain = KNOW({"web.example", &other});
    AUTO(connect_known_free) struct connect_known *by_ca = KNOWN_CA;
    AUTO(connect_known_free) struct connect_known *both =
        KNOW({"@cert-authority *", &ca}, {"[web.example]:2222", &other});
    AUTO(connect_known_free) struct connect_known *by_name =
        KNOW({"@cert-authority *", &ca}, {"web.example", &other});

    (void)state;
    assert_false(connect_host_key_needs_cert(plain));
    assert_true(connect_host_key_needs_cert(by_ca));
    assert_false(connect_host_key_needs_cert(both));
    assert_true(connect_host_key_needs_cert(by_name));

    AUTO(auto_free) char *known = connect_host_key_prefer(plain, &certs, now);
    assert_string_equal(known, "ecdsa-sha2-nistp256,ssh-ed25519,ecdsa-sha2-nistp384,"
                               "ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256");
    AUTO(auto_free) char *unknown = connect_host_key_prefer(by_ca, &certs, now);
    assert_non_null(strstr(unknown, "ssh-ed25519,ecdsa-sha2-nistp256,"));

    good_fields(&f);
    add_cert(&certs, &other, &ca, &f);
    f.valid_before = 950;
    add_cert(&certs, &host, &ca, &f); /* expired: no reason to ask for its key */
    AUTO(auto_free) char *certified = connect_host_key_prefer(by_ca, &certs, now);
    assert_string_equal(certified, known);
    connect_certs_deinit(&certs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_keys),          cmocka_unit_test(revoked_keys),
        cmocka_unit_test(certificates),        cmocka_unit_test(certificate_of_another_key),
        cmocka_unit_test(flipped_certificate), cmocka_unit_test(no_certificate),
        cmocka_unit_test(output_of_keyscan),   cmocka_unit_test(which_keys_to_ask_for),
    };

    return cmocka_run_group_tests(tests, make_soft_keys, free_soft_keys);
}
