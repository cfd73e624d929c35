/* Every code as an HTTP status and as RFC 9457 has it, with its chain and native code. */
#include "control/problem.h"

#include "control/support.h"

static const struct {
    enum err_code code;
    int status;
    const char *name;
} wanted[] = {
    {ERR_INPUT, 400, "input"},
    {ERR_PROTOCOL, 502, "protocol"},
    {ERR_DENIED, 403, "denied"},
    {ERR_NOT_FOUND, 404, "not-found"},
    {ERR_EXISTS, 409, "exists"},
    {ERR_BUSY, 409, "busy"},
    {ERR_TIMEOUT, 504, "timeout"},
    {ERR_GONE, 503, "gone"},
    {ERR_PIN, 423, "pin"},
    {ERR_PIN_LOCKED, 423, "pin-locked"},
    {ERR_UNSUPPORTED, 501, "unsupported"},
    {ERR_REMOTE, 502, "remote"},
    {ERR_CERT, 502, "certificate"},
    {ERR_STORE, 507, "store"},
    {ERR_LIMIT, 413, "limit"},
    {ERR_BUG, 500, "bug"},
};

static void test_each_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        fake.identity[0].problem = NULL;
        unsigned before = fake.calls;
        struct client c;

        client_open(&c);
        send_request(&c, "POST", "/v1/identities/web/renew", NULL);
        pump(was_called, &(unsigned){before + 1});
        fake_done(err_add(err_new(wanted[i].code, "inner %zu", i), "outer"));
        client_answer(&c);
        assert_int_equal(c.status, wanted[i].status);
        assert_non_null(strstr(c.headers, "Content-Type: application/problem+json\r\n"));
        json_decref(answer);
        answer = json_loads(c.body, 0, NULL);
        assert_problem(wanted[i].name, "outer: inner ");
        assert_number("status", wanted[i].status);
        assert_text("chain.0", "outer");
        assert_int_equal(json_array_size(at("chain")), 2);
        assert_null_at("native");
        assert_true(json_string_length(at("title")) > 0);
        client_close(&c);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    AUTO(err_free) struct err *e = err_nomem();

    assert_int_equal(control_problem_status(ERR_NOMEM), 500);
    json_decref(answer);
    answer = control_problem(e, 500);
    assert_problem("out-of-memory", "out of memory");
    assert_int_equal(json_array_size(at("chain")), 0);
}

static void test_native(void **state)
{
    (void)state;
    AUTO(err_free) struct err *e =
        err_native(ERR_PIN, ERR_DOMAIN_PKCS11, 0xa0, "CKR_PIN_INCORRECT", "C_Login");

    json_decref(answer);
    answer = control_problem(e, 423);
    assert_text("detail", "C_Login (CKR_PIN_INCORRECT)");
    assert_text("native.domain", "pkcs11");
    assert_number("native.code", 0xa0);
    assert_text("native.name", "CKR_PIN_INCORRECT");
}

static void test_native_without_name(void **state)
{
    (void)state;
    AUTO(err_free) struct err *e = err_native(ERR_REMOTE, ERR_DOMAIN_HTTP, 503, NULL, "sealed");

    json_decref(answer);
    answer = control_fault(e);
    assert_int_equal(strncmp(json_string_value(at("text")), "sealed", 6), 0);
    assert_text("code", "remote");
    assert_number("native.code", 503);
    assert_null_at("native.name");
}

static void test_no_fault(void **state)
{
    (void)state;
    assert_true(json_is_null(control_fault(NULL)));
}

/* A status that is not the code's own has a title of its own too. */
static void test_other_status(void **state)
{
    (void)state;
    assert_int_equal(ask("POST", "/v1/status", NULL), 405);
    assert_problem("input", "/v1/status takes GET");
    assert_number("status", 405);
    assert_text("title", "Refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_code),           TEST(test_out_of_memory), TEST(test_native),
        TEST(test_native_without_name), TEST(test_no_fault),      TEST(test_other_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
