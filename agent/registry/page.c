/*
 * Reading: one resource, or a page of them. Rows become JSON on the worker; a page of lists leaves out
 * what is bulky (PEM, hosts).
 */
#include <stdlib.h>

#include "registry/name.h"
#include "registry/op.h"

static void answer(struct registry_op *op)
{
    registry_op_end(op, NULL);
}

static void show_one(struct registry_op *op)
{
    op->e = registry_resource_show(&op->entries[0], false, &op->result);
}

static void on_got(struct registry_op *op)
{
    registry_op_work(op, show_one, answer);
}

/* Answers are never given before the call has returned. */
static void fail(struct registry_op *op)
{
    (void)op;
}

void registry_get(struct registry *r, enum registry_kind kind, const char *scope, const char *id,
                  registry_json_fn *on_done, void *arg)
{
    struct registry_op *op = registry_op_new(r, scope, id, on_done, arg);

    if (op == NULL) {
        return;
    }
    op->e = registry_scope_check(scope);
    op->key.kind = text_copy(registry_kind_word(kind));
    if (op->e == NULL && op->key.kind == NULL) {
        op->e = err_nomem();
    }
    if (op->e != NULL) {
        registry_op_work(op, fail, answer);
        return;
    }
    registry_op_get(op, &op->key, on_got);
}

static void show_page(struct registry_op *op)
{
    json_t *items = json_array();

    op->e = items != NULL ? NULL : err_nomem();
    for (size_t i = 0; i < op->entries_n && op->e == NULL; i++) {
        json_t *item = NULL;

        op->e = registry_resource_show(&op->entries[i], true, &item);
        if (op->e == NULL && json_array_append_new(items, item) != 0) {
            op->e = err_nomem();
        }
    }
    if (op->e != NULL) {
        json_decref(items);
        return;
    }
    bool more = op->cursor != NULL && *op->cursor != '\0';

    op->result = json_pack("{s:o, s:s?}", "items", items, "next", more ? op->cursor : NULL);
    op->e = op->result != NULL ? NULL : err_nomem();
}

static void on_page(struct registry_op *op)
{
    registry_op_work(op, show_page, answer);
}

void registry_list(struct registry *r, const struct registry_query *q, registry_json_fn *on_done,
                   void *arg)
{
    struct registry_op *op = registry_op_new(r, q->scope, NULL, on_done, arg);

    if (op == NULL) {
        return;
    }
    op->e = registry_scope_check(q->scope);
    if (op->e == NULL && (q->limit == 0 || q->limit > STORE_PAGE_MAX)) {
        op->e = err_new(ERR_INPUT, "a page has 1..%d resources", STORE_PAGE_MAX);
    }
    if (op->e != NULL) {
        registry_op_work(op, fail, answer);
        return;
    }
    op->then = on_page;
    store_page(r->store,
               &(struct store_query){
                   .kind = registry_kind_word(q->kind),
                   .scope = q->scope,
                   .below = q->below,
                   .above = q->above,
                   .tag = q->tag,
                   .name_has = q->name_has,
                   .after = q->after,
                   .limit = q->limit,
               },
               registry_op_on_entries, op);
}
