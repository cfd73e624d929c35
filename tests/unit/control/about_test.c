/* The scopes in use and how the registry is: who is told what. */
#include "control/support.h"

static const char status_text[] =
    "{\"scope\":\"org/acme\",\"store\":{\"kind\":\"sqlite\"},\"kinds\":[],\"scopes\":3}";

static int ask_registry(const char *path, struct err *e, const char *text)
{
    struct client c;
    unsigned calls = reg.calls;

    client_open(&c);
    send_request(&c, "GET", path, NULL);
    reg_await(calls + 1);
    reg_answer(e, text);
    int status = take_answer(&c);

    client_close(&c);
    return status;
}

static void test_scopes(void **state)
{
    (void)state;
    assert_int_equal(ask_registry("/v1/scopes", NULL, "{\"items\":[],\"next\":\"k\"}"), 200);
    assert_text("next", "k");
    assert_string_equal(reg.op, "scopes");
    assert_string_equal(reg.scope, "account ");
    assert_int_equal(reg.limit, 100);
    assert_int_equal(ask_registry("/v1/scopes?after=c%2Fd&limit=1000", NULL, "{}"), 200);
    assert_string_equal(reg.after, "c/d");
    assert_int_equal(reg.limit, 1000);
    assert_int_equal(ask_registry("/v1/scopes", err_new(ERR_INPUT, "the cursor"), NULL), 400);
    assert_problem("input", "the cursor");
}

static void test_scopes_refused(void **state)
{
    static const char *const queries[] = {"limit=0", "limit=1001", "limit=x", "below=true"};
    AUTO(auto_free) char *cursor = malloc(4098);
    AUTO(auto_free) char *path = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        AUTO(auto_free) char *one = text_fmt("/v1/scopes?%s", queries[i]);

        assert_int_equal(ask("GET", one, NULL), 400);
        assert_problem("input", "query");
    }
    memset(cursor, 'a', 4097);
    cursor[4097] = '\0';
    path = text_fmt("/v1/scopes?after=%s", cursor);
    assert_int_equal(ask("GET", path, NULL), 400);
    assert_problem("input", "4096");
    assert_int_equal(ask("POST", "/v1/scopes", "{}"), 405);
    assert_int_equal(reg.calls, 0);
}

static json_t *problems(void *arg)
{
    (void)arg;
    return json_pack("{s:[{s:s, s:s}, {s:s, s:s}, {s:n, s:s}], s:i}", "problems", "scope",
                     "org/acme/project/web", "identifier", "mine", "scope", "org/other",
                     "identifier", "theirs", "scope", "identifier", "of_all", "retry_s", 7);
}

static void restart(void)
{
    control_free(&control);
    io_loop_free(&loop);
    start_server();
}

static void test_status(void **state)
{
    (void)state;
    assert_int_equal(ask_registry("/v1/registry?scope=org%2Facme", NULL, status_text), 200);
    assert_string_equal(reg.op, "status");
    assert_string_equal(reg.scope, "org/acme");
    assert_true(json_is_null(json_object_get(answer, "retry_s")));
    assert_int_equal(json_array_size(json_object_get(answer, "problems")), 0);
    assert_true(json_is_object(json_object_get(answer, "store")));
    assert_int_equal(ask_registry("/v1/registry", err_new(ERR_STORE, "no disk"), NULL), 507);
    assert_string_equal(reg.scope, "account");
    assert_int_equal(ask("GET", "/v1/registry?scope=org", NULL), 400);
    assert_int_equal(ask("GET", "/v1/registry?below=true", NULL), 400);
}

static void test_problems_of_a_scope(void **state)
{
    (void)state;
    deps.registry_problems = problems;
    restart();
    assert_int_equal(ask_registry("/v1/registry?scope=org%2Facme", NULL, status_text), 200);
    const json_t *list = json_object_get(answer, "problems");

    assert_number("retry_s", 7);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "identifier")),
                        "mine");
    assert_int_equal(ask_registry("/v1/registry", NULL, "{\"scope\":\"account\"}"), 200);
    assert_int_equal(json_array_size(json_object_get(answer, "problems")), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_scopes),
        TEST(test_scopes_refused),
        TEST(test_status),
        TEST(test_problems_of_a_scope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
