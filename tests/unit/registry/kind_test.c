/* What each kind's table and checks take and refuse; where, and with what words. Values that may be
 * secrets never come back. */
#include "registry/fixture.h"

#include "registry/resource.h"

struct row {
    enum registry_kind kind;
    const char *spec;
    enum err_code code; /* 0: taken */
    const char *part;
};

#define V "\"type\":\"vault\",\"addresses\":[\"https://v:8200\"]"
#define L ",\"login\":{\"method\":\"token\",\"token_file\":\"/run/t\"}"
#define LOGIN(l) "{" V ",\"login\":{" l "}}"
#define K "\"user_name\":\"u\",\"key\":\"pkcs11:token=t;object=k\""
#define WITH_EXTENSIONS(list)                                                                      \
    "\"credentials\":{\"type\":\"vault-ssh\",\"secrets_manager\":\"m\",\"extensions\":" list "}"
#define SSH "\"credentials\":{\"type\":\"vault-ssh\",\"secrets_manager\":\"m\"}"
#define HOST(h) "{\"ssh_key\":\"k\",\"hosts\":[" h "]}"
#define ED25519 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

static const struct row connectors[] = {
    {REGISTRY_CONNECTOR, "{" V L "}", 0, NULL},
    {REGISTRY_CONNECTOR, "{" V L ",\"namespace\":\"team/a\",\"timeout_s\":30}", 0, NULL},
    {REGISTRY_CONNECTOR, "{" V L ",\"namespace\":null}", 0, NULL},
    {REGISTRY_CONNECTOR, "{}", ERR_INPUT, "/spec/type: is missing"},
    {REGISTRY_CONNECTOR, "{" V "}", ERR_INPUT, "/spec/login: is missing"},
    {REGISTRY_CONNECTOR, "{" V L ",\"colour\":1}", ERR_INPUT, "/spec/colour: there is no such"},
    {REGISTRY_CONNECTOR, "{" V L ",\"a/b~c\":1}", ERR_INPUT, "/spec/a~1b~0c: "},
    {REGISTRY_CONNECTOR, "{" V L ",\"password\":\"hunter2\"}", ERR_DENIED, "/spec/password"},
    {REGISTRY_CONNECTOR, "{" V L ",\"read_only\":\"yes\"}", ERR_INPUT, "must be true or false"},
    {REGISTRY_CONNECTOR, "{" V L ",\"renewal_interval_minutes\":-1}", ERR_INPUT, "must be 0.."},
    {REGISTRY_CONNECTOR, "{" V L ",\"renewal_interval_minutes\":1.5}", ERR_INPUT, "whole number"},
    {REGISTRY_CONNECTOR, "{" V L ",\"server_name\":\"-x\"}", ERR_INPUT, "/spec/server_name"},
    {REGISTRY_CONNECTOR, "{\"type\":\"ssm\",\"addresses\":[]" L "}", ERR_INPUT, "one of: vault"},
    {REGISTRY_CONNECTOR, "{\"type\":\"vault\",\"addresses\":[]" L "}", ERR_INPUT, "1..8"},
    {REGISTRY_CONNECTOR, "{\"type\":\"vault\",\"addresses\":\"https://v\"" L "}", ERR_INPUT,
     "a list"},
    {REGISTRY_CONNECTOR, "{\"type\":\"vault\",\"addresses\":[\"http://v\"]" L "}", ERR_INPUT,
     "/spec/addresses/0: must be a URL that begins with https://"},
    {REGISTRY_CONNECTOR, "{\"type\":\"vault\",\"addresses\":[\"https://v\",7]" L "}", ERR_INPUT,
     "/spec/addresses/1: must be a text"},
    {REGISTRY_CONNECTOR, "{\"type\":\"vault\",\"addresses\":[\"https://u:hunter2@v\"]" L "}",
     ERR_DENIED, "user name or password"},
    {REGISTRY_CONNECTOR, "{\"type\":\"vault\",\"addresses\":[\"https://v?x\"]" L "}", ERR_INPUT,
     "/spec/addresses/0"},
    {REGISTRY_CONNECTOR, "{" V L ",\"namespace\":\"a//b\"}", ERR_INPUT, "/spec/namespace"},
    {REGISTRY_CONNECTOR, "{" V L ",\"namespace\":\"../b\"}", ERR_INPUT, "/spec/namespace"},
    {REGISTRY_CONNECTOR, "{" V L ",\"namespace\":\"\"}", ERR_INPUT, "has 0 bytes"},
};

static const struct row logins[] = {
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"token\",\"token_environment\":\"VAULT_TOKEN\""), 0,
     NULL},
    {REGISTRY_CONNECTOR,
     LOGIN("\"method\":\"approle\",\"role_id_file\":\"/r\",\"secret_id_file\":\"/s\","
           "\"secret_id_wrapped\":true,\"wrapping_path\":\"auth/approle/role/x/secret-id\""),
     0, NULL},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"token\""), 0, NULL},
    {REGISTRY_CONNECTOR,
     LOGIN("\"method\":\"token\",\"token_file\":\"/w\",\"token_wrapped\":true,"
           "\"wrapping_path\":\"auth/token/create\""),
     0, NULL},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"cert\",\"key\":\"pkcs11:token=t;object=k\""), 0, NULL},
    {REGISTRY_CONNECTOR,
     LOGIN("\"method\":\"cert\",\"key\":\"pkcs11:object=k\",\"role\":\"r\",\"mount\":\"c\","
           "\"share_with_ssh\":true,\"revoke_on_stop\":true"),
     0, NULL},
    {REGISTRY_CONNECTOR,
     LOGIN("\"method\":\"cert\",\"key\":\"pkcs11:object=k\",\"pki_mount\":\"team/pki\","
           "\"pki_role\":\"machines\""),
     0, NULL},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"token\",\"pki_role\":\"r\""), ERR_INPUT,
     "belongs to the method cert"},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"jwt\",\"role\":\"r\",\"jwt_file\":\"/j\""), 0, NULL},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"kubernetes\",\"role\":\"r\""), 0, NULL},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"userpass\",\"user\":\"u\",\"password_file\":\"/p\""),
     0, NULL},
    {REGISTRY_CONNECTOR,
     LOGIN("\"method\":\"token-key\",\"role\":\"r\",\"key\":\"pkcs11:object=k\","
           "\"audience\":\"a\",\"issuer\":\"i\",\"subject\":\"s\""),
     0, NULL},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"cert\""), ERR_INPUT,
     "/spec/login/key: is missing: the method cert needs it"},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"jwt\",\"jwt_file\":\"/j\""), ERR_INPUT,
     "/spec/login/role: is missing: the method jwt needs it"},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"userpass\",\"user\":\"u\""), ERR_INPUT,
     "/spec/login/password_file: is missing: the method userpass needs it"},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"userpass\",\"user\":\"u\",\"password\":\"hunter2\""),
     ERR_DENIED, "password_file"},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"jwt\",\"role\":\"r\",\"jwt_file\":\"eyJh.eyJz.AAAA\""),
     ERR_DENIED, "jwt_file"},
    {REGISTRY_CONNECTOR,
     LOGIN("\"method\":\"jwt\",\"role\":\"r\",\"jwt_file\":\"/j\",\"key\":\"pkcs11:id=%01\""),
     ERR_INPUT, "/spec/login/key: belongs to the method cert, token-key"},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"cert\",\"key\":\"pkcs11:object=k?pin-value=1234\""),
     ERR_DENIED, "pin-value"},
    {REGISTRY_CONNECTOR,
     LOGIN("\"method\":\"token\",\"token_file\":\"/t\",\"revoke_on_stop\":true"), ERR_INPUT,
     "belongs to the method approle, cert"},
    {REGISTRY_CONNECTOR, "{" V L ",\"proxy\":\"http://proxy:3128\",\"no_proxy\":\"localhost\"}", 0,
     NULL},
    {REGISTRY_CONNECTOR, "{" V L ",\"proxy\":\"http://u:hunter2@proxy\"}", ERR_DENIED,
     "/spec/proxy"},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"ldap\""), ERR_INPUT, "one of: token, approle"},
    {REGISTRY_CONNECTOR,
     LOGIN("\"method\":\"token\",\"token_file\":\"/a\",\"token_environment\":\"A\""), ERR_INPUT,
     "/spec/login/token_environment: there is a token_file already"},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"token\",\"token\":\"hunter2\""), ERR_DENIED,
     "/spec/login/token: secrets do not enter the registry"},
    {REGISTRY_CONNECTOR,
     LOGIN("\"method\":\"token\",\"token_file\":\"hvs.CAESIhunter2hunter2hunter2\""), ERR_DENIED,
     "token_file"},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"token\",\"token_file\":\"hunter2\""), ERR_INPUT,
     "absolute path"},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"token\",\"token_environment\":\"hunter2\""), ERR_INPUT,
     "variable's name"},
    {REGISTRY_CONNECTOR, LOGIN("\"method\":\"approle\",\"role_id_file\":\"/r\""), ERR_INPUT,
     "/spec/login/secret_id_file: is missing: the method approle needs it"},
    {REGISTRY_CONNECTOR,
     LOGIN("\"method\":\"approle\",\"role_id_file\":\"/r\",\"secret_id\":\"hunter2\""), ERR_DENIED,
     "secret_id_wrapped"},
    {REGISTRY_CONNECTOR,
     LOGIN("\"method\":\"approle\",\"role_id_file\":\"/r\",\"secret_id_file\":\"/s\","
           "\"wrapping_path\":\"a/b\""),
     ERR_INPUT, "needs secret_id_wrapped"},
    {REGISTRY_CONNECTOR,
     LOGIN(
         "\"method\":\"approle\",\"role_id_file\":\"/r\",\"secret_id_file\":\"/s\",\"root\":true"),
     ERR_INPUT, "belongs to the method token"},
    {REGISTRY_CONNECTOR,
     LOGIN("\"method\":\"token\",\"token_file\":\"/t\",\"secret_id_file\":\"/s\""), ERR_INPUT,
     "belongs to the method approle"},
    {REGISTRY_CONNECTOR,
     "{" V ",\"renewal_interval_minutes\":10,\"login\":{\"method\":\"token\","
     "\"token_file\":\"/t\",\"root\":true}}",
     ERR_INPUT, "/spec/renewal_interval_minutes: with a root token it must be 0"},
    {REGISTRY_CONNECTOR,
     "{" V ",\"read_only\":true,\"login\":{\"method\":\"cert\",\"key\":\"pkcs11:object=l\","
     "\"pki_role\":\"machines\"}}",
     ERR_INPUT, "/spec/read_only"},
    {REGISTRY_CONNECTOR,
     "{" V ",\"read_only\":true,\"login\":{\"method\":\"cert\",\"key\":\"pkcs11:object=l\"}}", 0,
     NULL},
    {REGISTRY_CONNECTOR,
     "{" V ",\"renewal_interval_minutes\":0,\"login\":{\"method\":\"token\","
     "\"token_file\":\"/t\",\"root\":true}}",
     0, NULL},
};

static const struct row keys[] = {
    {REGISTRY_SSH_KEY, "{" K "," SSH "}", 0, NULL},
    {REGISTRY_SSH_KEY, "{" K ",\"credentials\":{\"type\":\"key\"}}", 0, NULL},
    {REGISTRY_SSH_KEY,
     "{" K ",\"credentials\":{\"type\":\"key\",\"public_key\":\"" ED25519 " me\"}}", 0, NULL},
    {REGISTRY_SSH_KEY,
     "{" K ",\"token\":\"yubi\",\"port\":2222,\"pin\":{\"askpass\":true},\"offer\":\"both\"," SSH
     "}",
     0, NULL},
    {REGISTRY_SSH_KEY, "{" K ",\"credentials\":{\"type\":\"vault-ssh\"}}", ERR_INPUT,
     "/spec/credentials/secrets_manager: is missing"},
    {REGISTRY_SSH_KEY, "{" K ",\"credentials\":{\"type\":\"key\",\"role\":\"r\"}}", ERR_INPUT,
     "/spec/credentials/role: belongs to the type vault-ssh"},
    {REGISTRY_SSH_KEY, "{" K ",\"renewal\":\"eager\",\"credentials\":{\"type\":\"key\"}}",
     ERR_INPUT, "/spec/renewal"},
    {REGISTRY_SSH_KEY, "{" K ",\"renewal\":\"never\"," SSH "}", ERR_INPUT, "/spec/renewal"},
    {REGISTRY_SSH_KEY, "{" K ",\"renewal\":\"per-connection\"," SSH "}", 0, NULL},
    {REGISTRY_SSH_KEY, "{" K ",\"offer\":\"both\",\"credentials\":{\"type\":\"key\"}}", ERR_INPUT,
     "/spec/offer"},
    {REGISTRY_SSH_KEY, "{" K ",\"pin\":\"hunter2\"," SSH "}", ERR_DENIED, "/spec/pin: secrets"},
    {REGISTRY_SSH_KEY, "{" K ",\"pin\":123456," SSH "}", ERR_DENIED, "/spec/pin: secrets"},
    {REGISTRY_SSH_KEY, "{" K ",\"pin\":{}," SSH "}", ERR_INPUT, "/spec/pin: give one"},
    {REGISTRY_SSH_KEY, "{" K ",\"pin\":{\"askpass\":false}," SSH "}", ERR_INPUT, "give one"},
    {REGISTRY_SSH_KEY, "{" K ",\"pin\":{\"file\":\"/a\",\"askpass\":true}," SSH "}", ERR_INPUT,
     "give one"},
    {REGISTRY_SSH_KEY, "{" K ",\"pin\":{\"value\":\"hunter2\"}," SSH "}", ERR_INPUT,
     "/spec/pin/value"},
    {REGISTRY_SSH_KEY, "{" K ",\"port\":0," SSH "}", ERR_INPUT, "/spec/port: must be 1..65535"},
    {REGISTRY_SSH_KEY, "{" K ",\"port\":65536," SSH "}", ERR_INPUT, "/spec/port"},
    {REGISTRY_SSH_KEY, "{" K ",\"passphrase\":\"hunter2\"," SSH "}", ERR_DENIED,
     "/spec/passphrase"},
    {REGISTRY_SSH_KEY,
     "{\"user_name\":\"u\",\"key\":\"pkcs11:object=k?pin-value=hunter2\"," SSH "}", ERR_DENIED,
     "/spec/key: holds a PIN"},
    {REGISTRY_SSH_KEY, "{\"user_name\":\"u\",\"key\":\"/etc/ssh/key\"," SSH "}", ERR_INPUT,
     "PKCS#11 URI"},
    {REGISTRY_SSH_KEY,
     "{\"user_name\":\"u\",\"key\":\"-----BEGIN OPENSSH PRIVATE KEY-----hunter2\"," SSH "}",
     ERR_DENIED, "/spec/key: holds a private key"},
    {REGISTRY_SSH_KEY, "{\"user_name\":\"-oProxy\",\"key\":\"pkcs11:object=k\"," SSH "}", ERR_INPUT,
     "/spec/user_name"},
    {REGISTRY_SSH_KEY,
     "{" K ",\"credentials\":{\"type\":\"vault-ssh\",\"secrets_manager\":\"m\",\"ttl\":\"soon\"}}",
     ERR_INPUT, "/spec/credentials/ttl"},
    {REGISTRY_SSH_KEY,
     "{" K ",\"credentials\":{\"type\":\"vault-ssh\",\"secrets_manager\":\"m\",\"public_key\":"
     "\"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\"}}",
     ERR_INPUT, "/spec/credentials/public_key"},
    {REGISTRY_SSH_KEY,
     "{" K ",\"credentials\":{\"type\":\"vault-ssh\",\"secrets_manager\":\"m\","
     "\"principals\":[\"a,b\"]}}",
     ERR_INPUT, "/spec/credentials/principals/0"},
    {REGISTRY_SSH_KEY, "{" K "," WITH_EXTENSIONS("[\"role\"]") "}", 0, NULL},
    {REGISTRY_SSH_KEY, "{" K "," WITH_EXTENSIONS("[\"permit-pty\",\"a@b=c\"]") "}", 0, NULL},
    {REGISTRY_SSH_KEY, "{" K "," WITH_EXTENSIONS("[\"permit-pty\",\"role\"]") "}", ERR_INPUT,
     "/spec/credentials/extensions: 'role' means what the role gives by itself"},
    {REGISTRY_SSH_KEY, "{" K "," WITH_EXTENSIONS("[]") "}", ERR_INPUT,
     "/spec/credentials/extensions"},
};

static const struct row others[] = {
    {REGISTRY_SECRETS_MANAGER, "{\"type\":\"vault-ssh\",\"connector\":\"c\",\"mount\":\"a/b\"}", 0,
     NULL},
    {REGISTRY_SECRETS_MANAGER, "{\"type\":\"vault-ssh\",\"mount\":\"a\"}", ERR_INPUT,
     "/spec/connector: is missing"},
    {REGISTRY_SECRETS_MANAGER, "{\"type\":\"vault-ssh\",\"connector\":7,\"mount\":\"a\"}",
     ERR_INPUT, "refers to a resource"},
    {REGISTRY_SECRETS_MANAGER,
     "{\"type\":\"vault-ssh\",\"connector\":\"c\",\"mount\":\"a\",\"default_role\":\"a/b\"}",
     ERR_INPUT, "/spec/default_role"},
    {REGISTRY_INFRASTRUCTURE,
     HOST("{\"name\":\"a\",\"address\":\"::1\",\"port\":22,\"host_key\":\"" ED25519
          "\",\"tags\":[\"x\"]},{\"name\":\"b\",\"host_ca\":\"" ED25519 "\"}"),
     0, NULL},
    {REGISTRY_INFRASTRUCTURE, HOST(""), ERR_INPUT, "/spec/hosts: has 0 entries"},
    {REGISTRY_INFRASTRUCTURE, HOST("{\"name\":\"a\"},{\"name\":\"a\"}"), ERR_INPUT,
     "/spec/hosts/1/name: host number 1 has this name too"},
    {REGISTRY_INFRASTRUCTURE, HOST("{\"name\":\"-oProxyCommand=x\"}"), ERR_INPUT,
     "/spec/hosts/0/name"},
    {REGISTRY_INFRASTRUCTURE,
     HOST("{\"name\":\"a\",\"host_key\":\"" ED25519 "\",\"host_ca\":\"" ED25519 "\"}"), ERR_INPUT,
     "give one of host_key and host_ca"},
    {REGISTRY_INFRASTRUCTURE, HOST("{\"name\":\"a\",\"password\":\"hunter2\"}"), ERR_DENIED,
     "/spec/hosts/0/password"},
    {REGISTRY_INFRASTRUCTURE, HOST("7"), ERR_INPUT, "/spec/hosts/0: must be an object"},
    {REGISTRY_INFRASTRUCTURE, "{\"ssh_key\":\"k\",\"concurrency\":51,\"hosts\":[{\"name\":\"a\"}]}",
     ERR_INPUT, "/spec/concurrency: must be 1..50"},
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_t *spec = json_of(rows[i].spec);
        json_t *facts = NULL;
        struct err *e = registry_spec_check(rows[i].kind, spec, &facts);

        if (rows[i].code == 0
                ? e != NULL
                : !err_is(e, rows[i].code) || strstr(err_text(e), rows[i].part) == NULL) {
            fail_msg("row %zu %s: %s", i, rows[i].spec, err_text(e));
        }
        assert_null(strstr(err_text(e), "hunter2"));
        err_free(&e);
        json_decref(facts);
        json_decref(spec);
    }
}

static void test_connectors(void **state)
{
    (void)state;
    check_rows(connectors, ARRAY_LEN(connectors));
}

static void test_logins(void **state)
{
    (void)state;
    check_rows(logins, ARRAY_LEN(logins));
}

static void test_keys(void **state)
{
    (void)state;
    check_rows(keys, ARRAY_LEN(keys));
}

static void test_others(void **state)
{
    (void)state;
    check_rows(others, ARRAY_LEN(others));
}

static void bodies(void **state)
{
    static const struct {
        const char *body;
        enum err_code code;
        const char *part;
    } rows[] = {
        {"{\"name\":\"a\",\"spec\":{},\"description\":\"x\\ny\",\"tags\":[\"t\"]}", 0, ""},
        {"{\"name\":\"a\",\"spec\":{},\"description\":null,\"tags\":null}", 0, ""},
        {"{\"spec\":{}}", ERR_INPUT, "/name: is missing"},
        {"{\"name\":7,\"spec\":{}}", ERR_INPUT, "/name: must be a text"},
        {"{\"name\":\"a\"}", ERR_INPUT, "/spec: is missing"},
        {"{\"name\":\"a\",\"spec\":[]}", ERR_INPUT, "/spec: must be an object"},
        {"{\"name\":\"a\",\"spec\":{},\"owner\":1}", ERR_INPUT, "/owner: there is no such member"},
        {"{\"name\":\"a\",\"spec\":{},\"password\":1}", ERR_DENIED, "secrets do not enter"},
        {"{\"name\":\"a\",\"spec\":{},\"tags\":[\"a b\"]}", ERR_INPUT, "/tags/0"},
        {"{\"name\":\"a\",\"spec\":{},\"tags\":[\"a\",\"a\"]}", ERR_INPUT, "/tags/1"},
        {"{\"name\":\"a\",\"spec\":{},\"tags\":{}}", ERR_INPUT, "/tags"},
        {"{\"name\":\"a\",\"spec\":{},\"description\":7}", ERR_INPUT, "/description"},
        {"{\"name\":\"a\",\"spec\":{},\"description\":\"-----BEGIN PRIVATE KEY-----\"}", ERR_DENIED,
         "/description"},
        {"[]", ERR_INPUT, "must be an object"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *body = json_of(rows[i].body);
        struct err *e = registry_resource_check(body);

        if ((rows[i].code == 0) != (e == NULL) ||
            (e != NULL && (!err_is(e, rows[i].code) || !strstr(err_text(e), rows[i].part)))) {
            fail_msg("row %zu: %s", i, err_text(e));
        }
        err_free(&e);
        json_decref(body);
    }
}

static void presets_and_nulls(void **state)
{
    json_t *spec = json_of("{" K ",\"pin\":null," SSH "}");
    json_t *facts = NULL;

    (void)state;
    assert_null(registry_spec_check(REGISTRY_SSH_KEY, spec, &facts));
    assert_null(facts);
    assert_null(json_object_get(spec, "pin"));
    assert_int_equal(json_integer_value(json_object_get(spec, "port")), 22);
    assert_string_equal(json_string_value(json_object_get(spec, "auth_scheme")), "ssh");
    json_decref(spec);
}

static void nul_in_text(void **state)
{
    json_t *spec = json_of("{\"type\":\"vault-ssh\",\"connector\":\"c\"}");
    json_t *facts = NULL;

    (void)state;
    json_object_set_new(spec, "mount", json_stringn("a\0b", 3));
    struct err *e = registry_spec_check(REGISTRY_SECRETS_MANAGER, spec, &facts);

    assert_true(err_is(e, ERR_INPUT));
    err_free(&e);
    json_decref(spec);
}

static void too_many_hosts(void **state)
{
    json_t *spec = json_of("{\"ssh_key\":\"k\",\"hosts\":[]}");
    json_t *hosts = json_object_get(spec, "hosts");
    json_t *facts = NULL;

    (void)state;
    for (int i = 0; i <= 10000; i++) {
        json_array_append_new(hosts, json_pack("{s:o}", "name", json_sprintf("h%d", i)));
    }
    struct err *e = registry_spec_check(REGISTRY_INFRASTRUCTURE, spec, &facts);

    assert_true(err_is(e, ERR_LIMIT));
    err_free(&e);
    json_array_remove(hosts, 0);
    assert_null(registry_spec_check(REGISTRY_INFRASTRUCTURE, spec, &facts));
    assert_int_equal(json_integer_value(json_object_get(facts, "hosts_count")), 10000);
    json_decref(facts);
    json_decref(spec);
}

static void words(void **state)
{
    (void)state;
    for (unsigned i = 0; i < REGISTRY_KINDS; i++) {
        enum registry_kind k = REGISTRY_CERTIFICATE;

        assert_true(registry_kind_find(registry_kind_word((enum registry_kind)i), &k));
        assert_int_equal(k, i);
        assert_true(strlen(registry_kind_title(k)) > 0);
    }
    enum registry_kind none;

    assert_false(registry_kind_find("Connector", &none));
}

/* A reference points to a lower kind only, so no cycle can be written. */
static void check_downwards(const struct registry_member *m, unsigned kind)
{
    for (; m->name != NULL; m++) {
        if (m->type == REGISTRY_REFERENCE) {
            assert_true((unsigned)m->to < kind);
            assert_false(m->list);
        }
        if (m->members != NULL) {
            check_downwards(m->members, kind);
        }
        assert_non_null(m->about);
    }
}

static void no_cycles(void **state)
{
    (void)state;
    for (unsigned k = 0; k < REGISTRY_KINDS; k++) {
        check_downwards(registry_kind_row((enum registry_kind)k)->members, k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connectors), cmocka_unit_test(test_logins),
        cmocka_unit_test(test_keys),       cmocka_unit_test(test_others),
        cmocka_unit_test(bodies),          cmocka_unit_test(presets_and_nulls),
        cmocka_unit_test(nul_in_text),     cmocka_unit_test(too_many_hosts),
        cmocka_unit_test(words),           cmocka_unit_test(no_cycles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
