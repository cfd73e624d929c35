/*
 * Making the registry as a document says. All that there is gets loaded; the worker compares, judges
 * what differs, and makes one list of changes; the store commits all of it or nothing. Each change
 * names the revision that it saw, so if somebody else is quicker it all begins again.
 *
 * What is as it was stays untouched, also where today's rules would not take it any more: so an
 * export can always be applied to where it came from, with no change.
 */
#include <stdlib.h>

#include "registry/diff.h"
#include "registry/name.h"
#include "registry/op.h"

/* What the worker needs on the way. The sets are objects whose members are named by key_text(). */
struct plan {
    struct registry_op *op;
    json_t *have;    /* what there is: index in op->entries */
    json_t *wanted;  /* what the document names: index in it */
    json_t *deleted; /* what goes */
    json_t *changed; /* what becomes another */
    json_t *changes; /* for people */
};

static void plan_deinit(struct plan *p)
{
    json_decref(p->have);
    json_decref(p->wanted);
    json_decref(p->deleted);
    json_decref(p->changed);
    json_decref(p->changes);
}

static char *key_text(const char *kind, const char *scope, const char *id)
{
    return text_fmt("%s %s %s", kind, scope, id);
}

static struct err *set_index(json_t *set, const char *text, size_t i)
{
    return text != NULL && json_object_set_new(set, text, json_integer((json_int_t)i)) == 0
               ? NULL
               : err_nomem();
}

static struct err *index_entries(struct plan *p)
{
    struct err *e = NULL;

    for (size_t i = 0; i < p->op->entries_n && e == NULL; i++) {
        const struct store_key *k = &p->op->entries[i].key;
        AUTO(auto_free) char *text = key_text(k->kind, k->scope, k->id);

        e = set_index(p->have, text, i);
    }
    return e;
}

/* One resource of the document. All but body is borrowed from it. */
struct item {
    size_t i;
    const json_t *json;
    enum registry_kind kind;
    const char *scope;
    char *id;
    json_t *body;
};

static void item_deinit(struct item *it)
{
    free(it->id);
    json_decref(it->body);
}

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static struct err *split_item(const json_t *json, json_t *ret_body)
{
    static const char *const ours[] = {"kind", "scope", "identifier", "broken"};
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)json, name, value)
    {
        bool found = false;

        for (size_t k = 0; k < ARRAY_LEN(ours); k++) {
            found = found || strcmp(ours[k], name) == 0;
        }
        if (!found && json_object_set(ret_body, name, value) != 0) {
            return err_nomem();
        }
    }
    return NULL;
}

static struct err *read_item(const json_t *document, size_t i, struct item *ret)
{
    const json_t *json = json_array_get(json_object_get(document, "resources"), i);
    const json_t *id = json_object_get(json, "identifier");

    *ret = (struct item){.i = i, .json = json, .scope = text_at(json, "scope")};
    if (!json_is_object(json) || !registry_kind_find(text_at(json, "kind"), &ret->kind)) {
        return err_new(ERR_INPUT, "/kind: must be one of: certificate, connector, secrets-manager, "
                                  "ssh-key, infrastructure");
    }
    struct err *e = err_add(registry_scope_check(ret->scope), "/scope");

    if (e == NULL && id != NULL && !registry_identifier_ok(text_at(json, "identifier"))) {
        e = err_new(ERR_INPUT, "/identifier: must be 1..128 of a-z, 0-9 and _");
    }
    if (e == NULL && id == NULL) {
        e = registry_name_check(text_at(json, "name"));
    }
    ret->body = json_object();
    if (e == NULL) {
        e = ret->body != NULL ? split_item(json, ret->body) : err_nomem();
    }
    if (e == NULL) {
        ret->id = id != NULL ? text_copy(json_string_value(id))
                             : registry_identifier_make(text_at(json, "name"));
        e = ret->id != NULL ? NULL : err_nomem();
    }
    return e;
}

static struct err *stored_body(const struct store_entry *row, json_t **ret)
{
    AUTO(registry_json_free) json_t *shown = NULL;
    struct err *e = registry_resource_show(row, false, &shown);

    if (e != NULL) {
        return e;
    }
    json_t *body =
        json_pack("{s:O, s:O, s:O, s:O}", "name", json_object_get(shown, "name"), "description",
                  json_object_get(shown, "description"), "tags", json_object_get(shown, "tags"),
                  "spec", json_object_get(shown, "spec"));

    if (body == NULL) {
        return err_nomem();
    }
    *ret = body;
    return NULL;
}

static struct err *differ(const struct item *it, const struct store_entry *before, json_t **ret)
{
    AUTO(registry_json_free) json_t *old = NULL;
    AUTO(registry_json_free) json_t *wanted = NULL;
    struct err *e = before != NULL ? stored_body(before, &old) : NULL;

    e = e == NULL ? registry_resource_tidy(it->kind, it->body, &wanted) : e;
    if (e == NULL) {
        e = before != NULL ? registry_diff(old, wanted, ret) : NULL;
    }
    return e;
}

static struct err *note(struct plan *p, const char *what, const struct store_key *k, json_t *diff)
{
    json_t *change =
        json_pack("{s:s, s:s, s:s, s:s, s:o}", "what", what, "kind", k->kind, "scope", k->scope,
                  "identifier", k->id, "diff", diff != NULL ? diff : json_array());

    return change != NULL && json_array_append_new(p->changes, change) == 0 ? NULL : err_nomem();
}

static struct err *make_change(struct plan *p, const struct item *it,
                               const struct store_entry *before, json_t *diff)
{
    AUTO(store_entry_deinit) struct store_entry row = {0};
    bool mends = before != NULL && json_array_size(diff) == 0;
    struct err *e = registry_resource_make(
        &(struct registry_place){it->kind, it->scope, it->id, before, &p->op->r->allowed}, it->body,
        &row);

    if (e != NULL || (mends && text_eq(row.body, before->body))) {
        json_decref(diff);
        return e;
    }
    AUTO(auto_free) char *key = key_text(row.key.kind, row.key.scope, row.key.id);

    e = note(p, before != NULL ? "update" : "create", &row.key, diff);
    e = e == NULL ? set_index(p->changed, key, it->i) : e;
    if (e == NULL) {
        e = registry_op_add_change(p->op, before != NULL ? STORE_UPDATE : STORE_CREATE, &row,
                                   before);
    }
    return e;
}

static struct err *plan_item(struct plan *p, const struct item *it)
{
    AUTO(auto_free) char *key = key_text(registry_kind_word(it->kind), it->scope, it->id);
    const json_t *at = key != NULL ? json_object_get(p->have, key) : NULL;
    const struct store_entry *before = at != NULL ? &p->op->entries[json_integer_value(at)] : NULL;
    bool says_broken = json_array_size(json_object_get(it->json, "broken")) > 0;
    json_t *diff = NULL;

    if (key != NULL && json_object_get(p->wanted, key) != NULL) {
        return err_new(ERR_INPUT, "is resource number %lld once more",
                       (long long)json_integer_value(json_object_get(p->wanted, key)) + 1);
    }
    struct err *e = set_index(p->wanted, key, it->i);

    e = e == NULL ? differ(it, before, &diff) : e;
    if (e == NULL && before != NULL && json_array_size(diff) == 0 &&
        (says_broken || !registry_resource_is_broken(before, NULL))) {
        json_decref(diff);
        return NULL;
    }
    if (e == NULL && says_broken) {
        e = err_new(ERR_INPUT, "/broken: mend it, then leave this member out");
    }
    if (e != NULL) {
        json_decref(diff);
        return e;
    }
    return make_change(p, it, before, diff);
}

/* In the order of kinds: what is referred to comes first. */
static struct err *plan_items(struct plan *p, const json_t *document)
{
    size_t n = json_array_size(json_object_get(document, "resources"));
    struct err *e = NULL;

    for (unsigned k = 0; k < REGISTRY_KINDS; k++) {
        for (size_t i = 0; i < n && e == NULL; i++) {
            AUTO(item_deinit) struct item it = {0};

            e = read_item(document, i, &it);
            if (e == NULL && (unsigned)it.kind == k) {
                e = plan_item(p, &it);
            }
            e = err_add(e, "/resources/%zu", i);
        }
    }
    return e;
}

static struct err *plan_prune(struct plan *p)
{
    struct err *e = NULL;

    for (size_t i = p->op->entries_n; i > 0 && e == NULL; i--) {
        const struct store_entry *row = &p->op->entries[i - 1];
        AUTO(auto_free) char *key = key_text(row->key.kind, row->key.scope, row->key.id);
        AUTO(store_entry_deinit) struct store_entry gone = {0};

        if (!registry_scope_is_below(row->key.scope, p->op->prune_scope) ||
            (key != NULL && json_object_get(p->wanted, key) != NULL)) {
            continue;
        }
        e = set_index(p->deleted, key, i - 1);
        e = e == NULL ? store_entry_copy(row, &gone) : e;
        e = e == NULL ? note(p, "delete", &row->key, NULL) : e;
        e = e == NULL ? registry_op_add_change(p->op, STORE_DELETE, &gone, row) : e;
    }
    return e;
}

/* --- references, as they will be: a dry run says what the commit would say ----------------------- */

static bool has_key(const json_t *set, const struct store_key *k)
{
    AUTO(auto_free) char *text = key_text(k->kind, k->scope, k->id);

    return text != NULL && json_object_get(set, text) != NULL;
}

static struct err *check_row(const struct plan *p, const struct store_entry *row)
{
    for (size_t i = 0; i < row->refs_n; i++) {
        const struct store_key *to = &row->refs[i];

        if (has_key(p->deleted, to)) {
            return err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "IN-USE",
                              "%s %s in %s is not in the document, but %s %s in %s uses it",
                              to->kind, to->id, to->scope, row->key.kind, row->key.id,
                              row->key.scope);
        }
        if (!has_key(p->have, to) && !has_key(p->wanted, to)) {
            AUTO(auto_free) char *at = registry_resource_pointer(row, to);

            return err_new(ERR_NOT_FOUND, "%s %s in %s: %s: there is no %s %s in %s", row->key.kind,
                           row->key.id, row->key.scope, at != NULL ? at : "", to->kind, to->id,
                           to->scope);
        }
    }
    return NULL;
}

static struct err *check_references(const struct plan *p)
{
    const struct registry_op *op = p->op;
    struct err *e = NULL;

    for (size_t i = 0; i < op->changes_n && e == NULL; i++) {
        if (op->changes[i].what != STORE_DELETE) {
            e = check_row(p, &op->changes[i].entry);
        }
    }
    for (size_t i = 0; i < op->entries_n && e == NULL && json_object_size(p->deleted) > 0; i++) {
        const struct store_key *k = &op->entries[i].key;

        if (!has_key(p->changed, k) && !has_key(p->deleted, k)) {
            e = check_row(p, &op->entries[i]);
        }
    }
    return e;
}

/* --- the call --------------------------------------------------------------------------------- */

static struct err *make_plan(struct plan *p)
{
    struct registry_op *op = p->op;
    struct err *e = op->dry_run ? NULL : registry_audit_ready(op->r->audit);

    e = e == NULL ? index_entries(p) : e;
    e = e == NULL ? plan_items(p, op->body) : e;
    e = e == NULL && op->prune ? plan_prune(p) : e;
    e = e == NULL ? check_references(p) : e;
    if (e == NULL && op->changes_n > STORE_CHANGES_MAX) {
        e = err_new(ERR_LIMIT,
                    "%zu changes; one commit has at most %d: apply the document in parts",
                    op->changes_n, STORE_CHANGES_MAX);
    }
    if (e == NULL) {
        op->result = json_pack("{s:O, s:b}", "changes", p->changes, "applied", !op->dry_run);
        e = op->result != NULL ? NULL : err_nomem();
    }
    return e;
}

static void plan_work(struct registry_op *op)
{
    AUTO(plan_deinit) struct plan p = {
        op, json_object(), json_object(), json_object(), json_object(), json_array()};
    bool memory = p.have != NULL && p.wanted != NULL && p.deleted != NULL && p.changed != NULL &&
                  p.changes != NULL;

    op->e = memory ? make_plan(&p) : err_nomem();
}

static void start(struct registry_op *op);

static void on_committed(void *arg, struct err *e)
{
    struct registry_op *op = arg;
    bool raced = registry_is_stale(e) || registry_is_in_use(e) || err_is(e, ERR_EXISTS) ||
                 err_is(e, ERR_NOT_FOUND);

    if (raced && op->tries < REGISTRY_TRIES_MAX) {
        err_free(&e);
        op->tries++;
        start(op);
        return;
    }
    if (e == NULL) {
        registry_op_audit(op);
    }
    registry_op_end(op, e);
}

static void on_planned(struct registry_op *op)
{
    if (op->dry_run || op->changes_n == 0) {
        registry_op_end(op, NULL);
        return;
    }
    store_commit(op->r->store, op->changes, op->changes_n, on_committed, op);
}

static void on_loaded(struct registry_op *op)
{
    registry_op_work(op, plan_work, on_planned);
}

static void start(struct registry_op *op)
{
    registry_op_forget(op);
    registry_op_load(op, "account", REGISTRY_ALL_KINDS, on_loaded);
}

static struct err *check_document(const json_t *document)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)document, name, value)
    {
        if (strcmp(name, "resources") != 0) {
            return err_new(ERR_INPUT, "a document has one member: resources");
        }
    }
    if (!json_is_array(json_object_get(document, "resources"))) {
        return err_new(ERR_INPUT, "/resources: must be a list");
    }
    return NULL;
}

static void nothing(struct registry_op *op)
{
    (void)op;
}

static void answer(struct registry_op *op)
{
    registry_op_end(op, NULL);
}

void registry_apply(struct registry *r, const struct registry_caller *who, const json_t *document,
                    const struct registry_apply *how, registry_json_fn *on_done, void *arg)
{
    struct registry_op *op = registry_op_new(r, NULL, NULL, on_done, arg);
    const char *prune_scope = how->prune_scope != NULL ? how->prune_scope : "account";

    if (op == NULL) {
        return;
    }
    op->who = who != NULL ? *who : (struct registry_caller){0};
    op->dry_run = how->dry_run;
    op->prune = how->prune;
    op->prune_scope = text_copy(prune_scope);
    op->body = json_deep_copy(document);
    op->e = err_add(registry_scope_check(prune_scope), "prune_scope");
    op->e = op->e == NULL ? check_document(document) : op->e;
    if (op->e == NULL && (op->prune_scope == NULL || op->body == NULL)) {
        op->e = err_nomem();
    }
    if (op->e != NULL) {
        registry_op_work(op, nothing, answer);
        return;
    }
    start(op);
}
