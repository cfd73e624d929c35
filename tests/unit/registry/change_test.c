/* Create, get, update, delete, delete by force, pages; each with what it refuses. */
#include "registry/fixture.h"
#include "registry/pem.h"

#define CONNECTOR(name, more)                                                                      \
    "{\"name\":\"" name "\",\"spec\":{\"type\":\"vault\",\"addresses\":[\"https://vault:8200\"],"  \
    "\"login\":{\"method\":\"token\",\"token_file\":\"/run/token\"}" more "}}"
#define MANAGER(name, connector)                                                                   \
    "{\"name\":\"" name "\",\"spec\":{\"type\":\"vault-ssh\",\"connector\":\"" connector           \
    "\",\"mount\":\"ssh\"}}"
#define CA ",\"certificate\":\"account.corp_ca\""

static void make_ca(const char *scope)
{
    AUTO(made_deinit) struct made ca = make_cert("Corp", NULL, -DAY, 365 * DAY);
    AUTO(auto_free) char *pem = pem_of(&ca);
    AUTO(auto_free) char *body = pem_body("Corp CA", pem);

    create(REGISTRY_CERTIFICATE, scope, body);
    succeeded();
}

static void create_says_so(void **state)
{
    (void)state;
    make_ca("account");
    is_text("message", "Certificate Corp CA created successfully");
    is_text("identifier", "corp_ca");
    is_text("scope", "account");
    is_text("order", "single");
    is_text("certificates.0.subject", "CN=Corp");
    is_number("revision", 1);
    create(REGISTRY_CONNECTOR, "org/acme", CONNECTOR("Main Vault", CA));
    succeeded();
    is_number("spec.renewal_interval_minutes", 0);
    assert_true(json_is_true(at("spec.active")));
    assert_true(json_is_null(at("description")));
    assert_null(at("broken"));
    make_ca("org/acme"); /* the same name at another scope */
    create(REGISTRY_CONNECTOR, "org/acme", CONNECTOR("main vault", ""));
    refused(ERR_EXISTS, "main_vault");
}

static void references_must_exist(void **state)
{
    (void)state;
    create(REGISTRY_CONNECTOR, "org/acme", CONNECTOR("a", CA));
    refused(ERR_NOT_FOUND, "/spec/certificate: there is no certificate corp_ca in account");
    make_ca("org/other");
    create(REGISTRY_CONNECTOR, "org/acme", CONNECTOR("a", ",\"certificate\":\"corp_ca\""));
    refused(ERR_NOT_FOUND, "/spec/certificate");
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("a", ",\"certificate\":\"org.corp_ca\""));
    refused(ERR_INPUT, "/spec/certificate");
    create(REGISTRY_CONNECTOR, "org/x", CONNECTOR("a", ",\"certificate\":\"org/other.corp_ca\""));
    refused(ERR_INPUT, "never sideways");
    create(REGISTRY_CONNECTOR, "sideways", CONNECTOR("a", ""));
    refused(ERR_INPUT, "a scope is");
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("a", ""));
    update(REGISTRY_CONNECTOR, "account", "a", 0, CONNECTOR("a", CA));
    refused(ERR_NOT_FOUND, "/spec/certificate");
    update(REGISTRY_CONNECTOR, "account", "b", 0, CONNECTOR("a", ""));
    refused(ERR_NOT_FOUND, "b");
    get(REGISTRY_SSH_KEY, "account", "a");
    refused(ERR_NOT_FOUND, "ssh-key");
}

static void two_editors(void **state)
{
    (void)state;
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("a", ""));
    update(REGISTRY_CONNECTOR, "account", "a", 1, CONNECTOR("b", ",\"read_only\":true"));
    succeeded();
    is_number("revision", 2);
    update(REGISTRY_CONNECTOR, "account", "a", 1, CONNECTOR("c", ""));
    refused(ERR_BUSY, "revision 2, not 1");
    assert_string_equal(err_native_name(fx.e), "STALE");
    get(REGISTRY_CONNECTOR, "account", "a");
    is_text("name", "b");
    registry_delete(fx.r, &caller, REGISTRY_CONNECTOR, "account", "a", 1, true, on_answer, NULL);
    wait_for(1);
    refused(ERR_BUSY, "revision 2");

    json_t *body = json_of(CONNECTOR("d", ""));

    for (unsigned i = 0; i < 4; i++) { /* all at once, any revision: none is lost in an error */
        registry_update(fx.r, &caller, REGISTRY_CONNECTOR, "account", "a", 0, body, on_answer,
                        NULL);
    }
    json_decref(body);
    wait_for(4);
    get(REGISTRY_CONNECTOR, "account", "a");
    is_number("revision", 6);
}

static struct wall later;

static struct wall later_wall(void)
{
    return later;
}

static void made_anew_is_another(void **state)
{
    (void)state;
    later = (struct wall){1800000000};
    clock_set_for_test(NULL, later_wall);
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("a", ""));
    delete (REGISTRY_CONNECTOR, "account", "a", false);
    succeeded();
    uint64_t before = registry_version(1, later);

    later.s += 1;
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("a", ""));
    clock_set_for_test(NULL, NULL);
    succeeded();
    is_number("revision", 1);
    update(REGISTRY_CONNECTOR, "account", "a", before, CONNECTOR("b", ""));
    refused(ERR_BUSY, "has been deleted and made anew");
    assert_string_equal(err_native_name(fx.e), "STALE");
    update(REGISTRY_CONNECTOR, "account", "a", registry_version(1, later), CONNECTOR("b", ""));
    succeeded();
}

static void only_what_is_active_holds_a_certificate(void **state)
{
    (void)state;
    make_ca("account");
    create(REGISTRY_CONNECTOR, "account",
           CONNECTOR("on", ",\"certificate\":\"corp_ca\",\"active\":true"));
    create(REGISTRY_CONNECTOR, "org/a",
           CONNECTOR("off", ",\"certificate\":\"account.corp_ca\",\"active\":false"));
    succeeded();
    delete (REGISTRY_CERTIFICATE, "account", "corp_ca", false);
    refused(ERR_BUSY, "connector on in account");
    assert_string_equal(err_native_name(fx.e), "IN-USE");
    update(REGISTRY_CONNECTOR, "account", "on", 0,
           CONNECTOR("on", ",\"certificate\":\"corp_ca\",\"active\":false"));
    succeeded();
    delete (REGISTRY_CERTIFICATE, "account", "corp_ca", false);
    succeeded();
    is_text("now_broken.0.identifier", "on");
    is_text("now_broken.1.identifier", "off");
    get(REGISTRY_CONNECTOR, "org/a", "off");
    assert_non_null(at("broken.0"));
    assert_null(at("spec.certificate"));
}

static void rename_breaks_nothing(void **state)
{
    (void)state;
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("Main", ""));
    create(REGISTRY_SECRETS_MANAGER, "org/a", MANAGER("M", "account.main"));
    succeeded();
    is_text("type_title", "HashiCorp Vault Secrets Engine - SSH");
    update(REGISTRY_CONNECTOR, "account", "main", 0, CONNECTOR("Other name", ""));
    succeeded();
    is_text("identifier", "main");
    is_text("name", "Other name");
    update(REGISTRY_SECRETS_MANAGER, "org/a", "m", 0, MANAGER("M", "account.main"));
    succeeded();
}

static void in_use(void **state)
{
    (void)state;
    make_ca("account");
    create(REGISTRY_CONNECTOR, "org/acme", CONNECTOR("One", CA));
    create(REGISTRY_CONNECTOR, "org/acme/project/web", CONNECTOR("Two", CA));
    delete (REGISTRY_CERTIFICATE, "account", "corp_ca", false);
    refused(ERR_BUSY, "org/acme/project/web");
    refused(ERR_BUSY, "one");
    refused(ERR_BUSY, "Certificate Corp CA cannot be deleted");
    assert_string_equal(err_native_name(fx.e), "IN-USE");
    update(REGISTRY_CONNECTOR, "org/acme", "one", 0, CONNECTOR("One", ""));
    delete (REGISTRY_CONNECTOR, "org/acme/project/web", "two", false);
    succeeded();
    is_text("message", "Connector Two deleted");
    delete (REGISTRY_CERTIFICATE, "account", "corp_ca", false);
    succeeded();
    delete (REGISTRY_CERTIFICATE, "account", "corp_ca", false);
    refused(ERR_NOT_FOUND, "corp_ca");
}

static void force_breaks(void **state)
{
    (void)state;
    make_ca("account");
    create(REGISTRY_CONNECTOR, "org/acme", CONNECTOR("One", CA));
    create(REGISTRY_CONNECTOR, "org/acme/project/web", CONNECTOR("Two", CA));
    delete (REGISTRY_CERTIFICATE, "account", "corp_ca", true);
    succeeded();
    assert_int_equal(json_array_size(at("now_broken")), 2);
    get(REGISTRY_CONNECTOR, "org/acme", "one");
    assert_null(at("spec.certificate"));
    is_text("broken.0",
            "/spec/certificate: Certificate 'Corp CA' (account.corp_ca) was deleted: give "
            "another, or null to trust the system's");
    is_number("revision", 2);
    update(REGISTRY_CONNECTOR, "org/acme", "one", 2, CONNECTOR("One", ",\"read_only\":true"));
    succeeded();
    assert_non_null(at("broken.0")); /* leaving it out mends nothing */
    make_ca("account");              /* neither does another of that name: nobody chose it */
    get(REGISTRY_CONNECTOR, "org/acme", "one");
    assert_non_null(at("broken.0"));
    assert_null(at("spec.certificate"));
    update(REGISTRY_CONNECTOR, "org/acme", "one", 0, CONNECTOR("One", CA));
    succeeded();
    assert_null(at("broken"));
    update(REGISTRY_CONNECTOR, "org/acme/project/web", "two", 0,
           CONNECTOR("Two", ",\"certificate\":null"));
    succeeded();
    assert_null(at("broken"));
    assert_null(at("spec.certificate"));
}

static void force_on_what_is_needed(void **state)
{
    (void)state;
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("C", ""));
    create(REGISTRY_SECRETS_MANAGER, "account", MANAGER("M", "c"));
    delete (REGISTRY_CONNECTOR, "account", "c", true);
    succeeded();
    get(REGISTRY_SECRETS_MANAGER, "account", "m");
    assert_non_null(at("broken.0"));
    update(REGISTRY_SECRETS_MANAGER, "account", "m", 0,
           "{\"name\":\"M\",\"spec\":{\"type\":\"vault-ssh\",\"mount\":\"ssh\"}}");
    refused(ERR_INPUT, "/spec/connector: is missing");
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("C", ""));
    update(REGISTRY_SECRETS_MANAGER, "account", "m", 0, MANAGER("M", "c"));
    succeeded();
    assert_null(at("broken"));
}

static void count_answer(void *arg, struct err *e, json_t *result)
{
    unsigned *failed = arg;

    *failed += e != NULL;
    assert_true(e == NULL || err_is(e, ERR_NOT_FOUND) || err_is(e, ERR_BUSY));
    on_answer(NULL, e, result);
}

/* While others refer to it: whoever comes first, no reference is left dangling. */
static void force_against_creators(void **state)
{
    unsigned failed = 0;

    (void)state;
    make_ca("account");
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("edited", CA));
    for (unsigned i = 0; i < 12; i++) {
        AUTO(auto_free) char *text = text_fmt(
            "{\"name\":\"c%u\",\"spec\":{\"type\":\"vault\",\"addresses\":["
            "\"https://v\"],\"login\":{\"method\":\"token\",\"token_file\":\"/t\"}" CA "}}",
            i);
        json_t *body = json_of(text);

        registry_create(fx.r, &caller, REGISTRY_CONNECTOR, "org/a", body, count_answer, &failed);
        if (i == 5) {
            registry_delete(fx.r, &caller, REGISTRY_CERTIFICATE, "account", "corp_ca", 0, true,
                            count_answer, &failed);
        }
        registry_update(fx.r, &caller, REGISTRY_CONNECTOR, "account", "edited", 0, body,
                        count_answer, &failed);
        json_decref(body);
    }
    wait_for(25);
    for (unsigned i = 0; i < 12; i++) {
        AUTO(auto_free) char *id = text_fmt("c%u", i);

        get(REGISTRY_CONNECTOR, "org/a", id);
        assert_true(err_is(fx.e, ERR_NOT_FOUND) ||
                    (at("spec.certificate") == NULL) == (at("broken.0") != NULL));
    }
    get(REGISTRY_CERTIFICATE, "account", "corp_ca");
    bool gone = err_is(fx.e, ERR_NOT_FOUND);

    get(REGISTRY_CONNECTOR, "account", "edited");
    assert_true(gone == (at("spec.certificate") == NULL));
    assert_true(gone == (at("broken.0") != NULL));
    assert_true(failed > 0);
}

static void list(const char *scope, bool below, const char *after, size_t limit)
{
    registry_list(fx.r,
                  &(struct registry_query){.kind = REGISTRY_CONNECTOR,
                                           .scope = scope,
                                           .below = below,
                                           .after = after,
                                           .limit = limit},
                  on_text, NULL);
    wait_for(1);
}

static void pages(void **state)
{
    (void)state;
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("a", ""));
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("b", ""));
    create(REGISTRY_CONNECTOR, "org/x", CONNECTOR("c", ""));
    make_ca("account");
    list("account", false, NULL, 10);
    succeeded();
    assert_int_equal(json_array_size(at("items")), 2);
    assert_true(json_is_null(at("next")));
    list("account", true, NULL, 2);
    is_text("items.1.name", "b");
    assert_true(json_is_string(at("next")));
    AUTO(auto_free) char *next = text_copy(json_string_value(at("next")));

    list("account", true, next, 2);
    assert_int_equal(json_array_size(at("items")), 1);
    is_text("items.0.name", "c");
    list("account", true, "not a cursor", 2);
    refused(ERR_INPUT, "");
    list("account", true, NULL, 0);
    refused(ERR_INPUT, "1..1000");
    registry_list(
        fx.r,
        &(struct registry_query){.kind = REGISTRY_CERTIFICATE, .scope = "account", .limit = 5},
        on_text, NULL);
    wait_for(1);
    is_text("items.0.order", "single");
    assert_null(at("items.0.spec.pem"));
}

static void check_only_stores_nothing(void **state)
{
    json_t *body = json_of(MANAGER("M", "c"));

    (void)state;
    registry_check_only(fx.r, REGISTRY_SECRETS_MANAGER, "account", body, on_answer, NULL);
    wait_for(1);
    refused(ERR_NOT_FOUND, "/spec/connector");
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("C", ""));
    registry_check_only(fx.r, REGISTRY_SECRETS_MANAGER, "account", body, on_answer, NULL);
    wait_for(1);
    succeeded();
    json_decref(body);
    get(REGISTRY_SECRETS_MANAGER, "account", "m");
    refused(ERR_NOT_FOUND, "");
}

static void sql_is_a_name(void **state)
{
    (void)state;
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("'); DROP TABLE entries;--", ""));
    succeeded();
    is_text("name", "'); DROP TABLE entries;--");
    get(REGISTRY_CONNECTOR, "account", "x' OR 1=1");
    assert_non_null(fx.e);
    list("account", false, NULL, 10);
    assert_int_equal(json_array_size(at("items")), 1);
}

/* A free in the middle of calls: no callback, no leak (the sanitizer would say). */
static void free_while_busy(void **state)
{
    json_t *body = json_of(CONNECTOR("a", ""));

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        registry_create(fx.r, &caller, REGISTRY_CONNECTOR, "account", body, on_answer, NULL);
        registry_get(fx.r, REGISTRY_CONNECTOR, "account", "a", on_answer, NULL);
    }
    json_decref(body);
}

static void watcher_is_told(void **state)
{
    unsigned before = fx.changes;

    (void)state;
    create(REGISTRY_CONNECTOR, "account", CONNECTOR("a", ""));
    for (unsigned i = 0; i < 200 && fx.changes == before; i++) {
        get(REGISTRY_CONNECTOR, "account", "a");
        usleep(1000);
    }
    assert_int_equal(fx.changes, before + 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(create_says_so),
        T(references_must_exist),
        T(two_editors),
        T(made_anew_is_another),
        T(only_what_is_active_holds_a_certificate),
        T(rename_breaks_nothing),
        T(in_use),
        T(force_breaks),
        T(force_on_what_is_needed),
        T(force_against_creators),
        T(pages),
        T(check_only_stores_nothing),
        T(sql_is_a_name),
        T(free_while_busy),
        T(watcher_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
