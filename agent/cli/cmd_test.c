/*
 * Does what was declared work? A connector's connection, step by step, and the SSH engines behind it.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/resource.h"
#include "cli/session.h"
#include "cli/steps.h"
#include "cli/table.h"

static int test(struct cli *c, const json_t *connector, const char *query, struct steps *s)
{
    AUTO(auto_free) char *end = text_fmt("/test%s", query);
    AUTO(auto_free) char *path = resource_path_of(resource_kind("connector"), connector, end);

    return steps_result(s, session_stream(c->session, path, NULL, steps_on_line, s));
}

int resource_test(struct cli *c, const json_t *connector)
{
    struct steps s = {0};
    int status = test(c, connector, "", &s);

    if (status != 0) {
        AUTO(auto_free) char *next =
            text_fmt("The connector is kept. `holdfast connector edit %s` mends it, `holdfast "
                     "connector test "
                     "%s` tries again.",
                     json_text(connector, "identifier"), json_text(connector, "identifier"));

        text_wrapped(stderr, 0, next != NULL ? next : "The connector is kept.");
    }
    return status;
}

/* The resource that the command names. */
static struct err *get_named(struct cli *c, json_t **ret)
{
    struct err *e = session_open(c, SESSION_TOKENS);

    return e != NULL ? e : resource_get(c, resource_kind_of(c), cli_argument(c, 0), ret);
}

int cmd_connector_test(struct cli *c)
{
    struct steps s = {.json = c->json};
    json_t *connector = NULL;
    struct err *e = get_named(c, &connector);

    if (e != NULL) {
        return cli_fail(e);
    }
    int status = test(c, connector, "", &s);

    json_decref(connector);
    return status;
}

static void print_mounts(const json_t *mounts)
{
    static const char *const heads[] = {"MOUNT", "TYPE", "~DESCRIPTION", NULL};
    struct table *t = table_new(heads);
    size_t i;
    const json_t *mount;

    json_array_foreach(mounts, i, mount)
    {
        const char *cells[] = {json_text(mount, "path"), json_text(mount, "type"),
                               json_text(mount, "description")};

        table_row(t, cells);
    }
    table_print(&t, "No SSH engine is mounted there, or the login may not see it.");
}

int cmd_mounts(struct cli *c)
{
    json_t *resource = NULL;
    json_t *answer = NULL;
    struct err *e = get_named(c, &resource);

    if (e == NULL) {
        AUTO(auto_free) char *path = resource_path_of(resource_kind_of(c), resource, "/mounts");

        e = session_call(c->session, "GET", path, NULL, &answer);
    }
    if (e == NULL && c->json) {
        json_print(answer);
    } else if (e == NULL) {
        print_mounts(json_object_get(answer, "mounts"));
    }
    json_decref(resource);
    json_decref(answer);
    return e != NULL ? cli_fail(e) : CLI_OK;
}

/* The connector that a secrets manager refers to, seen from where that is. */
static struct err *get_connector(struct cli *c, const json_t *manager, json_t **ret)
{
    const char *reference = json_string_value(resource_at(manager, "spec.connector"));
    const char *scope = json_text(manager, "scope");
    const char *dot = reference != NULL ? strchr(reference, '.') : NULL;
    AUTO(auto_free) char *word = dot != NULL ? strndup(reference, (size_t)(dot - reference)) : NULL;
    AUTO(auto_free) char *above = word != NULL ? resource_scope_above(scope, word) : NULL;

    if (reference == NULL || reference[0] == '\0') {
        return err_new(ERR_NOT_FOUND, "'%s' has no connector", json_text(manager, "name"));
    }
    AUTO(auto_free) char *path =
        resource_path(above != NULL ? above : scope, resource_kind("connector"),
                      above != NULL ? dot + 1 : reference, "");

    return session_call(c->session, "GET", path, NULL, ret);
}

/* What the test looks at beside the connector: the engine, and the role where there is one. */
static char *engine_query(const json_t *manager)
{
    const char *mount = json_string_value(resource_at(manager, "spec.mount"));
    const char *role = json_string_value(resource_at(manager, "spec.default_role"));
    AUTO(auto_free) char *at = session_escape(mount != NULL ? mount : "");
    AUTO(auto_free) char *as = session_escape(role != NULL ? role : "");

    return text_fmt("?mount=%s%s%s", at, role != NULL ? "&role=" : "", as);
}

int cmd_secrets_manager_test(struct cli *c)
{
    struct steps s = {.json = c->json};
    json_t *manager = NULL;
    json_t *connector = NULL;
    struct err *e = get_named(c, &manager);

    e = e == NULL ? get_connector(c, manager, &connector) : e;
    AUTO(auto_free) char *query = engine_query(manager);
    int status = e != NULL ? cli_fail(e) : test(c, connector, query, &s);

    json_decref(manager);
    json_decref(connector);
    return status;
}
