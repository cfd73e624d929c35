/* The registry's SSH keys as Vault servers, tokens and identities; and what differs between two plans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/bind_plan.h"

#define KEY(scope, id, more)                                                                       \
    "{\"ssh_key\": {\"scope\": \"" scope "\", \"identifier\": \"" id "\", \"tags\": [\"prod\"], "  \
    "\"spec\": {\"user_name\": \"deploy\", " more "}}"
#define VAULT                                                                                      \
    ", \"secrets_manager\": {\"spec\": {\"mount\": \"ssh\", \"default_role\": \"users\"}}, "       \
    "\"connector\": {\"scope\": \"org/acme\", \"identifier\": \"main\", \"spec\": "                \
    "{\"addresses\": "                                                                             \
    "[\"https://a\", \"https://b\"], \"namespace\": \"ns\", \"login\": {\"method\": \"token\", "   \
    "\"token_file\": \"/etc/acme/token\"}}}, \"certificate\": {\"spec\": "                         \
    "{\"pem\": \"PEM\"}}}"
#define BARE ", \"secrets_manager\": null, \"connector\": null, \"certificate\": null}"
#define FULL_KEY "\"key\": \"pkcs11:token=demo;object=web\""

static const char signed_key[] =
    KEY("org/acme/project/web", "deploy",
        FULL_KEY
        ", \"renewal\": \"when-used\", \"pin\": {\"file\": \"/etc/acme/pin\"}, \"credentials\": "
        "{\"type\": \"vault-ssh\", \"ttl\": \"5m\", \"issuer\": \"second\"}") VAULT;
static const char bare_key[] =
    KEY("account", "ops", FULL_KEY ", \"credentials\": {\"type\": \"key\"}") BARE;

static json_t *plan_of(const struct bind_taken *taken, const char *first, const char *second)
{
    AUTO(auto_free) char *text =
        text_fmt("[%s%s%s]", first, second != NULL ? "," : "", second != NULL ? second : "");
    static const struct registry_allowed folder = {.scope = "org/acme", .folder = "/etc/acme"};
    static const struct bind_taken none = {.allowed = {&folder, 1}};
    json_error_t where;
    json_t *items = json_loads(text, 0, &where), *plan = NULL;

    if (items == NULL) {
        fail_msg("%s in %s", where.text, text);
    }
    struct err *e = bind_plan_make(items, NULL, taken != NULL ? taken : &none, &plan);

    assert_null(e);
    json_decref(items);
    return plan;
}

static json_t *get(json_t *plan, const char *part, const char *name)
{
    return json_object_get(json_object_get(plan, part), name);
}

static const char *text_at(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));

    return text != NULL ? text : "";
}

static void a_signed_key_is_all_three(void **state)
{
    json_t *plan = plan_of(NULL, signed_key, NULL);
    json_t *i = get(plan, "identities", "acme.web.deploy");
    json_t *want = json_object_get(i, "want");
    const char *name;
    json_t *token;

    (void)state;
    assert_string_equal(text_at(i, "scope"), "org/acme/project/web");
    assert_string_equal(text_at(i, "id"), "deploy");
    assert_string_equal(text_at(i, "key"), "pkcs11:token=demo;object=web");
    assert_string_equal(text_at(i, "offer"), "certificate");
    assert_string_equal(text_at(i, "renewal"), "when-used");
    assert_string_equal(text_at(want, "vault"), "acme.main");
    assert_string_equal(text_at(want, "mount"), "ssh");
    assert_string_equal(text_at(want, "role"), "users");
    assert_string_equal(text_at(want, "ttl"), "5m");
    assert_string_equal(text_at(want, "issuer"), "second");
    assert_string_equal(json_string_value(json_array_get(json_object_get(want, "principals"), 0)),
                        "deploy");
    assert_string_equal(
        text_at(json_object_get(get(plan, "vaults", "acme.main"), "certificate"), "pem"), "PEM");
    assert_int_equal(json_object_size(json_object_get(plan, "tokens")), 1);
    json_object_foreach(json_object_get(plan, "tokens"), name, token)
    {
        assert_string_equal(text_at(token, "uri"), "pkcs11:token=demo");
        assert_int_equal(json_array_size(json_object_get(token, "pins")), 1);
        assert_true(text_name_ok(name));
    }
    assert_int_equal(json_object_size(json_object_get(plan, "problems")), 0);
    json_decref(plan);
}

/* A connector that logs in by certificate is put though nobody uses it yet, if its scope may. */
static void a_login_is_put_by_itself(void **state)
{
    static const char text[] =
        "[{\"ssh_key\": null, \"secrets_manager\": null, \"connector\": {\"scope\": \"account\","
        " \"identifier\": \"main\", \"spec\": {\"addresses\": [\"https://a\"], \"login\": "
        "{\"method\": \"cert\", \"key\": \"pkcs11:object=l\"}}}, \"certificate\": null},"
        "{\"connector\": {\"scope\": \"org/other\", \"identifier\": \"main\", \"spec\": "
        "{\"addresses\": [\"https://a\"], \"login\": {\"method\": \"cert\", \"key\": "
        "\"pkcs11:object=l\"}}}}]";
    static const struct bind_taken none = {.identities = NULL};
    json_t *logins = json_loads(text, 0, NULL), *plan = NULL;

    (void)state;
    assert_non_null(logins);
    assert_null(bind_plan_make(NULL, logins, &none, &plan));
    assert_int_equal(json_object_size(json_object_get(plan, "vaults")), 1);
    assert_non_null(json_object_get(get(plan, "vaults", "main"), "connector"));
    assert_int_equal(json_object_size(json_object_get(plan, "identities")), 0);
    assert_non_null(
        strstr(json_string_value(get(plan, "problems", "connector other.main")), "login-keys"));
    json_decref(logins);
    json_decref(plan);
}

static void a_bare_key_wants_nothing(void **state)
{
    json_t *plan = plan_of(NULL, bare_key, NULL);
    json_t *i = get(plan, "identities", "ops");

    (void)state;
    assert_string_equal(text_at(i, "offer"), "key");
    assert_true(json_is_null(json_object_get(i, "renewal")));
    assert_true(json_is_null(json_object_get(i, "want")));
    assert_int_equal(json_object_size(json_object_get(plan, "vaults")), 0);
    json_decref(plan);
}

static void two_keys_share_token_and_server(void **state)
{
    json_t *plan = plan_of(NULL, signed_key, bare_key);

    (void)state;
    assert_int_equal(json_object_size(json_object_get(plan, "tokens")), 1);
    assert_int_equal(json_object_size(json_object_get(plan, "identities")), 2);
    json_decref(plan);
}

static void names_of_the_file_are_never_taken(void **state)
{
    char *identities[] = {(char *)"acme.web.deploy", (char *)"registry.acme.web.deploy", NULL};
    char *signers[] = {(char *)"acme.main", NULL};
    json_t *tokens = json_pack("{s:s}", "demo", "pkcs11:token=demo");
    static const struct registry_allowed any = {.scope = "account", .folder = "/"};
    const struct bind_taken taken = {identities, signers, tokens, {&any, 1}};
    json_t *plan = plan_of(&taken, signed_key, NULL);
    json_t *i = get(plan, "identities", "registry.registry.acme.web.deploy");

    (void)state;
    assert_non_null(i);
    assert_string_equal(text_at(json_object_get(i, "want"), "vault"), "registry.acme.main");
    assert_non_null(get(plan, "vaults", "registry.acme.main"));
    assert_int_equal(json_object_size(json_object_get(plan, "tokens")), 0);
    json_decref(plan);
    json_decref(tokens);
}

static void a_token_by_name_is_that_of_the_file(void **state)
{
    static const char key[] = KEY("account", "x",
                                  "\"token\": \"demo\", \"key\": \"pkcs11:object=web\", "
                                  "\"credentials\": {\"type\": \"key\"}") BARE;
    json_t *tokens = json_pack("{s:s}", "demo", "pkcs11:serial=12?pin-source=/p");
    const struct bind_taken taken = {.tokens = tokens};
    json_t *plan = plan_of(&taken, key, NULL);

    (void)state;
    assert_string_equal(text_at(get(plan, "identities", "x"), "key"),
                        "pkcs11:serial=12;object=web");
    assert_int_equal(json_object_size(json_object_get(plan, "tokens")), 0);
    json_decref(plan);
    plan = plan_of(NULL, key, NULL);
    assert_null(get(plan, "identities", "x"));
    assert_non_null(strstr(json_string_value(get(plan, "problems", "x")), "no token 'demo'"));
    json_decref(plan);
    json_decref(tokens);
}

static void places_of_others_are_not_named(void **state)
{
    static const struct registry_allowed folder = {.scope = "org/acme/project/db",
                                                   .folder = "/etc/acme"};
    static const struct bind_taken others = {.allowed = {&folder, 1}};
    json_t *plan = plan_of(&others, signed_key, NULL);

    (void)state;
    assert_null(get(plan, "identities", "acme.web.deploy"));
    assert_int_equal(json_object_size(json_object_get(plan, "vaults")), 0);
    assert_non_null(
        strstr(json_string_value(get(plan, "problems", "acme.web.deploy")), "secret-folders"));
    json_decref(plan);
}

static void what_would_run_as_the_agent_is_the_accounts(void **state)
{
    static const char theirs[] = KEY("org/acme", "x",
                                     FULL_KEY ", \"pin\": {\"command\": [\"/bin/evil\"]}, "
                                              "\"credentials\": {\"type\": \"key\"}") BARE;
    static const char ours[] = KEY("account", "x",
                                   FULL_KEY ", \"pin\": {\"command\": [\"/bin/good\"]}, "
                                            "\"credentials\": {\"type\": \"key\"}") BARE;
    json_t *plan = plan_of(NULL, theirs, NULL);

    (void)state;
    assert_null(get(plan, "identities", "acme.x"));
    assert_int_equal(json_object_size(json_object_get(plan, "tokens")), 0);
    assert_non_null(
        strstr(json_string_value(get(plan, "problems", "acme.x")), "/spec/pin/command"));
    json_decref(plan);
    plan = plan_of(NULL, ours, NULL);
    assert_non_null(get(plan, "identities", "x"));
    json_decref(plan);
}

static void names_differ_and_fit(void **state)
{
    char id[129];
    AUTO(auto_free) char *a = NULL;
    AUTO(auto_free) char *b = NULL;

    (void)state;
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    a = bind_plan_name("org/acme", id, NULL);
    id[127] = 'y';
    b = bind_plan_name("org/acme", id, NULL);
    assert_true(text_name_ok(a));
    assert_true(text_name_ok(b));
    assert_string_not_equal(a, b);
}

static bool is_list(char **list, const char *only)
{
    bool same =
        only == NULL ? list == NULL : text_list_len(list) == 1 && strcmp(list[0], only) == 0;

    text_list_free(&list);
    return same;
}

static void only_the_difference_is_done(void **state)
{
    json_t *both = plan_of(NULL, signed_key, bare_key), *one = plan_of(NULL, signed_key, NULL);
    json_t *changed = json_deep_copy(one);

    (void)state;
    assert_true(is_list(bind_plan_put(both, both, "identities"), NULL));
    assert_true(is_list(bind_plan_gone(both, both, "identities"), NULL));
    assert_true(is_list(bind_plan_put(one, both, "identities"), "ops"));
    assert_true(is_list(bind_plan_gone(both, one, "identities"), "ops"));
    assert_true(is_list(bind_plan_gone(both, one, "vaults"), NULL));
    json_object_set_new(get(changed, "identities", "acme.web.deploy"), "offer",
                        json_string("both"));
    assert_true(is_list(bind_plan_put(one, changed, "identities"), "acme.web.deploy"));
    assert_true(is_list(bind_plan_put(one, changed, "vaults"), NULL));
    json_decref(both);
    json_decref(one);
    json_decref(changed);
}

static void another_vault_has_another_ca(void **state)
{
    json_t *plan = plan_of(NULL, signed_key, NULL);
    json_t *before = get(plan, "identities", "acme.web.deploy");
    json_t *after = json_deep_copy(before);
    json_t *addresses = json_object_get(json_object_get(after, "place"), "addresses");

    (void)state;
    assert_false(bind_plan_is_elsewhere(before, after));
    json_array_set_new(addresses, 0, json_string("https://c"));
    assert_false(bind_plan_is_elsewhere(before, after)); /* b is still in it */
    json_array_set_new(addresses, 1, json_string("https://d"));
    assert_true(bind_plan_is_elsewhere(before, after));
    json_decref(after);
    after = json_deep_copy(before);
    json_object_set_new(json_object_get(after, "place"), "namespace", json_string("other"));
    assert_true(bind_plan_is_elsewhere(before, after));
    assert_false(bind_plan_is_elsewhere(NULL, after));
    json_decref(after);
    json_decref(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_key_is_all_three),
        cmocka_unit_test(a_bare_key_wants_nothing),
        cmocka_unit_test(a_login_is_put_by_itself),
        cmocka_unit_test(two_keys_share_token_and_server),
        cmocka_unit_test(names_of_the_file_are_never_taken),
        cmocka_unit_test(a_token_by_name_is_that_of_the_file),
        cmocka_unit_test(places_of_others_are_not_named),
        cmocka_unit_test(what_would_run_as_the_agent_is_the_accounts),
        cmocka_unit_test(names_differ_and_fit),
        cmocka_unit_test(only_the_difference_is_done),
        cmocka_unit_test(another_vault_has_another_ca),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
