/* Bodies: what is taken, what is named in an error, and that a PIN is wiped wherever it lay. */
#include <openssl/crypto.h>

#include "control/support.h"

static const char pin_text[] = "93-secret-71";
static unsigned wiped; /* wipes of memory that held the PIN */

/* In place of libcrypto's: it sees what is wiped, before it is. */
void OPENSSL_cleanse(void *p, size_t len)
{
    volatile uint8_t *byte = p;

    if (len >= sizeof pin_text - 1 && memmem(p, len, pin_text, sizeof pin_text - 1) != NULL) {
        wiped++;
    }
    for (size_t i = 0; i < len; i++) {
        byte[i] = 0;
    }
}

static const struct {
    const char *path, *body, *says;
} wrong[] = {
    {"/v1/tokens/demo/unlock", "{\"pin\":\"1\"", "not JSON: line 1, column "},
    {"/v1/tokens/demo/unlock", "nonsense", "not JSON"},
    {"/v1/tokens/demo/unlock", "{\"pin\":\"1\"} {}", "not JSON"},
    {"/v1/tokens/demo/unlock", "{\"pin\":\"1\",\"pin\":\"2\"}", "not JSON"},
    {"/v1/tokens/demo/unlock", "{\"pin\":\"a\\u0000b\"}", "not JSON"},
    {"/v1/tokens/demo/unlock", "{\"pin\":\"\xff\"}", "not JSON"},
    {"/v1/tokens/demo/unlock", "[]", "has to be a JSON object"},
    {"/v1/tokens/demo/unlock", "{\"PIN\":\"1\"}", "/PIN is not known here"},
    {"/v1/tokens/demo/unlock", "{\"a/b~c\":1}", "/a~1b~0c is not known here"},
    {"/v1/tokens/demo/unlock", "{\"pin\":1234}", "/pin has to be a text"},
    {"/v1/tokens/demo/unlock", "{\"pin\":null}", "/pin has to be a text"},
    {"/v1/tokens/demo/unlock", "{\"pin\":\"\"}", "/pin has to be 1 to 255 bytes long"},
    {"/v1/tokens/demo/unlock", "{\"last_try\":1}", "/last_try has to be true or false"},
    {"/v1/connect", "{\"user\":\"u\"}", "/host is missing"},
    {"/v1/connect", "", "/user is missing"},
    {"/v1/connect", "{\"user\":\"u\",\"host\":\"h\",\"port\":0}", "/port has to be 1 to 65535"},
    {"/v1/connect", "{\"user\":\"u\",\"host\":\"h\",\"port\":65536}", "/port has to be 1 to"},
    {"/v1/connect", "{\"user\":\"u\",\"host\":\"h\",\"port\":22.0}", "/port has to be a whole"},
    {"/v1/connect", "{\"user\":\"u\",\"host\":\"h\",\"port\":\"22\"}", "/port has to be a whole"},
    {"/v1/identities/web/renew", "{\"now\":true}", "/now is not known here"},
    {"/v1/keys/web/prove", "[1]", "has to be a JSON object"},
};

static void test_wrong_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        if (ask("POST", wrong[i].path, wrong[i].body) != 400) {
            fail_msg("%s: %s", wrong[i].path, wrong[i].body);
        }
        assert_problem("input", wrong[i].says);
    }
    assert_int_equal(fake.calls + fake.connects, 0);
}

static void test_body_of_get(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/v1/tokens", "{}"), 200);
    assert_int_equal(ask("GET", "/v1/tokens", "{\"x\":1}"), 400);
    assert_problem("input", "/x is not known here");
}

static void test_empty_body_is_an_empty_object(void **state)
{
    (void)state;
    fake.at_once = true;
    assert_int_equal(ask("POST", "/v1/tokens/demo/unlock", ""), 200);
    assert_int_equal(ask("POST", "/v1/tokens/demo/unlock", "{}"), 200);
    assert_null(fake.pin);
}

/* A long unknown name is cut, and what is not fit for a terminal is escaped. */
static void test_hostile_name(void **state)
{
    char body[400];

    (void)state;
    snprintf(body, sizeof body, "{\"\\u001b[31m%0300d\":1}", 0);
    assert_int_equal(ask("POST", "/v1/tokens/demo/unlock", body), 400);
    assert_problem("input", "\\x1b[31m000");
    assert_true(json_string_length(at("detail")) < 120);
}

static void test_chunked_body(void **state)
{
    struct client c;

    (void)state;
    fake.at_once = true;
    client_open(&c);
    client_say(&c, "POST /v1/tokens/demo/unlock HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "7\r\n{\"pin\":\r\n5\r\n\"ab\"}\r\n0\r\n\r\n");
    client_answer(&c);
    assert_int_equal(c.status, 200);
    assert_string_equal(fake.pin, "ab");
    client_close(&c);
}

/* As large as it may be: one byte more is the limit's error. */
static void test_size_limit(void **state)
{
    char *body = malloc(CONTROL_BODY_MAX_BYTES + 2);

    (void)state;
    assert_non_null(body);
    memset(body, ' ', CONTROL_BODY_MAX_BYTES + 1);
    memcpy(body, "{}", 2);
    body[CONTROL_BODY_MAX_BYTES] = '\0';
    fake.at_once = true;
    assert_int_equal(ask("POST", "/v1/identities/web/renew", body), 200);
    body[CONTROL_BODY_MAX_BYTES] = ' ';
    body[CONTROL_BODY_MAX_BYTES + 1] = '\0';
    assert_int_equal(ask("POST", "/v1/identities/web/renew", body), 413);
    assert_problem("limit", "body");
    free(body);
}

static void test_pin_is_wiped(void **state)
{
    AUTO(auto_free) char *body = text_fmt("{\"pin\":\"%s\"}", pin_text);
    struct client c;

    (void)state;
    wiped = 0;
    client_open(&c);
    send_request(&c, "POST", "/v1/tokens/demo/unlock", body);
    pump(was_called, &(unsigned){1});
    /* evhttp's buffer, ours, the parser's, and the string in the body: all before the answer */
    assert_true(wiped >= 4);
    assert_string_equal(fake.pin, pin_text);
    fake_done(NULL);
    client_answer(&c);
    assert_int_equal(c.status, 200);
    client_close(&c);
}

/* An error in the syntax right behind a PIN does not quote it. */
static void test_pin_is_not_quoted(void **state)
{
    AUTO(auto_free) char *body = text_fmt("{\"pin\": %s}", pin_text);

    (void)state;
    assert_int_equal(ask("POST", "/v1/tokens/demo/unlock", body), 400);
    assert_null(strstr(json_string_value(at("detail")), "secret"));
}

/* No truncated or damaged body gets through as another request. */
static void test_truncated_and_flipped(void **state)
{
    static const char whole[] = "{\"pin\":\"7\",\"last_try\":true}";
    char body[sizeof whole];

    (void)state;
    fake.at_once = true;
    for (size_t n = 1; n < sizeof whole - 1; n++) {
        memcpy(body, whole, n);
        body[n] = 0;
        assert_int_equal(ask("POST", "/v1/tokens/demo/unlock", body), 400);
    }
    assert_int_equal(fake.calls, 0);
    for (size_t i = 0; i < 8 * (sizeof whole - 1); i++) {
        memcpy(body, whole, sizeof whole);
        body[i / 8] = (char)(body[i / 8] ^ (1 << i % 8));
        int status = body[i / 8] != '\0' ? ask("POST", "/v1/tokens/demo/unlock", body) : 400;

        assert_true(status == 400 || (status == 200 && fake.last_try));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_wrong_bodies),
        TEST(test_body_of_get),
        TEST(test_empty_body_is_an_empty_object),
        TEST(test_hostile_name),
        TEST(test_chunked_body),
        TEST(test_size_limit),
        TEST(test_pin_is_wiped),
        TEST(test_pin_is_not_quoted),
        TEST(test_truncated_and_flipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
