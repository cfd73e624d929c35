/*
 * The part of a body that all kinds share: name, description, tags. It is judged here, and brought into
 * one shape, so that two bodies can be compared: a document with what is stored, or with itself a day
 * later.
 */
#include "registry/check.h"
#include "registry/name.h"
#include "registry/resource.h"
#include "registry/secret.h"

enum { DESCRIPTION_MAX = 4096, TAGS_MAX = 64 };

static struct err *check_description(const json_t *text)
{
    const char *p = json_string_value(text);
    uint32_t c = 0;

    if (p == NULL || strlen(p) != json_string_length(text)) {
        return err_new(ERR_INPUT, "/description: must be a text");
    }
    if (strlen(p) > DESCRIPTION_MAX) {
        return err_new(ERR_LIMIT, "/description: has %zu bytes, at most %d are allowed", strlen(p),
                       DESCRIPTION_MAX);
    }
    struct err *e = registry_secret_text(p);

    while (e == NULL && *p != '\0') {
        if (!registry_utf8_next(&p, &c) ||
            (registry_char_is_hidden(c) && c != '\n' && c != '\t' && c != '\r')) {
            return err_new(ERR_INPUT, "/description: holds a character that cannot be seen");
        }
    }
    return err_add(e, "/description");
}

static struct err *check_tags(const json_t *tags)
{
    if (!json_is_array(tags)) {
        return err_new(ERR_INPUT, "/tags: must be a list");
    }
    if (json_array_size(tags) > TAGS_MAX) {
        return err_new(ERR_LIMIT, "/tags: at most %d are allowed", TAGS_MAX);
    }
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const json_t *tag = json_array_get(tags, i);
        const char *text = json_string_value(tag);

        if (text == NULL || strlen(text) != json_string_length(tag)) {
            return err_new(ERR_INPUT, "/tags/%zu: must be a text", i);
        }
        struct err *e = registry_secret_text(text);

        e = e == NULL ? registry_check_tag(text) : e;
        if (e != NULL) {
            return err_add(e, "/tags/%zu", i);
        }
        for (size_t k = 0; k < i; k++) {
            if (text_eq(text, json_string_value(json_array_get(tags, k)))) {
                return err_new(ERR_INPUT, "/tags/%zu: is there twice", i);
            }
        }
    }
    return NULL;
}

static struct err *check_name(const json_t *body)
{
    const json_t *name = json_object_get(body, "name");
    const char *text = json_string_value(name);

    if (text == NULL || strlen(text) != json_string_length(name)) {
        return err_new(ERR_INPUT, "/name: %s", name != NULL ? "must be a text" : "is missing");
    }
    struct err *e = registry_name_check(text);

    return e == NULL ? err_add(registry_secret_text(text), "/name") : e;
}

static struct err *check_members(const json_t *body)
{
    static const char *const known[] = {"name", "description", "tags", "spec"};
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)body, name, value)
    {
        bool found = false;

        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
            found = found || strcmp(known[i], name) == 0;
        }
        if (!found && registry_secret_member(name)) {
            return registry_secret_denied();
        }
        if (!found) {
            AUTO(auto_free) char *safe = text_safe(view_of(name, strnlen(name, 64)));

            return err_new(ERR_INPUT,
                           "/%s: there is no such member; there are: name, description, "
                           "tags, spec",
                           safe != NULL ? safe : "");
        }
    }
    return NULL;
}

struct err *registry_resource_check(const json_t *body)
{
    if (!json_is_object(body)) {
        return err_new(ERR_INPUT, "the body must be an object with name and spec");
    }
    const json_t *description = json_object_get(body, "description");
    const json_t *tags = json_object_get(body, "tags");
    const json_t *spec = json_object_get(body, "spec");
    struct err *e = check_members(body);

    e = e == NULL ? check_name(body) : e;
    if (e == NULL && description != NULL && !json_is_null(description)) {
        e = check_description(description);
    }
    if (e == NULL && tags != NULL && !json_is_null(tags)) {
        e = check_tags(tags);
    }
    if (e == NULL && !json_is_object(spec)) {
        e = err_new(ERR_INPUT, "/spec: %s", spec != NULL ? "must be an object" : "is missing");
    }
    return e;
}

struct err *registry_resource_tidy(enum registry_kind k, const json_t *body, json_t **ret)
{
    const json_t *description = json_object_get(body, "description");
    const json_t *tags = json_object_get(body, "tags");

    if (!json_is_object(json_object_get(body, "spec"))) {
        return err_new(ERR_INPUT, "/spec: must be an object");
    }
    json_t *made = json_pack("{s:O?, s:o}", "name", json_object_get(body, "name"), "tags",
                             json_array_size(tags) > 0 ? json_deep_copy(tags) : json_array());

    if (made == NULL ||
        json_object_set_new(made, "spec", json_deep_copy(json_object_get(body, "spec"))) != 0 ||
        json_object_set_new(made, "description",
                            json_is_string(description) ? json_deep_copy(description)
                                                        : json_null()) != 0) {
        json_decref(made);
        return err_nomem();
    }
    struct err *e = registry_spec_tidy(k, json_object_get(made, "spec"));

    if (e != NULL) {
        json_decref(made);
        return e;
    }
    *ret = made;
    return NULL;
}
