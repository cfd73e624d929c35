/*
 * The registry as a whole: out as one document, in as one commit, and its backup. Who may see or change
 * a part of it may do so here for that part only: rights count at the scope of each resource.
 */
#include "control/resources.h"

enum { EXPORT_MS = 60 * 1000, APPLY_MS = 120 * 1000, COPY_MS = 300 * 1000, PATH_MAX_BYTES = 4096 };
enum { SCOPE_MAX_BYTES = 512 };

const struct control_member control_registry_apply_body[] = {
    {"document", CONTROL_OBJECT, true, 0, 0},
    {"dry_run", CONTROL_BOOL, false, 0, 0},
    {"prune", CONTROL_BOOL, false, 0, 0},
    {"prune_scope", CONTROL_TEXT, false, 1, SCOPE_MAX_BYTES},
    {NULL, CONTROL_TEXT, false, 0, 0},
};
const struct control_member control_registry_path_body[] = {
    {"path", CONTROL_TEXT, true, 1, PATH_MAX_BYTES},
    {NULL, CONTROL_TEXT, false, 0, 0},
};
const char *const control_registry_export_query[] = {"scope", NULL};

static void on_result(void *arg, struct err *e, json_t *result)
{
    if (control_came(arg, e)) {
        control_answer(arg, 200, json_incref(result));
    }
}

struct err *control_registry_export(struct control_request *r)
{
    const char *asked = control_query(r, "scope");
    const char *scope = asked != NULL ? asked : "account";
    struct registry *registry;
    struct err *e = control_need(r, CONTROL_VIEWER, scope);

    if (e == NULL) {
        e = control_registry_of(r, &registry);
    }
    if (e == NULL) {
        e = control_wait(r, EXPORT_MS, "export the registry", NULL, NULL);
    }
    if (e == NULL) {
        registry_export(registry, scope, control_answer_text_done, r);
    }
    return e;
}

/* What is no resource, or has no scope, is for the registry to refuse: it says where. */
static struct err *may_apply(const struct control_request *r, const json_t *document)
{
    size_t i;
    json_t *resource;
    struct err *e = NULL;

    json_array_foreach(json_object_get(document, "resources"), i, resource)
    {
        const char *scope = json_string_value(json_object_get(resource, "scope"));
        const char *word = json_string_value(json_object_get(resource, "kind"));
        enum registry_kind kind;

        if (e == NULL && scope != NULL) {
            e = err_add(control_need(r, CONTROL_ADMINISTRATOR, scope), "/document/resources/%zu",
                        i);
        }
        if (e == NULL && word != NULL && registry_kind_find(word, &kind)) {
            e = err_add(control_key_use(control_deps_of(r), kind, resource), "/resources/%zu", i);
        }
    }
    return e;
}

struct err *control_registry_apply(struct control_request *r)
{
    const json_t *document = control_value(r, "document");
    const char *scope = control_text(r, "prune_scope");
    struct registry_caller who = control_caller(r);
    struct registry_apply how = {
        .dry_run = control_bool(r, "dry_run"),
        .prune = control_bool(r, "prune"),
        .prune_scope = scope != NULL ? scope : "account",
    };
    struct registry *registry;
    struct err *e =
        how.prune || scope != NULL || json_array_size(json_object_get(document, "resources")) == 0
            ? control_need(r, CONTROL_ADMINISTRATOR, how.prune_scope)
            : NULL;

    if (e == NULL) {
        e = may_apply(r, document);
    }
    if (e == NULL) {
        e = control_registry_of(r, &registry);
    }
    if (e == NULL) {
        e = control_wait(r, APPLY_MS, "apply a document", NULL, NULL);
    }
    if (e == NULL) {
        registry_apply(registry, &who, document, &how, on_result, r);
    }
    return e;
}

typedef void copy_fn(struct store *s, const char *path, store_done_fn *on_done, void *arg);

static struct err *copy(struct control_request *r, const char *what, copy_fn *run)
{
    const char *path = control_text(r, "path");
    struct registry *registry;
    struct err *e = control_registry_of(r, &registry);

    if (e == NULL && *path != '/') {
        e = err_new(ERR_INPUT, "/path has to be absolute");
    }
    if (e == NULL) {
        e = control_wait(r, COPY_MS, what, NULL, NULL);
    }
    if (e == NULL) {
        run(registry_store(registry), path, control_answer_done, r);
    }
    return e;
}

struct err *control_registry_backup(struct control_request *r)
{
    return copy(r, "back the registry up", store_backup);
}

struct err *control_registry_restore(struct control_request *r)
{
    return copy(r, "restore the registry", store_restore);
}
