/*
 * Reading: one resource, or a page of them. Rows become JSON on the worker; a page of lists leaves out
 * what is bulky (PEM, hosts). A page is a text already there: what it costs to make must not hold up
 * the loop.
 */
#include <stdlib.h>

#include "registry/line.h"
#include "registry/name.h"
#include "registry/op.h"

/* Bodies of a page end it at STORE_PAGE_MAX_BYTES; names and tags come on top. */
enum { PAGE_MAX_BYTES = 8 * STORE_PAGE_MAX_BYTES };

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
    bool more = op->cursor != NULL && *op->cursor != '\0';
    AUTO(buf_deinit) struct buf page;

    buf_init(&page, PAGE_MAX_BYTES);
    registry_line_put(&page, "{\"items\":[");
    for (size_t i = 0; i < op->entries_n && op->e == NULL; i++) {
        registry_line_put(&page, i > 0 ? "," : "");
        op->e = registry_line_put_entry(&page, &op->entries[i]);
    }
    registry_line_put(&page, "],\"next\":");
    registry_line_put_text(&page, more ? op->cursor : NULL);
    registry_line_put(&page, "}");
    buf_put_u8(&page, '\0');
    op->e = op->e == NULL ? buf_check(&page, "the page") : op->e;
    op->text = op->e == NULL ? (char *)take(&page.data) : NULL;
}

static void on_page(struct registry_op *op)
{
    registry_op_work(op, show_page, answer);
}

void registry_list(struct registry *r, const struct registry_query *q, registry_text_fn *on_done,
                   void *arg)
{
    struct registry_op *op = registry_op_new_text(r, on_done, arg);

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
