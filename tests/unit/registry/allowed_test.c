/* Who may make the agent read what: the account anything, scopes below it what they were given. */
#include "fixture.h"

#define V "{\"login\":{"
#define TOKEN(more) V "\"method\":\"token\"" more "}}"
#define FILE_AT(path) TOKEN(",\"token_file\":\"" path "\"")
#define KEY(uri) V "\"method\":\"cert\",\"key\":\"" uri "\"}}"

static const struct registry_allowed given[] = {
    {.scope = "org/acme", .folder = "/etc/acme/"},
    {.scope = "org/acme/project/web", .folder = "/etc/web"},
    {.scope = "org/acme/project/web", .key = "pkcs11:object=web"},
};
static const struct registry_allowed_list list = {given, ARRAY_LEN(given)};

static const struct row {
    enum registry_kind kind;
    const char *scope, *spec;
    const char *words; /* NULL: allowed */
} rows[] = {
    {REGISTRY_CONNECTOR, "account", FILE_AT("/any/where"), NULL},
    {REGISTRY_CONNECTOR, "account", TOKEN(",\"token_environment\":\"A\""), NULL},
    {REGISTRY_CONNECTOR, "account", TOKEN(""), NULL},
    {REGISTRY_CONNECTOR, "account", KEY("pkcs11:object=any"), NULL},
    {REGISTRY_CONNECTOR, "org/acme", FILE_AT("/etc/acme/token"), NULL},
    {REGISTRY_CONNECTOR, "org/acme", FILE_AT("/etc/acme/a/b.c/..d"), NULL},
    {REGISTRY_CONNECTOR, "org/acme/project/db", FILE_AT("/etc/acme/token"), NULL},
    {REGISTRY_CONNECTOR, "org/acme/project/web", FILE_AT("/etc/web/token"), NULL},
    {REGISTRY_CONNECTOR, "org/acme", FILE_AT("/etc/acme"), "/spec/login/token_file"},
    {REGISTRY_CONNECTOR, "org/acme", FILE_AT("/etc/acme/../shadow"), "secret-folders"},
    {REGISTRY_CONNECTOR, "org/acme", FILE_AT("/etc/acme/./x"), "secret-folders"},
    {REGISTRY_CONNECTOR, "org/acme", FILE_AT("/etc/acme//x"), "secret-folders"},
    {REGISTRY_CONNECTOR, "org/acme", FILE_AT("/etc/acme/x/"), "secret-folders"},
    {REGISTRY_CONNECTOR, "org/acme", FILE_AT("/etc/acme/x/.."), "secret-folders"},
    {REGISTRY_CONNECTOR, "org/acme", FILE_AT("/etc/acmes/x"), "secret-folders"},
    {REGISTRY_CONNECTOR, "org/acme", FILE_AT("/etc/web/token"), "{scope: org/acme, path"},
    {REGISTRY_CONNECTOR, "org/acmes", FILE_AT("/etc/acme/token"), "secret-folders"},
    {REGISTRY_CONNECTOR, "org/acme/project/webs", FILE_AT("/etc/web/t"), "secret-folders"},
    {REGISTRY_CONNECTOR, "org/acme", TOKEN(""), "/spec/login/token_file"},
    {REGISTRY_CONNECTOR, "org/acme", TOKEN(",\"token_environment\":\"A\""), "name a file"},
    {REGISTRY_CONNECTOR, "org/acme", V "\"method\":\"kubernetes\",\"role\":\"r\"}}",
     "/spec/login/jwt_file"},
    {REGISTRY_CONNECTOR, "org/acme",
     V "\"method\":\"approle\",\"role_id_file\":\"/etc/acme/r\",\"secret_id_file\":\"/etc/s\"}}",
     "/spec/login/secret_id_file"},
    {REGISTRY_CONNECTOR, "org/acme", V "\"method\":\"userpass\",\"password_file\":\"/p\"}}",
     "/spec/login/password_file"},
    {REGISTRY_CONNECTOR, "org/acme/project/web", KEY("pkcs11:object=web"), NULL},
    {REGISTRY_CONNECTOR, "org/acme/project/web", KEY("pkcs11:object=web;type=private"),
     "login-keys"},
    {REGISTRY_CONNECTOR, "org/acme", KEY("pkcs11:object=web"), "/spec/login/key"},
    {REGISTRY_SSH_KEY, "org/acme", "{\"key\":\"pkcs11:object=x\"}", NULL},
    {REGISTRY_SSH_KEY, "org/acme", "{\"pin\":{\"askpass\":true}}", NULL},
    {REGISTRY_SSH_KEY, "org/acme", "{\"pin\":{\"file\":\"/etc/acme/pin\"}}", NULL},
    {REGISTRY_SSH_KEY, "org/acme", "{\"pin\":{\"file\":\"/etc/pin\"}}", "/spec/pin/file"},
    {REGISTRY_SSH_KEY, "org/acme", "{\"pin\":{\"environment\":\"P\"}}", "/spec/pin/environment"},
    {REGISTRY_SSH_KEY, "org/acme", "{\"pin\":{\"credential\":\"p\"}}", "/spec/pin/credential"},
    {REGISTRY_SSH_KEY, "org/acme", "{\"pin\":{\"command\":[\"x\"]}}", "/spec/pin/command"},
    {REGISTRY_SSH_KEY, "account", "{\"pin\":{\"command\":[\"x\"]}}", NULL},
};

static void test_each_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *spec = json_loads(rows[i].spec, 0, NULL);

        assert_non_null(spec);
        AUTO(err_free) struct err *e =
            registry_allowed_check(&list, rows[i].kind, rows[i].scope, spec);

        if (rows[i].words == NULL
                ? e != NULL
                : !err_is(e, ERR_DENIED) || strstr(err_text(e), rows[i].words) == NULL) {
            fail_msg("%s %s: got '%s'", rows[i].scope, rows[i].spec, err_text(e));
        }
        json_decref(spec);
    }
}

/* A registry that nobody told anything gives nothing away below the account. */
static void test_nothing_by_default(void **state)
{
    static const char body[] =
        "{\"name\":\"x\",\"spec\":{\"type\":\"vault\",\"addresses\":[\"https://v\"],\"login\":"
        "{\"method\":\"token\",\"token_file\":\"/etc/acme/t\"}}}";
    static const struct registry_allowed_list none;

    (void)state;
    registry_allow(fx.r, &none);
    create(REGISTRY_CONNECTOR, "org/acme", body);
    refused(ERR_DENIED, "secret-folders: [{scope: org/acme, path: FOLDER}]");
    create(REGISTRY_CONNECTOR, "account", body);
    succeeded();
    registry_allow(fx.r, &list);
    create(REGISTRY_CONNECTOR, "org/acme", body);
    succeeded();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row),
        cmocka_unit_test_setup_teardown(test_nothing_by_default, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
