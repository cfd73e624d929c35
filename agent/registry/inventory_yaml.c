/*
 * The YAML form of an Ansible inventory: groups with hosts, vars and children. Values that are tagged
 * !vault count as encrypted.
 */
#include "base/yaml.h"
#include "registry/inventory.h"
#include "registry/resource.h"

static struct err *wrong(const struct inventory *inv, const struct yaml_tree *t, const char *what)
{
    return err_new(ERR_INPUT, "%s:%u: %s", inv->name, t->line, what);
}

static bool is_empty(const struct yaml_tree *t)
{
    return t->type == YAML_TREE_TEXT && t->plain &&
           (t->text[0] == '\0' || strcmp(t->text, "~") == 0 || strcmp(t->text, "null") == 0);
}

static struct err *check_map(const struct inventory *inv, const struct yaml_tree *t,
                             const char *what)
{
    return t->type == YAML_TREE_MAP || is_empty(t) ? NULL : wrong(inv, t, what);
}

static struct err *read_vars(const struct inventory *inv, const struct yaml_tree *t, json_t *vars)
{
    struct err *e = check_map(inv, t, "variables are a map");

    for (size_t i = 0; i < t->n && e == NULL; i++) {
        const struct yaml_tree *v = t->entries[i];

        if (v->type == YAML_TREE_TEXT) {
            bool encrypted = v->tag != NULL && strcmp(v->tag, "!vault") == 0;

            e = inventory_set_var(vars, v->key, encrypted ? NULL : v->text);
        }
    }
    return e;
}

static struct err *read_hosts(struct inventory *inv, const char *group, const struct yaml_tree *t)
{
    struct err *e = check_map(inv, t, "hosts are a map of names");

    for (size_t i = 0; i < t->n && e == NULL; i++) {
        AUTO(registry_json_free) json_t *vars = json_object();

        e = vars != NULL ? read_vars(inv, t->entries[i], vars) : err_nomem();
        if (e == NULL) {
            e = inventory_add_hosts(inv, group, t->entries[i]->key, t->entries[i]->line, vars);
        }
    }
    return e;
}

static struct err *read_group(struct inventory *inv, const struct yaml_tree *t);

static struct err *read_children(struct inventory *inv, json_t *group, const struct yaml_tree *t)
{
    struct err *e = check_map(inv, t, "children are a map of groups");
    json_t *children = json_object_get(group, "children");

    for (size_t i = 0; i < t->n && e == NULL; i++) {
        if (json_object_set_new(children, t->entries[i]->key, json_integer(1)) != 0) {
            return err_nomem();
        }
        e = read_group(inv, t->entries[i]);
    }
    return e;
}

static struct err *read_group(struct inventory *inv, const struct yaml_tree *t)
{
    json_t *group = inventory_group(inv, t->key);
    struct err *e = group != NULL ? check_map(inv, t, "a group is a map") : err_nomem();

    for (size_t i = 0; i < t->n && e == NULL; i++) {
        const struct yaml_tree *part = t->entries[i];

        if (strcmp(part->key, "hosts") == 0) {
            e = read_hosts(inv, t->key, part);
        } else if (strcmp(part->key, "vars") == 0) {
            e = read_vars(inv, part, json_object_get(group, "vars"));
        } else if (strcmp(part->key, "children") == 0) {
            e = read_children(inv, group, part);
        } else {
            e = wrong(inv, part, "a group has hosts, vars and children");
        }
    }
    return e;
}

struct err *inventory_read_yaml(struct inventory *inv, struct view text)
{
    AUTO(yaml_tree_free) struct yaml_tree *t = NULL;
    struct err *e = yaml_tree_read(inv->name, text, &t);

    if (e != NULL || t == NULL) {
        return e;
    }
    e = check_map(inv, t, "an inventory is a map of groups");
    for (size_t i = 0; i < t->n && e == NULL; i++) {
        e = read_group(inv, t->entries[i]);
    }
    return e;
}
