/* Documents: export, apply, diff, prune; resolving; the audit trail. */
#include <sys/stat.h>

#include "registry/fixture.h"
#include "registry/pem.h"

#define CONNECTOR(scope, name, more)                                                               \
    "{\"kind\":\"connector\",\"scope\":\"" scope "\",\"name\":\"" name                             \
    "\",\"spec\":{\"type\":\"vault\",\"addresses\":[\"https://vault:8200\"],\"login\":{"           \
    "\"method\":\"token\",\"token_file\":\"/run/token\"}" more "}}"
#define MANAGER(scope, connector)                                                                  \
    "{\"kind\":\"secrets-manager\",\"scope\":\"" scope "\",\"name\":\"M\",\"spec\":{\"type\":"     \
    "\"vault-ssh\",\"connector\":\"" connector "\",\"mount\":\"ssh\"}}"
#define KEY(scope, manager, more)                                                                  \
    "{\"kind\":\"ssh-key\",\"scope\":\"" scope "\",\"name\":\"K\",\"spec\":{\"user_name\":\"u\","  \
    "\"key\":\"pkcs11:object=k\",\"credentials\":{\"type\":\"vault-ssh\",\"secrets_manager\":"     \
    "\"" manager "\"}" more "}}"
/* It logs in by certificate. */
#define LOGIN(active)                                                                              \
    "{\"kind\":\"connector\",\"scope\":\"account\",\"name\":\"by_key\",\"spec\":{\"type\":"        \
    "\"vault\","                                                                                   \
    "\"addresses\":[\"https://vault:8200\"],\"login\":{\"method\":\"cert\",\"key\":"               \
    "\"pkcs11:object=l\"},\"certificate\":\"ca\",\"active\":" active "}}"
/* What refers stands before what it refers to. */
#define ALL                                                                                        \
    KEY("org/a/project/p", "org.m", "")                                                            \
    "," MANAGER("org/a", "account.main") "," CONNECTOR("account", "Main", ",\"certificate\":\"ca\"")

static json_t *document(const char *items)
{
    AUTO(made_deinit) struct made ca = make_cert("CA", NULL, -DAY, 365 * DAY);
    AUTO(auto_free) char *pem = pem_of(&ca);
    AUTO(auto_free) char *text = text_fmt("{\"resources\":[%s]}", items);
    json_t *j = json_of(text);

    json_array_append_new(json_object_get(j, "resources"),
                          json_pack("{s:s, s:s, s:s, s:{s:s}}", "kind", "certificate", "scope",
                                    "account", "name", "CA", "spec", "pem", pem));
    return j;
}

static void apply_text(const char *items, bool dry_run, bool prune)
{
    AUTO(auto_free) char *text = text_fmt("{\"resources\":[%s]}", items);
    json_t *j = json_of(text);

    apply(j, dry_run, prune);
    json_decref(j);
}

static void apply_all(void)
{
    json_t *j = document(ALL);

    apply(j, false, false);
    json_decref(j);
    succeeded();
}

static json_t *export_all(void)
{
    registry_export(fx.r, "account", on_text, NULL);
    wait_for(1);
    succeeded();
    return json_incref(fx.result);
}

static void idempotent(void **state)
{
    json_t *j = document(ALL);

    (void)state;
    apply(j, true, false);
    succeeded();
    assert_true(json_is_false(at("applied")));
    assert_int_equal(json_array_size(at("changes")), 4);
    get(REGISTRY_CERTIFICATE, "account", "ca");
    refused(ERR_NOT_FOUND, ""); /* a dry run */
    apply(j, false, false);
    succeeded();
    is_text("changes.0.what", "create");
    is_text("changes.0.kind", "certificate");
    is_text("changes.3.kind", "ssh-key");
    apply(j, false, true);
    succeeded();
    assert_int_equal(json_array_size(at("changes")), 0);
    assert_true(json_is_true(at("applied")));
    get(REGISTRY_CONNECTOR, "account", "main");
    is_number("revision", 1);
    json_decref(j);
}

static void export_is_a_document(void **state)
{
    (void)state;
    apply_all();
    json_t *first = export_all();

    assert_int_equal(json_array_size(json_object_get(first, "resources")), 4);
    apply(first, false, true);
    succeeded();
    assert_int_equal(json_array_size(at("changes")), 0);
    json_array_clear(json_object_get(first, "resources"));
    apply(first, false, true);
    succeeded();
    assert_int_equal(json_array_size(at("changes")), 4);
    json_decref(first);
    first = export_all();
    assert_int_equal(json_array_size(json_object_get(first, "resources")), 0);
    json_decref(first);
}

static void export_elsewhere(void **state)
{
    (void)state;
    apply_all();
    json_t *all = export_all();

    update(REGISTRY_CONNECTOR, "account", "main", 0,
           "{\"name\":\"Renamed\",\"spec\":{\"type\":\"vault\",\"addresses\":[\"https://v\"],"
           "\"login\":{\"method\":\"token\",\"token_file\":\"/t\"}}}");
    succeeded();
    apply(all, false, false);
    succeeded();
    is_text("changes.0.what", "update");
    is_text("changes.0.identifier", "main");
    is_text("changes.0.diff.0.at", "/name");
    is_text("changes.0.diff.0.from", "Renamed");
    is_text("changes.0.diff.0.to", "Main");
    assert_int_equal(json_array_size(at("changes")), 1);
    json_decref(all);
}

static void refuses_documents(void **state)
{
    (void)state;
    apply_text(MANAGER("org/a", "account.main"), false, false);
    refused(ERR_NOT_FOUND, "/spec/connector: there is no connector main in account");
    apply_text(MANAGER("org/a", "account.main"), true, false);
    refused(ERR_NOT_FOUND, "/spec/connector"); /* a dry run says the same */
    apply_text(CONNECTOR("account", "a", "") "," CONNECTOR("account", "A", ""), false, false);
    refused(ERR_INPUT, "/resources/1: is resource number 1 once more");
    apply_text(CONNECTOR("account", "a", "") ",7", false, false);
    refused(ERR_INPUT, "/resources/1");
    apply_text("{\"kind\":\"user\",\"scope\":\"account\",\"name\":\"a\",\"spec\":{}}", false,
               false);
    refused(ERR_INPUT, "/kind");
    apply_text(CONNECTOR("org", "a", ""), false, false);
    refused(ERR_INPUT, "/scope");
    apply_text(CONNECTOR("account", "", ""), false, false);
    refused(ERR_INPUT, "/name");
    apply_text(CONNECTOR("account", "ok", "") "," CONNECTOR("account", "b", ",\"x\":1"), false,
               false);
    refused(ERR_INPUT, "/resources/1: /spec/x");
    get(REGISTRY_CONNECTOR, "account", "ok"); /* all or nothing */
    refused(ERR_NOT_FOUND, "");
    json_t *j = json_of("{\"resources\":[],\"more\":1}");

    apply(j, false, false);
    refused(ERR_INPUT, "one member");
    json_decref(j);
}

static void prune_keeps_what_is_used(void **state)
{
    (void)state;
    apply_all();
    apply_text(MANAGER("org/a", "account.main"), true, true);
    refused(ERR_BUSY, "connector main in account is not in the document, but secrets-manager m");
    json_t *none = json_object();

    apply(none, false, true);
    json_decref(none);
    refused(ERR_INPUT, "/resources");
    json_t *j = json_of("{\"resources\":[]}");

    registry_apply(fx.r, &caller, j,
                   &(struct registry_apply){.prune = true, .prune_scope = "org/a/project/p"},
                   on_answer, NULL);
    json_decref(j);
    wait_for(1);
    succeeded();
    assert_int_equal(json_array_size(at("changes")), 1);
    is_text("changes.0.kind", "ssh-key");
}

static void too_many_changes(void **state)
{
    json_t *j = json_of("{\"resources\":[]}");

    (void)state;
    for (int i = 0; i < 513; i++) {
        json_t *item = json_of(CONNECTOR("account", "x", ""));

        json_object_set_new(item, "name", json_sprintf("c%d", i));
        json_array_append_new(json_object_get(j, "resources"), item);
    }
    apply(j, false, false);
    refused(ERR_LIMIT, "513 changes");
    json_array_remove(json_object_get(j, "resources"), 0);
    apply(j, false, false);
    succeeded();
    json_decref(j);
}

static void broken_documents(void **state)
{
    (void)state;
    apply_all();
    delete (REGISTRY_CERTIFICATE, "account", "ca", true);
    succeeded();
    json_t *all = export_all();

    apply(all, false, false); /* as it is: no change */
    succeeded();
    assert_int_equal(json_array_size(at("changes")), 0);
    delete (REGISTRY_SSH_KEY, "org/a/project/p", "k", false);
    delete (REGISTRY_SECRETS_MANAGER, "org/a", "m", false);
    delete (REGISTRY_CONNECTOR, "account", "main", false);
    apply(all, false, false); /* elsewhere it would trust something else */
    refused(ERR_INPUT, "/broken: mend it");
    json_decref(all);
}

static void resolve(const char *scope, const char *reference)
{
    registry_resolve(fx.r, scope, reference, on_answer, NULL);
    wait_for(1);
}

static void resolves(void **state)
{
    (void)state;
    apply_all();
    resolve("org/a/project/p", "k");
    succeeded();
    is_text("ssh_key.identifier", "k");
    is_text("secrets_manager.spec.mount", "ssh");
    is_text("connector.identifier", "main");
    assert_non_null(json_string_value(at("certificate.spec.pem")));
    resolve("org/a", "k");
    refused(ERR_NOT_FOUND, "k");
    resolve("org/a", "account/k");
    refused(ERR_INPUT, "");
    registry_resolve_all(fx.r, on_answer, NULL);
    wait_for(1);
    succeeded();
    assert_int_equal(json_array_size(at("items")), 1);
    assert_int_equal(json_array_size(at("logins")), 0);
    is_text("items.0.connector.identifier", "main");
    apply_text(LOGIN("false"), false, false);
    registry_resolve_all(fx.r, on_answer, NULL);
    wait_for(1);
    assert_int_equal(json_array_size(at("logins")), 0); /* not active */
    apply_text(LOGIN("true"), false, false);
    registry_resolve_all(fx.r, on_answer, NULL);
    wait_for(1);
    assert_int_equal(json_array_size(at("items")), 1);
    is_text("logins.0.connector.identifier", "by_key");
    is_text("logins.0.certificate.identifier", "ca");
    apply_text(KEY("account", "m", ""), false, false);
    refused(ERR_NOT_FOUND, ""); /* m is below */
    delete (REGISTRY_CERTIFICATE, "account", "ca", true);
    resolve("org/a/project/p", "k");
    refused(ERR_DENIED, "connector main in account is broken: /spec/certificate");
    registry_resolve_all(fx.r, on_answer, NULL);
    wait_for(1);
    assert_int_equal(json_array_size(at("items")), 0);
    is_text("problems.0.identifier", "k");
    apply_text(KEY("org/a/project/p", "org.m", ",\"active\":false"), false, false);
    succeeded();
    resolve("org/a/project/p", "k");
    refused(ERR_DENIED, "ssh-key k in org/a/project/p is not active");
    registry_resolve_all(fx.r, on_answer, NULL);
    wait_for(1);
    assert_int_equal(json_array_size(at("problems")), 0);
}

static json_t *audit_line(size_t i)
{
    AUTO(buf_deinit) struct buf text;
    const char *p;

    buf_init(&text, 0);
    assert_null(file_read(in_folder("audit.jsonl"), BUF_MAX_BYTES, &text));
    buf_put_u8(&text, 0);
    for (p = (const char *)text.data; i > 0 && p != NULL; i--) {
        p = strchr(p, '\n');
        p = p != NULL ? p + 1 : NULL;
    }
    return p != NULL && *p != '\0' ? json_loads(p, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
}

static void line_is(size_t i, const char *what, const char *id, long long before, long long after)
{
    json_t *line = audit_line(i);

    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "what")), what);
    assert_string_equal(json_string_value(json_object_get(line, "identifier")), id);
    assert_int_equal(json_integer_value(json_object_get(line, "before")), before);
    assert_int_equal(json_integer_value(json_object_get(line, "after")), after);
    assert_int_equal(json_integer_value(json_object_get(line, "uid")), 1000);
    assert_null(json_object_get(line, "spec"));
    json_decref(line);
}

static void audit_tells(void **state)
{
    struct stat st;

    (void)state;
    apply_all();
    apply_text(CONNECTOR("account", "x", ",\"y\":1"), false, false); /* refused: no line */
    delete (REGISTRY_CERTIFICATE, "account", "ca", true);
    delete (REGISTRY_SSH_KEY, "org/a/project/p", "k", false);
    get(REGISTRY_SSH_KEY, "account", "k"); /* after the worker has written the lines before */
    resolve("org/a", "m");
    registry_export(fx.r, "account", on_text, NULL);
    wait_for(1);
    line_is(0, "create", "ca", 0, 1);
    line_is(3, "create", "k", 0, 1);
    line_is(4, "break", "main", 1, 2);
    line_is(5, "delete", "ca", 1, 0);
    line_is(6, "delete", "k", 1, 0);
    assert_null(audit_line(7));
    assert_int_equal(stat(in_folder("audit.jsonl"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* What cannot be written down is not done. */
static void no_audit_no_change(void **state)
{
    (void)state;
    unlink(in_folder("audit.jsonl"));
    assert_int_equal(mkdir(in_folder("audit.jsonl"), 0700), 0);
    apply_text(CONNECTOR("account", "x", ""), false, false);
    refused(ERR_STORE, "audit trail");
    get(REGISTRY_CONNECTOR, "account", "x");
    refused(ERR_NOT_FOUND, "");
    rmdir(in_folder("audit.jsonl"));
    apply_text(CONNECTOR("account", "x", ""), false, false);
    succeeded();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(idempotent),
        T(export_is_a_document),
        T(export_elsewhere),
        T(refuses_documents),
        T(prune_keeps_what_is_used),
        T(too_many_changes),
        T(broken_documents),
        T(resolves),
        T(audit_tells),
        T(no_audit_no_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
