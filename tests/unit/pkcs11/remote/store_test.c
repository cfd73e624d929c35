/*
 * Storing certificates through the real holdfast-token: what others then see, what a token says that
 * is read-only or full, and a helper that dies in the middle.
 */
#include "fixture.h"
#include "pkcs11/x509_make.h"

/* What remote_certs() says, as far as it matters here. */
static struct {
    unsigned n;
    struct err *e;
    size_t certs, of_old, of_new;
    struct buf old, new; /* of the key */
    char label[16];
} seen;

static void on_certs(void *arg, struct err *e, const struct remote_cert *certs, size_t n)
{
    (void)arg;
    seen.n++;
    seen.e = e;
    seen.certs = n;
    seen.of_old = 0;
    seen.of_new = 0;
    for (size_t i = 0; i < n; i++) {
        seen.of_old += view_eq(certs[i].der, buf_view(&seen.old));
        seen.of_new += view_eq(certs[i].der, buf_view(&seen.new));
        snprintf(seen.label, sizeof seen.label, "%s", certs[i].label);
    }
}

static bool is_seen(struct fixture *f)
{
    (void)f;
    return seen.n > 0;
}

/* The token has so many of the old and of the new one, and none besides. */
static void has(struct fixture *f, size_t old, size_t new)
{
    seen.n = 0;
    remote_certs(f->r, 0, on_certs, NULL);
    run_until(f, is_seen);
    no_error(seen.e);
    assert_int_equal(seen.of_old, old);
    assert_int_equal(seen.of_new, new);
    assert_int_equal(seen.certs, old + new);
}

static struct err *store(struct fixture *f, const struct buf *der)
{
    forget_outcome();
    remote_cert_store(f->r, remote_key_at(f->r, 0), buf_view(der), on_done, &last);
    run_outcome(f);
    return last.e;
}

static int start_with_key(void **state)
{
    if (set_up(state) != 0) {
        return -1;
    }
    struct fixture *f = *state;

    use_shim(f);
    start(f);
    generate(f, SSH_KEY_P256, 0, "login");
    x509_make(remote_key_public(last.key), 1, &seen.old);
    x509_make(remote_key_public(last.key), 2, &seen.new);
    forget_outcome();
    return 0;
}

static int stop_with_key(void **state)
{
    forget_outcome();
    buf_deinit(&seen.old);
    buf_deinit(&seen.new);
    return tear_down(state);
}

static void test_replaces(void **state)
{
    struct fixture *f = *state;
    unsigned changes = f->changes;

    has(f, 0, 0);
    no_error(store(f, &seen.old));
    has(f, 1, 0);
    assert_string_equal(seen.label, "login");
    no_error(store(f, &seen.new));
    has(f, 0, 1);
    assert_true(f->changes > changes);
    start_again(f);
    has(f, 0, 1);
    assert_true(remote_key_usable(remote_key_at(f->r, 0)));
}

static void test_refusals(void **state)
{
    static const struct {
        const char *plan;
        enum err_code code;
        const char *text;
    } cases[] = {
        {"C_CreateObject:*:CKR_TOKEN_WRITE_PROTECTED", ERR_DENIED,
         "certificates of token a: store a certificate on token 'alpha': the token is read-only"},
        {"C_CreateObject:*:CKR_DEVICE_MEMORY", ERR_LIMIT, "the token is full"},
        {"C_DestroyObject:*:CKR_ACTION_PROHIBITED", ERR_EXISTS, "an older one stays"},
    };
    struct fixture *f = *state;

    no_error(store(f, &seen.old));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        write_file(f->control, cases[i].plan);
        assert_true(err_is(store(f, &seen.new), cases[i].code));
        assert_non_null(strstr(err_text(last.e), cases[i].text));
        write_file(f->control, "");
        has(f, 1, cases[i].code == ERR_EXISTS);
    }
    no_error(store(f, &seen.new));
    has(f, 0, 1);
}

/* Vendor code crashes: before it wrote, after it wrote, while it removes. The next call cleans up. */
static void test_helper_dies(void **state)
{
    static const struct {
        const char *plan;
        size_t new;
    } cases[] = {
        {"C_CreateObject:1:crash", 0},
        {"C_FindObjectsInit:2:crash", 1},
        {"C_DestroyObject:1:crash", 1},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        no_error(store(f, &seen.old));
        write_file(f->control, cases[i].plan);
        assert_true(err_is(store(f, &seen.new), ERR_GONE));
        write_file(f->control, "");
        settle(f);
        has(f, 1, cases[i].new);
        no_error(store(f, &seen.new));
        has(f, 0, 1);
    }
}

static void test_bad_input(void **state)
{
    static uint8_t large[TOKEN_CERT_MAX_BYTES + 1];
    struct fixture *f = *state;
    struct buf none = {0};
    struct buf too_large = {.data = large, .len = sizeof large};
    AUTO(buf_deinit) struct buf others = {0};

    generate(f, SSH_KEY_P256, 0, "other");
    x509_make(remote_key_public(last.key), 1, &others);
    forget_outcome();
    assert_true(err_is(store(f, &none), ERR_LIMIT));
    assert_true(err_is(store(f, &too_large), ERR_LIMIT));
    too_large.len = 10;
    assert_true(err_is(store(f, &too_large), ERR_INPUT));
    assert_true(err_is(store(f, &others), ERR_INPUT));
    assert_non_null(strstr(err_text(last.e), "for another key"));
    has(f, 0, 0);
}

/* A key that is not there, a token that is locked, and an end while somebody waits. */
static void test_not_there(void **state)
{
    struct fixture *f = *state;
    struct remote_key *k = remote_key_ref(remote_key_at(f->r, 0));

    forget_outcome();
    remote_delete(f->r, k, on_done, &last);
    run_outcome(f);
    no_error(last.e);
    forget_outcome();
    remote_cert_store(f->r, k, buf_view(&seen.new), on_done, &last);
    assert_int_equal(last.n, 1);
    assert_true(err_is(last.e, ERR_NOT_FOUND));
    remote_key_unref(&k);
    generate(f, SSH_KEY_P256, 0, "second");
    forget_outcome();
    f->tokens[0].pins_n = 0;
    start_again(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    assert_int_equal(remote_keys(f->r), 1); /* as it was when last open */
    assert_true(err_is(store(f, &seen.new), ERR_PIN));
}

static void test_end(void **state)
{
    struct fixture *f = *state;

    forget_outcome();
    remote_cert_store(f->r, remote_key_at(f->r, 0), buf_view(&seen.new), on_done, &last);
    assert_int_equal(last.n, 0);
    remote_free(&f->r);
    assert_int_equal(last.n, 1);
    assert_true(err_is(last.e, ERR_GONE));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, start_with_key, stop_with_key)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_replaces),  TEST(test_refusals),  TEST(test_helper_dies),
        TEST(test_bad_input), TEST(test_not_there), TEST(test_end),
    };

    return main_of(tests, ARRAY_LEN(tests), "store");
}
