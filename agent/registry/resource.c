/*
 * A resource between its two shapes: JSON as people write it and see it, and a row of the store. The
 * row's body is JSON too: the spec as it was judged and completed, the facts that were read out of
 * it, and what is broken.
 *
 * Broken: a reference whose resource was deleted by force. It is gone from the spec; "broken" keeps
 * where it stood, what it was, and the name that people knew. It is mended when the member is given
 * again. Where an absent member means something else (a connector without a certificate would trust
 * the system's), leaving it out mends nothing; null does, because somebody said so.
 */
#include "registry/resource.h"

#include <stdlib.h>

#include "registry/name.h"

void registry_json_free(json_t **j)
{
    json_decref(*j);
    *j = NULL;
}

/* --- references ------------------------------------------------------------------------------- */

static void key_deinit(struct store_key *k)
{
    free(k->kind);
    free(k->scope);
    free(k->id);
    memset(k, 0, sizeof *k);
}

static struct err *resolve(const char *scope, const struct registry_member *m, const json_t *value,
                           struct store_key *ret)
{
    const char *id = NULL;
    struct store_key key = {0};
    struct err *e = registry_reference_resolve(scope, json_string_value(value), &key.scope, &id);

    if (e != NULL) {
        return e;
    }
    key.kind = text_copy(registry_kind_word(m->to));
    key.id = text_copy(id);
    if (key.kind == NULL || key.id == NULL) {
        key_deinit(&key);
        return err_nomem();
    }
    *ret = key;
    return NULL;
}

/* The row that is made gets one key for each reference of its spec. */
static struct err *on_reference(void *arg, const char *at, json_t *holder,
                                const struct registry_member *m)
{
    struct store_entry *row = arg;
    struct store_key *more = realloc(row->refs, (row->refs_n + 1) * sizeof *more);

    if (more == NULL) {
        return err_nomem();
    }
    row->refs = more;
    struct err *e =
        resolve(row->key.scope, m, json_object_get(holder, m->name), &row->refs[row->refs_n]);

    row->refs_n += e == NULL;
    return err_add(e, "%s", at);
}

static bool key_eq(const struct store_key *a, const struct store_key *b)
{
    return text_eq(a->kind, b->kind) && text_eq(a->scope, b->scope) && text_eq(a->id, b->id);
}

struct seek {
    const char *scope;
    const struct store_key *key;
    const char *name; /* NULL: only find it; else empty it and say that it had this name */
    json_t *broken;
    char *found;
};

static struct err *on_seek(void *arg, const char *at, json_t *holder,
                           const struct registry_member *m)
{
    struct seek *s = arg;
    AUTO(key_deinit) struct store_key key = {0};
    const json_t *value = json_object_get(holder, m->name);
    struct err *e = resolve(s->scope, m, value, &key);

    if (e != NULL || !key_eq(&key, s->key)) {
        return e;
    }
    if (s->found == NULL) {
        s->found = text_copy(at);
    }
    if (s->name == NULL) {
        return NULL;
    }
    json_t *note =
        json_pack("{s:s, s:s, s:s, s:s}", "at", at, "reference", json_string_value(value), "name",
                  s->name, "title", registry_kind_title(m->to));

    json_object_del(holder, m->name);
    return note != NULL && json_array_append_new(s->broken, note) == 0 ? NULL : err_nomem();
}

/* --- rows ------------------------------------------------------------------------------------- */

/* A row's own body: {"spec", "description"?, "facts"?, "broken"?}; a new reference. */
static struct err *read_row(const struct store_entry *row, json_t **ret)
{
    json_t *body = json_loads(row->body, 0, NULL);
    enum registry_kind k;

    if (!json_is_object(json_object_get(body, "spec")) || !registry_kind_find(row->key.kind, &k)) {
        json_decref(body);
        return err_new(ERR_STORE, "%s %s in %s: the row is damaged", row->key.kind, row->key.id,
                       row->key.scope);
    }
    *ret = body;
    return NULL;
}

/* The value at "/spec/a/b", also where it is null; NULL when absent. */
static const json_t *at_pointer(const json_t *body, const char *at)
{
    const json_t *value = body;

    while (value != NULL && *at == '/') {
        size_t len = strcspn(at + 1, "/");
        AUTO(auto_free) char *name = view_dup(view_of(at + 1, len));

        value = name != NULL ? json_object_get(value, name) : NULL;
        at += len + 1;
    }
    return value;
}

static bool must_say(enum registry_kind k, const char *at)
{
    const struct registry_member *m = registry_kind_row(k)->members;
    const char *name = strrchr(at, '/') + 1;

    while (m->name != NULL && strcmp(m->name, name) != 0) {
        m++;
    }
    return m->name != NULL && m->must_say;
}

/* What stays broken: NULL when nothing does. */
static struct err *still_broken(const struct registry_place *place, const json_t *body,
                                json_t **ret)
{
    AUTO(registry_json_free) json_t *before = NULL;
    json_t *left = NULL;
    size_t i;
    json_t *note;

    if (place->before == NULL) {
        return NULL;
    }
    struct err *e = read_row(place->before, &before);

    json_array_foreach(json_object_get(before, "broken"), i, note)
    {
        const char *at = json_string_value(json_object_get(note, "at"));

        if (e == NULL && at != NULL && must_say(place->kind, at) && at_pointer(body, at) == NULL) {
            left = left != NULL ? left : json_array();
            e = left == NULL || json_array_append(left, note) != 0 ? err_nomem() : NULL;
        }
    }
    *ret = left;
    return e;
}

/* Takes @stored; it becomes the row's body. */
static struct err *set_body(struct store_entry *row, json_t *stored)
{
    free(row->body);
    row->body = stored != NULL ? json_dumps(stored, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(stored);
    if (row->body == NULL) {
        return err_nomem();
    }
    if (strlen(row->body) > STORE_BODY_MAX_BYTES) {
        return err_new(ERR_LIMIT, "the resource has %zu bytes, at most %d are allowed",
                       strlen(row->body), STORE_BODY_MAX_BYTES);
    }
    return NULL;
}

static struct err *set_head(const struct registry_place *place, const json_t *body,
                            struct store_entry *row)
{
    size_t i;
    json_t *tag;

    row->name = text_copy(json_string_value(json_object_get(body, "name")));
    row->key.kind = text_copy(registry_kind_word(place->kind));
    row->key.scope = text_copy(place->scope);
    if (row->name != NULL) {
        row->key.id =
            place->id != NULL ? text_copy(place->id) : registry_identifier_make(row->name);
    }
    if (row->key.kind == NULL || row->key.scope == NULL || row->key.id == NULL) {
        return err_nomem();
    }
    json_array_foreach(json_object_get(body, "tags"), i, tag)
    {
        if (!text_list_add(&row->tags, json_string_value(tag))) {
            return err_nomem();
        }
    }
    return NULL;
}

struct err *registry_resource_make(const struct registry_place *place, const json_t *body,
                                   struct store_entry *ret)
{
    AUTO(store_entry_deinit) struct store_entry row = {0};
    AUTO(registry_json_free) json_t *tidy = NULL;
    json_t *facts = NULL;
    json_t *broken = NULL;
    struct err *e = registry_resource_check(body);

    e = e == NULL ? registry_resource_tidy(place->kind, body, &tidy) : e;
    e = e == NULL ? registry_spec_check(place->kind, json_object_get(tidy, "spec"), &facts) : e;
    if (e == NULL) {
        e = registry_allowed_check(place->allowed, place->kind, place->scope,
                                   json_object_get(tidy, "spec"));
    }
    e = e == NULL ? set_head(place, tidy, &row) : e;
    if (e == NULL) {
        e = registry_spec_references(place->kind, json_object_get(tidy, "spec"), on_reference,
                                     &row);
    }
    e = e == NULL ? still_broken(place, body, &broken) : e;
    if (e != NULL) {
        json_decref(facts);
        json_decref(broken);
        return e;
    }
    e = set_body(&row, json_pack("{s:O, s:O, s:o*, s:o*}", "spec", json_object_get(tidy, "spec"),
                                 "description", json_object_get(tidy, "description"), "facts",
                                 facts, "broken", broken));
    if (e == NULL) {
        *ret = row;
        memset(&row, 0, sizeof row);
    }
    return e;
}

static char *broken_text(const json_t *note)
{
    const char *at = json_string_value(json_object_get(note, "at"));
    const char *name = json_string_value(json_object_get(note, "name"));
    const char *title = json_string_value(json_object_get(note, "title"));
    const char *reference = json_string_value(json_object_get(note, "reference"));

    return text_fmt("%s: %s '%s' (%s) was deleted: give another%s", at != NULL ? at : "",
                    title != NULL ? title : "", name != NULL ? name : "",
                    reference != NULL ? reference : "",
                    text_eq(at, "/spec/certificate") ? ", or null to trust the system's" : "");
}

static struct err *show_broken(const json_t *body, json_t *shown)
{
    const json_t *notes = json_object_get(body, "broken");
    json_t *texts = json_array();
    struct err *e = texts != NULL ? NULL : err_nomem();
    size_t i;
    json_t *note;

    json_array_foreach(notes, i, note)
    {
        AUTO(auto_free) char *text = broken_text(note);

        if (e == NULL && (text == NULL || json_array_append_new(texts, json_string(text)) != 0)) {
            e = err_nomem();
        }
    }
    if (e == NULL && json_array_size(texts) > 0 && json_object_set(shown, "broken", texts) != 0) {
        e = err_nomem();
    }
    json_decref(texts);
    return e;
}

static struct err *show_facts(const struct registry_kind_row *kind, const json_t *body,
                              json_t *shown)
{
    json_t *facts = json_object_get(body, "facts");

    if (facts != NULL && json_object_update(shown, facts) != 0) {
        return err_nomem();
    }
    if (kind->warn == NULL) {
        return NULL;
    }
    json_t *warnings = json_array();

    if (warnings == NULL || json_object_set_new(shown, "warnings", warnings) != 0) {
        return err_nomem();
    }
    return kind->warn(facts, wall_now(), warnings);
}

static json_t *tags_of(const struct store_entry *row)
{
    json_t *tags = json_array();

    for (char **t = row->tags; tags != NULL && t != NULL && *t != NULL; t++) {
        if (json_array_append_new(tags, json_string(*t)) != 0) {
            json_decref(tags);
            return NULL;
        }
    }
    return tags;
}

struct err *registry_resource_show(const struct store_entry *row, bool in_list, json_t **ret)
{
    AUTO(registry_json_free) json_t *body = NULL;
    AUTO(registry_json_free) json_t *shown = NULL;
    char created[WALL_TEXT_BYTES], updated[WALL_TEXT_BYTES];
    enum registry_kind k = REGISTRY_CERTIFICATE;
    struct err *e = read_row(row, &body);

    if (e != NULL || !registry_kind_find(row->key.kind, &k)) {
        return e;
    }
    json_t *spec = json_object_get(body, "spec");

    for (const struct registry_member *m = registry_kind_row(k)->members; m->name != NULL; m++) {
        if (in_list && m->bulky) {
            json_object_del(spec, m->name);
        }
    }
    shown = json_pack("{s:s, s:s, s:s, s:s, s:O?, s:o, s:s, s:s, s:I, s:O}", "kind", row->key.kind,
                      "identifier", row->key.id, "name", row->name, "scope", row->key.scope,
                      "description", json_object_get(body, "description"), "tags", tags_of(row),
                      "created", wall_text(row->created, created), "updated",
                      wall_text(row->updated, updated), "revision", (json_int_t)row->revision,
                      "spec", spec);
    e = shown == NULL ? err_nomem() : show_facts(registry_kind_row(k), body, shown);
    e = e == NULL ? show_broken(body, shown) : e;
    if (e == NULL) {
        *ret = take(&shown);
    }
    return e;
}

static struct err *empty_spec(const struct store_entry *owner, const struct store_entry *gone,
                              json_t *body)
{
    enum registry_kind k = REGISTRY_CERTIFICATE;
    json_t *broken = json_object_get(body, "broken");

    if (broken == NULL) {
        broken = json_array();
        if (broken == NULL || json_object_set_new(body, "broken", broken) != 0) {
            return err_nomem();
        }
    }
    struct seek s = {owner->key.scope, &gone->key, gone->name, broken, NULL};
    bool known = registry_kind_find(owner->key.kind, &k);
    struct err *e = known ? registry_spec_references(k, json_object_get(body, "spec"), on_seek, &s)
                          : err_new(ERR_BUG, "a row of an unknown kind");

    free(s.found);
    return e;
}

struct err *registry_resource_empty(const struct store_entry *owner, const struct store_entry *gone,
                                    struct store_entry *ret)
{
    AUTO(store_entry_deinit) struct store_entry row = {0};
    json_t *body = NULL;
    size_t kept = 0;
    struct err *e = store_entry_copy(owner, &row);

    e = e == NULL ? read_row(owner, &body) : e;
    e = e == NULL ? empty_spec(owner, gone, body) : e;
    if (e != NULL) {
        json_decref(body);
        return e;
    }
    for (size_t i = 0; i < row.refs_n; i++) {
        if (key_eq(&row.refs[i], &gone->key)) {
            key_deinit(&row.refs[i]);
        } else {
            row.refs[kept++] = row.refs[i];
        }
    }
    row.refs_n = kept;
    e = set_body(&row, body);
    if (e == NULL) {
        *ret = row;
        memset(&row, 0, sizeof row);
    }
    return e;
}

char *registry_resource_pointer(const struct store_entry *row, const struct store_key *key)
{
    AUTO(registry_json_free) json_t *body = NULL;
    enum registry_kind k = REGISTRY_CERTIFICATE;
    struct seek s = {row->key.scope, key, NULL, NULL, NULL};
    struct err *e = read_row(row, &body);

    if (e == NULL && registry_kind_find(row->key.kind, &k)) {
        e = registry_spec_references(k, json_object_get(body, "spec"), on_seek, &s);
    }
    err_free(&e);
    return s.found;
}

bool registry_resource_is_broken(const struct store_entry *row, char **ret_why)
{
    AUTO(registry_json_free) json_t *body = NULL;
    struct err *e = read_row(row, &body);
    const json_t *note = json_array_get(json_object_get(body, "broken"), 0);

    err_free(&e);
    if (note != NULL && ret_why != NULL) {
        *ret_why = broken_text(note);
    }
    return note != NULL;
}

bool registry_resource_is_active(const struct store_entry *row)
{
    AUTO(registry_json_free) json_t *body = NULL;
    struct err *e = read_row(row, &body);
    bool active = !json_is_false(json_object_get(json_object_get(body, "spec"), "active"));

    err_free(&e);
    return active;
}
