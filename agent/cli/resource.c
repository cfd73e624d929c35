/*
 * Resources of the registry as the command line sees them: what the kinds are called, where they are
 * in the API, and how a word that a person typed becomes one of them. A person may say the
 * identifier, the name or a reference; the API knows identifiers only, so names are looked up.
 */
#include "cli/resource.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/session.h"
#include "cli/table.h"
#include "cli/yaml_json.h"

enum { DAY_S = 86400, TEXT_MAX_BYTES = 64 * 1024 * 1024 };

const json_t *resource_at(const json_t *resource, const char *path)
{
    while (resource != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        char name[64];

        snprintf(name, sizeof name, "%.*s", (int)len, path);
        resource = json_object_get(resource, name);
        path += len + (path[len] == '.');
    }
    return resource;
}

/* When the first of its certificates ends; INT64_MAX where nothing says so. */
static int64_t first_end(const json_t *resource)
{
    int64_t first = INT64_MAX;
    size_t i;
    const json_t *certificate;

    json_array_foreach(json_object_get(resource, "certificates"), i, certificate)
    {
        int64_t end = wall_of_text(json_text(certificate, "not_after")).s;

        first = end != 0 && end < first ? end : first;
    }
    return first;
}

static char *expires(const json_t *resource)
{
    int64_t end = first_end(resource);
    int64_t left = end - wall_now().s;
    char at[WALL_TEXT_BYTES];
    char span[TEXT_DURATION_BYTES];

    if (end == INT64_MAX) {
        return NULL;
    }
    wall_text((struct wall){end}, at);
    at[strcspn(at, "T")] = '\0';
    if (left <= 0) {
        return text_fmt("%s EXPIRED", at);
    }
    return left >= 30 * DAY_S ? strdup(at) : text_fmt("%s in %s", at, text_duration_of(left, span));
}

static char *subject(const json_t *resource)
{
    const json_t *all = json_object_get(resource, "certificates");
    const char *first = json_text(json_array_get(all, 0), "subject");

    return json_array_size(all) < 2 ? strdup(first)
                                    : text_fmt("%s +%zu", first, json_array_size(all) - 1);
}

static char *state(const json_t *resource)
{
    const json_t *active = resource_at(resource, "spec.active");
    bool broken = json_array_size(json_object_get(resource, "broken")) > 0;

    return strdup(broken ? "broken" : json_is_false(active) ? "inactive" : "ok");
}

static const struct resource_column certificate_columns[] = {
    {"EXPIRES", NULL, expires},
    {"~SUBJECT", NULL, subject},
    {NULL, NULL, NULL},
};
static const struct resource_column connector_columns[] = {
    {"STATE", NULL, state},
    {"LOGIN", "spec.login.method", NULL},
    {"~ADDRESSES", "spec.addresses", NULL},
    {NULL, NULL, NULL},
};
static const struct resource_column secrets_manager_columns[] = {
    {"STATE", NULL, state},
    {"CONNECTOR", "spec.connector", NULL},
    {"MOUNT", "spec.mount", NULL},
    {"ROLE", "spec.default_role", NULL},
    {NULL, NULL, NULL},
};
static const struct resource_column ssh_key_columns[] = {
    {"STATE", NULL, state},
    {"USER", "spec.user_name", NULL},
    {"SECRETS MANAGER", "spec.credentials.secrets_manager", NULL},
    {"ROLE", "spec.credentials.role", NULL},
    {"~KEY", "spec.key", NULL},
    {NULL, NULL, NULL},
};
static const struct resource_column infrastructure_columns[] = {
    {"STATE", NULL, state},
    {"HOSTS", "hosts_count", NULL},
    {"SSH KEY", "spec.ssh_key", NULL},
    {"AT A TIME", "spec.concurrency", NULL},
    {NULL, NULL, NULL},
};

const struct resource_kind resource_kinds[] = {
    {"certificate", "certificates", "Certificate", certificate_columns},
    {"connector", "connectors", "Connector", connector_columns},
    {"secrets-manager", "secrets-managers", "Secrets manager", secrets_manager_columns},
    {"ssh-key", "ssh-keys", "SSH key", ssh_key_columns},
    {"infrastructure", "infrastructures", "Infrastructure", infrastructure_columns},
    {NULL, NULL, NULL, NULL},
};

const struct resource_kind *resource_kind(const char *word)
{
    for (const struct resource_kind *k = resource_kinds; k->word != NULL; k++) {
        if (text_eq(k->word, word)) {
            return k;
        }
    }
    return NULL;
}

const struct resource_kind *resource_kind_of(const struct cli *c)
{
    AUTO(auto_free) char *word = strndup(c->command->words, strcspn(c->command->words, " "));

    return word != NULL ? resource_kind(word) : NULL;
}

const char *resource_scope(const struct cli *c)
{
    const char *given = cli_option(c, "scope");
    const char *variable = getenv("HOLDFAST_SCOPE");

    if (given == NULL && variable != NULL && variable[0] != '\0') {
        given = variable;
    }
    return given != NULL ? given : "account";
}

char *resource_scope_above(const char *scope, const char *word)
{
    bool in_org = strncmp(scope, "org/", 4) == 0;

    if (text_eq(word, "account")) {
        return strdup("account");
    }
    return text_eq(word, "org") && in_org ? strndup(scope, 4 + strcspn(scope + 4, "/")) : NULL;
}

char *resource_path(const char *scope, const struct resource_kind *k, const char *id,
                    const char *suffix)
{
    AUTO(auto_free) char *where = session_escape(scope);
    AUTO(auto_free) char *which = session_escape(id != NULL ? id : "");

    return where == NULL || which == NULL ? NULL
                                          : text_fmt("/scopes/%s/%s%s%s%s", where, k->plural,
                                                     id != NULL ? "/" : "", which, suffix);
}

char *resource_path_of(const struct resource_kind *k, const json_t *resource, const char *suffix)
{
    return resource_path(json_text(resource, "scope"), k, json_text(resource, "identifier"),
                         suffix);
}

static struct err *add_page(json_t *all, const json_t *page, char **ret_after)
{
    const char *after = json_string_value(json_object_get(page, "next"));

    auto_free(ret_after);
    if (json_array_extend(all, json_object_get(page, "items")) < 0) {
        return err_new(ERR_PROTOCOL, "the agent's list has no items");
    }
    if (after != NULL) {
        *ret_after = session_escape(after);
    }
    return after != NULL && *ret_after == NULL ? err_nomem() : NULL;
}

static struct err *list_at(struct cli *c, const struct resource_kind *k, const char *scope,
                           const char *query, json_t **ret)
{
    AUTO(auto_free) char *path = resource_path(scope, k, NULL, "");
    AUTO(auto_free) char *after = NULL;
    json_t *all = json_array();
    struct err *e = NULL;

    do {
        AUTO(auto_free) char *url =
            text_fmt("%s?limit=1000%s%s%s%s", path, query[0] != '\0' ? "&" : "", query,
                     after != NULL ? "&after=" : "", after != NULL ? after : "");
        json_t *page = NULL;

        e = session_call(c->session, "GET", url, NULL, &page);
        e = e == NULL ? add_page(all, page, &after) : e;
        json_decref(page);
    } while (e == NULL && after != NULL);
    if (e != NULL) {
        json_decref(all);
        return e;
    }
    *ret = all;
    return NULL;
}

struct err *resource_pages(struct cli *c, const struct resource_kind *k, const char *query,
                           json_t **ret)
{
    return list_at(c, k, resource_scope(c), query, ret);
}

/* The one in @items whose name is @name. */
static struct err *pick(const struct resource_kind *k, const char *scope, const char *name,
                        const json_t *items, const json_t **ret)
{
    AUTO(auto_free) char *several = NULL;
    const json_t *found = NULL;
    size_t i;
    const json_t *item;

    json_array_foreach(items, i, item)
    {
        if (!text_eq(json_text(item, "name"), name)) {
            continue;
        }
        if (found != NULL) {
            char *longer = text_fmt("%s%s%s", several != NULL ? several : "",
                                    several != NULL ? ", " : "", json_text(item, "identifier"));
            auto_free(&several);
            several = longer;
        }
        found = found != NULL ? found : item;
    }
    if (found == NULL) {
        return err_new(ERR_NOT_FOUND, "no %s '%s' at %s; `holdfast %s list --scope %s` shows them",
                       k->word, name, scope, k->word, scope);
    }
    if (several != NULL) {
        return err_new(ERR_INPUT, "several are called '%s': say the identifier: %s, %s", name,
                       json_text(found, "identifier"), several);
    }
    *ret = found;
    return NULL;
}

static struct err *get_by_id(struct cli *c, const struct resource_kind *k, const char *scope,
                             const char *id, json_t **ret)
{
    AUTO(auto_free) char *path = resource_path(scope, k, id, "");

    return path != NULL ? session_call(c->session, "GET", path, NULL, ret) : err_nomem();
}

static struct err *get_by_name(struct cli *c, const struct resource_kind *k, const char *scope,
                               const char *name, json_t **ret)
{
    AUTO(auto_free) char *escaped = session_escape(name);
    AUTO(auto_free) char *query = text_fmt("name=%s", escaped);
    const json_t *found = NULL;
    json_t *items = NULL;
    struct err *e = list_at(c, k, scope, query, &items);

    if (e == NULL) {
        e = pick(k, scope, name, items, &found);
    }
    if (e == NULL) {
        e = get_by_id(c, k, scope, json_text(found, "identifier"), ret);
    }
    json_decref(items);
    return e;
}

static bool is_identifier(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= 128 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

struct err *resource_get(struct cli *c, const struct resource_kind *k, const char *name,
                         json_t **ret)
{
    const char *dot = strchr(name, '.');
    AUTO(auto_free) char *word = dot != NULL ? strndup(name, (size_t)(dot - name)) : NULL;
    AUTO(auto_free) char *above =
        word != NULL ? resource_scope_above(resource_scope(c), word) : NULL;
    const char *scope = above != NULL ? above : resource_scope(c);
    const char *own = above != NULL ? dot + 1 : name;

    if (own[0] == '\0') {
        return err_new(ERR_INPUT, "the name of the %s is empty", k->word);
    }
    AUTO(err_free) struct err *e = is_identifier(own) ? get_by_id(c, k, scope, own, ret) : NULL;

    if (is_identifier(own) && !err_is(e, ERR_NOT_FOUND)) {
        return take(&e);
    }
    return get_by_name(c, k, scope, own, ret);
}

char *resource_reference(const struct cli *c, const json_t *resource)
{
    const char *scope = json_text(resource, "scope");
    const char *prefix = text_eq(scope, resource_scope(c)) ? ""
                         : text_eq(scope, "account")       ? "account."
                                                           : "org.";

    return text_fmt("%s%s", prefix, json_text(resource, "identifier"));
}

char *resource_etag(const json_t *resource)
{
    struct wall created = wall_of_text(json_text(resource, "created"));
    unsigned long long revision = resource_revision(resource);

    return created.s != 0 ? text_fmt("%llu-%llx", revision, (unsigned long long)created.s)
                          : text_fmt("%llu", revision);
}

uint64_t resource_revision(const json_t *resource)
{
    return (uint64_t)json_integer_value(json_object_get(resource, "revision"));
}

void resource_warn(const json_t *resource)
{
    static const char *const members[] = {"broken", "warnings"};
    size_t k;
    const json_t *text;

    fflush(stdout);
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        json_array_foreach(json_object_get(resource, members[i]), k, text)
        {
            AUTO(auto_free) char *line =
                text_fmt("%s: %s: %s", i == 0 ? "broken" : "warning", json_text(resource, "name"),
                         json_string_value(text));

            text_wrapped(stderr, 2, line != NULL ? line : "");
        }
    }
}

void resource_print(const struct cli *c, const json_t *value)
{
    struct buf text;

    if (c->json) {
        json_print(value);
        return;
    }
    buf_init(&text, TEXT_MAX_BYTES);
    yaml_json_write(value, &text);
    fwrite(text.data, 1, text.len, stdout);
    buf_deinit(&text);
}
