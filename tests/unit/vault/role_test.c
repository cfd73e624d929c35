/* A role's settings in words, and which principals it would refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vault/check.h"

#define USER "\"key_type\":\"ca\",\"allow_user_certificates\":true"
#define HOST "\"key_type\":\"ca\",\"allow_host_certificates\":true"

static const struct row {
    const char *role, *principals;
    enum vault_step_state state;
    const char *words; /* of the text, or of the error where there is one */
    bool fails;
} rows[] = {
    {"{" USER ",\"allowed_users\":\"deploy, alice\"}", "alice,deploy", VAULT_STEP_OK,
     "users: deploy, alice; \"alice\" is allowed; \"deploy\" is allowed; certificates last as long",
     false},
    {"{" USER ",\"allowed_users\":\"*\"}", "any", VAULT_STEP_OK, "\"any\" is allowed", false},
    {"{" USER ",\"allowed_users\":\"deploy\"}", "deploy,dep", VAULT_STEP_OK,
     "does not allow the principal \"dep\": its allowed_users are \"deploy\"", true},
    {"{" USER ",\"allowed_users\":\"deployer\"}", "deploy", VAULT_STEP_OK, "\"deploy\"", true},
    {"{" USER "}", "deploy", VAULT_STEP_OK, "allowed_users are \"\"", true},
    {"{" USER ",\"default_user\":\"web\"}", "web", VAULT_STEP_OK,
     "users: none named; for web where none is asked for; \"web\" is allowed", false},
    {"{" USER ",\"allowed_users\":\"{{identity.entity.name}}\",\"allowed_users_template\":true}",
     "deploy", VAULT_STEP_WARNING,
     "users: {{identity.entity.name}} (a template: Vault fills in what it knows of the login's "
     "entity); \"deploy\" depends on the template",
     false},
    {"{" USER ",\"allowed_users\":\"{{identity.entity.name}}\"}", "deploy", VAULT_STEP_OK,
     "\"deploy\"", true},
    {"{" HOST ",\"allowed_domains\":\"example.com\",\"allow_subdomains\":true}", "a.b.example.com",
     VAULT_STEP_OK, "hosts: example.com, and names below; \"a.b.example.com\" is allowed", false},
    {"{" HOST ",\"allowed_domains\":\"example.com\",\"allow_subdomains\":true}", "example.com",
     VAULT_STEP_OK, "its allowed_domains are \"example.com\"", true},
    {"{" HOST ",\"allowed_domains\":\"example.com\",\"allow_subdomains\":true}", "badexample.com",
     VAULT_STEP_OK, "allowed_domains", true},
    {"{" HOST ",\"allowed_domains\":\"example.com\",\"allow_bare_domains\":true}", "example.com",
     VAULT_STEP_OK, "\"example.com\" is allowed", false},
    {"{" HOST ",\"allowed_domains\":\"example.com\"}", "a.example.com", VAULT_STEP_OK, "domains",
     true},
    {"{\"key_type\":\"ca\"}", NULL, VAULT_STEP_OK, "neither user nor host certificates", false},
    {"{\"key_type\":\"otp\"}", NULL, VAULT_STEP_OK, "is of key type otp", true},
    {"{" USER ",\"ttl\":900,\"max_ttl\":3600}", NULL, VAULT_STEP_OK,
     "certificates last 15m, at most 1h", false},
    {"{" USER "}", NULL, VAULT_STEP_OK, "extensions: none; no others may be asked for", false},
    {"{" USER ",\"default_extensions\":{\"permit-pty\":\"\"},\"allowed_extensions\":\"*\"}", NULL,
     VAULT_STEP_OK, "extensions: permit-pty; may be asked for: any", false},
    {"{" USER ",\"allowed_extensions\":\"permit-user-rc,permit-pty\"}", NULL, VAULT_STEP_OK,
     "; what Holdfast asks for by itself is permit-pty alone, and a certificate has just that",
     false},
    {"{" USER ",\"allowed_extensions\":\"*\",\"issuer_ref\":\"new\"}", NULL, VAULT_STEP_OK,
     "and a certificate has just that; the issuer \"new\" signs", false},
    {"{" USER ",\"allowed_extensions\":\"a, permit-pty\"}", NULL, VAULT_STEP_OK,
     "which the role does not let be chosen: a certificate has the role's own", false},
    {"{" USER ",\"allowed_extensions\":\"permit-pty-not\"}", NULL, VAULT_STEP_OK,
     "which the role does not let be chosen: a certificate has the role's own", false},
};

static void test_each_role(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(vault_report_deinit) struct vault_report r = {0};
        json_t *role = json_loads(rows[i].role, 0, NULL);

        assert_non_null(role);
        vault_role_report(role, "web", rows[i].principals, &r);
        const char *said = rows[i].fails ? err_text(r.error) : r.text;

        if ((r.error != NULL) != rows[i].fails || r.state != rows[i].state ||
            strstr(said, rows[i].words) == NULL) {
            fail_msg("%s: '%s', '%s'", rows[i].role, r.text, err_text(r.error));
        }
        json_decref(role);
    }
}

/* However long its settings are, the words stay in their place. */
static void test_a_long_role(void **state)
{
    AUTO(vault_report_deinit) struct vault_report r = {0};
    json_t *extensions = json_object(), *role;
    char name[64];

    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "permit-something-rather-long-%d@example.com", i);
        json_object_set_new(extensions, name, json_string(""));
    }
    role = json_pack("{s:s, s:b, s:o}", "key_type", "ca", "allow_user_certificates", 1,
                     "default_extensions", extensions);
    vault_role_report(role, "web", NULL, &r);
    assert_int_equal(strlen(r.text), sizeof r.text - 1);
    json_decref(role);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_role),
        cmocka_unit_test(test_a_long_role),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
