/*
 * Hosts out of an Ansible inventory: its INI form and the YAML one. Only what an infrastructure needs is
 * taken: names, ansible_host and ansible_port with the values that groups give them, and the groups as
 * tags. The user is the SSH key's. What only Ansible could know (templates, encrypted values) is told,
 * and its host left out, never guessed. No program is run and no other file is read.
 *
 * The readers (inventory_ini.c, inventory_yaml.c) fill groups and hosts; here they come together.
 */
#include "registry/inventory.h"

#include <stdlib.h>

#include "registry/check.h"
#include "registry/resource.h"

enum { TAGS_MAX = 32, TEXT_MAX = 1024 * 1024 };

/* In place of a value that is encrypted. */
static const char encrypted[] = "{{ encrypted with ansible-vault }}";

struct err *inventory_set_var(json_t *vars, const char *name, const char *value)
{
    static const char *const known[][2] = {{"ansible_host", "host"},
                                           {"ansible_ssh_host", "host"},
                                           {"ansible_port", "port"},
                                           {"ansible_ssh_port", "port"},
                                           {"ansible_user", "user"},
                                           {"ansible_ssh_user", "user"},
                                           {"ansible_connection", "connection"}};

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i][0], name) == 0) {
            json_t *text = value != NULL ? json_string(value) : json_string(encrypted);

            text = text != NULL ? text : json_string("{{ not UTF-8 }}");
            return json_object_set_new(vars, known[i][1], text) == 0 ? NULL : err_nomem();
        }
    }
    return NULL;
}

json_t *inventory_group(struct inventory *inv, const char *name)
{
    json_t *group = json_object_get(inv->groups, name);

    if (group == NULL) {
        group = json_pack("{s:{}, s:{}, s:{}}", "hosts", "children", "vars");
        if (group == NULL || json_object_set_new(inv->groups, name, group) != 0) {
            return NULL;
        }
    }
    return group;
}

/* --- patterns --------------------------------------------------------------------------------- */

struct pattern {
    struct inventory *inv;
    const char *group;
    unsigned line;
    const json_t *vars;
};

static struct err *add_host(const struct pattern *p, const char *name)
{
    json_t *vars = json_object_get(p->inv->hosts, name);
    json_t *group = p->group[0] != '\0' ? inventory_group(p->inv, p->group) : NULL;
    struct err *e = registry_check_host(name);

    if (e != NULL) {
        return err_add(e, "%s:%u: a host", p->inv->name, p->line);
    }
    if (vars == NULL) {
        if (json_object_size(p->inv->hosts) >= INVENTORY_HOSTS_MAX) {
            return err_new(ERR_LIMIT, "%s:%u: more than %d hosts", p->inv->name, p->line,
                           INVENTORY_HOSTS_MAX);
        }
        vars = json_object();
        if (json_object_set_new(p->inv->hosts, name, vars) != 0) {
            return err_nomem();
        }
    }
    if (p->vars != NULL && json_object_update(vars, (json_t *)p->vars) != 0) {
        return err_nomem();
    }
    if (group != NULL &&
        json_object_set_new(json_object_get(group, "hosts"), name, json_integer(1)) != 0) {
        return err_nomem();
    }
    return NULL;
}

/* "[01:20]", "[01:20:2]", "[a:f]" at the beginning of @text. */
struct range {
    unsigned from, to, step;
    int width; /* of numbers; 0: letters */
    size_t len;
};

static bool is_letter(unsigned c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool read_range(const char *text, struct range *ret)
{
    struct range r = {.step = 1};
    int n = 0;
    int from = 0;

    if (is_letter((uint8_t)text[1]) && text[2] == ':' && is_letter((uint8_t)text[3]) &&
        text[4] == ']') {
        *ret = (struct range){(uint8_t)text[1], (uint8_t)text[3], 1, 0, 5};
        return r.step == 1 && ret->from <= ret->to;
    }
    if (sscanf(text, "[%n%6u:%6u%n", &from, &r.from, &r.to, &n) < 2 || n == 0) {
        return false;
    }
    r.width = (int)strcspn(text + from, ":");
    if (text[n] == ':') {
        int more = 0;

        if (sscanf(text + n, ":%6u%n", &r.step, &more) < 1) {
            return false;
        }
        n += more;
    }
    r.len = (size_t)n + 1;
    *ret = r;
    return text[n] == ']' && r.from <= r.to && r.step > 0 && r.width <= 6 &&
           strspn(text + from, "0123456789") == (size_t)r.width;
}

static struct err *expand(const struct pattern *p, const char *text)
{
    const char *open = strchr(text, '[');
    struct range r;

    if (open == NULL) {
        return add_host(p, text);
    }
    if (!read_range(open, &r)) {
        return err_new(ERR_INPUT, "%s:%u: a range is [01:20], [01:20:2] or [a:f]", p->inv->name,
                       p->line);
    }
    for (unsigned i = r.from; i <= r.to; i += r.step) {
        int before = (int)(open - text);
        AUTO(auto_free) char *one =
            r.width > 0 ? text_fmt("%.*s%0*u%s", before, text, r.width, i, open + r.len)
                        : text_fmt("%.*s%c%s", before, text, (char)i, open + r.len);
        struct err *e = one != NULL ? expand(p, one) : err_nomem();

        if (e != NULL) {
            return e;
        }
    }
    return NULL;
}

struct err *inventory_add_hosts(struct inventory *inv, const char *group, const char *pattern,
                                unsigned line, const json_t *vars)
{
    const struct pattern p = {inv, group, line, vars};

    if (strlen(pattern) > 512) {
        return err_new(ERR_LIMIT, "%s:%u: a host's name is too long", inv->name, line);
    }
    return expand(&p, pattern);
}

/* --- hosts ------------------------------------------------------------------------------------ */

/* Groups that a host is in, nearest first, each once; "all" last. New reference. */
static json_t *groups_of(const struct inventory *inv, const char *host)
{
    json_t *found = json_object();
    const char *name;
    json_t *group;

    json_object_foreach(inv->groups, name, group)
    {
        if (json_object_get(json_object_get(group, "hosts"), host) != NULL &&
            strcmp(name, "all") != 0) {
            json_object_set_new(found, name, json_integer(1));
        }
    }
    for (size_t size = 0; size != json_object_size(found);) { /* until no parent is new */
        size = json_object_size(found);
        json_object_foreach(inv->groups, name, group)
        {
            const char *child;
            json_t *one;

            json_object_foreach(json_object_get(group, "children"), child, one)
            {
                if (json_object_get(found, child) != NULL && strcmp(name, "all") != 0 &&
                    json_object_get(found, name) == NULL) {
                    json_object_set_new(found, name, json_integer(1));
                }
            }
        }
    }
    json_object_set_new(found, "all", json_integer(1));
    return found;
}

static const char *var_of(const struct inventory *inv, const char *host, json_t *groups,
                          const char *var)
{
    const char *text = json_string_value(json_object_get(json_object_get(inv->hosts, host), var));
    const char *name;
    json_t *one;

    json_object_foreach(groups, name, one)
    {
        if (text == NULL) {
            text = json_string_value(
                json_object_get(json_object_get(json_object_get(inv->groups, name), "vars"), var));
        }
    }
    return text;
}

static bool is_template(const char *text)
{
    return text != NULL && (strstr(text, "{{") != NULL || strstr(text, "{%") != NULL);
}

static json_t *tags_of(json_t *groups)
{
    json_t *tags = json_array();
    const char *name;
    json_t *one;

    json_object_foreach(groups, name, one)
    {
        struct err *e = registry_check_tag(name);

        if (e == NULL && strcmp(name, "all") != 0 && strcmp(name, "ungrouped") != 0 &&
            json_array_size(tags) < TAGS_MAX) {
            json_array_append_new(tags, json_string(name));
        }
        err_free(&e);
    }
    return tags;
}

static char *why_not_address(const char *address)
{
    if (address == NULL) {
        return NULL;
    }
    if (strcmp(address, encrypted) == 0) {
        return text_copy("ansible_host is encrypted with ansible-vault");
    }
    if (is_template(address)) {
        return text_copy("ansible_host is a template, which only Ansible can fill in");
    }
    struct err *e = registry_check_host(address);
    char *why =
        e != NULL ? text_copy("ansible_host is neither a host name nor an IP address") : NULL;

    err_free(&e);
    return why;
}

static char *why_not_port(const char *port)
{
    if (port == NULL) {
        return NULL;
    }
    if (is_template(port)) {
        return text_copy("ansible_port is a template, which only Ansible can fill in");
    }
    long number = strtol(port, NULL, 10);

    if (number < 1 || number > 65535 || port[strspn(port, "0123456789")] != '\0') {
        return text_copy("ansible_port is not 1..65535");
    }
    return NULL;
}

static char *why_not_connection(const char *word)
{
    static const char *const ours[] = {"ssh", "smart", "paramiko"};

    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (word == NULL || strcmp(word, ours[i]) == 0) {
            return NULL;
        }
    }
    return text_copy("ansible_connection is not ssh");
}

/* A host as an infrastructure's spec has it; new reference. */
static json_t *host_of(const char *name, const char *address, const char *port, json_t *groups)
{
    json_t *number = port != NULL ? json_integer(strtol(port, NULL, 10)) : NULL;
    json_t *tags = tags_of(groups);

    if (json_array_size(tags) == 0) {
        json_decref(tags);
        tags = NULL;
    }
    return json_pack("{s:s, s:s*, s:o*, s:o*}", "name", name, "address", address, "port", number,
                     "tags", tags);
}

static struct err *add_result(const struct inventory *inv, const char *host, json_t *result)
{
    AUTO(registry_json_free) json_t *groups = groups_of(inv, host);
    const char *address = var_of(inv, host, groups, "host");
    const char *port = var_of(inv, host, groups, "port");
    AUTO(auto_free) char *why = why_not_address(address);

    why = why != NULL ? why : why_not_port(port);
    why = why != NULL ? why : why_not_connection(var_of(inv, host, groups, "connection"));
    if (var_of(inv, host, groups, "user") != NULL) {
        json_object_set_new(result, "users", json_true());
    }
    json_t *entry = why != NULL ? json_pack("{s:s, s:s}", "name", host, "why", why)
                                : host_of(host, address, port, groups);
    json_t *list = json_object_get(result, why != NULL ? "left_out" : "hosts");

    return json_array_append_new(list, entry) == 0 ? NULL : err_nomem();
}

static struct err *finish(const struct inventory *inv, json_t **ret)
{
    json_t *result = json_pack("{s:[], s:[], s:O}", "hosts", "left_out", "notes", inv->notes);
    struct err *e = result != NULL ? NULL : err_nomem();
    const char *host;
    json_t *vars;

    json_object_foreach(inv->hosts, host, vars)
    {
        e = e == NULL ? add_result(inv, host, result) : e;
    }
    if (e == NULL && json_object_get(result, "users") != NULL) {
        json_object_del(result, "users");
        json_array_append_new(inv->notes, json_string("ansible_user is not taken over: the SSH "
                                                      "key's user_name is used on every host"));
    }
    if (e != NULL) {
        json_decref(result);
        return e;
    }
    *ret = result;
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);

    return len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

/* YAML by its name, or where the first line with something on it is "---" or "word:". */
static bool is_yaml(const char *name, struct view text)
{
    size_t i = 0;

    if (ends_with(name, ".yml") || ends_with(name, ".yaml") || ends_with(name, ".json")) {
        return true;
    }
    while (i < text.len) {
        const uint8_t *end = memchr(text.p + i, '\n', text.len - i);
        size_t len = end != NULL ? (size_t)(end - (text.p + i)) : text.len - i;
        struct view line = view_of(text.p + i, len);

        while (line.len > 0 && strchr(" \t\r", line.p[line.len - 1]) != NULL) {
            line.len--;
        }
        if (line.len > 0 && line.p[0] != '#' && line.p[0] != ';') {
            return view_is(line, "---") || (line.p[line.len - 1] == ':' && line.p[0] != '[');
        }
        i += len + 1;
    }
    return false;
}

static struct err *read_any(struct inventory *inv, struct view text)
{
    if (text.len > TEXT_MAX) {
        return err_new(ERR_LIMIT, "%s: %zu bytes, at most %d are allowed", inv->name, text.len,
                       TEXT_MAX);
    }
    if (view_has_nul(text)) {
        return err_new(ERR_INPUT, "%s: not a text", inv->name);
    }
    if (text.len >= 14 && memcmp(text.p, "$ANSIBLE_VAULT", 14) == 0) {
        return err_new(ERR_INPUT,
                       "%s:1: encrypted with ansible-vault: give what ansible-vault view "
                       "prints",
                       inv->name);
    }
    if (text.len >= 2 && memcmp(text.p, "#!", 2) == 0) {
        return err_new(ERR_INPUT,
                       "%s:1: a program: give what ansible-inventory --list --yaml prints",
                       inv->name);
    }
    return is_yaml(inv->name, text) ? inventory_read_yaml(inv, text)
                                    : inventory_read_ini(inv, text);
}

struct err *registry_inventory_read(const char *name, struct view text, json_t **ret)
{
    struct inventory inv = {name, json_object(), json_object(), json_array()};
    bool memory = inv.groups != NULL && inv.hosts != NULL && inv.notes != NULL;
    struct err *e = memory ? read_any(&inv, text) : err_nomem();

    e = e == NULL ? finish(&inv, ret) : e;
    json_decref(inv.groups);
    json_decref(inv.hosts);
    json_decref(inv.notes);
    return e;
}
