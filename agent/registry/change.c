/*
 * Changing one resource: create, update, delete, and delete by force.
 *
 * The store judges revisions and references when it commits; what is read before serves to judge the
 * body and to keep what was broken. So an update names the revision that it was made from, also where
 * the caller takes any, and begins again when somebody else was quicker.
 *
 * A delete by force is one commit: every owner loses its reference and is marked broken, and the
 * entry goes. An owner that was changed, or that came, in the meantime makes the commit fail, and it
 * begins again.
 */
#include <stdlib.h>

#include "registry/name.h"
#include "registry/op.h"

static void answer(struct registry_op *op)
{
    registry_op_end(op, NULL);
}

static void nothing(struct registry_op *op)
{
    (void)op;
}

/* One call that changes something; NULL when it has been answered or will be. */
static struct registry_op *begin(struct registry *r, const struct registry_caller *who,
                                 enum registry_kind kind, const char *scope, const char *id,
                                 const json_t *body, registry_json_fn *on_done, void *arg)
{
    struct registry_op *op = registry_op_new(r, scope, id, on_done, arg);

    if (op == NULL) {
        return NULL;
    }
    op->who = who != NULL ? *who : (struct registry_caller){0};
    op->kind = kind;
    op->key.kind = text_copy(registry_kind_word(kind));
    op->body = body != NULL ? json_deep_copy(body) : NULL;
    op->e = registry_scope_check(scope);
    if (op->e == NULL && (op->key.kind == NULL || (body != NULL && op->body == NULL))) {
        op->e = err_nomem();
    }
    if (op->e != NULL) {
        registry_op_work(op, nothing, answer);
        return NULL;
    }
    return op;
}

/* --- create and update ------------------------------------------------------------------------ */

static void make(struct registry_op *op)
{
    const struct store_entry *before = op->entries_n > 0 ? &op->entries[0] : NULL;
    struct store_entry row = {0};

    op->e = registry_audit_ready(op->r->audit);
    if (op->e == NULL) {
        op->e = registry_resource_make(
            &(struct registry_place){op->kind, op->key.scope, op->key.id, before, &op->r->allowed},
            op->body, &row);
    }
    if (op->e == NULL) {
        op->e =
            registry_op_add_change(op, before != NULL ? STORE_UPDATE : STORE_CREATE, &row, before);
    }
}

static void show_changed(struct registry_op *op)
{
    const struct store_entry *now = &op->entries[op->entries_n - 1];
    const char *done = op->changes[0].what == STORE_CREATE ? "created" : "updated";
    AUTO(auto_free) char *message =
        text_fmt("%s %s %s successfully", registry_kind_title(op->kind), now->name, done);

    op->e = registry_resource_show(now, false, &op->result);
    if (op->e == NULL && (message == NULL ||
                          json_object_set_new(op->result, "message", json_string(message)) != 0)) {
        op->e = err_nomem();
    }
}

static void on_reread(struct registry_op *op)
{
    registry_op_work(op, show_changed, answer);
}

static void start_update(struct registry_op *op);

/* A commit's NOT_FOUND is about the reference, of which each kind has one at most. */
static struct err *name_reference(const struct registry_op *op, struct err *e)
{
    const struct store_entry *row = &op->changes[0].entry;
    AUTO(auto_free) char *at =
        row->refs_n > 0 ? registry_resource_pointer(row, &row->refs[0]) : NULL;

    if (at == NULL) {
        return e;
    }
    const struct store_key *k = &row->refs[0];

    err_free(&e);
    return err_new(ERR_NOT_FOUND, "%s: there is no %s %s in %s", at, k->kind, k->id, k->scope);
}

static void on_committed(void *arg, struct err *e)
{
    struct registry_op *op = arg;
    const struct store_entry *row = &op->changes[0].entry;
    bool update = op->changes[0].what == STORE_UPDATE;

    if (update && op->tries < REGISTRY_TRIES_MAX &&
        ((registry_is_stale(e) && op->expected == 0) ||
         (err_is(e, ERR_NOT_FOUND) && op->tries == 0))) {
        err_free(&e);
        op->tries++;
        start_update(op);
        return;
    }
    if (err_is(e, ERR_NOT_FOUND)) {
        e = name_reference(op, e);
    } else if (err_is(e, ERR_EXISTS)) {
        err_free(&e);
        e = err_new(ERR_EXISTS, "/name: there is a %s with the identifier %s in %s already",
                    row->key.kind, row->key.id, row->key.scope);
    }
    if (e != NULL) {
        registry_op_end(op, e);
        return;
    }
    registry_op_audit(op);
    registry_op_get(op, &row->key, on_reread);
}

static void commit(struct registry_op *op)
{
    store_commit(op->r->store, op->changes, op->changes_n, on_committed, op);
}

void registry_create(struct registry *r, const struct registry_caller *who, enum registry_kind kind,
                     const char *scope, const json_t *body, registry_json_fn *on_done, void *arg)
{
    struct registry_op *op = begin(r, who, kind, scope, NULL, body, on_done, arg);

    if (op != NULL) {
        registry_op_work(op, make, commit);
    }
}

static void on_old(struct registry_op *op)
{
    if (!registry_is_expected(&op->entries[0], op->expected)) {
        registry_op_end(op, registry_stale(&op->entries[0], op->expected));
        return;
    }
    registry_op_work(op, make, commit);
}

static void start_update(struct registry_op *op)
{
    registry_op_forget(op);
    registry_op_get(op, &op->key, on_old);
}

void registry_update(struct registry *r, const struct registry_caller *who, enum registry_kind kind,
                     const char *scope, const char *id, uint64_t expected, const json_t *body,
                     registry_json_fn *on_done, void *arg)
{
    struct registry_op *op = begin(r, who, kind, scope, id, body, on_done, arg);

    if (op != NULL) {
        op->expected = expected;
        start_update(op);
    }
}

static void check_only(struct registry_op *op)
{
    make(op);
    if (op->e == NULL) {
        op->changes[0].entry.created = op->changes[0].entry.updated = wall_now();
        op->e = registry_resource_show(&op->changes[0].entry, false, &op->result);
    }
}

static void on_reference(void *arg, struct err *e, const struct store_entry *entries, size_t n,
                         const char *next)
{
    struct registry_op *op = arg;

    (void)entries;
    (void)n;
    (void)next;
    if (err_is(e, ERR_NOT_FOUND)) {
        e = name_reference(op, e);
    }
    registry_op_end(op, e);
}

static void check_answer(struct registry_op *op)
{
    const struct store_entry *row = &op->changes[0].entry;

    if (row->refs_n == 0) {
        registry_op_end(op, NULL);
        return;
    }
    store_get(op->r->store, &row->refs[0], on_reference, op);
}

void registry_check_only(struct registry *r, enum registry_kind kind, const char *scope,
                         const json_t *body, registry_json_fn *on_done, void *arg)
{
    struct registry_op *op = begin(r, NULL, kind, scope, NULL, body, on_done, arg);

    if (op != NULL) {
        registry_op_work(op, check_only, check_answer);
    }
}

/* --- delete ----------------------------------------------------------------------------------- */

/* The entry that goes is the first of entries; its owners follow. */
static struct err *add_owners(struct registry_op *op)
{
    struct err *e = NULL;

    for (size_t i = 1; i < op->entries_n && e == NULL; i++) {
        struct store_entry row = {0};

        e = registry_resource_empty(&op->entries[i], &op->entries[0], &row);
        e = e == NULL ? registry_op_add_change(op, STORE_UPDATE, &row, &op->entries[i]) : e;
    }
    return e;
}

static void make_delete(struct registry_op *op)
{
    struct store_entry gone = {0};

    op->e = registry_audit_ready(op->r->audit);
    if (op->e == NULL && op->entries_n > STORE_CHANGES_MAX) {
        op->e =
            err_new(ERR_LIMIT, "%zu resources refer to it, more than one commit can change (%d)",
                    op->entries_n - 1, STORE_CHANGES_MAX - 1);
    }
    op->e = op->e == NULL ? add_owners(op) : op->e;
    op->e = op->e == NULL ? store_entry_copy(&op->entries[0], &gone) : op->e;
    if (op->e == NULL) {
        op->e = registry_op_add_change(op, STORE_DELETE, &gone, &op->entries[0]);
    }
}

static void show_deleted(struct registry_op *op)
{
    const struct store_entry *gone = &op->entries[0];
    AUTO(auto_free) char *message =
        text_fmt("%s %s deleted", registry_kind_title(op->kind), gone->name);
    json_t *owners = json_array();

    for (size_t i = 1; i < op->entries_n && owners != NULL; i++) {
        const struct store_key *k = &op->entries[i].key;

        json_array_append_new(owners,
                              json_pack("{s:s, s:s, s:s, s:s}", "kind", k->kind, "scope", k->scope,
                                        "identifier", k->id, "name", op->entries[i].name));
    }
    op->result = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:o}", "kind", gone->key.kind, "scope",
                           gone->key.scope, "identifier", gone->key.id, "name", gone->name,
                           "message", message, "now_broken", owners);
    op->e = op->result != NULL ? NULL : err_nomem();
}

static void start_delete(struct registry_op *op);

static void on_deleted(void *arg, struct err *e)
{
    struct registry_op *op = arg;
    bool raced =
        registry_is_stale(e) ? op->expected == 0 || op->force : op->force && registry_is_in_use(e);

    if (op->force && err_is(e, ERR_NOT_FOUND)) {
        raced = true; /* an owner went; or the entry itself, which the next look will say */
    }
    if (raced && op->tries < REGISTRY_TRIES_MAX) {
        err_free(&e);
        op->tries++;
        start_delete(op);
        return;
    }
    if (registry_is_in_use(e) && !op->force && op->kind == REGISTRY_CERTIFICATE) {
        op->refusal = e;
        op->force = true; /* as far as no user is active: on_owners() */
        start_delete(op);
        return;
    }
    if (e != NULL) {
        const char *what =
            registry_is_in_use(e) ? "cannot be deleted while it is used" : "was not deleted";

        registry_op_end(
            op, err_add(e, "%s %s %s", registry_kind_title(op->kind), op->entries[0].name, what));
        return;
    }
    registry_op_audit(op);
    registry_op_work(op, show_deleted, answer);
}

static void commit_delete(struct registry_op *op)
{
    store_commit(op->r->store, op->changes, op->changes_n, on_deleted, op);
}

/* A connector that is not active trusts nothing, so it does not hold a certificate: its reference
 * becomes empty and it is marked, as by force. */
static bool is_held(const struct registry_op *op)
{
    bool held = false;

    for (size_t i = 1; i < op->entries_n; i++) {
        held = held || registry_resource_is_active(&op->entries[i]);
    }
    return held;
}

static void on_owners(struct registry_op *op)
{
    if (op->refusal != NULL && is_held(op)) {
        registry_op_end(op, err_add(take(&op->refusal), "%s %s cannot be deleted while it is used",
                                    registry_kind_title(op->kind), op->entries[0].name));
        return;
    }
    registry_op_work(op, make_delete, commit_delete);
}

static void on_doomed(struct registry_op *op)
{
    if (!registry_is_expected(&op->entries[0], op->expected)) {
        registry_op_end(op, registry_stale(&op->entries[0], op->expected));
        return;
    }
    if (!op->force) {
        on_owners(op);
        return;
    }
    op->then = on_owners;
    store_referrers(op->r->store, &op->key, registry_op_on_entries, op);
}

static void start_delete(struct registry_op *op)
{
    registry_op_forget(op);
    registry_op_get(op, &op->key, on_doomed);
}

void registry_delete(struct registry *r, const struct registry_caller *who, enum registry_kind kind,
                     const char *scope, const char *id, uint64_t expected, bool force,
                     registry_json_fn *on_done, void *arg)
{
    struct registry_op *op = begin(r, who, kind, scope, id, NULL, on_done, arg);

    if (op != NULL) {
        op->expected = expected;
        op->force = force;
        start_delete(op);
    }
}
