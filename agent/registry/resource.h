#ifndef HF_REGISTRY_RESOURCE_H
#define HF_REGISTRY_RESOURCE_H

#include "registry/kind.h"

/* For the files of registry/ only: a resource as JSON and as a row of the store. None of this is for
 * the loop when there may be much of it. */

/** registry_resource_check() - the members of a body but its spec: name, description, tags; and that
 * there are no others than those. INPUT, DENIED, LIMIT with JSON pointer */
struct err *registry_resource_check(const json_t *body) MUST_CHECK;

/** Where a resource goes. All is borrowed. */
struct registry_place {
    enum registry_kind kind;
    const char *scope;
    const char *id;                   /* NULL: made from the name */
    const struct store_entry *before; /* what it replaces; NULL: nothing */
    const struct registry_allowed_list *allowed;
};
/**
 * registry_resource_make() - judge a body and make a row of it
 * @body: {"name", "description"?, "tags"?, "spec"} (borrowed; not changed)
 * @ret:  the row (caller ends it with store_entry_deinit())
 * What was broken in the row before stays so where the body does not mend it.
 * Errors: those of registry_spec_check(), registry_resource_check() and registry_allowed_check()
 */
struct err *registry_resource_make(const struct registry_place *place, const json_t *body,
                                   struct store_entry *ret) MUST_CHECK;

/** registry_resource_tidy() - a body as it would be compared with a stored one: the members "name",
 * "description", "tags", "spec", always in the same shape. Judges nothing. @ret: new reference */
struct err *registry_resource_tidy(enum registry_kind k, const json_t *body, json_t **ret)
    MUST_CHECK;

/** registry_resource_show() - as people and programs see it; @in_list leaves out what is bulky
 * @ret: new reference */
struct err *registry_resource_show(const struct store_entry *row, bool in_list, json_t **ret)
    MUST_CHECK;

/** registry_resource_empty() - a row without its references to one that goes, marked broken
 * @gone: the entry that is deleted
 * @ret:  caller ends it with store_entry_deinit() */
struct err *registry_resource_empty(const struct store_entry *owner, const struct store_entry *gone,
                                    struct store_entry *ret) MUST_CHECK;

/** registry_resource_pointer() - where a row's spec refers to @key: "/spec/connector" (caller owns);
 * NULL when nowhere, or out of memory */
char *registry_resource_pointer(const struct store_entry *row, const struct store_key *key);
/** registry_resource_is_broken() - and @ret_why, a text (caller owns), where that is wanted */
bool registry_resource_is_broken(const struct store_entry *row, char **ret_why);
/** registry_resource_is_active() - true unless its spec says active: false */
bool registry_resource_is_active(const struct store_entry *row);

/** registry_json_free() - for AUTO() */
void registry_json_free(json_t **j);

#endif
