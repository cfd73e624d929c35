/*
 * Errors: the chain reads from the outside in, the native code stays with it, and both survive the
 * way between two processes.
 */
#include "base/patience.h"
#include "base/support.h"

#include <errno.h>
#include <openssl/err.h>

static void test_chain(void **state)
{
    AUTO(err_free) struct err *e =
        err_native(ERR_PIN, ERR_DOMAIN_PKCS11, 0xa0, "CKR_PIN_INCORRECT", "C_Login as %s", "user");

    (void)state;
    assert_string_equal(err_text(e), "C_Login as user (CKR_PIN_INCORRECT)");
    e = err_add(e, "token %s", "demo");
    e = err_add(e, "sign with %s", "web");
    assert_string_equal(err_text(e),
                        "sign with web: token demo: C_Login as user (CKR_PIN_INCORRECT)");
    assert_int_equal(err_clauses(e), 3);
    assert_string_equal(err_clause(e, 0), "sign with web");
    assert_string_equal(err_clause(e, 2), "C_Login as user");
    assert_int_equal(err_code(e), ERR_PIN);
    assert_int_equal(err_domain(e), ERR_DOMAIN_PKCS11);
    assert_int_equal(err_native_code(e), 0xa0);
    assert_true(err_is(e, ERR_PIN));
    assert_false(err_is(e, ERR_GONE));
    assert_false(err_is(NULL, ERR_PIN));
}

/* A vendor's own code has no name: then the number is all there is, and it must be seen. */
static void test_native_code_without_name(void **state)
{
    AUTO(err_free) struct err *rv =
        err_native(ERR_GONE, ERR_DOMAIN_PKCS11, 0x80000001, NULL, "C_Sign");
    AUTO(err_free) struct err *http = err_native(ERR_REMOTE, ERR_DOMAIN_HTTP, 503, NULL, "sign");
    AUTO(err_free) struct err *none = err_new(ERR_INPUT, "no");

    (void)state;
    assert_string_equal(err_text(rv), "C_Sign (pkcs11 0x80000001)");
    assert_string_equal(err_text(http), "sign (http 503)");
    assert_string_equal(err_text(none), "no");
    assert_string_equal(err_native_name(none), "");
}

static void test_limits(void **state)
{
    AUTO(err_free) struct err *e = err_new(ERR_BUG, "innermost");
    char text[2 * ERR_CLAUSE_MAX_BYTES];

    (void)state;
    for (int i = 1; i < 2 * ERR_CLAUSES_MAX; i++) {
        e = err_add(e, "%d", i);
    }
    assert_int_equal(err_clauses(e), ERR_CLAUSES_MAX);
    assert_string_equal(err_clause(e, ERR_CLAUSES_MAX - 1), "innermost");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    AUTO(err_free) struct err *wide = err_new(ERR_BUG, "%s", text);

    assert_int_equal(strlen(err_clause(wide, 0)), ERR_CLAUSE_MAX_BYTES);
    assert_string_equal(err_clause(wide, 0) + ERR_CLAUSE_MAX_BYTES - 3, "...");
}

static void test_null_and_nomem(void **state)
{
    AUTO(err_free) struct err *none = err_add(NULL, "a clause in front of nothing");
    AUTO(err_free) struct err *recoded = err_recode(NULL, ERR_BUG);
    AUTO(err_free) struct err *copy = err_copy(NULL);
    AUTO(err_free) struct err *nomem = err_add(err_nomem(), "ignored");
    AUTO(err_free) struct err *nomem_copy = err_copy(nomem);

    (void)state;
    assert_null(none);
    assert_null(recoded);
    assert_null(copy);
    assert_string_equal(err_text(NULL), "");
    assert_true(err_is(nomem, ERR_NOMEM));
    assert_string_equal(err_text(nomem), "out of memory");
    assert_true(err_is(nomem_copy, ERR_NOMEM));
    nomem = err_recode(nomem, ERR_BUG);
    assert_true(err_is(nomem, ERR_NOMEM)); /* it is shared: it never changes */
}

static void test_copy_and_recode(void **state)
{
    AUTO(err_free) struct err *e = err_add(err_sys(ENOENT, "open x"), "start");
    AUTO(err_free) struct err *copy = err_copy(e);

    (void)state;
    e = err_recode(err_add(e, "only in the first"), ERR_INPUT);
    assert_int_equal(err_code(copy), ERR_NOT_FOUND);
    assert_int_equal(err_code(e), ERR_INPUT);
    assert_int_equal(err_native_code(e), ENOENT);
    assert_string_equal(err_text(copy), "start: open x (No such file or directory)");
}

static void test_errno(void **state)
{
    static const struct {
        int errnum;
        enum err_code code;
    } cases[] = {{ENOENT, ERR_NOT_FOUND}, {EACCES, ERR_DENIED}, {EPERM, ERR_DENIED},
                 {EEXIST, ERR_EXISTS},    {EAGAIN, ERR_BUSY},   {ETIMEDOUT, ERR_TIMEOUT},
                 {EPIPE, ERR_GONE},       {EMFILE, ERR_LIMIT},  {ENOMEM, ERR_NOMEM},
                 {ENOSPC, ERR_STORE},     {EIO, ERR_STORE},     {ECONNREFUSED, ERR_GONE}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(err_free) struct err *e = err_sys(cases[i].errnum, "x");

        assert_int_equal(err_code(e), cases[i].code);
        assert_int_equal(err_domain(e), ERR_DOMAIN_ERRNO);
        assert_int_equal(err_native_code(e), cases[i].errnum);
        assert_string_equal(err_native_name(e), strerror(cases[i].errnum));
    }
}

static void test_openssl(void **state)
{
    ERR_raise(ERR_LIB_RSA, ERR_R_MALLOC_FAILURE);
    ERR_raise(ERR_LIB_EVP, ERR_R_PASSED_NULL_PARAMETER);
    AUTO(err_free) struct err *e = err_openssl(ERR_PROTOCOL, "verify");
    AUTO(err_free) struct err *empty = err_openssl(ERR_PROTOCOL, "verify");

    (void)state;
    assert_string_equal(err_text(e), "verify (passed a null parameter)");
    assert_int_equal(err_domain(e), ERR_DOMAIN_OPENSSL);
    assert_int_equal(ERR_peek_error(), 0);
    assert_string_equal(err_text(empty), "verify");
    assert_int_equal(err_domain(empty), ERR_DOMAIN_NONE);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = ERR_INPUT; i <= ERR_BUG; i++) {
        assert_string_not_equal(err_code_name((enum err_code)i), "unknown");
        for (int k = ERR_INPUT; k < i; k++) {
            assert_string_not_equal(err_code_name((enum err_code)i),
                                    err_code_name((enum err_code)k));
        }
        assert_int_equal(err_code_find(err_code_name((enum err_code)i)), i);
    }
    assert_string_equal(err_code_name((enum err_code)0), "unknown");
    assert_string_equal(err_code_name((enum err_code)(ERR_BUG + 1)), "unknown");
    assert_int_equal(err_code_find("no such word"), ERR_PROTOCOL);
    assert_int_equal(err_code_find(NULL), ERR_PROTOCOL);
    for (int i = ERR_DOMAIN_ERRNO; i <= ERR_DOMAIN_SQLITE; i++) {
        assert_string_not_equal(err_domain_name((enum err_domain)i), "unknown");
        assert_string_not_equal(err_domain_name((enum err_domain)i), "");
    }
}

static struct err *through_a_frame(const struct err *e)
{
    AUTO(buf_deinit) struct buf b;

    buf_init(&b, 0);
    err_put(&b, e);
    struct rd r = rd_of(buf_view(&b));
    struct err *got = err_get(&r);

    assert_true(rd_at_end(&r));
    return got;
}

static void test_frames(void **state)
{
    AUTO(err_free) struct err *e =
        err_add(err_native(ERR_REMOTE, ERR_DOMAIN_HTTP, 403, "Forbidden", "POST x"), "renew");

    e = err_set_patience(e, 2000);
    AUTO(err_free) struct err *copy = err_copy(e);
    AUTO(err_free) struct err *got = through_a_frame(copy);
    AUTO(err_free) struct err *nomem = through_a_frame(err_nomem());

    (void)state;
    assert_int_equal(err_code(got), ERR_REMOTE);
    assert_int_equal(err_domain(got), ERR_DOMAIN_HTTP);
    assert_int_equal(err_native_code(got), 403);
    assert_int_equal(err_patience_s(got), 2000);
    assert_int_equal(err_patience_s(nomem), 0);
    assert_string_equal(err_text(got), "renew: POST x (Forbidden)");
    assert_true(err_is(nomem, ERR_NOMEM));
    assert_string_equal(err_text(nomem), "out-of-memory");
}

static void test_malformed_frames(void **state)
{
    AUTO(err_free) struct err *e = err_add(err_sys(EIO, "read"), "load");
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 0);
    err_put(&b, e);
    for (size_t len = 0; len < b.len; len++) {
        AUTO(auto_free) uint8_t *copy = malloc(len + 1);
        struct rd r = rd_of(view_of(copy, len));

        memcpy(copy, b.data, len);
        assert_err(err_get(&r), ERR_PROTOCOL);
    }
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        struct rd r = rd_of(buf_view(&b));

        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        AUTO(err_free) struct err *got = err_get(&r);

        assert_non_null(got);
        assert_true(strlen(err_text(got)) > 0);
        assert_string_not_equal(err_code_name(err_code(got)), "unknown");
        assert_string_not_equal(err_domain_name(err_domain(got)), "unknown");
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),           cmocka_unit_test(test_native_code_without_name),
        cmocka_unit_test(test_limits),          cmocka_unit_test(test_null_and_nomem),
        cmocka_unit_test(test_copy_and_recode), cmocka_unit_test(test_errno),
        cmocka_unit_test(test_openssl),         cmocka_unit_test(test_names),
        cmocka_unit_test(test_frames),          cmocka_unit_test(test_malformed_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
