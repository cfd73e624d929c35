/*
 * What stands in Vault, as text. A resource is one entry, whose path is read off its key; each segment is
 * made of letters, digits, '-', '_' and '.' only, all else becomes "~" and two hex digits, so that no
 * name leads to another path. The entry is JSON that an operator can read:
 *
 *   {"kind", "scope", "id",
 *    "entry": {"name", "body", "tags", "refs": [[kind, scope, id], ...], "revision", ...},
 *    "users": [[kind, scope, id], ...],                                 those that refer to it
 *    "intent": {"agent", "commit", "put": {entry} or "delete": true, "add", "remove": users}}
 *
 * "entry" is missing where the resource does not exist (yet); "intent" is there while a commit is under
 * way, and is made true by exactly one function here, store_kv_item_settle(), whoever does it.
 */
#include <ctype.h>
#include <stdlib.h>

#include "store/kv_impl.h"

enum { PATH_MAX_BYTES = 3 * 3 * STORE_TEXT_MAX_BYTES + 8 };

void store_kv_json_free(json_t **j)
{
    json_decref(*j);
    *j = NULL;
}

/* --- paths ------------------------------------------------------------------------------------------ */

static bool is_plain(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           (!first && (c == '_' || c == '.'));
}

/* @keep: a character that separates segments and stays; an empty segment is "~". */
static void put_safe(struct buf *b, const char *s, char keep)
{
    static const char hex[] = "0123456789abcdef";
    bool first = true;

    for (;; s++) {
        bool end = *s == '\0' || (keep != '\0' && *s == keep);

        if (end && first) {
            buf_put_u8(b, '~');
        }
        if (*s == '\0') {
            return;
        }
        if (end || is_plain(*s, first)) {
            buf_put_u8(b, (uint8_t)*s);
        } else {
            const uint8_t c = (uint8_t)*s;
            const char code[3] = {'~', hex[c >> 4], hex[c & 15]};

            buf_put(b, code, sizeof code);
        }
        first = end;
    }
}

char *store_kv_path(const struct store_key *k)
{
    AUTO(buf_deinit) struct buf b;

    buf_init(&b, PATH_MAX_BYTES);
    put_safe(&b, k->scope, '/');
    buf_put_u8(&b, '/');
    put_safe(&b, k->kind, '\0');
    buf_put_u8(&b, '/');
    put_safe(&b, k->id, '\0');
    return b.failed ? NULL : view_dup(buf_view(&b));
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What put_safe() wrote, in @len bytes at @s; NULL when out of memory. */
static char *read_safe(const char *s, size_t len)
{
    char *text = calloc(1, len + 1);

    for (size_t i = 0, n = 0; text != NULL && i < len; i++) {
        int high = i + 2 < len && s[i] == '~' ? hex_digit(s[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(s[i + 2]) : -1;

        if (low >= 0) {
            text[n++] = (char)(high * 16 + low);
            i += 2;
        } else if (s[i] != '~') {
            text[n++] = s[i];
        }
    }
    return text;
}

struct err *store_kv_path_read(const char *path, struct store_key *ret)
{
    const char *id = strrchr(path, '/');
    const char *kind = id != NULL && id > path ? memrchr(path, '/', (size_t)(id - path)) : NULL;

    if (kind == NULL || kind == path || *path == '_') {
        return err_new(ERR_PROTOCOL, "%s: this is not the path of a resource", path);
    }
    AUTO(store_key_deinit) struct store_key k = {read_safe(kind + 1, (size_t)(id - kind) - 1),
                                                 read_safe(path, (size_t)(kind - path)),
                                                 read_safe(id + 1, strlen(id + 1))};

    if (k.kind == NULL || k.scope == NULL || k.id == NULL) {
        return err_nomem();
    }
    AUTO(auto_free) char *same = store_kv_path(&k);

    if (!text_eq(same, path)) {
        return err_new(ERR_PROTOCOL, "%s: this is not the path of a resource", path);
    }
    *ret = k;
    k = (struct store_key){0};
    return NULL;
}

/* --- entries ---------------------------------------------------------------------------------------- */

json_t *store_kv_key_json(const struct store_key *k)
{
    return json_pack("[s, s, s]", k->kind, k->scope, k->id);
}

size_t store_kv_keys_find(const json_t *keys, const json_t *key)
{
    size_t i = 0;

    while (i < json_array_size(keys) && !json_equal(json_array_get(keys, i), key)) {
        i++;
    }
    return i;
}

const char *store_kv_text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

struct err *store_kv_entry_json(const struct store_entry *e, uint64_t revision, struct wall created,
                                struct wall updated, json_t **ret)
{
    AUTO(store_kv_json_free) json_t *tags = json_array();
    AUTO(store_kv_json_free) json_t *refs = json_array();
    bool ok = tags != NULL && refs != NULL;

    for (size_t i = 0; ok && e->tags != NULL && e->tags[i] != NULL; i++) {
        ok = json_array_append_new(tags, json_string(e->tags[i])) == 0;
    }
    for (size_t i = 0; ok && i < e->refs_n; i++) {
        ok = json_array_append_new(refs, store_kv_key_json(&e->refs[i])) == 0;
    }
    *ret = !ok ? NULL
               : json_pack("{s:s, s:s, s:O, s:O, s:I, s:I, s:I}", "name", e->name, "body", e->body,
                           "tags", tags, "refs", refs, "revision", (json_int_t)revision, "created",
                           (json_int_t)created.s, "updated", (json_int_t)updated.s);
    return *ret != NULL ? NULL
                        : err_new(ERR_INPUT, STORE_KEY_WORDS " holds text that is not UTF-8",
                                  STORE_KEY_ARGS(&e->key));
}

static struct err *read_refs(const json_t *refs, struct store_entry *to)
{
    size_t n = json_array_size(refs);
    struct err *e = NULL;

    if (n == 0) {
        return NULL;
    }
    if (n > STORE_REFS_MAX || (to->refs = calloc(n, sizeof *to->refs)) == NULL) {
        return n > STORE_REFS_MAX ? err_new(ERR_PROTOCOL, "it has %zu references", n) : err_nomem();
    }
    for (size_t i = 0; e == NULL && i < n; i++) {
        const json_t *ref = json_array_get(refs, i);
        const struct store_key k = {(char *)json_string_value(json_array_get(ref, 0)),
                                    (char *)json_string_value(json_array_get(ref, 1)),
                                    (char *)json_string_value(json_array_get(ref, 2))};

        e = store_key_copy(&k, &to->refs[i]);
        to->refs_n = i + 1;
    }
    return e;
}

static struct wall time_of(const json_t *entry, const char *name)
{
    return (struct wall){json_integer_value(json_object_get(entry, name))};
}

struct err *store_kv_entry_read(const json_t *item, struct store_entry *ret)
{
    const json_t *entry = json_object_get(item, "entry");
    const json_t *tags = json_object_get(entry, "tags");
    AUTO(store_entry_deinit) struct store_entry to = {
        .key = {text_copy(store_kv_text_of(item, "kind")),
                text_copy(store_kv_text_of(item, "scope")),
                text_copy(store_kv_text_of(item, "id"))},
        .revision = (uint64_t)json_integer_value(json_object_get(entry, "revision")),
        .name = text_copy(store_kv_text_of(entry, "name")),
        .body = text_copy(store_kv_text_of(entry, "body")),
        .created = time_of(entry, "created"),
        .updated = time_of(entry, "updated"),
    };
    bool ok = to.key.kind != NULL && to.key.scope != NULL && to.key.id != NULL && to.name != NULL &&
              to.body != NULL;

    for (size_t i = 0; ok && i < json_array_size(tags); i++) {
        ok = text_list_add(&to.tags, json_string_value(json_array_get(tags, i)));
    }
    struct err *e = ok ? read_refs(json_object_get(entry, "refs"), &to) : err_nomem();

    if (e == NULL) {
        *ret = to;
        to = (struct store_entry){0};
    }
    return e;
}

json_t *store_kv_item_new(const struct store_key *k)
{
    return json_pack("{s:s, s:s, s:s, s:[]}", "kind", k->kind, "scope", k->scope, "id", k->id,
                     "users");
}

static bool are_keys(const json_t *keys)
{
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);

        if (json_array_size(key) != 3 || !json_is_string(json_array_get(key, 0)) ||
            !json_is_string(json_array_get(key, 1)) || !json_is_string(json_array_get(key, 2))) {
            return false;
        }
    }
    return json_is_array(keys);
}

static bool are_texts(const json_t *texts)
{
    for (size_t i = 0; i < json_array_size(texts); i++) {
        if (!json_is_string(json_array_get(texts, i))) {
            return false;
        }
    }
    return json_is_array(texts);
}

static bool is_entry(const json_t *entry)
{
    return json_is_string(json_object_get(entry, "name")) &&
           json_is_string(json_object_get(entry, "body")) &&
           are_texts(json_object_get(entry, "tags")) && are_keys(json_object_get(entry, "refs")) &&
           json_integer_value(json_object_get(entry, "revision")) > 0 &&
           json_is_integer(json_object_get(entry, "created")) &&
           json_is_integer(json_object_get(entry, "updated"));
}

static bool is_intent(const json_t *intent)
{
    const json_t *put = json_object_get(intent, "put");
    const char *agent = store_kv_text_of(intent, "agent");

    return text_name_ok(agent) && *store_kv_text_of(intent, "commit") != '\0' &&
           (put == NULL || is_entry(put)) && are_keys(json_object_get(intent, "add")) &&
           are_keys(json_object_get(intent, "remove"));
}

static bool is_item(const json_t *item, const struct store_key *k)
{
    const json_t *entry = json_object_get(item, "entry");
    const json_t *intent = json_object_get(item, "intent");

    return text_eq(store_kv_text_of(item, "kind"), k->kind) &&
           text_eq(store_kv_text_of(item, "scope"), k->scope) &&
           text_eq(store_kv_text_of(item, "id"), k->id) && (entry == NULL || is_entry(entry)) &&
           are_keys(json_object_get(item, "users")) && (intent == NULL || is_intent(intent));
}

struct err *store_kv_item_parse(const char *path, const char *text, json_t **ret)
{
    json_error_t where;
    AUTO(store_kv_json_free) json_t *item = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    AUTO(store_key_deinit) struct store_key key = {0};

    if (!json_is_object(item)) {
        return err_new(ERR_PROTOCOL, "%s is no entry of Holdfast's: %s", path,
                       item != NULL ? "no object" : where.text);
    }
    if (*path != '_') {
        struct err *e = store_kv_path_read(path, &key);

        if (e != NULL || !is_item(item, &key)) {
            return e != NULL ? e
                             : err_new(ERR_PROTOCOL,
                                       "%s is no entry of Holdfast's: its content "
                                       "is not that of a resource",
                                       path);
        }
    }
    *ret = take(&item);
    return NULL;
}

struct err *store_kv_item_settle(json_t *item, bool done)
{
    json_t *intent = json_object_get(item, "intent");
    json_t *users = json_object_get(item, "users");
    json_t *put = json_object_get(intent, "put");
    const json_t *add = json_object_get(intent, "add");
    const json_t *gone = json_object_get(intent, "remove");
    bool ok = true;

    if (done && put != NULL) {
        ok = json_object_set(item, "entry", put) == 0;
    } else if (done && json_is_true(json_object_get(intent, "delete"))) {
        (void)json_object_del(item, "entry");
    }
    for (size_t i = 0; done && i < json_array_size(gone); i++) {
        (void)json_array_remove(users, store_kv_keys_find(users, json_array_get(gone, i)));
    }
    for (size_t i = 0; ok && done && i < json_array_size(add); i++) {
        json_t *key = json_array_get(add, i);

        if (store_kv_keys_find(users, key) == json_array_size(users)) {
            ok = json_array_append(users, key) == 0;
        }
    }
    (void)json_object_del(item, "intent");
    return ok ? NULL : err_nomem();
}

bool store_kv_item_is_empty(const json_t *item)
{
    return item == NULL ||
           (json_object_get(item, "entry") == NULL && json_object_get(item, "intent") == NULL &&
            json_object_get(item, "kind") != NULL &&
            json_array_size(json_object_get(item, "users")) == 0);
}
