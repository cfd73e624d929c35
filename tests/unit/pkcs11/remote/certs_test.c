/*
 * Certificates through the real holdfast-token: locked and ready tokens, more than a frame holds, and
 * a helper that dies meanwhile.
 */
#include "fixture.h"

#include <p11-kit/pkcs11.h>

enum { SIZE = 60 * 1000, MANY = 7 };

static struct {
    unsigned n;
    struct err *e;
    size_t certs, bytes;
    char label[16];
    uint8_t id, first_byte;
} answer;

static void on_certs(void *arg, struct err *e, const struct remote_cert *certs, size_t n)
{
    assert_ptr_equal(arg, &answer);
    err_free(&answer.e);
    answer.n++;
    answer.e = e;
    answer.certs = n;
    answer.bytes = 0;
    for (size_t i = 0; i < n; i++) {
        answer.bytes += certs[i].der.len;
        answer.first_byte = certs[i].der.p[0];
        answer.id = certs[i].id.len == 1 ? certs[i].id.p[0] : 0;
        snprintf(answer.label, sizeof answer.label, "%s", certs[i].label);
    }
}

static bool is_answered(struct fixture *f)
{
    (void)f;
    return answer.n > 0;
}

static struct err *certs(struct fixture *f, size_t of)
{
    err_free(&answer.e);
    memset(&answer, 0, sizeof answer);
    remote_certs(f->r, of, on_certs, &answer);
    run_until(f, is_answered);
    assert_int_equal(answer.n, 1);
    return answer.e;
}

/* Stores certificates before the helper has the token: this process has the module for a moment. */
static void put(unsigned n, size_t size)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_CERTIFICATE_TYPE type = CKC_X_509;
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL no = CK_FALSE;
    CK_SLOT_ID slots[8];
    CK_ULONG slots_n = ARRAY_LEN(slots);
    CK_SESSION_HANDLE s;
    CK_OBJECT_HANDLE o;
    struct p11_library *library = NULL;
    uint8_t *value = calloc(1, size);
    char label[] = "ca";

    no_error(p11_library_open(softhsm_path(), &library));
    CK_FUNCTION_LIST *m = p11_library_functions(library);

    assert_non_null(value);
    value[0] = 0x30;
    assert_int_equal(m->C_Initialize(NULL), CKR_OK);
    assert_int_equal(m->C_GetSlotList(CK_TRUE, slots, &slots_n), CKR_OK);
    assert_int_equal(
        m->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s), CKR_OK);
    for (unsigned i = 0; i < n; i++) {
        CK_BYTE id = (CK_BYTE)(i + 1);
        CK_ATTRIBUTE templ[] = {
            {CKA_CLASS, &class, sizeof class},
            {CKA_CERTIFICATE_TYPE, &type, sizeof type},
            {CKA_TOKEN, &yes, sizeof yes},
            {CKA_PRIVATE, &no, sizeof no},
            {CKA_SUBJECT, label, 2},
            {CKA_LABEL, label, 2},
            {CKA_ID, &id, 1},
            {CKA_VALUE, value, size},
        };

        assert_int_equal(m->C_CreateObject(s, templ, ARRAY_LEN(templ), &o), CKR_OK);
    }
    assert_int_equal(m->C_Finalize(NULL), CKR_OK);
    p11_library_close(&library);
    free(value);
}

static void test_ready(void **state)
{
    struct fixture *f = *state;

    put(1, 100);
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_READY);
    no_error(certs(f, 0));
    assert_int_equal(answer.certs, 1);
    assert_int_equal(answer.bytes, 100);
    assert_int_equal(answer.first_byte, 0x30);
    assert_int_equal(answer.id, 1);
    assert_string_equal(answer.label, "ca");
}

static void test_none(void **state)
{
    struct fixture *f = *state;

    start(f);
    no_error(certs(f, 0));
    assert_int_equal(answer.certs, 0);
}

static void test_locked(void **state)
{
    struct fixture *f = *state;

    put(1, 100);
    f->tokens[0].pins_n = 0;
    start(f);
    assert_int_equal(token(f, 0).state, REMOTE_TOKEN_LOCKED);
    no_error(certs(f, 0));
    assert_int_equal(answer.certs, 1);
}

/* More than a frame holds comes in pages. */
static void test_pages(void **state)
{
    struct fixture *f = *state;

    put(MANY, SIZE);
    start(f);
    no_error(certs(f, 0));
    assert_int_equal(answer.certs, MANY);
    assert_int_equal(answer.bytes, MANY * SIZE);
}

static void test_not_there(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(softhsm_add("beta"), 0);
    f->tokens[1] = (struct remote_token_conf){"away", "pkcs11:token=gamma", f->pins, 1};
    f->conf.tokens_n = 2;
    start(f);
    assert_true(err_is(certs(f, 1), ERR_GONE));
    assert_non_null(strstr(err_text(answer.e), "token away is not present"));
    assert_true(err_is(certs(f, 2), ERR_INPUT)); /* beta is not configured */
    assert_true(err_is(certs(f, 99), ERR_INPUT));
}

static void test_failures(void **state)
{
    struct fixture *f = *state;

    put(1, 100);
    use_shim(f);
    start(f);
    write_file(f->control, "C_FindObjectsInit:*:CKR_GENERAL_ERROR");
    assert_true(err_is(certs(f, 0), ERR_REMOTE));
    assert_non_null(strstr(err_text(answer.e), "certificates of token a"));
    write_file(f->control, "C_FindObjectsInit:1:crash");
    assert_true(err_is(certs(f, 0), ERR_GONE));
    write_file(f->control, "");
    settle(f);
    no_error(certs(f, 0));
    assert_int_equal(answer.certs, 1);
}

/* The remote ends while somebody waits: he hears of it. */
static void test_end(void **state)
{
    struct fixture *f = *state;

    start(f);
    err_free(&answer.e);
    memset(&answer, 0, sizeof answer);
    remote_certs(f->r, 0, on_certs, &answer);
    remote_free(&f->r);
    assert_int_equal(answer.n, 1);
    assert_true(err_is(answer.e, ERR_GONE));
    err_free(&answer.e);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ready),     TEST(test_none),     TEST(test_locked), TEST(test_pages),
        TEST(test_not_there), TEST(test_failures), TEST(test_end),
    };

    return main_of(tests, ARRAY_LEN(tests), "certs");
}
