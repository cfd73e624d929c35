/*
 * What differs between two JSON values, for people who are about to apply a document. Objects are
 * compared member by member, lists entry by entry. Long texts (PEM) are told by their length.
 */
#include "registry/diff.h"

enum { SHOWN_TEXT_MAX = 256, DEPTH_MAX = 32 };

static json_t *shown(const json_t *value)
{
    if (json_string_length(value) > SHOWN_TEXT_MAX) {
        return json_sprintf("(%zu bytes)", json_string_length(value));
    }
    return json_deep_copy(value);
}

static struct err *add(json_t *list, const char *at, const json_t *from, const json_t *to)
{
    json_t *entry = NULL;

    if (json_array_size(list) > REGISTRY_DIFF_MAX) {
        return NULL;
    }
    if (json_array_size(list) == REGISTRY_DIFF_MAX) {
        entry = json_pack("{s:b}", "more", 1);
    } else {
        entry = json_pack("{s:s, s:o*, s:o*}", "at", at, "from", from != NULL ? shown(from) : NULL,
                          "to", to != NULL ? shown(to) : NULL);
    }
    return entry != NULL && json_array_append_new(list, entry) == 0 ? NULL : err_nomem();
}

static char *inside(const char *at, const char *name)
{
    AUTO(buf_deinit) struct buf text;

    buf_init(&text, 0);
    buf_put(&text, at, strlen(at));
    buf_put_u8(&text, '/');
    for (; *name != '\0'; name++) {
        const char *as = *name == '~' ? "~0" : *name == '/' ? "~1" : NULL;

        buf_put(&text, as != NULL ? as : name, as != NULL ? 2 : 1);
    }
    return view_dup(buf_view(&text));
}

static struct err *compare(json_t *list, const char *at, const json_t *from, const json_t *to,
                           unsigned depth);

static struct err *compare_member(json_t *list, const char *at, const char *name,
                                  const json_t *from, const json_t *to, unsigned depth)
{
    AUTO(auto_free) char *here = inside(at, name);

    return here != NULL ? compare(list, here, from, to, depth + 1) : err_nomem();
}

static struct err *compare_objects(json_t *list, const char *at, const json_t *from,
                                   const json_t *to, unsigned depth)
{
    struct err *e = NULL;
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)from, name, value)
    {
        const json_t *other = json_object_get(to, name);

        e = e == NULL ? compare_member(list, at, name, value, other, depth) : e;
    }
    json_object_foreach((json_t *)to, name, value)
    {
        if (e == NULL && json_object_get(from, name) == NULL) {
            e = compare_member(list, at, name, NULL, value, depth);
        }
    }
    return e;
}

static struct err *compare_lists(json_t *list, const char *at, const json_t *from, const json_t *to,
                                 unsigned depth)
{
    size_t n =
        json_array_size(from) > json_array_size(to) ? json_array_size(from) : json_array_size(to);
    struct err *e = NULL;

    for (size_t i = 0; i < n && e == NULL; i++) {
        char index[24];

        snprintf(index, sizeof index, "%zu", i);
        e = compare_member(list, at, index, json_array_get(from, i), json_array_get(to, i), depth);
    }
    return e;
}

static struct err *compare(json_t *list, const char *at, const json_t *from, const json_t *to,
                           unsigned depth)
{
    if (from != NULL && to != NULL && json_equal(from, to)) {
        return NULL;
    }
    if (json_is_object(from) && json_is_object(to) && depth < DEPTH_MAX) {
        return compare_objects(list, at, from, to, depth);
    }
    if (json_is_array(from) && json_is_array(to) && depth < DEPTH_MAX) {
        return compare_lists(list, at, from, to, depth);
    }
    return add(list, at, from, to);
}

struct err *registry_diff(const json_t *from, const json_t *to, json_t **ret)
{
    json_t *list = json_array();
    struct err *e = list != NULL ? compare(list, "", from, to, 0) : err_nomem();

    if (e != NULL) {
        json_decref(list);
        return e;
    }
    *ret = list;
    return NULL;
}
