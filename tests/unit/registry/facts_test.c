/* The registry about itself: the scopes in use, and how it is. */
#include "registry/fixture.h"

#define CONNECTOR                                                                                  \
    "{\"name\":\"main\",\"spec\":{\"type\":\"vault\",\"addresses\":[\"https://v\"],"               \
    "\"login\":{\"method\":\"token\",\"token_file\":\"/t\"}}}"

static void scopes(char *const *tops, const char *after, size_t limit)
{
    registry_scopes(fx.r, tops, after, limit, on_text, NULL);
    wait_for(1);
}

static void scopes_in_use(void **state)
{
    char *all[] = {"account", NULL}, *one[] = {"org/a", NULL}, *bad[] = {"org/a", "org", NULL};

    (void)state;
    scopes(all, NULL, 10);
    succeeded();
    assert_int_equal(json_array_size(at("items")), 0);
    assert_true(json_is_null(at("next")));
    create(REGISTRY_CONNECTOR, "account", CONNECTOR);
    create(REGISTRY_CONNECTOR, "org/a", CONNECTOR);
    create(REGISTRY_CONNECTOR, "org/a/project/x", CONNECTOR);
    scopes(one, NULL, 10);
    succeeded();
    assert_int_equal(json_array_size(at("items")), 2);
    is_text("items.0.scope", "org/a");
    is_number("items.0.resources", 1);
    scopes(all, NULL, 2);
    is_text("items.1.scope", "org/a");
    AUTO(auto_free) char *next = text_copy(json_string_value(at("next")));

    scopes(all, next, 2);
    assert_int_equal(json_array_size(at("items")), 1);
    is_text("items.0.scope", "org/a/project/x");
    assert_true(json_is_null(at("next")));
    scopes(bad, NULL, 10);
    refused(ERR_INPUT, "a scope is account");
    scopes(all, "nonsense", 10);
    refused(ERR_INPUT, "cursor");
}

static void status(const char *scope)
{
    registry_status(fx.r, scope, on_answer, NULL);
    wait_for(1);
}

static void how_it_is(void **state)
{
    (void)state;
    create(REGISTRY_CONNECTOR, "org/a", CONNECTOR);
    update(REGISTRY_CONNECTOR, "org/a", "main", 0,
           "{\"name\":\"other\",\"spec\":{\"type\":"
           "\"vault\",\"addresses\":[\"https://v\"],"
           "\"login\":{\"method\":\"token\","
           "\"token_file\":\"/t\"}}}");
    create(REGISTRY_CONNECTOR, "org/b", CONNECTOR);
    status("org/a");
    succeeded();
    is_text("scope", "org/a");
    is_number("scopes", 1);
    assert_int_equal(json_array_size(at("kinds")), REGISTRY_KINDS);
    is_text("kinds.0.kind", "certificate");
    is_number("kinds.0.resources", 0);
    assert_true(json_is_null(at("kinds.0.updated")));
    is_text("kinds.1.kind", "connector");
    is_number("kinds.1.resources", 1);
    is_number("kinds.1.highest_revision", 2);
    assert_true(json_is_string(at("kinds.1.updated")));
    is_text("store.kind", "sqlite");
    is_number("store.entries", 2);
    assert_true(json_is_true(at("store.writable")) && json_is_null(at("store.error")));
    assert_true(json_is_string(at("store.whole_at")) && json_is_null(at("store.away_since")));
    status("account");
    is_number("scopes", 2);
    is_number("kinds.1.resources", 2);
    status("nowhere");
    refused(ERR_INPUT, "a scope is account");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scopes_in_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(how_it_is, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
