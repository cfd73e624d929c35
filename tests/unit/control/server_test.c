/* The limits of the server itself, and what is not HTTP. */
#include "control/support.h"

static int ask_with_header(size_t len)
{
    char *text = malloc(len + 100);
    struct client c;

    assert_non_null(text);
    size_t n = (size_t)snprintf(text, 100, "GET /v1/tokens HTTP/1.1\r\nX: ");

    memset(text + n, 'a', len);
    memcpy(text + n + len, "\r\n\r\n", 5);
    client_open(&c);
    client_write(&c, text, strlen(text));
    client_answer(&c);
    int status = c.status;

    json_decref(answer);
    answer = c.body != NULL ? json_loads(c.body, 0, NULL) : NULL;
    client_close(&c);
    free(text);
    return status;
}

static void test_headers(void **state)
{
    const size_t rest = strlen("/v1/tokens") + strlen("X: \r\n");

    (void)state;
    assert_int_equal(ask_with_header(CONTROL_HEADERS_MAX_BYTES - rest), 200);
    assert_int_equal(ask_with_header(CONTROL_HEADERS_MAX_BYTES - rest + 1), 431);
    assert_problem("limit", "headers are longer than 16384 bytes");
    assert_int_equal(ask_with_header(5 * CONTROL_HEADERS_MAX_BYTES), 400); /* evhttp's own */
}

static void test_long_path(void **state)
{
    char path[CONTROL_HEADERS_MAX_BYTES + 20];

    (void)state;
    memset(path, 'a', sizeof path - 1);
    memcpy(path, "/v1/tokens/", 11);
    path[sizeof path - 1] = '\0';
    assert_int_equal(ask("GET", path, NULL), 431);
}

/* Far too large a body: evhttp reads it away and answers by itself. */
static void test_huge_body(void **state)
{
    size_t len = 3 * CONTROL_BODY_MAX_BYTES;
    char *body = malloc(len + 1);

    (void)state;
    assert_non_null(body);
    memset(body, ' ', len);
    body[len] = '\0';
    assert_int_equal(ask("POST", "/v1/identities/web/renew", body), 413);
    assert_int_equal(fake.calls, 0);
    free(body);
}

static void test_not_http(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    client_say(&c, "\x16\x03\x01 hello\r\n\r\n");
    client_answer(&c);
    assert_int_equal(c.status, 400);
    client_close(&c);
    assert_int_equal(ask("GET", "/v1/tokens", NULL), 200);
}

static void test_leaves_in_the_middle(void **state)
{
    static const char text[] = "POST /v1/tokens/demo/unlock HTTP/1.1\r\nContent-Length: 11\r\n\r\n"
                               "{\"pin\":\"1\"}";

    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        struct client c;

        client_open(&c);
        client_write(&c, text, n);
        turn();
        client_close(&c);
        turn();
        turn();
    }
    assert_int_equal(fake.calls, 0);
}

static void test_socket_is_left(void **state)
{
    int fd = -1;

    (void)state;
    control_free(&control);
    assert_int_equal(access(socket_path, F_OK), -1);
    AUTO(err_free) struct err *e = io_listen_bind(socket_path, &fd);

    assert_null(e);
    e = control_new(&deps, fd, NULL, &control);
    assert_null(e);
    assert_int_equal(ask("GET", "/v1/tokens", NULL), 200);
    control_free(&control);
    assert_int_equal(access(socket_path, F_OK), 0); /* it was handed over, and is not ours */
    unlink(socket_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_headers),
        TEST(test_long_path),
        TEST(test_huge_body),
        TEST(test_not_http),
        TEST(test_leaves_in_the_middle),
        TEST(test_socket_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
