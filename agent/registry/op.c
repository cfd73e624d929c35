/*
 * Calls and their steps (see op.h). Whoever is told that a call has ended may free the registry in
 * that moment, so nothing of it is touched after an answer.
 */
#include "registry/op.h"

#include <stdlib.h>

enum { LOAD_PAGE = 500 };

struct registry_op *registry_op_new(struct registry *r, const char *scope, const char *id,
                                    registry_json_fn *on_done, void *arg)
{
    struct registry_op *op = calloc(1, sizeof *op);

    if (op == NULL) {
        on_done(arg, err_nomem(), NULL);
        return NULL;
    }
    *op = (struct registry_op){.r = r, .on_done = on_done, .arg = arg};
    LIST_INSERT_HEAD(&r->ops, op, next);
    op->key.scope = text_copy(scope);
    op->key.id = text_copy(id);
    if ((scope != NULL && op->key.scope == NULL) || (id != NULL && op->key.id == NULL)) {
        registry_op_end(op, err_nomem());
        return NULL;
    }
    return op;
}

struct registry_op *registry_op_new_text(struct registry *r, registry_text_fn *on_text, void *arg)
{
    struct registry_op *op = calloc(1, sizeof *op);

    if (op == NULL) {
        on_text(arg, err_nomem(), NULL);
        return NULL;
    }
    *op = (struct registry_op){.r = r, .on_text = on_text, .arg = arg};
    LIST_INSERT_HEAD(&r->ops, op, next);
    return op;
}

static void free_entries(struct store_entry **entries, size_t n)
{
    for (size_t i = 0; *entries != NULL && i < n; i++) {
        store_entry_deinit(&(*entries)[i]);
    }
    free(*entries);
    *entries = NULL;
}

void registry_op_forget(struct registry_op *op)
{
    free_entries(&op->entries, op->entries_n);
    free_entries(&op->before, op->changes_n);
    for (size_t i = 0; i < op->changes_n; i++) {
        store_entry_deinit(&op->changes[i].entry);
    }
    free(op->changes);
    op->changes = NULL;
    op->entries_n = op->changes_n = 0;
    registry_json_free(&op->result);
}

/* What is not the registry's. */
static void free_parts(struct registry_op *op)
{
    registry_op_forget(op);
    json_decref(op->body);
    free(op->key.kind);
    free(op->key.scope);
    free(op->key.id);
    free(op->prune_scope);
    free(op->cursor);
    free(op->text);
    err_free(&op->e);
    err_free(&op->refusal);
    free(op);
}

void registry_op_free(struct registry_op **pp)
{
    struct registry_op *op = take(pp);

    if (op != NULL) {
        LIST_REMOVE(op, next);
        free_parts(op);
    }
}

/* The answer first: nobody waits for a long list to be freed. */
void registry_op_end(struct registry_op *op, struct err *e)
{
    LIST_REMOVE(op, next);
    if (op->on_text != NULL) {
        op->on_text(op->arg, e, e == NULL ? take(&op->text) : NULL);
    } else {
        op->on_done(op->arg, e, e == NULL ? op->result : NULL);
    }
    free_parts(op);
}

static void work(void *arg)
{
    struct registry_op *op = arg;

    op->work(op);
}

static void on_worked(void *arg)
{
    struct registry_op *op = arg;

    if (op->e != NULL) {
        registry_op_end(op, take(&op->e));
    } else {
        op->then(op);
    }
}

void registry_op_work(struct registry_op *op, void (*todo)(struct registry_op *op),
                      void (*then)(struct registry_op *op))
{
    op->work = todo;
    op->then = then;
    struct err *e = io_worker_put(op->r->worker, work, on_worked, op);

    if (e != NULL) {
        registry_op_end(op, e);
    }
}

static struct err *add_entries(struct registry_op *op, const struct store_entry *entries, size_t n)
{
    struct store_entry *more = realloc(op->entries, (op->entries_n + n + 1) * sizeof *more);
    struct err *e = more != NULL ? NULL : err_nomem();

    op->entries = more != NULL ? more : op->entries;
    for (size_t i = 0; i < n && e == NULL; i++) {
        e = store_entry_copy(&entries[i], &op->entries[op->entries_n]);
        op->entries_n += e == NULL;
    }
    return e;
}

void registry_op_on_entries(void *arg, struct err *e, const struct store_entry *entries, size_t n,
                            const char *next)
{
    struct registry_op *op = arg;

    e = e == NULL ? add_entries(op, entries, n) : e;
    free(op->cursor);
    op->cursor = text_copy(next);
    if (e != NULL) {
        registry_op_end(op, e);
    } else {
        op->then(op);
    }
}

void registry_op_get(struct registry_op *op, const struct store_key *key,
                     void (*then)(struct registry_op *op))
{
    op->then = then;
    store_get(op->r->store, key, registry_op_on_entries, op);
}

static void load_next(struct registry_op *op);

static void on_page(void *arg, struct err *e, const struct store_entry *entries, size_t n,
                    const char *next)
{
    struct registry_op *op = arg;

    e = e == NULL ? add_entries(op, entries, n) : e;
    free(op->cursor);
    op->cursor = e == NULL && next != NULL && *next != '\0' ? text_copy(next) : NULL;
    if (e != NULL) {
        registry_op_end(op, e);
        return;
    }
    if (op->cursor == NULL) {
        op->kinds_left &= op->kinds_left - 1;
    }
    load_next(op);
}

static void load_next(struct registry_op *op)
{
    unsigned k = 0;

    if (op->kinds_left == 0) {
        op->then(op);
        return;
    }
    while ((op->kinds_left & 1U << k) == 0) {
        k++;
    }
    store_page(op->r->store,
               &(struct store_query){
                   .kind = registry_kind_word((enum registry_kind)k),
                   .scope = op->key.scope,
                   .below = true,
                   .after = op->cursor,
                   .limit = LOAD_PAGE,
               },
               on_page, op);
}

void registry_op_load(struct registry_op *op, const char *scope, unsigned kinds,
                      void (*then)(struct registry_op *op))
{
    char *copy = text_copy(scope);

    if (copy == NULL) {
        registry_op_end(op, err_nomem());
        return;
    }
    free(op->key.scope);
    op->key.scope = copy;
    op->kinds_left = kinds;
    op->then = then;
    free(op->cursor);
    op->cursor = NULL;
    load_next(op);
}

struct err *registry_op_add_change(struct registry_op *op, enum store_what what,
                                   struct store_entry *entry, const struct store_entry *before)
{
    AUTO(store_entry_deinit) struct store_entry own = *entry;
    struct store_change *changes = realloc(op->changes, (op->changes_n + 1) * sizeof *changes);
    struct store_entry *befores = realloc(op->before, (op->changes_n + 1) * sizeof *befores);

    memset(entry, 0, sizeof *entry);
    op->changes = changes != NULL ? changes : op->changes;
    op->before = befores != NULL ? befores : op->before;
    if (changes == NULL || befores == NULL) {
        return err_nomem();
    }
    struct store_entry *copy = &op->before[op->changes_n];

    memset(copy, 0, sizeof *copy);
    struct err *e = before != NULL ? store_entry_copy(before, copy) : NULL;

    if (e == NULL) {
        op->changes[op->changes_n++] = (struct store_change){
            .what = what, .entry = own, .expected = before != NULL ? before->revision : 0};
        memset(&own, 0, sizeof own);
    }
    return e;
}

/* Lines on their way to the worker. */
struct lines {
    struct registry_audit *audit;
    char **list;
};

static void write_lines(void *arg)
{
    struct lines *l = arg;

    registry_audit_add(l->audit, take(&l->list));
    free(l);
}

static bool add_line(const struct registry_op *op, size_t i, struct lines *l)
{
    static const char *const words[] = {
        [STORE_CREATE] = "create", [STORE_UPDATE] = "update", [STORE_DELETE] = "delete"};
    const struct store_change *c = &op->changes[i];
    uint64_t before = op->before[i].revision;
    AUTO(auto_free) char *line = registry_audit_line(&(struct registry_event){
        .who = &op->who,
        .what = op->force && c->what == STORE_UPDATE ? "break" : words[c->what],
        .key = &c->entry.key,
        .name = c->what == STORE_DELETE ? op->before[i].name : c->entry.name,
        .before = before,
        .after = c->what == STORE_DELETE ? 0 : before + 1,
        .force = op->force,
    });

    return line != NULL && text_list_add(&l->list, line);
}

void registry_op_audit(struct registry_op *op)
{
    struct lines *l = calloc(1, sizeof *l);
    struct err *e = l != NULL ? NULL : err_nomem();

    for (size_t i = 0; i < op->changes_n && e == NULL; i++) {
        e = add_line(op, i, l) ? NULL : err_nomem();
    }
    if (e == NULL) {
        l->audit = op->r->audit;
        e = io_worker_put(op->r->worker, write_lines, NULL, l);
    }
    if (e != NULL) {
        log_err(LOG_ERROR, e, "lines of the audit trail were lost");
        if (l != NULL) {
            text_list_free(&l->list);
            free(l);
        }
        err_free(&e);
    }
    registry_changed(op->r);
}

bool registry_is_stale(const struct err *e)
{
    return err_is(e, ERR_BUSY) && strcmp(err_native_name(e), "STALE") == 0;
}

bool registry_is_in_use(const struct err *e)
{
    return err_is(e, ERR_BUSY) && strcmp(err_native_name(e), "IN-USE") == 0;
}

bool registry_is_expected(const struct store_entry *row, uint64_t expected)
{
    bool with_time = expected >> REGISTRY_REVISION_BITS > 0;

    return expected == 0 ||
           expected == (with_time ? registry_version(row->revision, row->created) : row->revision);
}

struct err *registry_stale(const struct store_entry *now, uint64_t expected)
{
    if (expected >> REGISTRY_REVISION_BITS > 0 &&
        registry_version(now->revision, (struct wall){0}) ==
            (expected & ((UINT64_C(1) << REGISTRY_REVISION_BITS) - 1))) {
        return err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "STALE",
                          "%s %s in %s has been deleted and made anew; look at it again, then "
                          "repeat the change",
                          now->key.kind, now->key.id, now->key.scope);
    }
    return err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "STALE",
                      "%s %s in %s has been changed: it has revision %llu, not %llu; look at it "
                      "again, then repeat the change",
                      now->key.kind, now->key.id, now->key.scope, (unsigned long long)now->revision,
                      (unsigned long long)(expected & ((1U << REGISTRY_REVISION_BITS) - 1)));
}
