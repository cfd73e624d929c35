/* Resources of the registry over HTTP: kinds, scopes, revisions, pages, and what is refused before. */
#include "control/support.h"

static const char web[] = "{\"created\":\"2026-01-01T00:00:00Z\",\"identifier\":\"web\",\"name\":"
                          "\"Web\",\"scope\":\"org/acme\","
                          "\"revision\":3,\"spec\":{}}";
static char last_headers[4096]; /* of the last answer */
static const char body[] = "{\"name\":\"Web\",\"spec\":{\"pem\":\"x\"},\"tags\":[\"a\"]}";

/* One request; the registry answers with @text, or the error. */
static int ask_registry(const char *method, const char *path, const char *sent, struct err *e,
                        const char *text)
{
    struct client c;
    unsigned calls = reg.calls;

    client_open(&c);
    send_request(&c, method, path, sent);
    reg_await(calls + 1);
    reg_answer(e, text);
    int status = take_answer(&c);

    snprintf(last_headers, sizeof last_headers, "%s", c.headers);
    client_close(&c);
    return status;
}

#define assert_header(text) assert_non_null(strstr(last_headers, "\r\n" text "\r\n"))

static void test_create(void **state)
{
    (void)state;
    assert_int_equal(ask_registry("POST", "/v1/scopes/org%2Facme/certificates", body, NULL, web),
                     201);
    assert_string_equal(reg.op, "create");
    assert_int_equal(reg.kind, REGISTRY_CERTIFICATE);
    assert_string_equal(reg.scope, "org/acme");
    assert_string_equal(reg.body, "{\"name\":\"Web\",\"spec\":{\"pem\":\"x\"},\"tags\":[\"a\"]}");
    assert_int_equal(reg.who.uid, getuid());
    assert_int_equal(reg.who.pid, getpid());
    assert_text("identifier", "web");
    assert_header("ETag: \"3-6955b900\"");
    assert_header("Location: /v1/scopes/org%2Facme/certificates/web");
}

static void test_kinds_and_scopes(void **state)
{
    static const struct {
        const char *path;
        enum registry_kind kind;
        const char *scope;
    } cases[] = {
        {"/v1/scopes/account/connectors/web", REGISTRY_CONNECTOR, "account"},
        {"/v1/scopes/org%2Facme/secrets-managers/web", REGISTRY_SECRETS_MANAGER, "org/acme"},
        {"/v1/scopes/org%2Facme%2Fproject%2Fweb/ssh-keys/web", REGISTRY_SSH_KEY,
         "org/acme/project/web"},
        {"/v1/scopes/org%2facme/infrastructures/web", REGISTRY_INFRASTRUCTURE, "org/acme"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(ask_registry("GET", cases[i].path, NULL, NULL, web), 200);
        assert_string_equal(reg.op, "get");
        assert_int_equal(reg.kind, cases[i].kind);
        assert_string_equal(reg.scope, cases[i].scope);
        assert_string_equal(reg.id, "web");
        assert_header("ETag: \"3-6955b900\"");
    }
}

static void test_no_such_kind_or_scope(void **state)
{
    static const char *const kinds[] = {"certificate", "s", "keys", "certificatess", "%0a"};
    static const char *const scopes[] = {"accounts",
                                         "org",
                                         "org%2F",
                                         "org%2Fa%2Fb",
                                         "org%2FA",
                                         "account%2Forg%2Fa",
                                         "org%2Fa%2Fproject%2F",
                                         "..",
                                         "%2F"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        AUTO(auto_free) char *path = text_fmt("/v1/scopes/account/%s", kinds[i]);

        assert_int_equal(ask("GET", path, NULL), 404);
        assert_problem("not-found", "no such kind");
    }
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        AUTO(auto_free) char *path = text_fmt("/v1/scopes/%s/certificates", scopes[i]);

        assert_int_equal(ask("GET", path, NULL), 400);
        assert_problem("input", "scope");
    }
    assert_int_equal(reg.calls, 0);
}

#define KEY_OF(uri) "{\"name\":\"k\",\"spec\":{\"key\":\"" uri "\"}}"
#define LOGIN_OF(uri, more) "{\"name\":\"c\",\"spec\":{\"login\":{\"key\":\"" uri "\"" more "}}}"

static void is_refused(const char *path, const char *sent, const char *why)
{
    unsigned calls = reg.calls;

    assert_int_equal(ask("POST", path, sent), 400);
    assert_problem("input", why);
    assert_int_equal(reg.calls, calls);
}

/* A key that logs in to a Vault is no SSH key, unless the login says so. */
static void test_a_key_has_one_use(void **state)
{
    static const char keys[] = "/v1/scopes/account/ssh-keys";
    static const char connectors[] = "/v1/scopes/account/connectors";
    static const char other[] =
        "ssh-ed25519 "
        "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    (void)state;
    fake_add_key(other, "login", "pkcs11:token=demo;object=login");
    fake.vaults = 1;
    fake.vault[0] = (struct vault_status){.name = "corp"};
    en.login = (struct vault_conf){.name = "corp", .client_key = "pkcs11:token=demo;object=login"};
    is_refused(keys, KEY_OF("pkcs11:token=demo;object=login"), "/spec/key: corp logs in");
    is_refused(keys, KEY_OF("pkcs11:token=demo;object=lo"), "/spec/key: corp logs in");
    is_refused("/v1/scopes/account/ssh-keys/-/check", KEY_OF("pkcs11:token=demo;object=login"),
               "corp logs in");
    is_refused("/v1/registry/apply",
               "{\"document\":{\"resources\":[{\"scope\":\"account\",\"kind\":\"ssh-key\",\"spec\":"
               "{\"key\":\"pkcs11:token=demo;object=login\"}}]}}",
               "/resources/0: /spec/key: corp logs in");
    assert_int_equal(ask_registry("POST", keys, KEY_OF("pkcs11:token=demo;object=web"), NULL, web),
                     201);
    is_refused(connectors, LOGIN_OF("pkcs11:token=demo;object=web", ""), "SSH identity web's key");
    assert_int_equal(
        ask_registry("POST", connectors,
                     LOGIN_OF("pkcs11:token=demo;object=web", ",\"share_with_ssh\":true"), NULL,
                     web),
        201);
    assert_int_equal(
        ask_registry("POST", connectors, LOGIN_OF("pkcs11:token=demo;object=login", ""), NULL, web),
        201);
    assert_int_equal(ask_registry("POST", connectors, LOGIN_OF("pkcs11:token=away", ""), NULL, web),
                     201);
    en.login.client_key = "pkcs11:token=away";
    is_refused(keys, KEY_OF("pkcs11:token=away"), "corp logs in"); /* by its words */
    registry_busy = true; /* what is known of the login is from before a change */
    assert_int_equal(ask_registry("POST", keys, KEY_OF("pkcs11:token=away"), NULL, web), 201);
    registry_busy = false;
    en.login.client_key_shared = true;
    assert_int_equal(ask_registry("POST", keys, KEY_OF("pkcs11:token=away"), NULL, web), 201);
    en.login = (struct vault_conf){0};
}

static void test_pages(void **state)
{
    static const char page[] = "{\"items\":[],\"next\":\"k\"}";

    (void)state;
    assert_int_equal(ask_registry("GET",
                                  "/v1/scopes/account/ssh-keys?below=true&above=false&tag=a%20b&"
                                  "name=We&after=c%2Fd&limit=1000",
                                  NULL, NULL, page),
                     200);
    assert_text("next", "k");
    assert_true(reg.below);
    assert_false(reg.above);
    assert_string_equal(reg.tag, "a b");
    assert_string_equal(reg.name, "We");
    assert_string_equal(reg.after, "c/d");
    assert_int_equal(reg.limit, 1000);
    assert_int_equal(
        ask_registry("GET", "/v1/scopes/account/ssh-keys?above=true", NULL, NULL, page), 200);
    assert_int_equal(reg.limit, 100);
    assert_false(reg.below);
    assert_true(reg.above);
    assert_string_equal(reg.tag, "");
}

static void test_page_limits(void **state)
{
    static const char *const queries[] = {"limit=0",   "limit=1001", "limit=-1",
                                          "limit=1x",  "limit=%20",  "limit=99999999999999999999",
                                          "below=yes", "above=1",    "tag=",
                                          "name=",     "page=2"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        AUTO(auto_free) char *path = text_fmt("/v1/scopes/account/connectors?%s", queries[i]);

        if (ask("GET", path, NULL) != 400) {
            fail_msg("%s", queries[i]);
        }
        assert_problem("input", "query");
    }
    assert_int_equal(reg.calls, 0);
}

static void test_a_change_says_what_it_is_based_on(void **state)
{
    static const char *const broken[] = {
        "3",      "\"\"",         "\"0\"",  "W/\"3\"", "\"3",
        "\"03\"", "\"3\", \"4\"", "\"-3\"", "**",      "\"1234567890123456789\""};
    static const char path[] = "/v1/scopes/account/connectors/web";
    static const char gone[] = "{\"message\":\"gone\"}";

    (void)state;
    assert_int_equal(ask("PUT", path, body), 428);
    assert_problem("input", "If-Match");
    assert_int_equal(ask("DELETE", path, NULL), 428);
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        AUTO(auto_free) char *header = text_fmt("If-Match: %s\r\n", broken[i]);

        more_headers = header;
        if (ask("PUT", path, body) != 400 || ask("DELETE", path, NULL) != 400) {
            fail_msg("%s", broken[i]);
        }
        more_headers = "";
    }
    assert_int_equal(reg.calls, 0);
    more_headers = "If-Match: \"3\"\r\n";
    assert_int_equal(ask_registry("PUT", path, body, NULL, web), 200);
    assert_string_equal(reg.op, "update");
    assert_int_equal(reg.expected, 3);
    assert_string_equal(reg.id, "web");
    more_headers = "If-Match: \"3-6955b900\"\r\n";
    assert_int_equal(ask_registry("PUT", path, body, NULL, web), 200);
    assert_int_equal(reg.expected, registry_version(3, (struct wall){1767225600}));
    more_headers = "if-match: *\r\n";
    assert_int_equal(ask_registry("DELETE", path, NULL, NULL, gone), 200);
    assert_string_equal(reg.op, "delete");
    assert_int_equal(reg.expected, 0);
    assert_false(reg.force);
    assert_int_equal(
        ask_registry("DELETE", "/v1/scopes/account/connectors/web?force=true", NULL, NULL, gone),
        200);
    assert_text("message", "gone");
    assert_true(reg.force);
    more_headers = "";
}

static void test_stale_and_in_use(void **state)
{
    static const char path[] = "/v1/scopes/account/certificates/web";

    (void)state;
    more_headers = "If-Match: \"2\"\r\n";
    struct err *e = err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "STALE", "web is at revision 3");

    assert_int_equal(ask_registry("PUT", path, body, e, NULL), 412);
    assert_problem("busy", "revision 3");
    assert_text("native.name", "STALE");
    assert_text("native.domain", "holdfast");
    assert_number("status", 412);
    e = err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "IN-USE", "connector main at org/acme uses it");
    assert_int_equal(ask_registry("DELETE", path, NULL, e, NULL), 409);
    assert_problem("busy", "connector main");
    assert_text("native.name", "IN-USE");
    e = err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "CONTENDED", "main is being changed by others");
    assert_int_equal(ask_registry("PUT", path, body, e, NULL), 503);
    assert_problem("busy", "by others");
    assert_header("Retry-After: 1");
    more_headers = "";
}

static void test_check_stores_nothing(void **state)
{
    (void)state;
    assert_int_equal(ask_registry("POST", "/v1/scopes/account/certificates/-/check", body, NULL,
                                  "{\"order\":\"single\"}"),
                     200);
    assert_string_equal(reg.op, "check");
    assert_text("order", "single");
    assert_int_equal(ask_registry("POST", "/v1/scopes/account/certificates/-/check", body,
                                  err_new(ERR_INPUT, "/spec/pem: no"), NULL),
                     400);
    assert_problem("input", "/spec/pem");
}

static void test_bodies(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{\"name\":\"x\"}",
        "{\"spec\":{}}",
        "{\"name\":1,\"spec\":{}}",
        "{\"name\":\"x\",\"spec\":[]}",
        "{\"name\":\"x\",\"spec\":{},\"tags\":\"a\"}",
        "{\"name\":\"x\",\"spec\":{},\"identifier\":\"y\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        if (ask("POST", "/v1/scopes/account/certificates", bodies[i]) != 400) {
            fail_msg("%s", bodies[i]);
        }
    }
    assert_int_equal(reg.calls, 0);
}

static void test_errors_of_the_registry(void **state)
{
    (void)state;
    assert_int_equal(ask_registry("GET", "/v1/scopes/account/connectors/x", NULL,
                                  err_new(ERR_NOT_FOUND, "no connector x"), NULL),
                     404);
    assert_int_equal(ask_registry("POST", "/v1/scopes/account/connectors", body,
                                  err_new(ERR_EXISTS, "there is a connector web"), NULL),
                     409);
    assert_problem("exists", "connector web");
}

static void test_no_registry(void **state)
{
    (void)state;
    control_free(&control);
    io_loop_free(&loop);
    without_registry = true;
    start_server();
    without_registry = false;
    assert_int_equal(ask("GET", "/v1/scopes/account/connectors", NULL), 501);
    assert_problem("unsupported", "no registry");
    assert_int_equal(ask("GET", "/v1/registry/export", NULL), 501);
}

static bool nobody_waits(void *arg)
{
    struct client c;

    (void)arg;
    client_open(&c);
    turn();
    client_close(&c);
    return true;
}

static void test_the_client_left_before_the_answer(void **state)
{
    struct client c;

    (void)state;
    client_open(&c);
    send_request(&c, "GET", "/v1/scopes/account/connectors/x", NULL);
    reg_await(1);
    client_close(&c);
    pump(nobody_waits, NULL);
    reg_answer(NULL, web); /* to nobody, and without harm */
    assert_int_equal(ask("GET", "/v1/identities", NULL), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_create),
        TEST(test_kinds_and_scopes),
        TEST(test_no_such_kind_or_scope),
        TEST(test_a_key_has_one_use),
        TEST(test_pages),
        TEST(test_page_limits),
        TEST(test_a_change_says_what_it_is_based_on),
        TEST(test_stale_and_in_use),
        TEST(test_check_stores_nothing),
        TEST(test_bodies),
        TEST(test_errors_of_the_registry),
        TEST(test_no_registry),
        TEST(test_the_client_left_before_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
