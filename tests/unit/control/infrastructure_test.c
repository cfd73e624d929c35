/* Hosts out of text: a plain list here; what an inventory holds is the registry's to test. */
#include "control/support.h"

static const char path[] = "/v1/scopes/account/infrastructures/-/parse";

static void test_a_list(void **state)
{
    (void)state;
    assert_int_equal(ask("POST", path,
                         "{\"format\":\"list\",\"text\":\"# ours\\n web1 \\r\\n\\n"
                         "10.0.0.2:2222 # db\\n[::1]\\nlast\"}"),
                     200);
    assert_int_equal(json_array_size(at("hosts")), 4);
    assert_text("hosts.0.name", "web1");
    assert_null(json_object_get(at("hosts.0"), "port"));
    assert_text("hosts.1.name", "10.0.0.2");
    assert_number("hosts.1.port", 2222);
    assert_text("hosts.2.name", "::1");
    assert_text("hosts.3.name", "last");
    assert_int_equal(json_array_size(at("left_out")), 0);
}

static void test_an_inventory(void **state)
{
    (void)state;
    assert_int_equal(ask("POST", path,
                         "{\"format\":\"ansible\",\"name\":\"hosts\",\"text\":\"[web]\\n"
                         "web1 ansible_host=10.0.0.1\\n\"}"),
                     200);
    assert_text("hosts.0.name", "web1");
    assert_text("hosts.0.address", "10.0.0.1");
}

static void test_what_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(ask("POST", path, "{\"format\":\"list\",\"text\":\"a b\"}"), 400);
    assert_int_equal(ask("POST", path, "{\"format\":\"list\",\"text\":\"a:0\"}"), 400);
    assert_int_equal(ask("POST", path, "{\"format\":\"csv\",\"text\":\"a\"}"), 400);
    assert_problem("input", "/format");
    assert_int_equal(ask("POST", path, "{\"format\":\"list\",\"text\":\"\"}"), 400);
    assert_int_equal(ask("POST", path, "{\"format\":\"list\"}"), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_list),
        TEST(test_an_inventory),
        TEST(test_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
