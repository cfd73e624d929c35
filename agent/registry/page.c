/*
 * Reading: one resource, or a page of them. One becomes JSON on the worker; a page, which leaves out
 * what is bulky (PEM, hosts), is a text as soon as the store's thread has read it: what it costs to
 * make must not hold up the loop, and rows that change threads cost more than they are worth.
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

/* On the store's thread. */
static struct err *show_page(const struct store_entry *entries, size_t n, const char *next,
                             char **ret)
{
    AUTO(buf_deinit) struct buf page;
    struct err *e = NULL;

    buf_init(&page, PAGE_MAX_BYTES);
    registry_line_put(&page, "{\"items\":[");
    for (size_t i = 0; i < n && e == NULL; i++) {
        registry_line_put(&page, i > 0 ? "," : "");
        e = registry_line_put_entry(&page, &entries[i]);
    }
    registry_line_put(&page, "],\"next\":");
    registry_line_put_text(&page, *next != '\0' ? next : NULL);
    registry_line_put(&page, "}");
    buf_put_u8(&page, '\0');
    e = e == NULL ? buf_check(&page, "the page") : e;
    *ret = e == NULL ? (char *)take(&page.data) : NULL;
    return e;
}

static void on_page(void *arg, struct err *e, char *text)
{
    struct registry_op *op = arg;

    op->text = text;
    registry_op_end(op, e);
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
    store_page_show(r->store,
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
                    show_page, on_page, op);
}
