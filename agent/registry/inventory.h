#ifndef HF_REGISTRY_INVENTORY_H
#define HF_REGISTRY_INVENTORY_H

#include "registry/registry.h"

/* For the files of registry/ only: an Ansible inventory between its reader and its hosts. */

enum { INVENTORY_HOSTS_MAX = 10000 };

struct inventory {
    const char *name; /* the file's, for messages (borrowed) */
    json_t *groups;   /* {group: {"hosts": {host: 1}, "children": {group: 1}, "vars": {}}} */
    json_t *hosts;    /* {host: vars}, in the order of the file */
    json_t *notes;    /* texts */
};

/** inventory_group() - the group of this name, made where there is none; borrowed; NULL: no memory */
json_t *inventory_group(struct inventory *inv, const char *name);
/**
 * inventory_add_hosts() - the hosts of a pattern such as "web[01:20].example.com"
 * @group: its group; "" when none
 * @vars:  text by name (borrowed); added to what the host has
 * Errors: INPUT with the line, LIMIT
 */
struct err *inventory_add_hosts(struct inventory *inv, const char *group, const char *pattern,
                                unsigned line, const json_t *vars) MUST_CHECK;
/** inventory_set_var() - keep a variable if we have a use for it; NOMEM
 * @value: NULL: encrypted with ansible-vault */
struct err *inventory_set_var(json_t *vars, const char *name, const char *value) MUST_CHECK;

/** inventory_read_ini(), inventory_read_yaml() - INPUT with the line */
struct err *inventory_read_ini(struct inventory *inv, struct view text) MUST_CHECK;
struct err *inventory_read_yaml(struct inventory *inv, struct view text) MUST_CHECK;

#endif
