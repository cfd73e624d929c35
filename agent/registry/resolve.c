/*
 * SSH keys with all that they refer to, for use. Each kind refers to one other at most, so the chain
 * (SSH key, secrets manager, connector, certificate) can be followed by the rows' references alone.
 *
 * A chain with a broken part is never given out: a connector that lost its certificate must not be
 * used with another one by accident. Neither is one through a connector that is not active.
 */
#include "registry/name.h"
#include "registry/op.h"

static const enum registry_kind chain[] = {REGISTRY_SSH_KEY, REGISTRY_SECRETS_MANAGER,
                                           REGISTRY_CONNECTOR, REGISTRY_CERTIFICATE};
static const char *const members[] = {"ssh_key", "secrets_manager", "connector", "certificate"};

/* What keeps a row from being used; NULL when nothing does. */
static struct err *usable(const struct store_entry *row)
{
    AUTO(auto_free) char *why = NULL;

    if (registry_resource_is_broken(row, &why)) {
        return err_new(ERR_DENIED, "%s %s in %s is broken: %s", row->key.kind, row->key.id,
                       row->key.scope, why != NULL ? why : "");
    }
    if (!registry_resource_is_active(row)) {
        return err_new(ERR_DENIED, "%s %s in %s is not active", row->key.kind, row->key.id,
                       row->key.scope);
    }
    return NULL;
}

/* @rows: the chain from @from on: 0 is an SSH key. */
static struct err *show_chain(const struct store_entry *const *rows, size_t n, size_t from,
                              json_t **ret)
{
    json_t *made = json_object();
    struct err *e = made != NULL ? NULL : err_nomem();

    for (size_t i = 0; i < ARRAY_LEN(chain) && e == NULL; i++) {
        json_t *shown = NULL;

        if (i >= from && i - from < n) {
            e = usable(rows[i - from]);
            e = e == NULL ? registry_resource_show(rows[i - from], false, &shown) : e;
        }
        if (e == NULL &&
            json_object_set_new(made, members[i], shown != NULL ? shown : json_null()) != 0) {
            e = err_nomem();
        }
    }
    if (e != NULL) {
        json_decref(made);
        return e;
    }
    *ret = made;
    return NULL;
}

/* --- one -------------------------------------------------------------------------------------- */

static void nothing(struct registry_op *op)
{
    (void)op;
}

static void answer(struct registry_op *op)
{
    registry_op_end(op, NULL);
}

static void show_one(struct registry_op *op)
{
    const struct store_entry *rows[ARRAY_LEN(chain)];

    for (size_t i = 0; i < op->entries_n; i++) {
        rows[i] = &op->entries[i];
    }
    op->e = show_chain(rows, op->entries_n, 0, &op->result);
}

static void follow(struct registry_op *op)
{
    const struct store_entry *last = &op->entries[op->entries_n - 1];

    if (last->refs_n > 0 && op->entries_n < ARRAY_LEN(chain)) {
        registry_op_get(op, &last->refs[0], follow);
    } else {
        registry_op_work(op, show_one, answer);
    }
}

void registry_resolve(struct registry *r, const char *scope, const char *reference,
                      registry_json_fn *on_done, void *arg)
{
    struct registry_op *op = registry_op_new(r, NULL, NULL, on_done, arg);
    const char *id = NULL;

    if (op == NULL) {
        return;
    }
    op->e = registry_scope_check(scope);
    if (op->e == NULL) {
        op->e = registry_reference_resolve(scope, reference, &op->key.scope, &id);
    }
    op->key.kind = text_copy(registry_kind_word(REGISTRY_SSH_KEY));
    op->key.id = text_copy(id);
    if (op->e == NULL && (op->key.kind == NULL || op->key.id == NULL)) {
        op->e = err_nomem();
    }
    if (op->e != NULL) {
        registry_op_work(op, nothing, answer);
        return;
    }
    registry_op_get(op, &op->key, follow);
}

/* --- all -------------------------------------------------------------------------------------- */

static struct err *index_rows(const struct registry_op *op, json_t *set)
{
    for (size_t i = 0; i < op->entries_n; i++) {
        const struct store_key *k = &op->entries[i].key;
        AUTO(auto_free) char *text = text_fmt("%s %s %s", k->kind, k->scope, k->id);

        if (text == NULL || json_object_set_new(set, text, json_integer((json_int_t)i)) != 0) {
            return err_nomem();
        }
    }
    return NULL;
}

static const struct store_entry *find_row(const struct registry_op *op, const json_t *set,
                                          const struct store_key *k)
{
    AUTO(auto_free) char *text = text_fmt("%s %s %s", k->kind, k->scope, k->id);
    const json_t *at = text != NULL ? json_object_get(set, text) : NULL;

    return at != NULL ? &op->entries[json_integer_value(at)] : NULL;
}

/* The chain from @row on, which is of kind chain[@from]. */
static struct err *chain_of(const struct registry_op *op, const json_t *set,
                            const struct store_entry *row, size_t from, json_t **ret)
{
    const struct store_entry *rows[ARRAY_LEN(chain)];
    size_t n = 0;

    while (row != NULL && n < ARRAY_LEN(chain)) {
        rows[n++] = row;
        row = row->refs_n > 0 ? find_row(op, set, &row->refs[0]) : NULL;
    }
    return rows[n - 1]->refs_n > 0 ? err_new(ERR_DENIED, "what it refers to has just been deleted")
                                   : show_chain(rows, n, from, ret);
}

/* Adds to items, or to problems when it cannot be used. */
static struct err *add_chain(const struct registry_op *op, const json_t *set,
                             const struct store_entry *key, json_t *result)
{
    json_t *item = NULL;
    const char *list = "items";
    struct err *e = chain_of(op, set, key, 0, &item);

    if (e != NULL && !err_is(e, ERR_DENIED)) {
        return e;
    }
    if (e != NULL) {
        list = "problems";
        item = json_pack("{s:s, s:s, s:s}", "scope", key->key.scope, "identifier", key->key.id,
                         "problem", err_text(e));
        err_free(&e);
    }
    return json_array_append_new(json_object_get(result, list), item) == 0 ? NULL : err_nomem();
}

/* Adds a connector that logs in by certificate: its certificate is got and renewed whoever uses it. */
static struct err *add_login(const struct registry_op *op, const json_t *set,
                             const struct store_entry *connector, json_t *result)
{
    AUTO(registry_json_free) json_t *item = NULL;
    struct err *e = chain_of(op, set, connector, 2, &item);
    const char *method = json_string_value(json_object_get(
        json_object_get(json_object_get(json_object_get(item, "connector"), "spec"), "login"),
        "method"));

    if (err_is(e, ERR_DENIED)) {
        err_free(&e); /* whoever uses it is told */
    } else if (e == NULL && text_eq(method, "cert") &&
               json_array_append(json_object_get(result, "logins"), item) != 0) {
        e = err_nomem();
    }
    return e;
}

static void show_all(struct registry_op *op)
{
    AUTO(registry_json_free) json_t *set = json_object();

    op->result = json_pack("{s:[], s:[], s:[]}", "items", "logins", "problems");
    op->e = set != NULL && op->result != NULL ? index_rows(op, set) : err_nomem();
    for (size_t i = 0; i < op->entries_n && op->e == NULL; i++) {
        const struct store_entry *row = &op->entries[i];

        if (text_eq(row->key.kind, registry_kind_word(REGISTRY_SSH_KEY)) &&
            registry_resource_is_active(row)) {
            op->e = add_chain(op, set, row, op->result);
        }
        /* Few log in so; to read all of many costs a second with each change. */
        if (text_eq(row->key.kind, registry_kind_word(REGISTRY_CONNECTOR)) && op->e == NULL &&
            strstr(row->body, "\"cert\"") != NULL) {
            op->e = add_login(op, set, row, op->result);
        }
    }
}

static void on_loaded(struct registry_op *op)
{
    registry_op_work(op, show_all, answer);
}

void registry_resolve_all(struct registry *r, registry_json_fn *on_done, void *arg)
{
    struct registry_op *op = registry_op_new(r, NULL, NULL, on_done, arg);
    unsigned kinds = 0;

    for (size_t i = 0; i < ARRAY_LEN(chain); i++) {
        kinds |= 1U << chain[i];
    }
    if (op != NULL) {
        registry_op_load(op, "account", kinds, on_loaded);
    }
}
