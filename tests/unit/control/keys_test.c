/* Keys: as JSON, found by each of their names, made, deleted, proven. */
#include "control/support.h"

static void test_list(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/v1/keys", NULL), 200);
    assert_int_equal(json_array_size(at("keys")), 1);
    assert_text("keys.0.id", "0aff");
    assert_text("keys.0.label", "web");
    assert_text("keys.0.type", "p256");
    assert_number("keys.0.bits", 256);
    assert_text("keys.0.fingerprint", FINGERPRINT_WEB);
    assert_int_equal(strncmp(json_string_value(at("keys.0.public")), line_web, strlen(line_web)),
                     0);
    assert_text("keys.0.uri", "pkcs11:token=demo;object=web");
    assert_text("keys.0.token", "demo");
    assert_text("keys.0.token_serial", "0123");
    assert_true(json_is_true(at("keys.0.attributes.sensitive")));
    assert_true(json_is_false(at("keys.0.attributes.extractable")));
    assert_true(json_is_true(at("keys.0.attributes.local")));
    assert_true(json_is_true(at("keys.0.proven")));
    assert_true(json_is_true(at("keys.0.usable")));
    assert_null_at("keys.0.problem");
    assert_text("keys.0.identities.0", "web");
}

static void test_list_of_one_token(void **state)
{
    (void)state;
    fake.token[1] = fake.token[0];
    fake.token[1].name = "other";
    fake.token[1].id.serial = "9";
    fake.tokens = 2;
    struct remote_key *k = fake_add_key(line_rsa, "rsa", "pkcs11:token=other;object=rsa");

    k->info.token = "other";
    k->info.token_serial = "9";
    assert_int_equal(ask("GET", "/v1/keys?token=other", NULL), 200);
    assert_int_equal(json_array_size(at("keys")), 1);
    assert_text("keys.0.type", "rsa");
    assert_int_equal(json_array_size(at("keys.0.identities")), 0);
    assert_int_equal(ask("GET", "/v1/keys?token=0123", NULL), 200);
    assert_text("keys.0.label", "web");
    assert_int_equal(ask("GET", "/v1/keys?token=none", NULL), 404);
}

static void test_found_by_each_name(void **state)
{
    static const char *const names[] = {
        "web",
        "0aff",
        "0AFF",
        "SHA256%3AsuGHv9upxWulaoVAnSzSa4GTcUHztkMoLR7SSTq4V9o",
        "pkcs11%3Atoken%3Ddemo%3Bobject%3Dweb",
        "pkcs11:token=demo;object=web",
    };

    (void)state;
    fake_add_key(line_rsa, "rsa", "pkcs11:token=demo;object=rsa")->info.id = view_of("\x01", 1);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(auto_free) char *path = text_fmt("/v1/keys/%s", names[i]);

        assert_int_equal(ask("GET", path, NULL), 200);
        assert_text("label", "web");
    }
}

static void test_not_found(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/v1/keys/none", NULL), 404);
    assert_problem("not-found", "no key with the label, id or fingerprint none");
    assert_int_equal(ask("GET", "/v1/keys/pkcs11:object=none", NULL), 404);
    assert_int_equal(ask("GET", "/v1/keys/pkcs11:nonsense", NULL), 400);
    assert_problem("input", "");
}

static void test_ambiguous(void **state)
{
    (void)state;
    fake_add_key(line_rsa, "web", "pkcs11:token=demo;object=web;id=%01");
    assert_int_equal(ask("GET", "/v1/keys/web", NULL), 409);
    assert_problem("exists", "web fits 2 keys: pkcs11:token=demo;object=web, "
                             "pkcs11:token=demo;object=web;id=%01");
    assert_int_equal(ask("GET", "/v1/keys/pkcs11:token=demo", NULL), 409);
    assert_problem("exists", "fits 2 keys");
    assert_int_equal(ask("DELETE", "/v1/keys/web?force=true", NULL), 409);
    assert_int_equal(ask("POST", "/v1/keys/web/prove", NULL), 409);
    assert_int_equal(fake.calls, 0);
}

static void test_generate(void **state)
{
    struct client c;

    (void)state;
    fake.at_once = true;
    client_open(&c);
    send_request(&c, "POST", "/v1/keys",
                 "{\"type\":\"p384\",\"label\":\"new\",\"id\":\"00fF\",\"token\":\"demo\"}");
    client_answer(&c);
    assert_int_equal(c.status, 201);
    assert_non_null(strstr(c.headers, "\r\nLocation: /v1/keys/SHA256%3A"));
    assert_int_equal(fake.spec.type, SSH_KEY_P384);
    assert_int_equal(fake.spec.bits, 0);
    assert_string_equal(fake.label, "new");
    assert_int_equal(fake.spec.id.len, 2);
    assert_memory_equal(fake.id, "\x00\xff", 2);
    client_close(&c);
}

static void test_generate_rsa(void **state)
{
    (void)state;
    fake.at_once = true;
    assert_int_equal(ask("POST", "/v1/keys", "{\"type\":\"rsa\",\"label\":\"r\"}"), 201);
    assert_int_equal(fake.spec.bits, 3072);
    assert_int_equal(fake.spec.id.len, 0);
    assert_int_equal(ask("POST", "/v1/keys", "{\"type\":\"rsa\",\"label\":\"r\",\"bits\":4096}"),
                     201);
    assert_int_equal(fake.spec.bits, 4096);
}

static void test_generate_refused(void **state)
{
    static const struct {
        const char *body, *says;
    } wrong[] = {
        {"{\"type\":\"dsa\",\"label\":\"x\"}", "/type has to be"},
        {"{\"type\":\"p256\",\"label\":\"x\",\"bits\":2048}", "/bits is for rsa only"},
        {"{\"type\":\"rsa\",\"label\":\"x\",\"bits\":2049}", "/bits has to be 2048, 3072 or"},
        {"{\"type\":\"rsa\",\"label\":\"x\",\"bits\":1024}", "/bits has to be 2048 to 4096"},
        {"{\"type\":\"p256\",\"label\":\"x\",\"id\":\"abc\"}", "/id: "},
        {"{\"type\":\"p256\",\"label\":\"x\",\"id\":\"zz\"}", "/id: "},
        {"{\"type\":\"p256\"}", "/label is missing"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(ask("POST", "/v1/keys", wrong[i].body), 400);
        assert_problem("input", wrong[i].says);
    }
    assert_int_equal(fake.calls, 0);
}

static void test_generate_where(void **state)
{
    static const char body[] = "{\"type\":\"p256\",\"label\":\"x\"}";

    (void)state;
    fake.at_once = true;
    fake.token[1] = fake.token[0];
    fake.token[1].name = "second";
    fake.tokens = 2;
    assert_int_equal(ask("POST", "/v1/keys", body), 400);
    assert_problem("input", "/token is missing, and there are demo, second");
    fake.token[0].state = REMOTE_TOKEN_LOCKED;
    assert_int_equal(ask("POST", "/v1/keys", body), 201);
    assert_int_equal(fake.on_token, 1);
    fake.token[1].state = REMOTE_TOKEN_ABSENT;
    assert_int_equal(ask("POST", "/v1/keys", body), 404);
    assert_problem("not-found", "no token is ready");
}

static void test_delete(void **state)
{
    (void)state;
    fake.at_once = true;
    struct remote_key *k = fake_add_key(line_rsa, "old", "pkcs11:token=demo;object=old");

    assert_int_equal(ask("DELETE", "/v1/keys/old", NULL), 204);
    assert_ptr_equal(fake.deleted, k);
    assert_null(answer);
}

static void test_delete_what_is_used(void **state)
{
    (void)state;
    fake.at_once = true;
    assert_int_equal(ask("DELETE", "/v1/keys/web", NULL), 409);
    assert_problem("busy", "identity web uses this key");
    assert_int_equal(ask("DELETE", "/v1/keys/web?force=false", NULL), 409);
    fake.identity[0].key = NULL; /* its token is away: the public key still tells */
    assert_int_equal(ask("DELETE", "/v1/keys/web", NULL), 409);
    assert_int_equal(ask("DELETE", "/v1/keys/web?force=yes", NULL), 400);
    assert_int_equal(fake.calls, 0);
    assert_int_equal(ask("DELETE", "/v1/keys/web?force=true", NULL), 204);
    assert_int_equal(fake.calls, 1);
}

static void test_prove(void **state)
{
    (void)state;
    fake.at_once = true;
    assert_int_equal(ask("POST", "/v1/keys/web/prove", NULL), 200);
    assert_int_equal(json_array_size(at("lines")), 2);
    assert_text("lines.0", "CKA_VALUE: refused");
    assert_text("lines.1", "C_WrapKey: refused");
}

/* The token says no, to each of the three, after the client was let go or before. */
static void test_failures(void **state)
{
    static const char *const asked[][2] = {
        {"POST", "/v1/keys/web/prove"},
        {"DELETE", "/v1/keys/web?force=true"},
        {"POST", "/v1/keys"},
    };

    (void)state;
    for (unsigned i = 0; i < 2 * ARRAY_LEN(asked); i++) {
        struct client c;

        client_open(&c);
        send_request(&c, asked[i / 2][0], asked[i / 2][1],
                     i / 2 == 2 ? "{\"type\":\"p256\",\"label\":\"x\"}" : NULL);
        pump(was_called, &(unsigned){i + 1});
        if (i % 2 == 0) {
            fake_done(err_new(ERR_UNSUPPORTED, "no"));
            client_answer(&c);
            assert_int_equal(c.status, 501);
        } else {
            control_free(&control);
            io_loop_free(&loop);
            fake_done(err_new(ERR_GONE, "over"));
            start_server();
        }
        client_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_list),         TEST(test_list_of_one_token),   TEST(test_found_by_each_name),
        TEST(test_not_found),    TEST(test_ambiguous),           TEST(test_generate),
        TEST(test_generate_rsa), TEST(test_generate_refused),    TEST(test_generate_where),
        TEST(test_delete),       TEST(test_delete_what_is_used), TEST(test_prove),
        TEST(test_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
