#ifndef HF_CLI_RESOURCE_H
#define HF_CLI_RESOURCE_H

#include "cli/cli.h"

/** A column of a list: a member ("spec.login.method"), or what @make says (caller owns). */
struct resource_column {
    const char *head, *member;
    char *(*make)(const json_t *resource);
};

enum { RESOURCE_COLUMNS_MAX = 8 };

/** A kind of resource, as the command line sees it. */
struct resource_kind {
    const char *word;                      /* "ssh-key": first word of its commands */
    const char *plural;                    /* "ssh-keys": in paths of the API */
    const char *title;                     /* "SSH key" */
    const struct resource_column *columns; /* ends with a NULL head */
};

extern const struct resource_kind resource_kinds[]; /* ends with a NULL word */

/** resource_kind() - by its word; NULL where there is none */
const struct resource_kind *resource_kind(const char *word);
/** resource_kind_of() - the kind that the command is about */
const struct resource_kind *resource_kind_of(const struct cli *c);

/** resource_scope() - --scope, $HOLDFAST_SCOPE or "account"; borrowed */
const char *resource_scope(const struct cli *c);
/** resource_scope_above() - the scope that "account" or "org" means, seen from @scope (caller owns);
 * NULL where there is none */
char *resource_scope_above(const char *scope, const char *word);

/** resource_path() - "/scopes/SCOPE/KINDS[/ID][SUFFIX]" (caller owns); @id may be NULL */
char *resource_path(const char *scope, const struct resource_kind *k, const char *id,
                    const char *suffix);
/** resource_path_of() - of a resource that the API gave */
char *resource_path_of(const struct resource_kind *k, const json_t *resource, const char *suffix);

/**
 * resource_get() - a resource by what a person calls it
 * @name: identifier, name, or reference ("account.main_vault"), seen from --scope
 * @ret:  new reference
 * Errors: NOT_FOUND, INPUT (several have this name: says their identifiers), what the agent says
 */
struct err *resource_get(struct cli *c, const struct resource_kind *k, const char *name,
                         json_t **ret) MUST_CHECK;
/** resource_pages() - all pages of a list as one array, new reference
 * @query: "below=true&tag=x" */
struct err *resource_pages(struct cli *c, const struct resource_kind *k, const char *query,
                           json_t **ret) MUST_CHECK;

/** resource_reference() - how --scope refers to a resource: "web", "account.web" (caller owns) */
char *resource_reference(const struct cli *c, const json_t *resource);
uint64_t resource_revision(const json_t *resource);
/** resource_etag() - what If-Match says of it (caller owns) */
char *resource_etag(const json_t *resource);
/** resource_warn() - to standard error: what is broken in it and what it warns of */
void resource_warn(const json_t *resource);
/** resource_at() - a member by its path, "spec.login.method"; NULL when absent; borrowed */
const json_t *resource_at(const json_t *resource, const char *path);

/** resource_print() - as YAML, or as JSON with --json */
void resource_print(const struct cli *c, const json_t *value);

/** resource_test() - the connection test of a connector, each step shown; 0 when all went well */
int resource_test(struct cli *c, const json_t *connector);

#endif
