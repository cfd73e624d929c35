/*
 * The three scopes and the references between them. A scope is text: "account", "org/NAME",
 * "org/NAME/project/NAME". What is above a scope can be read off it, so a reference needs to say no
 * more than how far up it goes; down and sideways cannot even be written.
 */
#include <stdlib.h>

#include "registry/name.h"
#include "registry/registry.h"

static bool is_identifier(struct view v)
{
    AUTO(auto_free) char *text = view_dup(v);

    return text != NULL && registry_identifier_ok(text);
}

static bool level_of(const char *scope, enum registry_level *ret)
{
    static const char org[] = "org/";
    static const char project[] = "/project/";

    if (strcmp(scope, "account") == 0) {
        *ret = REGISTRY_ACCOUNT;
        return true;
    }
    if (strncmp(scope, org, strlen(org)) != 0) {
        return false;
    }
    const char *name = scope + strlen(org);
    const char *rest = name + strcspn(name, "/");

    if (!is_identifier(view_of(name, (size_t)(rest - name)))) {
        return false;
    }
    *ret = *rest == '\0' ? REGISTRY_ORG : REGISTRY_PROJECT;
    return *rest == '\0' || (strncmp(rest, project, strlen(project)) == 0 &&
                             registry_identifier_ok(rest + strlen(project)));
}

struct err *registry_scope_check(const char *scope)
{
    enum registry_level level;

    if (!level_of(scope, &level)) {
        return err_new(ERR_INPUT,
                       "a scope is account, org/NAME or org/NAME/project/NAME, with names "
                       "of a-z, 0-9 and _");
    }
    return NULL;
}

bool registry_scope_is_below(const char *scope, const char *top)
{
    size_t len = strlen(top);

    return strcmp(top, "account") == 0 ||
           (strncmp(scope, top, len) == 0 && (scope[len] == '\0' || scope[len] == '/'));
}

/* The part after "account." or "org."; all of it where it names its own scope. */
static const char *id_of(const char *reference)
{
    if (strncmp(reference, "account.", 8) == 0) {
        return reference + 8;
    }
    return strncmp(reference, "org.", 4) == 0 ? reference + 4 : reference;
}

struct err *registry_reference_check(const char *reference)
{
    if (!registry_identifier_ok(id_of(reference))) {
        return err_new(
            ERR_INPUT,
            "a reference is an identifier (a-z, 0-9 and _; lists show it) of its own scope, "
            "or one above it as org.IDENTIFIER or account.IDENTIFIER; never down, never "
            "sideways");
    }
    return NULL;
}

struct err *registry_reference_resolve(const char *scope, const char *reference, char **ret_scope,
                                       const char **ret_id)
{
    struct err *e = registry_reference_check(reference);
    enum registry_level level = REGISTRY_ACCOUNT;

    if (e != NULL || !level_of(scope, &level)) {
        return e != NULL ? e : registry_scope_check(scope);
    }
    const char *id = id_of(reference);
    char *target;

    if (*reference == 'a' && id != reference) {
        target = text_copy("account");
    } else if (id == reference || level == REGISTRY_ORG) {
        target = text_copy(scope);
    } else if (level == REGISTRY_ACCOUNT) {
        return err_new(ERR_INPUT, "there is no organization above the account");
    } else {
        target = view_dup(view_of(scope, 4 + strcspn(scope + 4, "/")));
    }
    if (target == NULL) {
        return err_nomem();
    }
    *ret_scope = target;
    *ret_id = id;
    return NULL;
}
