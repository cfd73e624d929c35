/* Targets of a run: out of a spec, out of a list, and the pattern that leaves some out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/run_hosts.h"

static struct err *of_list(const char *text, struct control_hosts *ret)
{
    json_t *list = json_loads(text, 0, NULL);

    assert_non_null(list);
    struct err *e = control_hosts_of_list(list, ret);

    json_decref(list);
    return e;
}

static void test_a_list(void **state)
{
    AUTO(control_hosts_deinit) struct control_hosts h = {0};

    (void)state;
    AUTO(err_free) struct err *e = of_list(
        "[\"web\", \"db:2222\", \"[::1]:22\", \"[fe80::1]\", \"2001:db8::1\", \"10.0.0.1:65535\"]",
        &h);

    assert_null(e);
    assert_int_equal(h.n, 6);
    assert_string_equal(h.all[0].address, "web");
    assert_int_equal(h.all[0].port, 0);
    assert_string_equal(h.all[1].name, "db:2222");
    assert_string_equal(h.all[1].address, "db");
    assert_int_equal(h.all[1].port, 2222);
    assert_string_equal(h.all[2].address, "::1");
    assert_int_equal(h.all[2].port, 22);
    assert_string_equal(h.all[3].address, "fe80::1");
    assert_int_equal(h.all[3].port, 0);
    assert_string_equal(h.all[4].address, "2001:db8::1");
    assert_int_equal(h.all[5].port, 65535);
    assert_null(h.all[5].known_hosts);
}

static void test_a_list_that_is_wrong(void **state)
{
    static const char *const lists[] = {
        "[\"\"]",     "[1]",         "[\"a:0\"]",   "[\"a:65536\"]", "[\"a:\"]",
        "[\":22\"]",  "[\"a:22x\"]", "[\"[::1\"]",  "[\"[::1]x\"]",  "[\"[]:22\"]",
        "[\"[a]:\"]", "[null]",      "[\"a:+22\"]", "[\"a: 22\"]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        AUTO(control_hosts_deinit) struct control_hosts h = {0};
        AUTO(err_free) struct err *e = of_list(lists[i], &h);

        if (!err_is(e, ERR_INPUT)) {
            fail_msg("%s", lists[i]);
        }
        assert_non_null(strstr(err_text(e), "/hosts/0"));
    }
}

static const char spec[] =
    "{\"hosts\":[{\"name\":\"web1\",\"address\":\"10.0.0.1\",\"host_key\":\"ssh-ed25519 AAAA\","
    "\"tags\":[\"web\",\"eu\"]},"
    "{\"name\":\"db1\",\"port\":2222,\"host_ca\":\"ssh-ed25519 BBBB\",\"tags\":[\"db\"]},"
    "{\"name\":\"plain\"}]}";

static void read_spec(unsigned port, struct control_hosts *ret)
{
    json_t *v = json_loads(spec, 0, NULL);
    AUTO(err_free) struct err *e = control_hosts_of_spec(v, port, ret);

    assert_null(e);
    json_decref(v);
}

static void test_a_spec(void **state)
{
    AUTO(control_hosts_deinit) struct control_hosts h = {0}, other = {0};

    (void)state;
    read_spec(22, &h);
    assert_int_equal(h.n, 3);
    assert_string_equal(h.all[0].address, "10.0.0.1");
    assert_string_equal(h.all[0].known_hosts, "10.0.0.1 ssh-ed25519 AAAA\n");
    assert_int_equal(h.all[0].port, 22);
    assert_string_equal(h.all[1].address, "db1");
    assert_int_equal(h.all[1].port, 2222);
    assert_string_equal(h.all[1].known_hosts, "@cert-authority [db1]:2222 ssh-ed25519 BBBB\n");
    assert_null(h.all[2].known_hosts);
    read_spec(2200, &other); /* the SSH key's port */
    assert_string_equal(other.all[0].known_hosts, "[10.0.0.1]:2200 ssh-ed25519 AAAA\n");
    assert_int_equal(other.all[1].port, 2222);
}

static void limited(const char *pattern, const char *first, size_t n)
{
    AUTO(control_hosts_deinit) struct control_hosts h = {0};

    read_spec(22, &h);
    control_hosts_limit(&h, pattern);
    assert_int_equal(h.n, n);
    if (n > 0) {
        assert_string_equal(h.all[0].name, first);
    }
}

static void test_a_limit(void **state)
{
    (void)state;
    limited("*", "web1", 3);
    limited("db1", "db1", 1);
    limited("eu", "web1", 1);
    limited("[wp]*", "web1", 2);
    limited("10.0.*", "web1", 1);
    limited("plai?", "plain", 1);
    limited("we", NULL, 0);
}

static void test_nobody_may_list_too_many(void **state)
{
    json_t *list = json_array();
    AUTO(control_hosts_deinit) struct control_hosts h = {0};

    (void)state;
    for (int i = 0; i <= CONTROL_RUN_HOSTS_MAX; i++) {
        json_array_append_new(list, json_string("h"));
    }
    AUTO(err_free) struct err *e = control_hosts_of_list(list, &h);

    assert_true(err_is(e, ERR_LIMIT));
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list),
        cmocka_unit_test(test_a_list_that_is_wrong),
        cmocka_unit_test(test_a_spec),
        cmocka_unit_test(test_a_limit),
        cmocka_unit_test(test_nobody_may_list_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
