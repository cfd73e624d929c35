/*
 * Members of a spec by their path, for --set and for options that stand deep in it.
 */
#include <stdlib.h>

#include "cli/form.h"
#include "cli/yaml_json.h"

enum { INDEX_MAX_DIGITS = 5 };

static bool is_index(const char *part)
{
    size_t len = strlen(part);

    return len > 0 && len <= INDEX_MAX_DIGITS && strspn(part, "0123456789") == len;
}

/* The member of @holder; where it is absent, and more of the path follows, an object is made. */
static json_t *step_into(json_t *holder, const char *part)
{
    if (json_is_array(holder)) {
        size_t i = is_index(part) ? strtoul(part, NULL, 10) : SIZE_MAX;

        if (i == json_array_size(holder)) {
            json_array_append_new(holder, json_object());
        }
        return json_array_get(holder, i);
    }
    if (json_is_object(holder) && json_object_get(holder, part) == NULL) {
        json_object_set_new(holder, part, json_object());
    }
    return json_object_get(holder, part);
}

/* False where @holder cannot have such a member. @value is taken. */
static bool put_member(json_t *holder, const char *part, json_t *value)
{
    bool gone = json_is_null(value);
    size_t i = is_index(part) ? strtoul(part, NULL, 10) : SIZE_MAX;

    if (json_is_object(holder)) {
        return json_object_set_new(holder, part, value) == 0;
    }
    if (json_is_array(holder) && gone) {
        return json_array_remove(holder, i) == 0;
    }
    if (json_is_array(holder) && i == json_array_size(holder)) {
        return json_array_append_new(holder, value) == 0;
    }
    if (json_is_array(holder)) {
        return json_array_set_new(holder, i, value) == 0;
    }
    json_decref(value);
    return false;
}

struct err *form_set(json_t *spec, const char *path, json_t *value)
{
    AUTO(auto_free) char *copy = strdup(path);
    json_t *holder = spec;
    char *part = copy;
    bool ok = copy != NULL && value != NULL;

    for (char *dot; ok && (dot = strchr(part, '.')) != NULL; part = dot + 1) {
        *dot = '\0';
        holder = step_into(holder, part);
        ok = part[0] != '\0' && holder != NULL;
    }
    if (!ok || part[0] == '\0') {
        json_decref(value);
        return err_new(ERR_INPUT, "there can be no member '%s'", path);
    }
    return put_member(holder, part, value)
               ? NULL
               : err_new(ERR_INPUT, "there can be no member '%s'", path);
}

struct err *form_assign(json_t *spec, const char *text)
{
    const char *equals = strchr(text, '=');
    json_t *value = NULL;

    if (equals == NULL || equals == text) {
        return err_new(ERR_INPUT, "--set %s is not MEMBER=VALUE", text);
    }
    AUTO(auto_free) char *path = strndup(text, (size_t)(equals - text));
    struct err *e =
        path == NULL ? err_nomem() : yaml_json_read(path, view_cstr(equals + 1), &value);

    return err_add(e == NULL ? form_set(spec, path, value) : e, "--set");
}
