/*
 * Where a mistake is, in the words of who made it. The agent names a member of a body by its JSON
 * pointer ("/spec/addresses/0: ..."), and nobody typed that: people type options, --set, or lines of a
 * file. What is wrong stays as the agent says it.
 *
 * Only the place is said again, never a value: a secret may stand where it does not belong.
 */
#include <stdlib.h>

#include "base/yaml.h"
#include "cli/form.h"
#include "cli/yaml_json.h"

/* The pointers that a text begins with ("/resources/0: /spec/key: "), as one, and what follows them, with
 * the colon; NULL where it begins with none, or without memory. */
static char *pointer_of(const char *text, const char **ret_rest)
{
    struct buf b;

    buf_init(&b, 0);
    *ret_rest = text;
    for (size_t len = 0; text[0] == '/' && text[len = strcspn(text, ": ")] == ':';) {
        buf_put(&b, text, len);
        *ret_rest = text + len;
        text += len + strspn(text + len, ": ");
    }
    char *pointer = b.len > 0 ? view_dup(buf_view(&b)) : NULL;

    buf_deinit(&b);
    return pointer;
}

/* "/spec/hosts/0/port" as "spec.hosts[0].port", or with @set as --set has it: "hosts.0.port". */
static char *path_of(const char *pointer, bool set)
{
    struct buf b;

    buf_init(&b, 0);
    if (set && strncmp(pointer, "/spec/", 6) == 0) {
        pointer += 5;
    }
    while (pointer[0] == '/') {
        size_t len = strcspn(++pointer, "/");
        bool is_index = len > 0 && strspn(pointer, "0123456789") == len && !set;

        buf_put(&b, is_index ? "[" : ".", is_index || b.len > 0 ? 1 : 0);
        buf_put(&b, pointer, len);
        buf_put(&b, "]", is_index ? 1 : 0);
        pointer += len;
    }
    char *path = view_dup(buf_view(&b));

    buf_deinit(&b);
    return path;
}

/* "FILE:LINE: addresses.0"; what cannot be read once more has no lines. */
static char *in_file(const char *file, const char *pointer)
{
    AUTO(auto_free) char *path = path_of(pointer, false);
    AUTO(auto_free) char *member = path_of(pointer, true);
    bool is_stdin = text_eq(file, "-");
    struct buf text;
    char *where = NULL;

    buf_init(&text, YAML_JSON_MAX_BYTES + 1);
    AUTO(err_free) struct err *e = is_stdin ? NULL : file_read(file, YAML_JSON_MAX_BYTES, &text);

    if (path != NULL && member != NULL) {
        where = is_stdin || e != NULL
                    ? text_fmt("%s: %s", is_stdin ? "standard input" : file, member)
                    : text_fmt("%s:%u: %s", file, yaml_line_of(buf_view(&text), path), member);
    }
    buf_deinit(&text);
    return where;
}

static bool is_on_way(const char *part, size_t len, const char *path)
{
    return strncmp(part, path, len) == 0 && (path[len] == '.' || path[len] == '\0');
}

static bool was_set(const struct cli *c, const char *path)
{
    unsigned at = 0;

    for (const char *v; (v = cli_option_each(c, "set", &at)) != NULL;) {
        size_t len = strcspn(v, "=");

        if (is_on_way(v, len, path) ||
            (len > strlen(path) && strncmp(path, v, strlen(path)) == 0 && v[strlen(path)] == '.')) {
            return true;
        }
    }
    return false;
}

/* "--address", or, of several, "--address, number 2". */
static char *of_option(const struct cli *c, const char *option, const char *rest)
{
    unsigned at = 0;
    size_t n = 0;

    while (cli_option_each(c, option, &at) != NULL) {
        n++;
    }
    return n > 1 && rest[0] >= '0' && rest[0] <= '9'
               ? text_fmt("--%s, number %lu", option, strtoul(rest, NULL, 10) + 1)
               : text_fmt("--%s", option);
}

static char *where_is(const struct cli *c, const struct resource_kind *k, const char *file,
                      const char *pointer)
{
    AUTO(auto_free) char *path = path_of(pointer, true);
    const char *rest = "";
    const char *option = path != NULL ? form_option(k, path, &rest) : NULL;

    if (path == NULL) {
        return NULL;
    }
    if (was_set(c, path)) {
        return text_fmt("--set %s", path);
    }
    if (option != NULL && cli_option(c, option) != NULL) {
        return of_option(c, option, rest);
    }
    if (file != NULL) {
        return in_file(file, pointer);
    }
    if (text_eq(path, "name")) {
        return text_copy("NAME");
    }
    return option != NULL && rest[0] == '\0' ? text_fmt("--%s", option) : take(&path);
}

/* @where is taken. */
static struct err *told(struct err *e, char *where, const char *rest)
{
    struct err *better = where != NULL ? err_new(err_code(e), "%s%s", where, rest) : NULL;

    free(where);
    if (better == NULL) {
        return e;
    }
    err_free(&e);
    return better;
}

struct err *form_explain(const struct cli *c, const struct resource_kind *k, const char *file,
                         struct err *e)
{
    const char *rest = NULL;
    AUTO(auto_free) char *pointer = pointer_of(err_text(e), &rest);

    return pointer != NULL ? told(e, where_is(c, k, file, pointer), rest) : e;
}

struct err *form_explain_document(const char *file, const char *made, struct err *e)
{
    const char *rest = NULL;
    AUTO(auto_free) char *pointer = pointer_of(err_text(e), &rest);
    size_t len = pointer != NULL && strncmp(pointer, made, strlen(made)) == 0 ? strlen(made) : 0;

    return pointer != NULL ? told(e, in_file(file, pointer + len), rest) : e;
}
