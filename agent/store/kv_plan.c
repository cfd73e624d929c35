/*
 * What a commit touches: the resources that it changes, and those to which a reference begins or ends. The
 * changes are tried in order on what was read from Vault; so each entry has one intent, whatever number
 * of changes is about it. Nothing here waits or talks to anybody.
 */
#include <stdlib.h>

#include "store/kv_impl.h"

enum { USERS_SHOWN = 10, USERS_MAX_BYTES = 900 };

static void free_target(struct store_kv_target *t)
{
    store_key_deinit(&t->key);
    free(t->path);
    json_decref(t->before);
    json_decref(t->after);
    json_decref(t->add);
    json_decref(t->remove);
    json_decref(t->item);
    free(t);
}

void store_kv_plan_deinit(struct store_kv_plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free_target(p->targets[i]);
    }
    free(p->targets);
    *p = (struct store_kv_plan){0};
}

static struct store_kv_target *find(const struct store_kv_plan *p, const char *path)
{
    for (size_t i = 0; i < p->n; i++) {
        if (strcmp(p->targets[i]->path, path) == 0) {
            return p->targets[i];
        }
    }
    return NULL;
}

static struct store_kv_target *new_target(const struct store_key *key, const char *path)
{
    struct store_kv_target *t = calloc(1, sizeof *t);
    struct err *e;

    if (t == NULL) {
        return NULL;
    }
    t->path = text_copy(path);
    t->add = json_array();
    t->remove = json_array();
    e = key != NULL ? store_key_copy(key, &t->key) : NULL;
    if (e != NULL || t->path == NULL || t->add == NULL || t->remove == NULL) {
        err_free(&e);
        free_target(t);
        return NULL;
    }
    return t;
}

struct store_kv_target *store_kv_plan_add(struct store_kv_plan *p, const struct store_key *key,
                                          const char *path)
{
    struct store_kv_target *t = find(p, path);

    if (t != NULL) {
        return t;
    }
    if (p->n == p->room) {
        size_t room = p->room * 2 + 8;
        void *longer = reallocarray(p->targets, room, sizeof *p->targets);

        if (longer == NULL) {
            return NULL;
        }
        p->targets = longer;
        p->room = room;
    }
    t = new_target(key, path);
    if (t != NULL) {
        p->targets[p->n++] = t;
    }
    return t;
}

static struct store_kv_target *add_key(struct store_kv_plan *p, const struct store_key *key)
{
    AUTO(auto_free) char *path = store_kv_path(key);

    return path != NULL ? store_kv_plan_add(p, key, path) : NULL;
}

struct err *store_kv_plan_begin(struct store_kv_plan *p, const struct store_call *c)
{
    for (size_t i = 0; i < c->changes_n; i++) {
        struct store_kv_target *t = add_key(p, &c->changes[i].entry.key);

        if (t == NULL) {
            return err_nomem();
        }
        t->changed = true;
    }
    return NULL;
}

/* --- the resources ---------------------------------------------------------------------------------- */

static struct err *check_revision(const struct store_change *ch, uint64_t revision)
{
    return ch->expected == 0 || ch->expected == revision
               ? NULL
               : err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "STALE",
                            STORE_KEY_WORDS
                            " was changed in the meantime: its revision is %llu, not %llu",
                            STORE_KEY_ARGS(&ch->entry.key), (unsigned long long)revision,
                            (unsigned long long)ch->expected);
}

static struct err *try_change(struct store_kv_target *t, const struct store_change *ch,
                              struct wall now)
{
    const struct store_key *k = &ch->entry.key;
    AUTO(store_kv_json_free) json_t *was = take(&t->after);
    uint64_t revision = (uint64_t)json_integer_value(json_object_get(was, "revision"));

    if (ch->what == STORE_CREATE) {
        return was != NULL
                   ? err_new(ERR_EXISTS, STORE_KEY_WORDS " exists already", STORE_KEY_ARGS(k))
                   : store_kv_entry_json(&ch->entry, 1, now, now, &t->after);
    }
    if (was == NULL) {
        return err_new(ERR_NOT_FOUND, "there is no " STORE_KEY_WORDS, STORE_KEY_ARGS(k));
    }
    struct err *e = check_revision(ch, revision);

    if (e != NULL || ch->what == STORE_DELETE) {
        return e;
    }
    const struct wall created = {json_integer_value(json_object_get(was, "created"))};

    return store_kv_entry_json(&ch->entry, revision + 1, created, now, &t->after);
}

/* --- the references --------------------------------------------------------------------------------- */

/* Notes for each of @refs that is not among @others that @by begins or ends to refer to it. */
static struct err *note_refs(struct store_kv_plan *p, struct store_kv_target *by,
                             const json_t *refs, const json_t *others, bool begins)
{
    AUTO(store_kv_json_free) json_t *user = store_kv_key_json(&by->key);

    for (size_t i = 0; i < json_array_size(refs); i++) {
        const json_t *ref = json_array_get(refs, i);
        const struct store_key key = {(char *)json_string_value(json_array_get(ref, 0)),
                                      (char *)json_string_value(json_array_get(ref, 1)),
                                      (char *)json_string_value(json_array_get(ref, 2))};

        if (store_kv_keys_find(others, ref) < json_array_size(others)) {
            continue;
        }
        struct store_kv_target *t = add_key(p, &key);
        json_t *list = t == NULL ? NULL : begins ? t->add : t->remove;

        if (list == NULL || user == NULL) {
            return err_nomem();
        }
        t->wanted_by = begins ? &by->key : t->wanted_by;
        if (store_kv_keys_find(list, user) == json_array_size(list) &&
            json_array_append(list, user) != 0) {
            return err_nomem();
        }
    }
    return NULL;
}

static int by_path(const void *a, const void *b)
{
    const struct store_kv_target *const *one = a, *const *other = b;

    return strcmp((*one)->path, (*other)->path);
}

struct err *store_kv_plan_make(struct store_kv_plan *p, const struct store_call *c)
{
    struct err *e = NULL;
    size_t changed = p->n;

    for (size_t i = 0; i < changed; i++) {
        struct store_kv_target *t = p->targets[i];

        t->before = json_incref(json_object_get(t->item, "entry"));
        t->after = json_incref(t->before);
    }
    for (size_t i = 0; e == NULL && i < c->changes_n; i++) {
        struct store_kv_target *t = add_key(p, &c->changes[i].entry.key);

        e = t == NULL ? err_nomem() : try_change(t, &c->changes[i], c->now);
    }
    for (size_t i = 0; e == NULL && i < changed; i++) {
        struct store_kv_target *t = p->targets[i];
        const json_t *old = json_object_get(t->before, "refs");
        const json_t *new = json_object_get(t->after, "refs");

        e = note_refs(p, t, new, old, true);
        e = e == NULL ? note_refs(p, t, old, new, false) : e;
    }
    qsort(p->targets, p->n, sizeof(struct store_kv_target *), by_path);
    return e;
}

json_t *store_kv_plan_paths(const struct store_kv_plan *p)
{
    json_t *paths = json_array();

    for (size_t i = 0; paths != NULL && i < p->n; i++) {
        if (json_array_append_new(paths, json_string(p->targets[i]->path)) != 0) {
            store_kv_json_free(&paths);
        }
    }
    return paths;
}

/* --- the intents ------------------------------------------------------------------------------------ */

static int by_scope_and_id(const void *a, const void *b)
{
    static const size_t order[] = {1, 2, 0};
    const json_t *const *one = a, *const *other = b;
    int differ = 0;

    for (size_t i = 0; differ == 0 && i < ARRAY_LEN(order); i++) {
        differ = strcmp(json_string_value(json_array_get(*one, order[i])),
                        json_string_value(json_array_get(*other, order[i])));
    }
    return differ;
}

static struct err *in_use(const struct store_kv_target *t, const json_t *users)
{
    size_t n = json_array_size(users), shown = 0;
    AUTO(auto_free) const json_t **sorted = calloc(n, sizeof(json_t *));
    AUTO(buf_deinit) struct buf list;

    buf_init(&list, USERS_MAX_BYTES);
    if (sorted == NULL) {
        return err_nomem();
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = json_array_get(users, i);
    }
    qsort(sorted, n, sizeof(json_t *), by_scope_and_id);
    for (; shown < n && shown < USERS_SHOWN && !list.failed; shown++) {
        AUTO(auto_free) char *user = text_fmt("%s%s %s in %s", shown > 0 ? ", " : "",
                                              json_string_value(json_array_get(sorted[shown], 0)),
                                              json_string_value(json_array_get(sorted[shown], 2)),
                                              json_string_value(json_array_get(sorted[shown], 1)));

        buf_put(&list, user != NULL ? user : "", user != NULL ? strlen(user) : 0);
    }
    return err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "IN-USE",
                      STORE_KEY_WORDS " is used by %zu: %.*s%s", STORE_KEY_ARGS(&t->key), n,
                      (int)list.len, (const char *)list.data, shown < n ? ", ..." : "");
}

/* May it go? Those that refer to it, without those that cease to, and with those that begin. */
static struct err *check_users(const struct store_kv_target *t, const json_t *item)
{
    const json_t *now = json_object_get(item, "users");
    AUTO(store_kv_json_free) json_t *users = json_copy(t->add);
    bool ok = users != NULL;

    for (size_t i = 0; ok && i < json_array_size(now); i++) {
        json_t *user = json_array_get(now, i);

        if (store_kv_keys_find(t->remove, user) == json_array_size(t->remove)) {
            ok = json_array_append(users, user) == 0;
        }
    }
    if (!ok) {
        return err_nomem();
    }
    return json_array_size(users) > 0 ? in_use(t, users) : NULL;
}

static bool same(const json_t *a, const json_t *b)
{
    return (a == NULL && b == NULL) || json_equal(a, b);
}

static struct err *check(const struct store_kv_target *t, const json_t *item)
{
    const json_t *entry = json_object_get(item, "entry");
    bool stays = t->changed ? t->after != NULL : entry != NULL;

    if (t->changed && !same(entry, t->before)) {
        return err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "AGAIN",
                          STORE_KEY_WORDS " changes all the time", STORE_KEY_ARGS(&t->key));
    }
    if (!stays && t->wanted_by != NULL) {
        return err_new(ERR_NOT_FOUND,
                       STORE_KEY_WORDS " refers to " STORE_KEY_WORDS ", which does not exist",
                       STORE_KEY_ARGS(t->wanted_by), STORE_KEY_ARGS(&t->key));
    }
    return t->changed && !stays ? check_users(t, item) : NULL;
}

struct err *store_kv_plan_put_intent(const struct store_kv_target *t, const char *agent,
                                     const char *commit, json_t **item)
{
    struct err *e = check(t, *item);

    if (e != NULL) {
        return e;
    }
    if (*item == NULL && (*item = store_kv_item_new(&t->key)) == NULL) {
        return err_nomem();
    }
    json_t *intent = json_pack("{s:s, s:s, s:O, s:O}", "agent", agent, "commit", commit, "add",
                               t->add, "remove", t->remove);
    bool ok = intent != NULL;

    if (ok && t->changed && t->after != NULL) {
        ok = json_object_set(intent, "put", t->after) == 0;
    } else if (ok && t->changed) {
        ok = json_object_set_new(intent, "delete", json_true()) == 0;
    }
    ok = ok && json_object_set(*item, "intent", intent) == 0;
    json_decref(intent);
    return ok ? NULL : err_nomem();
}
