/*
 * The registry as a whole: its store, its worker, its watcher. The calls are in change.c, page.c,
 * export.c, apply.c and resolve.c, each made of steps (op.h).
 */
#include "registry/registry.h"

#include <stdlib.h>

#include "registry/op.h"

enum { TELL_AFTER_MS = 50 };

static void on_tell(void *arg)
{
    struct registry *r = arg;

    if (r->on_change != NULL) {
        r->on_change(r->change_arg);
    }
}

struct err *registry_new(struct io_loop *l, struct store *store, const char *audit_path,
                         struct registry **ret)
{
    AUTO(registry_free) struct registry *r = calloc(1, sizeof *r);

    if (r == NULL) {
        store_free(&store);
        return err_nomem();
    }
    LIST_INIT(&r->ops);
    r->loop = l;
    r->store = store;
    r->tell = io_timer_new(l, on_tell, r);
    struct err *e = r->tell != NULL ? registry_audit_new(audit_path, &r->audit) : err_nomem();

    e = e == NULL ? registry_audit_ready(r->audit) : e;
    e = e == NULL ? io_worker_new(l, &r->worker) : e;
    if (e == NULL) {
        *ret = take(&r);
    }
    return e;
}

void registry_free(struct registry **rp)
{
    struct registry *r = take(rp);

    if (r == NULL) {
        return;
    }
    io_worker_free(&r->worker); /* writes the lines of the audit trail that are left */
    store_free(&r->store);
    for (struct registry_op *op = LIST_FIRST(&r->ops), *next; op != NULL; op = next) {
        next = LIST_NEXT(op, next);
        registry_op_free(&op);
    }
    registry_audit_free(&r->audit);
    io_timer_free(&r->tell);
    free(r);
}

struct store *registry_store(struct registry *r)
{
    return r->store;
}

void registry_changed(struct registry *r)
{
    if (!io_timer_is_set(r->tell)) {
        io_timer_set(r->tell, mono_in(TELL_AFTER_MS));
    }
}

void registry_allow(struct registry *r, const struct registry_allowed_list *list)
{
    r->allowed = *list;
}

const struct registry_allowed_list *registry_allowed(const struct registry *r)
{
    return &r->allowed;
}

bool registry_will_tell(const struct registry *r)
{
    return io_timer_is_set(r->tell);
}

void registry_watch(struct registry *r, void (*on_change)(void *arg), void *arg)
{
    r->on_change = on_change;
    r->change_arg = arg;
}
