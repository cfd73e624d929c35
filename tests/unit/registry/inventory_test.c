/* Hosts out of Ansible inventories, and what is told about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "registry/registry.h"

static const char ini[] = "# all of them\n"
                          "bare.example.com\n"
                          "\n"
                          "[web]\n"
                          "web[01:03].example.com ansible_port=2222\n"
                          "db1 ansible_host=10.0.0.5 ansible_user='deploy me' # the first\n"
                          "short:2200\n"
                          "[db]\n"
                          "db1\n"
                          "db2 ansible_host=\"{{ lookup('x') }}\"\n"
                          "pc ansible_connection=local\n"
                          "[db:vars]\n"
                          "ansible_port=2022\n"
                          "ntp = somewhere\n"
                          "[site:children]\n"
                          "db\n"
                          "[all:vars]\n"
                          "ansible_port = 22022\n";

static const char yaml[] = "all:\n"
                           "  vars: {ansible_port: 22022}\n"
                           "  hosts:\n"
                           "    bare.example.com:\n"
                           "  children:\n"
                           "    web:\n"
                           "      hosts:\n"
                           "        web[a:c]: {ansible_host: 10.0.0.1}\n"
                           "    db:\n"
                           "      vars: {ansible_port: 2022}\n"
                           "      hosts:\n"
                           "        db1: {ansible_host: 10.0.0.5, ansible_user: deploy}\n"
                           "        db2:\n"
                           "          ansible_host: !vault |\n"
                           "            $ANSIBLE_VAULT;1.1;AES256\n"
                           "            6162\n"
                           "    site:\n"
                           "      children:\n"
                           "        db:\n";

static json_t *read_ok(const char *name, const char *text)
{
    json_t *result = NULL;
    struct err *e = registry_inventory_read(name, view_cstr(text), &result);

    if (e != NULL) {
        fail_msg("%s", err_text(e));
    }
    return result;
}

static const json_t *named(const json_t *result, const char *list, const char *name)
{
    size_t i;
    json_t *host;

    json_array_foreach(json_object_get(result, list), i, host)
    {
        if (text_eq(json_string_value(json_object_get(host, "name")), name)) {
            return host;
        }
    }
    return NULL;
}

/* The same text, or both absent. */
static void same(const char *a, const char *b)
{
    assert_string_equal(a != NULL ? a : "(absent)", b != NULL ? b : "(absent)");
}

static void host_is(const json_t *result, const char *name, const char *address, int port,
                    const char *tags)
{
    const json_t *host = named(result, "hosts", name);
    AUTO(auto_free) char *is = json_dumps(json_object_get(host, "tags"), JSON_COMPACT);
    const char *at = json_string_value(json_object_get(host, "address"));

    assert_non_null(host);
    same(at, address);
    assert_int_equal(json_integer_value(json_object_get(host, "port")), port);
    same(is, tags);
}

static void left_out(const json_t *result, const char *name, const char *why)
{
    const json_t *host = named(result, "left_out", name);

    assert_non_null(host);
    assert_non_null(strstr(json_string_value(json_object_get(host, "why")), why));
    assert_null(named(result, "hosts", name));
}

static void ini_form(void **state)
{
    json_t *r = read_ok("hosts", ini);

    (void)state;
    assert_int_equal(json_array_size(json_object_get(r, "hosts")), 6);
    host_is(r, "bare.example.com", NULL, 22022, NULL);
    host_is(r, "web02.example.com", NULL, 2222, "[\"web\"]");
    host_is(r, "db1", "10.0.0.5", 2022, "[\"web\",\"db\",\"site\"]");
    host_is(r, "short", NULL, 2200, "[\"web\"]");
    left_out(r, "db2", "template");
    left_out(r, "pc", "ansible_connection");
    assert_int_equal(json_array_size(json_object_get(r, "notes")), 1);
    json_decref(r);
}

static void yaml_form(void **state)
{
    json_t *r = read_ok("hosts.yml", yaml);

    (void)state;
    assert_int_equal(json_array_size(json_object_get(r, "hosts")), 5);
    host_is(r, "bare.example.com", NULL, 22022, NULL);
    host_is(r, "webb", "10.0.0.1", 22022, "[\"web\"]");
    host_is(r, "db1", "10.0.0.5", 2022, "[\"db\",\"site\"]");
    left_out(r, "db2", "encrypted");
    json_decref(r);
    r = read_ok("no ending", yaml); /* known by its first line */
    host_is(r, "webb", "10.0.0.1", 22022, "[\"web\"]");
    json_decref(r);
}

static void refusals(void **state)
{
    static const struct {
        const char *name, *text;
        enum err_code code;
        const char *part;
    } rows[] = {
        {"h", "$ANSIBLE_VAULT;1.1;AES256\n6162\n", ERR_INPUT, "h:1: encrypted with ansible-vault"},
        {"h", "a\n$ANSIBLE_VAULT;1.1;AES256\n", ERR_INPUT, "h:2: encrypted"},
        {"h", "#!/usr/bin/python3\n", ERR_INPUT, "h:1: a program"},
        {"h", "a\n[web\n", ERR_INPUT, "h:2: a group's header"},
        {"h", "[web:hosts]\n", ERR_INPUT, "h:1: a group's header"},
        {"h", "a b\n", ERR_INPUT, "h:1: after a host come NAME=VALUE pairs"},
        {"h", "[x:vars]\nnothing\n", ERR_INPUT, "h:2: a variable is NAME=VALUE"},
        {"h", "a[3:1]\n", ERR_INPUT, "h:1: a range"},
        {"h", "a[1:2\n", ERR_INPUT, "h:1: a range"},
        {"h", "-oProxyCommand=x\n", ERR_INPUT, "h:1: a host"},
        {"h", "a[1:99999]\n", ERR_LIMIT, "more than 10000 hosts"},
        {"h.yml", "all: [1\n", ERR_INPUT, "h.yml:2: not YAML"},
        {"h.yml", "- a\n", ERR_INPUT, "h.yml:1: an inventory is a map"},
        {"h.yml", "a: &x {hosts: {}}\nb: *x\n", ERR_INPUT, "h.yml:2: aliases"},
        {"h.yml", "a:\n  host: {}\n", ERR_INPUT, "h.yml:2: a group has hosts"},
        {"h.yml", "a:\n  hosts: [b]\n", ERR_INPUT, "h.yml:2: hosts are a map"},
        {"h.yml", "a:\n  hosts: {\"-x\": }\n", ERR_INPUT, "h.yml:2: a host"},
        {"h.yml", "[[[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]]]\n", ERR_LIMIT, "levels"},
        {"h.yml", "--- {}\n--- {}\n", ERR_INPUT, "more than one document"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *r = NULL;
        struct err *e = registry_inventory_read(rows[i].name, view_cstr(rows[i].text), &r);

        if (!err_is(e, rows[i].code) || strstr(err_text(e), rows[i].part) == NULL) {
            fail_msg("row %zu: %s", i, err_text(e));
        }
        err_free(&e);
    }
}

static void cycles_end(void **state)
{
    json_t *r = read_ok("h", "[a:children]\nb\n[b:children]\na\n[b]\nx\n");

    (void)state;
    host_is(r, "x", NULL, 0, "[\"b\",\"a\"]");
    json_decref(r);
    r = read_ok("h", "");
    assert_int_equal(json_array_size(json_object_get(r, "hosts")), 0);
    json_decref(r);
    r = read_ok("h.yml", "");
    json_decref(r);
}

static void try_any(const char *name, const char *text, size_t len)
{
    json_t *r = NULL;
    struct err *e = registry_inventory_read(name, view_of(text, len), &r);

    assert_true((e == NULL) == (r != NULL));
    err_free(&e);
    json_decref(r);
}

static void truncated_and_flipped(void **state)
{
    static const char *const samples[][2] = {{"h", ini}, {"h.yml", yaml}};

    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(samples); s++) {
        size_t len = strlen(samples[s][1]);
        AUTO(auto_free) char *text = strdup(samples[s][1]);

        for (size_t n = 0; n < len; n++) {
            try_any(samples[s][0], text, n);
        }
        for (size_t bit = 0; bit < len * 8; bit++) {
            text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
            try_any(samples[s][0], text, len);
            text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ini_form),
        cmocka_unit_test(yaml_form),
        cmocka_unit_test(refusals),
        cmocka_unit_test(cycles_end),
        cmocka_unit_test(truncated_and_flipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
