/*
 * What may replace a working certificate: for each demand, the last value that holds and the first
 * that does not, and a message with both sides.
 */
#include "ssh/issue.h"

enum { NOW = 1700000000 };

static struct soft ca, other;

static int set_up(void **state)
{
    (void)state;
    soft_init(&ca, SSH_KEY_ED25519);
    soft_init(&other, SSH_KEY_P256);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    soft_deinit(&ca);
    soft_deinit(&other);
    return 0;
}

static char *both[] = {"alice", "bob", NULL};
static struct ssh_cert_option forced[] = {
    {"force-command", "/bin/ls"}, {"verify-required", ""}, {NULL, NULL}};
static struct ssh_cert_option rights[] = {{"permit-pty", ""}, {"permit-user-rc", ""}, {NULL, NULL}};
static struct ssh_cert_option nothing[] = {{NULL, NULL}};

static struct ssh_cert_fields fields(void)
{
    return (struct ssh_cert_fields){.serial = 99,
                                    .kind = SSH_CERT_USER,
                                    .key_id = "the id",
                                    .principals = both,
                                    .valid_after = NOW,
                                    .valid_before = NOW + 3600,
                                    .critical = forced,
                                    .extensions = rights};
}

static struct ssh_cert_wanted wanted(void)
{
    return (struct ssh_cert_wanted){.key = other.key,
                                    .kind = SSH_CERT_USER,
                                    .principals = both,
                                    .ca = ca.key,
                                    .critical = forced,
                                    .extensions = rights,
                                    .max_future_s = 30,
                                    .min_left_s = 60,
                                    .max_ttl_s = 3600};
}

static struct err *prove(const struct ssh_cert_fields *f, const struct ssh_cert_wanted *w)
{
    AUTO(buf_deinit) struct buf blob;
    AUTO(ssh_cert_free) struct ssh_cert *c = NULL;

    buf_init(&blob, 0);
    assert_ok(write_cert(other.key, f, &ca, &blob));
    assert_ok(ssh_cert_from_blob(buf_view(&blob), &c));
    return ssh_cert_prove(c, w, (struct wall){NOW});
}

#define assert_refused(f, w, ...)                                                                  \
    do {                                                                                           \
        static const char *const says[] = {__VA_ARGS__};                                           \
        AUTO(err_free) struct err *e_ = prove(f, w);                                               \
        assert_true(err_is(e_, ERR_CERT));                                                         \
        for (size_t i_ = 0; i_ < ARRAY_LEN(says); i_++) {                                          \
            if (strstr(err_text(e_), says[i_]) == NULL) {                                          \
                fail_msg("'%s' is not in: %s", says[i_], err_text(e_));                            \
            }                                                                                      \
        }                                                                                          \
        assert_non_null(strstr(err_text(e_), "certificate 99 'the id'"));                          \
    } while (0)

static void test_good(void **state)
{
    struct ssh_cert_fields f = fields();
    struct ssh_cert_wanted w = wanted();

    (void)state;
    assert_ok(prove(&f, &w));
    w.ca = NULL;
    w.extensions = NULL;
    w.max_ttl_s = 0;
    f.valid_before = SSH_CERT_FOREVER;
    f.valid_after = 0;
    assert_ok(prove(&f, &w));
    f.critical = NULL;
    f.extensions = NULL;
    w.critical = NULL;
    assert_ok(prove(&f, &w));
}

static void test_kind(void **state)
{
    struct ssh_cert_fields f = fields();
    struct ssh_cert_wanted w = wanted();

    (void)state;
    w.kind = SSH_CERT_HOST;
    assert_refused(&f, &w, "is a user certificate", "host certificate was asked for");
    w.kind = SSH_CERT_USER;
    f.kind = SSH_CERT_HOST;
    assert_refused(&f, &w, "is a host certificate", "user certificate was asked for");
}

static void assert_names_both(const struct ssh_cert_wanted *w, const struct ssh_key *is,
                              const struct ssh_key *asked)
{
    struct ssh_cert_fields f = fields();
    AUTO(err_free) struct err *e = prove(&f, w);
    char fp[SSH_FINGERPRINT_BYTES];

    assert_true(err_is(e, ERR_CERT));
    assert_non_null(strstr(err_text(e), ssh_key_fingerprint(is, fp)));
    assert_non_null(strstr(err_text(e), ssh_key_fingerprint(asked, fp)));
}

static void test_keys(void **state)
{
    struct ssh_cert_wanted w = wanted();

    (void)state;
    w.key = ca.key;
    assert_names_both(&w, other.key, ca.key);
    w = wanted();
    w.ca = other.key;
    assert_names_both(&w, ca.key, other.key);
}

static void test_principals(void **state)
{
    char *turned[] = {"bob", "alice", NULL}, *twice[] = {"bob", "alice", "bob", NULL};
    char *fewer[] = {"alice", NULL}, *more[] = {"alice", "bob", "root", NULL};
    char *none[] = {NULL};
    struct ssh_cert_fields f = fields();
    struct ssh_cert_wanted w = wanted();

    (void)state;
    w.principals = turned;
    assert_ok(prove(&f, &w));
    w.principals = twice;
    assert_ok(prove(&f, &w));
    w.principals = fewer;
    assert_refused(&f, &w, "'alice,bob'", "'alice' were asked for");
    w.principals = more;
    assert_refused(&f, &w, "'alice,bob'", "'alice,bob,root'");
    w.principals = none;
    assert_refused(&f, &w, "'alice,bob'", "''");
    w.principals = NULL;
    assert_refused(&f, &w, "'alice,bob'", "''");
}

static void test_no_principals_at_all(void **state)
{
    struct ssh_cert_wanted w = wanted();
    AUTO(ssh_cert_free) struct ssh_cert *c = ISSUE(SSH_KEY_P256, "p256", "-I", "i");
    AUTO(ssh_key_free) struct ssh_key *key = key_of_file(SSH_KEY_P256);
    char *none[] = {NULL};

    (void)state;
    w.key = w.ca = key;
    w.principals = none;
    w.extensions = NULL;
    w.max_ttl_s = 0;
    assert_err_says(ssh_cert_prove(c, &w, (struct wall){NOW}), ERR_CERT, "principals");
}

static void test_window(void **state)
{
    struct ssh_cert_fields f = fields();
    struct ssh_cert_wanted w = wanted();

    (void)state;
    f.valid_after = NOW + 30;
    assert_ok(prove(&f, &w));
    f.valid_after = NOW + 31;
    assert_refused(&f, &w, "from 2023-11-14T22:13:51Z", "no later than 2023-11-14T22:13:50Z");
    f = fields();
    f.valid_before = NOW + 60;
    assert_ok(prove(&f, &w));
    f.valid_before = NOW + 59;
    f.valid_after = 0;
    assert_refused(&f, &w, "until 2023-11-14T22:14:19Z", "at least until 2023-11-14T22:14:20Z");
    f = fields();
    f.valid_before = NOW + 3660;
    assert_ok(prove(&f, &w));
    f.valid_before = NOW + 3661;
    assert_refused(&f, &w, "until 2023-11-14T23:14:21Z", "at most until 2023-11-14T23:13:20Z");
    f.valid_before = SSH_CERT_FOREVER;
    assert_refused(&f, &w, "until forever", "at most until 2023-11-14T23:13:20Z");
}

static void test_window_at_the_ends_of_time(void **state)
{
    struct ssh_cert_fields f = fields();
    struct ssh_cert_wanted w = wanted();

    (void)state;
    w.max_ttl_s = INT64_MAX;
    w.max_future_s = INT64_MAX;
    assert_ok(prove(&f, &w));
    w.min_left_s = INT64_MAX;
    assert_refused(&f, &w, "at least until");
    w.min_left_s = INT64_MIN;
    assert_ok(prove(&f, &w));
    w.max_future_s = INT64_MIN;
    assert_refused(&f, &w, "no later than 1970-01-01T00:00:00Z");
}

static void test_window_that_is_empty(void **state)
{
    AUTO(buf_deinit) struct buf blob;
    AUTO(ssh_cert_free) struct ssh_cert *c = NULL;
    struct ssh_cert_fields f = fields();
    struct ssh_cert_wanted w = wanted();
    uint8_t after[8], *at;

    /* our writer makes none, so the field is changed afterwards; the window is looked at first */
    (void)state;
    buf_init(&blob, 0);
    assert_ok(write_cert(other.key, &f, &ca, &blob));
    for (int i = 0; i < 8; i++) {
        after[i] = (uint8_t)(f.valid_after >> (56 - 8 * i));
    }
    at = memmem(blob.data, blob.len, after, 8);
    memcpy(at, at + 8, 8);
    assert_ok(ssh_cert_from_blob(buf_view(&blob), &c));
    w.max_future_s = 7200;
    assert_err_says(ssh_cert_prove(c, &w, (struct wall){NOW}), ERR_CERT, "never valid");
}

static void test_critical_options(void **state)
{
    struct ssh_cert_option other_value[] = {
        {"force-command", "/bin/sh"}, {"verify-required", NULL}, {NULL, NULL}};
    struct ssh_cert_fields f = fields();
    struct ssh_cert_wanted w = wanted();

    (void)state;
    w.critical = other_value;
    assert_refused(&f, &w, "force-command", "'/bin/ls'", "'/bin/sh' was asked for");
    other_value[0].value = "/bin/ls";
    assert_ok(prove(&f, &w));
    w.critical = forced + 1;
    assert_refused(&f, &w, "critical option 'force-command'", "'verify-required'");
    w.critical = nothing;
    assert_refused(&f, &w, "critical option 'force-command'", "asked for were ''");
    w.critical = NULL;
    assert_ok(prove(&f, &w));
    f.critical = NULL;
    assert_ok(prove(&f, &w));
    w.critical = forced;
    assert_refused(&f, &w, "force-command is missing", "'/bin/ls' was asked for");
}

static void test_extensions(void **state)
{
    struct ssh_cert_fields f = fields();
    struct ssh_cert_wanted w = wanted();

    (void)state;
    w.extensions = rights + 1;
    assert_refused(&f, &w, "extension 'permit-pty'", "'permit-user-rc'");
    w.extensions = nothing;
    assert_refused(&f, &w, "extension 'permit-pty'", "''");
    w.extensions = NULL;
    assert_ok(prove(&f, &w));
}

static void test_signature(void **state)
{
    AUTO(buf_deinit) struct buf blob;
    AUTO(ssh_cert_free) struct ssh_cert *c = NULL;
    struct ssh_cert_fields f = fields();
    struct ssh_cert_wanted w = wanted();

    (void)state;
    buf_init(&blob, 0);
    assert_ok(write_cert(other.key, &f, &ca, &blob));
    blob.data[blob.len - 1] ^= 1;
    assert_ok(ssh_cert_from_blob(buf_view(&blob), &c));
    assert_err_says(ssh_cert_prove(c, &w, (struct wall){NOW}), ERR_CERT, "signature of CA SHA256:");
}

static int both_set_up(void **state)
{
    return set_up(state) == 0 ? make_keys(state) : -1;
}

static int both_tear_down(void **state)
{
    tear_down(state);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_kind),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_principals),
        cmocka_unit_test(test_no_principals_at_all),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_window_at_the_ends_of_time),
        cmocka_unit_test(test_window_that_is_empty),
        cmocka_unit_test(test_critical_options),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_signature),
    };

    return cmocka_run_group_tests(tests, both_set_up, both_tear_down);
}
