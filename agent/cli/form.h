#ifndef HF_CLI_FORM_H
#define HF_CLI_FORM_H

#include "cli/resource.h"

/**
 * form_new() - the body of a new resource, out of --file, NAME and the options
 * @ret: {"name", "description"?, "tags"?, "spec"}; new reference
 * Needs a session (inventories are read by the agent).
 * Errors: INPUT, and as reading files has them
 */
struct err *form_new(struct cli *c, const struct resource_kind *k, json_t **ret) MUST_CHECK;
/** form_change() - the same for a change of @old: what neither a file nor an option names stays,
 * but a file's spec replaces the whole spec */
struct err *form_change(struct cli *c, const struct resource_kind *k, const json_t *old,
                        json_t **ret) MUST_CHECK;

/** form_from_document() - the body that a document says; what the agent makes itself (identifier,
 * revision, ...) is left out. INPUT when it is no mapping or of another kind */
struct err *form_from_document(const struct resource_kind *k, const json_t *document, json_t **ret)
    MUST_CHECK;
/** form_from_file() - the same from a file or "-" of standard input; for a certificate it may be PEM */
struct err *form_from_file(const struct resource_kind *k, const char *path, json_t **ret)
    MUST_CHECK;
/** form_from_token() - the same for the certificate @object (label or id; NULL: the only one) that lies
 * on @token. NOT_FOUND; INPUT where it fits several */
struct err *form_from_token(struct cli *c, const char *token, const char *object, json_t **ret)
    MUST_CHECK;
/** form_pick() - the PEM of the one that is meant, out of the agent's list; new reference. Errors:
 * as above */
struct err *form_pick(const json_t *certificates, const char *object, json_t **ret_pem) MUST_CHECK;
/** form_of() - a resource as the document that a person edits; new reference */
json_t *form_of(const json_t *resource);

/** form_option() - the option for a member of a spec by its path ("login.key"), or for what is below it
 * ("addresses.0"); also for "name", "description" and "tags"; NULL: none is. @ret_rest: what is below */
const char *form_option(const struct resource_kind *k, const char *path, const char **ret_rest);
/** form_explain() - what the agent refused (taken) with the place as a person knows it who typed this
 * command: the option, --set, or @file's line (NULL: no file); another error comes back as it is */
struct err *form_explain(const struct cli *c, const struct resource_kind *k, const char *file,
                         struct err *e) MUST_CHECK;
/** form_explain_document() - the same for a file of many resources
 * @made: what pointers begin with and the file does not: "/resources/0" for one resource */
struct err *form_explain_document(const char *file, const char *made, struct err *e) MUST_CHECK;

/** form_set() - a member of a spec by its path: "login.method", "hosts.0.port"
 * @value: taken. A null stays in an object, as it says more to the agent than an absent member: that
 *         a broken reference shall be none; of a list it removes the item
 * Objects on the way are made; the index after a list's last adds to it.
 * Errors: INPUT (a path through what is no object or list) */
struct err *form_set(json_t *spec, const char *path, json_t *value) MUST_CHECK;
/** form_assign() - "path=value", the value in YAML */
struct err *form_assign(json_t *spec, const char *text) MUST_CHECK;

#endif
