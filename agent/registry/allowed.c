/*
 * What a resource may make the agent read. A connector or an SSH key names places where secrets lie,
 * and the agent, who may read much, reads them: whoever administers one project only could name the
 * files of others, and send what is in them to a server of his own. So below the account a file has to
 * lie in a folder that holdfast.yaml gives to that scope, a login key has to be given likewise, and
 * what belongs to the whole process (its environment, its credentials, its user's own token) cannot be
 * named at all.
 *
 * The judgement is by text alone. Whoever may write to such a folder can put links into it: the folder
 * has to be the agent's user's, which the configuration sees to.
 */
#include "registry/registry.h"

struct judge {
    const struct registry_allowed_list *list;
    const char *scope;
};

static bool is_at_or_below(const char *scope, const char *of)
{
    size_t len = strlen(of);

    return strcmp(of, "account") == 0 ||
           (strncmp(scope, of, len) == 0 && (scope[len] == '\0' || scope[len] == '/'));
}

/* A path with a part that is empty or made of dots may lead anywhere. */
static bool is_straight(const char *path)
{
    for (const char *part = path; part != NULL; part = strchr(part + 1, '/')) {
        size_t len = strcspn(part + 1, "/");

        if (part[0] != '/' || len == 0 || (len <= 2 && strspn(part + 1, ".") >= len)) {
            return false;
        }
    }
    return true;
}

static bool is_in(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    while (len > 0 && folder[len - 1] == '/') {
        len--;
    }
    return strncmp(path, folder, len) == 0 && path[len] == '/';
}

static bool file_is_allowed(const struct judge *j, const char *path)
{
    for (size_t i = 0; i < j->list->n && is_straight(path); i++) {
        const struct registry_allowed *a = &j->list->rows[i];

        if (a->folder != NULL && is_at_or_below(j->scope, a->scope) && is_in(path, a->folder)) {
            return true;
        }
    }
    return false;
}

static bool key_is_allowed(const struct judge *j, const char *key)
{
    for (size_t i = 0; i < j->list->n; i++) {
        const struct registry_allowed *a = &j->list->rows[i];

        if (a->key != NULL && is_at_or_below(j->scope, a->scope) && strcmp(a->key, key) == 0) {
            return true;
        }
    }
    return false;
}

static struct err *check_file(const struct judge *j, const char *at, const char *path)
{
    return path != NULL && file_is_allowed(j, path)
               ? NULL
               : err_new(ERR_DENIED,
                         "%s: below the account a file has to lie in a folder that holdfast.yaml "
                         "gives to the scope, as in registry: {secret-folders: [{scope: %s, path: "
                         "FOLDER}]}",
                         at, j->scope);
}

static struct err *check_key(const struct judge *j, const char *at, const char *key)
{
    return key != NULL && key_is_allowed(j, key)
               ? NULL
               : err_new(ERR_DENIED,
                         "%s: below the account a login key has to be one that holdfast.yaml gives "
                         "to the scope, in just these words, as in registry: {login-keys: [{scope: "
                         "%s, key: URI}]}",
                         at, j->scope);
}

static struct err *only_account(const char *at)
{
    return err_new(ERR_DENIED,
                   "%s: belongs to the agent as a whole, so that only a resource of the account "
                   "may name it: name a file",
                   at);
}

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static struct err *check_login(const struct judge *j, const json_t *login)
{
    const char *method = json_string_value(json_object_get(login, "method"));
    bool names_file = false;
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)login, name, value)
    {
        AUTO(auto_free) char *at = text_fmt("/spec/login/%s", name);
        const char *text = json_string_value(value);
        struct err *e = at == NULL                      ? err_nomem()
                        : ends_in(name, "_environment") ? only_account(at)
                        : ends_in(name, "_file")        ? check_file(j, at, text)
                        : strcmp(name, "key") == 0      ? check_key(j, at, text)
                                                        : NULL;

        if (e != NULL) {
            return e;
        }
        names_file = names_file || ends_in(name, "_file");
    }
    /* the places that they have where none is named are the agent's own */
    if (!names_file && text_eq(method, "token")) {
        return check_file(j, "/spec/login/token_file", NULL);
    }
    if (!names_file && text_eq(method, "kubernetes")) {
        return check_file(j, "/spec/login/jwt_file", NULL);
    }
    return NULL;
}

static struct err *check_pin(const struct judge *j, const json_t *pin)
{
    static const char *const own[] = {"environment", "credential", "command"};
    const json_t *file = json_object_get(pin, "file");

    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        AUTO(auto_free) char *at = text_fmt("/spec/pin/%s", own[i]);

        if (json_object_get(pin, own[i]) != NULL) {
            return at != NULL ? only_account(at) : err_nomem();
        }
    }
    return file != NULL ? check_file(j, "/spec/pin/file", json_string_value(file)) : NULL;
}

struct err *registry_allowed_check(const struct registry_allowed_list *list,
                                   enum registry_kind kind, const char *scope, const json_t *spec)
{
    const struct judge j = {list, scope};

    if (text_eq(scope, "account") || (kind != REGISTRY_CONNECTOR && kind != REGISTRY_SSH_KEY)) {
        return NULL;
    }
    if (kind == REGISTRY_CONNECTOR) {
        return check_login(&j, json_object_get(spec, "login"));
    }
    return check_pin(&j, json_object_get(spec, "pin"));
}
