/*
 * From options and files to the body of a request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/form.h"

enum { ARGS_MAX = 32 };

static void assert_json(json_t *value, const char *json)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);

    assert_string_equal(text, json);
    free(text);
    json_decref(value);
}

static void test_assign(void **state)
{
    static const struct {
        const char *text, *json;
    } right[] = {
        {"new=1", "{\"a\":{\"b\":1},\"l\":[{\"x\":1},2],\"new\":1}"},
        {"a.b=x=y", "{\"a\":{\"b\":\"x=y\"},\"l\":[{\"x\":1},2]}"},
        {"a.c.d=[1, z]", "{\"a\":{\"b\":1,\"c\":{\"d\":[1,\"z\"]}},\"l\":[{\"x\":1},2]}"},
        {"a.b=", "{\"a\":{\"b\":null},\"l\":[{\"x\":1},2]}"},
        {"gone=null", "{\"a\":{\"b\":1},\"gone\":null,\"l\":[{\"x\":1},2]}"},
        {"l.0.x=true", "{\"a\":{\"b\":1},\"l\":[{\"x\":true},2]}"},
        {"l.2=3", "{\"a\":{\"b\":1},\"l\":[{\"x\":1},2,3]}"},
        {"l.2.y=3", "{\"a\":{\"b\":1},\"l\":[{\"x\":1},2,{\"y\":3}]}"},
        {"l.1=~", "{\"a\":{\"b\":1},\"l\":[{\"x\":1}]}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        json_t *spec = json_pack("{s:{s:i}, s:[{s:i}, i]}", "a", "b", 1, "l", "x", 1, 2);
        AUTO(err_free) struct err *e = form_assign(spec, right[i].text);

        assert_null(e);
        assert_json(spec, right[i].json);
    }
}

static void test_assign_wrong(void **state)
{
    static const char *const wrong[] = {
        "a",
        "=1",
        ".=1",
        "a.=1",
        ".a=1",
        "a..b=1",
        "s.x=1",
        "l.x=1",
        "l.5=1",
        "l.-1=1",
        "l.5=null",
        "a=[1",
        "l.99999999999999999999=1",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        json_t *spec = json_pack("{s:{}, s:[i], s:s}", "a", "l", 1, "s", "text");
        AUTO(err_free) struct err *e = form_assign(spec, wrong[i]);

        if (!err_is(e, ERR_INPUT)) {
            fail_msg("'%s' was taken", wrong[i]);
        }
        json_decref(spec);
    }
}

/* A command out of a line of words; until the next one. */
static struct cli *command_of(const char *line)
{
    static struct cli c;
    static char copy[1024];
    static char *argv[ARGS_MAX + 1] = {(char *)"holdfast"};
    int argc = 1;
    int status = 0;
    char *rest = NULL;

    c = (struct cli){0};
    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok_r(copy, " ", &rest); w != NULL && argc < ARGS_MAX;
         w = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = w;
    }
    assert_true(cli_parse(&c, argc, argv, &status));
    return &c;
}

/* The body that it makes; an error's text stands for itself. */
static char *body_of(const char *line, const json_t *old)
{
    struct cli *c = command_of(line);
    const struct resource_kind *k = resource_kind_of(c);
    json_t *body = NULL;
    AUTO(err_free) struct err *e =
        old == NULL ? form_new(c, k, &body) : form_change(c, k, old, &body);

    if (e != NULL) {
        assert_null(body);
        return strdup(err_text(e));
    }
    char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);

    json_decref(body);
    return text;
}

static void test_options(void **state)
{
    static const struct {
        const char *line, *body;
    } lines[] = {
        {"connector create main --address https://a --address https://b --login approle "
         "--role-id-file /r --secret-id-file /s --renewal-minutes 10 --certificate account.ca",
         "{\"name\":\"main\",\"spec\":{\"addresses\":[\"https://a\",\"https://b\"],"
         "\"certificate\":\"account.ca\",\"login\":{\"method\":\"approle\",\"role_id_file\":\"/r\","
         "\"secret_id_file\":\"/s\"},\"renewal_interval_minutes\":10,\"type\":\"vault\"}}"},
        {"connector create main --set login.method=token --set active=false --tag x --tag y",
         "{\"name\":\"main\",\"spec\":{\"active\":false,\"login\":{\"method\":\"token\"},"
         "\"type\":\"vault\"},\"tags\":[\"x\",\"y\"]}"},
        {"secrets-manager create sm --connector org.main --mount ssh --description d",
         "{\"description\":\"d\",\"name\":\"sm\",\"spec\":{\"connector\":\"org.main\","
         "\"mount\":\"ssh\",\"type\":\"vault-ssh\"}}"},
        {"ssh-key create k --user deploy --secrets-manager sm --key pkcs11:object=web --port 2222",
         "{\"name\":\"k\",\"spec\":{\"credentials\":{\"secrets_manager\":\"sm\","
         "\"type\":\"vault-ssh\"},\"key\":\"pkcs11:object=web\",\"port\":2222,"
         "\"user_name\":\"deploy\"}}"},
        {"ssh-key create k --user u --key pkcs11:object=web --pin-file /p",
         "{\"name\":\"k\",\"spec\":{\"credentials\":{\"type\":\"key\"},"
         "\"key\":\"pkcs11:object=web\",\"pin\":{\"file\":\"/p\"},\"user_name\":\"u\"}}"},
        {"infrastructure create i --ssh-key k --host a --host b:2222 --host [::1]:22",
         "{\"name\":\"i\",\"spec\":{\"hosts\":[{\"name\":\"a\"},{\"name\":\"b\",\"port\":2222},"
         "{\"name\":\"::1\",\"port\":22}],\"ssh_key\":\"k\"}}"},
        {"connector create main --renewal-minutes ten", "--renewal-minutes ten is no number"},
        {"infrastructure create i --host u@a", "'u@a' is not HOST[:PORT]"},
        {"connector create --address https://a", "the connector needs a name"},
        {"connector create c --token-file s.abc", "a secret itself is not taken"},
        {"certificate create c", "where is the certificate? --file FILE"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        AUTO(auto_free) char *body = body_of(lines[i].line, NULL);

        if (strstr(body, lines[i].body) == NULL) {
            fail_msg("%s\n%s", lines[i].line, body);
        }
    }
}

static void test_relative_paths(void **state)
{
    char here[1024];

    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    AUTO(auto_free) char *body = body_of("connector create c --token-file d/t", NULL);
    AUTO(auto_free) char *path = text_fmt("\"token_file\":\"%s/d/t\"", here);

    assert_non_null(strstr(body, path));
}

/* A text with the file's path for its "%s". */
static char *with_path(const char *text, const char *path)
{
    const char *at = strstr(text, "%s");

    return at == NULL ? text_copy(text)
                      : text_fmt("%.*s%s%s", (int)(at - text), text, path, at + 2);
}

/* @body_part has to be in what "certificate create c --file FILE" or the like makes. */
static void with_file(const char *line, const char *content, size_t len, const json_t *old,
                      const char *body_part)
{
    char path[] = "/tmp/hf-form-XXXXXX";
    AUTO(auto_close) int fd = mkstemp(path);

    assert_int_equal(write(fd, content, len), (ssize_t)len);
    AUTO(auto_free) char *whole = text_fmt("%s --file %s", line, path);
    AUTO(auto_free) char *body = body_of(whole, old);

    unlink(path);
    if (strstr(body, body_part) == NULL) {
        fail_msg("%s\n%s", line, body);
    }
}

static void test_files(void **state)
{
    static const struct {
        const char *line, *content, *part;
    } rows[] = {
        {"certificate create c", "-----BEGIN X-----\n",
         "{\"name\":\"c\",\"spec\":{\"pem\":\"-----BEGIN X-----\\n\"}}"},
        {"certificate create c", "", "{\"name\":\"c\",\"spec\":{\"pem\":\"\"}}"},
        {"certificate create c", "name: x\nspec:\n  pem: y\n",
         "{\"name\":\"c\",\"spec\":{\"pem\":\"y\"}}"},
        {"certificate create", "{\"name\": \"x\", \"spec\": {\"pem\": \"y\"}}",
         "{\"name\":\"x\",\"spec\":{\"pem\":\"y\"}}"},
        {"connector create c --set active=false",
         "kind: connector\nscope: account\nidentifier: z\nrevision: 4\nspec: {type: vault}\n",
         "{\"name\":\"c\",\"spec\":{\"active\":false,\"type\":\"vault\"}}"},
        {"connector create c", "kind: ssh-key\nname: x\n", "of the kind 'ssh-key'"},
        {"connector create c", "just text\n", "no mapping"},
        {"connector create c", "a: b: c\n", ":1: not YAML"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        with_file(rows[i].line, rows[i].content, strlen(rows[i].content), NULL, rows[i].part);
    }
    with_file("certificate create c", "0\x82\x03\xff", 4, NULL,
              "Invalid request: Certificate is not a valid X509 Certificate: ");
}

static void test_changes(void **state)
{
    json_t *old = json_pack("{s:s, s:s, s:s, s:[s], s:i, s:n, s:{s:s, s:i}}", "identifier", "k",
                            "name", "K", "scope", "account", "tags", "t", "revision", 3,
                            "description", "spec", "user_name", "u", "port", 22);

    (void)state;
    AUTO(auto_free) char *port = body_of("ssh-key edit k --port 23 --name New", old);

    assert_string_equal(port, "{\"name\":\"New\",\"spec\":{\"port\":23,\"user_name\":\"u\"},"
                              "\"tags\":[\"t\"]}");
    with_file("ssh-key edit k", "spec: {user_name: v}\n", 21, old,
              "{\"name\":\"K\",\"spec\":{\"user_name\":\"v\"},\"tags\":[\"t\"]}");
    json_decref(old);
}

static const char document[] = "name: corp\n"
                               "spec:\n"
                               "  addresses:\n"
                               "  - https://a\n"
                               "  - 7\n"
                               "  bla: 7\n";

static void test_where_a_mistake_is(void **state)
{
    static const struct {
        const char *line, *said, *told; /* %s: the file */
    } rows[] = {
        {"connector create c --address x", "/spec/addresses/0: must be", "--address: must be"},
        {"connector create c --address x --address y", "/spec/addresses/1: must be",
         "--address, number 2: must be"},
        {"connector create c", "/spec/addresses: is missing", "--address: is missing"},
        {"connector create c", "/spec/addresses/0: is odd", "addresses.0: is odd"},
        {"connector create c --login cert", "/spec/login/key: is missing",
         "--login-key: is missing"},
        {"connector create c --set login.x.y=1", "/spec/login/x: no", "--set login.x: no"},
        {"connector create c --set login=1", "/spec/login/x/y: no", "--set login.x.y: no"},
        {"connector create c --set login2=1", "/spec/login/x: no", "login.x: no"},
        {"connector create c", "/spec/other/0/x: no", "other.0.x: no"},
        {"connector create c", "/name: is long", "NAME: is long"},
        {"connector edit c --name x", "/name: is long", "--name: is long"},
        {"ssh-key create k --tag x", "/tags/0: no", "--tag: no"},
        {"ssh-key create k --key x", "/spec/key: a: b: c", "--key: a: b: c"},
        {"connector create c", "no such scope: /spec/x", "no such scope: /spec/x"},
        {"connector create c", "/spec/x", "/spec/x"},
        {"connector create --file %s", "/spec/addresses/1: no", "%s:5: addresses.1: no"},
        {"connector create --file %s", "/spec/bla: no", "%s:6: bla: no"},
        {"connector create --file %s --address x", "/spec/addresses/1: no", "--address: no"},
        {"connector create --file -", "/spec/bla: no", "standard input: bla: no"},
        {"connector create --file /nowhere", "/spec/bla: no", "/nowhere: bla: no"},
    };
    char path[] = "/tmp/hf-form-XXXXXX";
    AUTO(auto_close) int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, document, sizeof document - 1), sizeof document - 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(auto_free) char *line = with_path(rows[i].line, path);
        AUTO(auto_free) char *told = with_path(rows[i].told, path);
        const struct cli *c = command_of(line);
        AUTO(err_free) struct err *e = form_explain(c, resource_kind_of(c), cli_option(c, "file"),
                                                    err_new(ERR_DENIED, "%s", rows[i].said));

        assert_true(err_is(e, ERR_DENIED));
        assert_string_equal(err_text(e), told);
    }
    assert_null(form_explain(command_of("connector create c"), resource_kinds, NULL, NULL));
    unlink(path);
}

/* Of many resources: as the document says them. */
static void test_where_in_a_document(void **state)
{
    static const struct {
        const char *text, *made, *said, *told;
    } rows[] = {
        {"resources:\n- a: 1\n- spec:\n    key: 1\n", "", "/resources/1: /spec/key: no",
         "%s:4: resources.1.spec.key: no"},
        {"- a: 1\n- spec:\n    key: 1\n", "/resources", "/resources/1: /spec/key: no",
         "%s:3: 1.spec.key: no"},
        {"kind: x\nspec:\n  key: 1\n", "/resources/0", "/resources/0: /spec/key: no",
         "%s:3: key: no"},
        {"kind: x\n", "/resources/0", "the disk is full", "the disk is full"},
    };
    char path[] = "/tmp/hf-form-XXXXXX";
    AUTO(auto_close) int fd = mkstemp(path);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(auto_free) char *told = with_path(rows[i].told, path);

        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, rows[i].text, strlen(rows[i].text), 0), strlen(rows[i].text));
        AUTO(err_free) struct err *e =
            form_explain_document(path, rows[i].made, err_new(ERR_INPUT, "%s", rows[i].said));

        assert_string_equal(err_text(e), told);
    }
    unlink(path);
}

static void check_picked(const json_t *certificates, const char *object, const char *pem)
{
    json_t *picked = NULL;
    AUTO(err_free) struct err *e = form_pick(certificates, object, &picked);

    assert_null(e);
    assert_string_equal(json_string_value(picked), pem);
    json_decref(picked);
}

static void check_not_picked(const json_t *certificates, const char *object, enum err_code code,
                             const char *text)
{
    json_t *picked = NULL;
    AUTO(err_free) struct err *e = form_pick(certificates, object, &picked);

    assert_true(err_is(e, code));
    assert_non_null(strstr(err_text(e), text));
    assert_null(picked);
}

static void test_pick(void **state)
{
    json_t *none = json_array();
    json_t *one = json_pack("[{s:s, s:s, s:s}]", "label", "\033[2J", "id", "0a", "pem", "A");
    json_t *all =
        json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s}]", "label", "ca",
                  "id", "0a", "pem", "A", "label", "twin", "id", "0b", "pem", "B", "label", "twin",
                  "id", "", "pem", "C", "label", "bare", "id", "0d");
    json_t *bare = json_pack("[{s:s, s:s}, {}]", "label", "", "id", "0a");

    (void)state;
    check_picked(one, NULL, "A");
    check_picked(one, "0A", "A");
    check_picked(all, "ca", "A");
    check_picked(all, "0b", "B");
    check_not_picked(none, NULL, ERR_NOT_FOUND, "holds no X.509 certificate");
    check_not_picked(none, "ca", ERR_NOT_FOUND, "holds no X.509 certificate");
    check_not_picked(NULL, NULL, ERR_NOT_FOUND, "holds no X.509 certificate");
    check_not_picked(one, "ca", ERR_NOT_FOUND, "no certificate 'ca', but \\x1b[2J (id 0a)");
    check_not_picked(bare, "ca", ERR_NOT_FOUND,
                     "but without a label (id 0a), without a label (id none)");
    check_not_picked(all, NULL, ERR_INPUT, "ca (id 0a), twin (id 0b), twin (id none), bare");
    check_not_picked(all, "twin", ERR_INPUT, "--object LABEL or ID");
    check_not_picked(all, "bare", ERR_PROTOCOL, "no PEM");
    json_decref(none);
    json_decref(one);
    json_decref(bare);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assign),
        cmocka_unit_test(test_assign_wrong),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_relative_paths),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_where_a_mistake_is),
        cmocka_unit_test(test_where_in_a_document),
        cmocka_unit_test(test_pick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
