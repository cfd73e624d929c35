/*
 * create, list, show, edit and delete, the same for every kind of resource; the kind is the first
 * word of the command.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/edit.h"
#include "cli/form.h"
#include "cli/resource.h"
#include "cli/session.h"
#include "cli/table.h"

static struct err *post(struct cli *c, const struct resource_kind *k, json_t *body, json_t **ret)
{
    bool dry = cli_option(c, "dry-run") != NULL;
    AUTO(auto_free) char *path = resource_path(resource_scope(c), k, NULL, dry ? "/-/check" : "");

    return session_call(c->session, "POST", path, json_incref(body), ret);
}

static void print_created(struct cli *c, const struct resource_kind *k, const json_t *made,
                          const json_t *body)
{
    const char *message = json_text(made, "message");

    if (c->json) {
        json_print(made);
    } else if (cli_option(c, "dry-run") != NULL) {
        printf("%s %s would be created\n", k->title, json_text(body, "name"));
    } else if (message[0] != '\0') {
        puts(message);
    } else {
        printf("%s %s created successfully\n", k->title, json_text(made, "name"));
    }
    resource_warn(made);
}

static bool wants_test(struct cli *c)
{
    return text_eq(resource_kind_of(c)->word, "connector") && cli_option(c, "no-test") == NULL &&
           cli_option(c, "dry-run") == NULL;
}

int cmd_resource_create(struct cli *c)
{
    const struct resource_kind *k = resource_kind_of(c);
    json_t *body = NULL;
    json_t *made = NULL;
    int status = CLI_OK;
    struct err *e = session_open(c, SESSION_TOKENS);

    if (e == NULL) {
        e = form_new(c, k, &body);
    }
    if (e == NULL) {
        e = form_explain(c, k, cli_option(c, "file"), post(c, k, body, &made));
    }
    if (e == NULL) {
        print_created(c, k, made, body);
        fflush(stdout);
        status = wants_test(c) ? resource_test(c, made) : CLI_OK;
    }
    json_decref(body);
    json_decref(made);
    return e != NULL ? cli_fail(e) : status;
}

static struct err *list_query(struct cli *c, char **ret)
{
    static const char *const flags[] = {"below", "above"};
    static const char *const texts[] = {"tag", "name"};
    struct buf query;

    buf_init(&query, 0);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        AUTO(auto_free) char *part =
            cli_option(c, flags[i]) != NULL ? text_fmt("&%s=true", flags[i]) : strdup("");

        buf_put(&query, part, strlen(part));
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *value = cli_option(c, texts[i]);
        AUTO(auto_free) char *escaped = session_escape(value != NULL ? value : "");
        AUTO(auto_free) char *part =
            value != NULL ? text_fmt("&%s=%s", texts[i], escaped) : strdup("");

        buf_put(&query, part, strlen(part));
    }
    *ret = view_dup(view_of(query.data + (query.len > 0), query.len - (query.len > 0)));
    buf_deinit(&query);
    return *ret != NULL ? NULL : err_nomem();
}

/* A member for a cell; lists are joined. */
static char *cell_text(const json_t *value)
{
    char *text = NULL;
    size_t i;
    const json_t *item;

    if (json_is_integer(value)) {
        return text_fmt("%lld", (long long)json_integer_value(value));
    }
    json_array_foreach(value, i, item)
    {
        char *longer = text_fmt("%s%s%s", text != NULL ? text : "", i > 0 ? ", " : "",
                                json_is_string(item) ? json_string_value(item) : "");

        free(text);
        text = longer;
    }
    return text != NULL ? text : text_copy(json_string_value(value));
}

static void add_row(struct table *t, const struct resource_kind *k, const json_t *resource)
{
    const char *cells[RESOURCE_COLUMNS_MAX + 3] = {json_text(resource, "name"),
                                                   json_text(resource, "identifier")};
    char *made[RESOURCE_COLUMNS_MAX] = {NULL};
    size_t n = 0;

    for (const struct resource_column *col = k->columns; col->head != NULL; col++, n++) {
        made[n] =
            col->make != NULL ? col->make(resource) : cell_text(resource_at(resource, col->member));
        cells[n + 2] = made[n];
    }
    cells[n + 2] = json_text(resource, "scope");
    table_row(t, cells);
    for (size_t i = 0; i < n; i++) {
        free(made[i]);
    }
}

static void print_list(const struct resource_kind *k, const char *scope, const json_t *items)
{
    const char *heads[RESOURCE_COLUMNS_MAX + 4] = {"NAME", "IDENTIFIER"};
    AUTO(auto_free) char *none =
        text_fmt("No %s at %s: `holdfast %s create` makes one.", k->word, scope, k->word);
    size_t n = 2;
    size_t i;
    const json_t *item;

    for (const struct resource_column *col = k->columns; col->head != NULL; col++) {
        heads[n++] = col->head;
    }
    heads[n] = "SCOPE";
    struct table *t = table_new(heads);

    json_array_foreach(items, i, item)
    {
        add_row(t, k, item);
    }
    table_print(&t, none != NULL ? none : "");
    json_array_foreach(items, i, item)
    {
        resource_warn(item);
    }
}

int cmd_resource_list(struct cli *c)
{
    const struct resource_kind *k = resource_kind_of(c);
    AUTO(auto_free) char *query = NULL;
    json_t *items = NULL;
    struct err *e = list_query(c, &query);

    if (e == NULL) {
        e = session_open(c, SESSION_TOKENS);
    }
    if (e == NULL) {
        e = resource_pages(c, k, query, &items);
    }
    if (e != NULL) {
        return cli_fail(e);
    }
    if (c->json) {
        json_t *whole = json_pack("{s:O}", "items", items);

        json_print(whole);
        json_decref(whole);
    } else {
        print_list(k, resource_scope(c), items);
    }
    json_decref(items);
    return CLI_OK;
}

int cmd_resource_show(struct cli *c)
{
    json_t *resource = NULL;
    struct err *e = session_open(c, SESSION_TOKENS);

    if (e == NULL) {
        e = resource_get(c, resource_kind_of(c), cli_argument(c, 0), &resource);
    }
    if (e != NULL) {
        return cli_fail(e);
    }
    resource_print(c, resource);
    resource_warn(resource);
    json_decref(resource);
    return CLI_OK;
}

/* With options the change is what they say; without, what the person does in an editor. */
static bool has_changes(const struct cli *c)
{
    bool found = false;

    for (unsigned i = 0; i < c->given_n; i++) {
        found = found || !text_eq(c->given[i].name, "scope");
    }
    return found;
}

static struct err *change(struct cli *c, const struct resource_kind *k, const json_t *old,
                          json_t **ret)
{
    AUTO(auto_free) char *path = resource_path_of(k, old, "");
    AUTO(auto_free) char *etag = resource_etag(old);
    json_t *body = NULL;
    struct err *e = form_change(c, k, old, &body);

    if (e == NULL) {
        e = form_explain(c, k, cli_option(c, "file"),
                         session_change(c->session, "PUT", path, etag, body, ret));
    }
    return e;
}

int cmd_resource_edit(struct cli *c)
{
    const struct resource_kind *k = resource_kind_of(c);
    json_t *old = NULL;
    json_t *now = NULL;
    struct err *e = session_open(c, SESSION_TOKENS);

    if (e == NULL) {
        e = resource_get(c, k, cli_argument(c, 0), &old);
    }
    if (e == NULL) {
        e = has_changes(c) ? change(c, k, old, &now) : edit_resource(c, k, old, &now);
    }
    if (e == NULL && now == NULL) {
        puts("Nothing changed.");
    } else if (e == NULL && c->json) {
        json_print(now);
    } else if (e == NULL) {
        printf("%s %s changed\n", k->title, json_text(now, "name"));
        resource_warn(now);
    }
    json_decref(old);
    json_decref(now);
    return e != NULL ? cli_fail(e) : CLI_OK;
}

static void print_deleted(const struct resource_kind *k, const json_t *resource, const json_t *done)
{
    size_t i;
    const json_t *user;

    printf("%s %s deleted\n", k->title, json_text(resource, "name"));
    json_array_foreach(json_object_get(done, "now_broken"), i, user)
    {
        printf("  now broken: %s %s (%s) at %s\n", json_text(user, "kind"), json_text(user, "name"),
               json_text(user, "identifier"), json_text(user, "scope"));
    }
}

int cmd_resource_delete(struct cli *c)
{
    const struct resource_kind *k = resource_kind_of(c);
    bool force = cli_option(c, "force") != NULL;
    json_t *resource = NULL, *done = NULL;
    struct err *e = session_open(c, SESSION_TOKENS);

    if (e == NULL) {
        e = resource_get(c, k, cli_argument(c, 0), &resource);
    }
    if (e == NULL) {
        e = cli_confirm(c, "deleted", "Delete %s '%s' (%s) at %s?", k->word,
                        json_text(resource, "name"), json_text(resource, "identifier"),
                        json_text(resource, "scope"));
    }
    if (e == NULL) {
        AUTO(auto_free) char *path = resource_path_of(k, resource, force ? "?force=true" : "");
        AUTO(auto_free) char *etag = resource_etag(resource);

        e = session_change(c->session, "DELETE", path, etag, NULL, &done);
    }
    if (e == NULL) {
        print_deleted(k, resource, done);
    }
    json_decref(done);
    json_decref(resource);
    if (e == NULL) {
        return CLI_OK;
    }
    bool used = text_eq(err_native_name(e), "IN-USE");
    int status = cli_fail(e);

    if (used) {
        fputs("--force deletes it all the same, and marks its users broken.\n", stderr);
    }
    return status;
}
