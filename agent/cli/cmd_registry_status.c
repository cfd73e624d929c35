/*
 * holdfast registry status: where the registry is and how, how much it holds, and what of it the agent
 * could not apply. What the agent counts is shown as it says it; what is broken is found by looking at
 * each resource, which is also where the warnings come from.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/resource.h"
#include "cli/session.h"
#include "cli/table.h"

static size_t broken_in(const json_t *items)
{
    size_t broken = 0;
    size_t i;
    const json_t *item;

    json_array_foreach(items, i, item)
    {
        broken += json_array_size(json_object_get(item, "broken")) > 0;
    }
    return broken;
}

/* All resources by their kind; the number of those that are broken goes into @status. */
static struct err *get_all(struct cli *c, json_t *status, json_t *all)
{
    struct err *e = NULL;
    size_t i;
    json_t *kind;

    json_array_foreach(json_object_get(status, "kinds"), i, kind)
    {
        const struct resource_kind *k = resource_kind(json_text(kind, "kind"));
        json_t *items = NULL;

        e = e == NULL && k != NULL ? resource_pages(c, k, "below=true", &items) : e;
        if (items != NULL) {
            json_object_set_new(kind, "broken", json_integer((json_int_t)broken_in(items)));
            json_object_set_new(all, k->word, items);
        }
    }
    return e;
}

static void row(const char *what, const char *text)
{
    printf("%-10s", what);
    text_wrapped(stdout, 10, text);
}

static void print_store(const json_t *store)
{
    double kib = (double)json_integer_value(json_object_get(store, "bytes")) / 1024;
    const char *away = json_text(store, "away_since");
    bool shared = text_eq(json_text(store, "kind"), "kv");
    AUTO(auto_free) char *where = text_fmt("%s %s", shared ? "Vault KV, with a copy in" : "SQLite,",
                                           json_text(store, "path"));
    AUTO(auto_free) char *size =
        text_fmt("%.0f KiB, schema %lld; whole when it was opened, %s", kib,
                 (long long)json_integer_value(json_object_get(store, "schema_version")),
                 json_text(store, "whole_at"));
    AUTO(auto_free) char *vault = away[0] != '\0'
                                      ? text_fmt("away since %s", away)
                                      : text_fmt("reached; all of it read %s",
                                                 json_is_string(json_object_get(store, "refreshed"))
                                                     ? json_text(store, "refreshed")
                                                     : "not yet");
    const char *error = json_text(store, "error");

    row("store", where != NULL ? where : "");
    row("file", size != NULL ? size : "");
    if (shared) {
        row("Vault", vault != NULL ? vault : "");
    }
    if (error[0] != '\0') {
        row(json_is_true(json_object_get(store, "writable")) ? "trouble" : "read-only", error);
    }
}

static void print_kinds(const json_t *status)
{
    static const char *const heads[] = {"KIND", ">THERE ARE", ">BROKEN", "LAST CHANGE", NULL};
    struct table *t = table_new(heads);
    size_t i;
    const json_t *kind;

    json_array_foreach(json_object_get(status, "kinds"), i, kind)
    {
        long long there = (long long)json_integer_value(json_object_get(kind, "resources"));
        long long bad = (long long)json_integer_value(json_object_get(kind, "broken"));
        const char *updated = json_string_value(json_object_get(kind, "updated"));
        AUTO(auto_free) char *n = text_fmt("%lld", there);
        AUTO(auto_free) char *broken = text_fmt("%lld", bad);
        const char *cells[] = {json_text(kind, "kind"), n, broken, updated};

        table_row(t, cells);
    }
    table_print(&t, "");
}

static void print_problems(const json_t *status)
{
    const json_t *list = json_object_get(status, "problems");
    const json_t *retry = json_object_get(status, "retry_s");
    char left[TEXT_DURATION_BYTES];
    size_t i;
    const json_t *problem;

    if (json_array_size(list) > 0) {
        printf("\nnot applied%s%s:\n", json_is_integer(retry) ? ", tried again in " : "",
               json_is_integer(retry) ? text_duration_of(json_integer_value(retry), left) : "");
    }
    json_array_foreach(list, i, problem)
    {
        const char *scope = json_text(problem, "scope");
        AUTO(auto_free) char *line =
            text_fmt("%s %s%s%s: %s", json_text(problem, "kind"), json_text(problem, "identifier"),
                     scope[0] != '\0' ? " in " : "", scope, json_text(problem, "problem"));

        printf("  ");
        text_wrapped(stdout, 2, line != NULL ? line : "out of memory");
    }
}

static void print_warnings(const json_t *all)
{
    const char *word;
    const json_t *items;
    size_t i;
    const json_t *item;

    json_object_foreach((json_t *)all, word, items)
    {
        json_array_foreach(items, i, item)
        {
            resource_warn(item);
        }
    }
}

static void print_status(const json_t *status)
{
    const json_t *store = json_object_get(status, "store");
    AUTO(auto_free) char *scopes =
        text_fmt("%lld in use at %s and below",
                 (long long)json_integer_value(json_object_get(status, "scopes")),
                 json_text(status, "scope"));

    if (json_is_object(store)) {
        print_store(store);
    }
    row("scopes", scopes != NULL ? scopes : "");
    putchar('\n');
    print_kinds(status);
    print_problems(status);
}

int cmd_registry_status(struct cli *c)
{
    AUTO(auto_free) char *scope = session_escape(resource_scope(c));
    AUTO(auto_free) char *path = text_fmt("/registry?scope=%s", scope);
    json_t *status = NULL;
    json_t *all = json_object();
    struct err *e = session_open(c, SESSION_TOKENS);

    e = e == NULL ? session_call(c->session, "GET", path, NULL, &status) : e;
    e = e == NULL ? get_all(c, status, all) : e;
    if (e == NULL && c->json) {
        json_print(status);
    } else if (e == NULL) {
        print_status(status);
        print_warnings(all);
    }
    json_decref(all);
    json_decref(status);
    return e != NULL ? cli_fail(e) : CLI_OK;
}
