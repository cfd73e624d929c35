/*
 * The INI form of an Ansible inventory: [group], [group:vars], [group:children], and lines of a host
 * with key=value pairs. Quotes and comments as Ansible's own reader takes them.
 */
#include <stdlib.h>

#include "registry/inventory.h"
#include "registry/resource.h"

enum section { SECTION_HOSTS, SECTION_VARS, SECTION_CHILDREN };

struct ini {
    struct inventory *inv;
    unsigned line;
    enum section section;
    char *group; /* owned; NULL before the first header */
};

static struct err *wrong(const struct ini *r, const char *what)
{
    return err_new(ERR_INPUT, "%s:%u: %s", r->inv->name, r->line, what);
}

/* The next word, with its quotes taken off; NULL at the end or a comment. Changes the text. */
static char *next_word(char **at)
{
    char *p = *at + strspn(*at, " \t\r");
    char *out = p;
    char *word = p;
    char quote = '\0';

    if (*p == '\0' || *p == '#') {
        return NULL;
    }
    for (; *p != '\0' && (quote != '\0' || strchr(" \t\r", *p) == NULL); p++) {
        if (quote != '\0' ? *p == quote : *p == '\'' || *p == '"') {
            quote = quote != '\0' ? '\0' : *p;
        } else {
            *out++ = *p;
        }
    }
    *at = *p != '\0' ? p + 1 : p;
    *out = '\0';
    return word;
}

static struct err *on_header(struct ini *r, char *text)
{
    char *end = strchr(text, ']');
    static const char *const words[] = {"", "vars", "children"};

    if (end == NULL || end == text + 1) {
        return wrong(r, "a group's header is [NAME], [NAME:vars] or [NAME:children]");
    }
    *end = '\0';
    char *colon = strchr(text + 1, ':');
    const char *kind = colon != NULL ? colon + 1 : "";

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(kind, words[i]) == 0) {
            if (colon != NULL) {
                *colon = '\0';
            }
            r->section = (enum section)i;
            free(r->group);
            r->group = text_copy(text + 1);
            return r->group != NULL && inventory_group(r->inv, r->group) != NULL ? NULL
                                                                                 : err_nomem();
        }
    }
    return wrong(r, "a group's header is [NAME], [NAME:vars] or [NAME:children]");
}

static struct err *on_var(struct ini *r, char *text)
{
    char *equals = strchr(text, '=');

    if (equals == NULL) {
        return wrong(r, "a variable is NAME=VALUE");
    }
    *equals = '\0';
    char *rest = equals + 1;
    char *at = text;
    const char *name = next_word(&at);
    const char *value = next_word(&rest);

    if (name == NULL) {
        return wrong(r, "a variable is NAME=VALUE");
    }
    return inventory_set_var(json_object_get(inventory_group(r->inv, r->group), "vars"), name,
                             value != NULL ? value : "");
}

static struct err *on_child(struct ini *r, char *text)
{
    const char *name = next_word(&text);
    json_t *children = json_object_get(inventory_group(r->inv, r->group), "children");

    if (name == NULL) {
        return NULL;
    }
    return inventory_group(r->inv, name) != NULL &&
                   json_object_set_new(children, name, json_integer(1)) == 0
               ? NULL
               : err_nomem();
}

/* "host:2222": a port after the only colon outside of ranges. */
static struct err *take_port(char *pattern, json_t *vars)
{
    char *colon = strrchr(pattern, ':');
    const char *bracket = strrchr(pattern, ']');

    if (colon == NULL || (bracket != NULL && bracket > colon)) {
        return NULL;
    }
    const char *first = bracket != NULL ? strchr(bracket, ':') : strchr(pattern, ':');

    if (first != colon || colon[1] == '\0' || colon[1 + strspn(colon + 1, "0123456789")] != '\0') {
        return NULL; /* an IPv6 address */
    }
    *colon = '\0';
    return inventory_set_var(vars, "ansible_port", colon + 1);
}

static struct err *on_host(struct ini *r, char *text)
{
    AUTO(registry_json_free) json_t *vars = json_object();
    char *pattern = next_word(&text);
    char *word = NULL;
    struct err *e = vars != NULL ? NULL : err_nomem();

    if (pattern == NULL) {
        return e;
    }
    e = e == NULL ? take_port(pattern, vars) : e;
    while (e == NULL && (word = next_word(&text)) != NULL) {
        char *equals = strchr(word, '=');

        if (equals == NULL) {
            return wrong(r, "after a host come NAME=VALUE pairs");
        }
        *equals = '\0';
        e = inventory_set_var(vars, word, equals + 1);
    }
    return e == NULL ? inventory_add_hosts(r->inv, r->group != NULL ? r->group : "", pattern,
                                           r->line, vars)
                     : e;
}

static struct err *on_line(struct ini *r, char *text)
{
    char *p = text + strspn(text, " \t\r");

    if (*p == '\0' || *p == '#' || *p == ';') {
        return NULL;
    }
    if (strncmp(p, "$ANSIBLE_VAULT", 14) == 0) {
        return wrong(r, "encrypted with ansible-vault: give what ansible-vault view prints");
    }
    if (*p == '[') {
        return on_header(r, p);
    }
    switch (r->section) {
    case SECTION_VARS:
        return on_var(r, p);
    case SECTION_CHILDREN:
        return on_child(r, p);
    case SECTION_HOSTS:
        break;
    }
    return on_host(r, p);
}

struct err *inventory_read_ini(struct inventory *inv, struct view text)
{
    struct ini r = {.inv = inv};
    struct err *e = NULL;

    for (size_t i = 0; i < text.len && e == NULL;) {
        const uint8_t *end = memchr(text.p + i, '\n', text.len - i);
        size_t len = end != NULL ? (size_t)(end - (text.p + i)) : text.len - i;
        AUTO(auto_free) char *line = view_dup(view_of(text.p + i, len));

        r.line++;
        e = line != NULL ? on_line(&r, line) : err_nomem();
        i += len + 1;
    }
    free(r.group);
    return e;
}
