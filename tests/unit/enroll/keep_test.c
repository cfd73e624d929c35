/*
 * Login certificates that are kept: renewed at two thirds and not before, tried again ever more rarely,
 * never with a PIN, and what nothing renews is said.
 */
#include "identity/fake_io.h"

#include "enroll/world.h"

static struct enroll_keep *keep;
static char *cert_pem;
static unsigned changes;
static char said[512];
static struct wall vault_ok; /* when it answered last */

size_t vault_count(const struct vault *v)
{
    (void)v;
    return 1;
}

void vault_status(const struct vault *v, size_t i, struct vault_status *ret)
{
    (void)v;
    (void)i;
    *ret = (struct vault_status){.name = server.name,
                                 .state = vault_ok.s > 0 ? VAULT_OK : VAULT_FAILING,
                                 .last_ok = vault_ok};
}

static void on_changed(void *arg)
{
    (void)arg;
    changes++;
}

static void say(void *arg, const char *text)
{
    (void)arg;
    snprintf(said, sizeof said, "%s", text);
}

static const char *warning(void)
{
    said[0] = '\0';
    enroll_keep_warnings(keep, say, NULL);
    return said;
}

/* A certificate of an hour and a half minute, as a PKI engine backdates it. */
static int begin(void **state)
{
    const struct enroll_keep_conf conf = {.on_changed = on_changed};
    int64_t now;

    (void)state;
    fake_clock_start();
    now = wall_now().s;
    buf_init(&w.message, 0);
    buf_init(&w.stored, 0);
    w.key.keys = keys_new(SSH_KEY_P256, 0);
    w.ca = keys_new(SSH_KEY_P256, 0);
    w.root = ca_new("root", w.ca.pkey);
    w.root_pem = pem_of(w.root);
    X509 *cert = bake(&(struct recipe){.common_name = "web",
                                       .alt = "DNS:web.example",
                                       .from = now - 30,
                                       .to = now + HOUR,
                                       .version = X509_VERSION_3,
                                       .issuer = w.root,
                                       .key = w.key.keys.pkey,
                                       .signer = w.ca.pkey});

    cert_pem = pem_of(cert);
    X509_free(cert);
    server.client_cert_pem = cert_pem;
    server.pki_mount = "pki";
    server.pki_role = "agent";
    w.has_key = true;
    w.locked = false;
    vault_ok = (struct wall){0};
    w.ops = changes = 0;
    w.op = NONE;
    assert_ok(enroll_keep_new(&conf, &keep));
    return 0;
}

static int end(void **state)
{
    (void)state;
    enroll_keep_free(&keep);
    if (w.op == SETTLED) { /* which cannot be called off: it comes to nobody */
        answer_settled();
    }
    assert_int_equal(w.key.refs, 0);
    buf_deinit(&w.message);
    buf_deinit(&w.stored);
    keys_free(&w.key.keys);
    keys_free(&w.ca);
    X509_free(w.root);
    free(w.root_pem);
    free(cert_pem);
    return 0;
}

static void test_not_before_two_thirds(void **state)
{
    (void)state;
    fake_pass((HOUR + 30) * 1000LL / 3 * 2 - 31 * 1000);
    assert_int_equal(w.ops, 0);
    fake_pass(1000);
    assert_int_equal(w.op, SETTLED);
    fake_pass(HOUR * 1000); /* one at a time, however long it takes */
    assert_int_equal(w.ops, 1);
}

static void test_it_fails_ever_more_rarely(void **state)
{
    unsigned tries = 0;

    (void)state;
    fake_pass((HOUR + 30) * 1000LL / 3 * 2);
    w.locked = true; /* no PIN is tried */
    for (int64_t s = 0; s < 24 * HOUR; s += 30) {
        if (w.op != NONE) {
            assert_int_equal(w.op, SETTLED);
            answer_settled();
            tries++;
        }
        fake_pass(30 * 1000);
    }
    assert_in_range(tries, 24, 40);
    assert_non_null(strstr(warning(), "ended at"));
    assert_int_equal(changes, 0);
}

/* A token that is unlocked, and a server that answers again, are not waited for by the clock. */
static void test_what_was_away_is_back(void **state)
{
    (void)state;
    fake_pass((HOUR + 30) * 1000LL / 3 * 2);
    w.locked = true;
    answer_settled();
    enroll_keep_wake(keep);
    fake_pass(0);
    assert_int_equal(w.op, NONE); /* it still is */
    w.locked = false;
    enroll_keep_wake(keep);
    fake_pass(0);
    assert_int_equal(w.op, SETTLED);
    answer_settled();
    assert_int_equal(w.op, CERTS);
    w.op = NONE;
    w.on_certs(w.arg, err_new(ERR_GONE, "no answer"), NULL, 0);
    unsigned ops = w.ops;

    vault_ok = wall_now();
    enroll_keep_wake(keep);
    fake_pass(0);
    assert_int_equal(w.ops, ops); /* it answered before that */
    fake_pass(20 * 1000);
    vault_ok = wall_now();
    enroll_keep_wake(keep);
    fake_pass(0);
    assert_int_equal(w.ops, ops + 1);
}

static void test_what_is_said(void **state)
{
    (void)state;
    fake_pass(0);
    assert_string_equal(warning(), "");
    fake_pass((HOUR + 30) * 1000LL / 3 * 2);
    w.locked = true;
    answer_settled();
    assert_non_null(strstr(warning(), "is not renewed: "));
    assert_non_null(strstr(warning(), "is locked"));
    server.pki_role = NULL;
    enroll_keep_free(&keep);
    assert_ok(enroll_keep_new(&(struct enroll_keep_conf){0}, &keep));
    fake_pass(0);
    assert_non_null(strstr(warning(), "nothing renews it"));
    fake_pass(HOUR * 1000);
    assert_non_null(strstr(warning(), "`holdfast enroll web` gets another"));
    assert_int_equal(w.op, NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_not_before_two_thirds, begin, end),
        cmocka_unit_test_setup_teardown(test_it_fails_ever_more_rarely, begin, end),
        cmocka_unit_test_setup_teardown(test_what_was_away_is_back, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_said, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
