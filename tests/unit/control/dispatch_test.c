/* Paths, methods, parameters and queries: what reaches a handler, and what is refused before. */
#include "control/support.h"

static void test_unknown_paths(void **state)
{
    static const char *const paths[] = {
        "/",
        "/v1",
        "/v1/",
        "/v2/status",
        "/v1/status/",
        "/v1/statu",
        "/v1/statuses",
        "//v1/status",
        "/v1//status",
        "/v1/tokens/",
        "/v1/keys//prove",
        "/v1/tokens/demo/unlock/x",
        "/v1/tokens/demo/lock",
        "/v1/keys/a/b/prove",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (ask("GET", paths[i], NULL) != 404) {
            fail_msg("%s", paths[i]);
        }
        assert_problem("not-found", "no such path");
    }
}

static void assert_allow(const char *method, const char *path, const char *allow)
{
    struct client c;

    client_open(&c);
    send_request(&c, method, path, NULL);
    client_answer(&c);
    AUTO(auto_free) char *line = text_fmt("\r\nAllow: %s\r\n", allow);

    assert_int_equal(c.status, 405);
    assert_non_null(strstr(c.headers, line));
    client_close(&c);
}

static void test_methods(void **state)
{
    (void)state;
    assert_allow("DELETE", "/v1/status", "GET");
    assert_allow("PUT", "/v1/keys", "GET, POST");
    assert_allow("PATCH", "/v1/keys/web", "GET, DELETE");
    assert_allow("GET", "/v1/tokens/demo/unlock", "POST");
    assert_allow("GET", "/v1/connect", "POST");
    assert_allow("OPTIONS", "/v1/connect", "POST");
}

static void test_head_has_no_body(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    client_say(&c, "HEAD /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
                   "GET /v1/tokens HTTP/1.1\r\nHost: x\r\n\r\n");
    pump(has_answer, &c);
    assert_int_equal(c.status, 405);
    client_close(&c);
}

/* What libevent leaves of a TRACE must not be read as the next request. */
static void test_trace_ends_its_connection(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    client_say(&c, "TRACE /v1/keys HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\n\r\n"
                   "GET /v1/identities HTTP/1.1\r\nHost: y\r\n\r\n  ");
    client_answer(&c);
    assert_int_equal(c.status, 405);
    pump(is_closed, &c);
    assert_null(strstr(c.in + c.used, "HTTP/1.1"));
    client_close(&c);
}

static void test_unknown_method(void **state)
{
    (void)state;
    assert_int_equal(ask("BREW", "/v1/status", NULL), 501);
}

static void test_parameters_are_decoded(void **state)
{
    (void)state;
    fake.token[0].name = "a b/c%";
    assert_int_equal(ask("GET", "/v1/tokens/a%20b%2Fc%25", NULL), 200);
    assert_text("name", "a b/c%");
    assert_int_equal(ask("GET", "/v1/tokens/a+b%2fc%25", NULL), 404); /* + is no space in a path */
}

static void test_nul_in_parameter(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/v1/tokens/demo%00x", NULL), 400);
    assert_problem("input", "NUL");
    assert_int_equal(ask("GET", "/v1/tokens/%00", NULL), 400);
}

static void test_queries(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/v1/keys?token=demo", NULL), 200);
    assert_int_equal(ask("GET", "/v1/keys?", NULL), 200);
    assert_int_equal(ask("GET", "/v1/keys?tokens=demo", NULL), 400);
    assert_problem("input", "query: tokens is not known here");
    assert_int_equal(ask("GET", "/v1/status?x=1", NULL), 400);
    assert_problem("input", "query: x");
    assert_int_equal(ask("GET", "/v1/keys?token=demo&token=x", NULL), 400);
    assert_problem("input", "twice");
    assert_int_equal(ask("GET", "/v1/keys?token", NULL), 400);
    assert_problem("input", "name=value");
}

static void test_absolute_uri(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "http://localhost/v1/tokens", NULL), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unknown_paths),    TEST(test_methods),
        TEST(test_head_has_no_body), TEST(test_trace_ends_its_connection),
        TEST(test_unknown_method),   TEST(test_parameters_are_decoded),
        TEST(test_nul_in_parameter), TEST(test_queries),
        TEST(test_absolute_uri),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
