/*
 * All resources of a scope as one document: what registry_apply() takes, in an order in which each
 * stands after those that it refers to. Facts, times and revisions are not in it; what is broken is,
 * so that nobody applies it elsewhere without seeing that.
 */
#include "registry/op.h"

static struct err *item_of(const struct store_entry *row, json_t **ret)
{
    AUTO(registry_json_free) json_t *shown = NULL;
    struct err *e = registry_resource_show(row, false, &shown);

    if (e != NULL) {
        return e;
    }
    json_t *description = json_object_get(shown, "description");
    json_t *tags = json_object_get(shown, "tags");
    json_t *item =
        json_pack("{s:s, s:s, s:s, s:s, s:O*, s:O*, s:O, s:O*}", "kind", row->key.kind, "scope",
                  row->key.scope, "identifier", row->key.id, "name", row->name, "description",
                  json_is_string(description) ? description : NULL, "tags",
                  json_array_size(tags) > 0 ? tags : NULL, "spec", json_object_get(shown, "spec"),
                  "broken", json_object_get(shown, "broken"));

    if (item == NULL) {
        return err_nomem();
    }
    *ret = item;
    return NULL;
}

static void build(struct registry_op *op)
{
    json_t *items = json_array();

    op->e = items != NULL ? NULL : err_nomem();
    for (size_t i = 0; i < op->entries_n && op->e == NULL; i++) {
        json_t *item = NULL;

        op->e = item_of(&op->entries[i], &item);
        if (op->e == NULL && json_array_append_new(items, item) != 0) {
            op->e = err_nomem();
        }
    }
    AUTO(registry_json_free) json_t *document = json_pack("{s:o}", "resources", items);

    registry_op_forget(op);
    op->text = op->e == NULL && document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;
    if (op->e == NULL && op->text == NULL) {
        op->e = err_nomem();
    }
}

static void nothing(struct registry_op *op)
{
    (void)op;
}

static void answer(struct registry_op *op)
{
    registry_op_end(op, NULL);
}

static void on_loaded(struct registry_op *op)
{
    registry_op_work(op, build, answer);
}

void registry_export(struct registry *r, const char *scope, registry_text_fn *on_done, void *arg)
{
    struct registry_op *op = registry_op_new_text(r, on_done, arg);

    if (op == NULL) {
        return;
    }
    op->e = registry_scope_check(scope);
    if (op->e != NULL) {
        registry_op_work(op, nothing, answer);
        return;
    }
    registry_op_load(op, scope, REGISTRY_ALL_KINDS, on_loaded);
}
