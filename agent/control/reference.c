/*
 * References: how one resource names another, at its own scope or above. Only where a handler follows
 * one by itself; the registry checks them when they are stored.
 */
#include "control/reference.h"

#include <stdlib.h>

static char *org_of(const char *scope)
{
    static const char org[] = "org/";

    if (strncmp(scope, org, strlen(org)) != 0) {
        return NULL;
    }
    return strndup(scope, strlen(org) + strcspn(scope + strlen(org), "/"));
}

struct err *control_reference(const char *scope, const char *text, char **ret_scope, char **ret_id)
{
    const char *dot = strchr(text, '.');
    size_t word = dot != NULL ? (size_t)(dot - text) : 0;
    const char *id = dot != NULL ? dot + 1 : text;
    AUTO(auto_free) char *at = NULL;

    if (word == 0 && dot == NULL) {
        at = strdup(scope);
    } else if (view_is(view_of(text, word), "account")) {
        at = strdup("account");
    } else if (view_is(view_of(text, word), "org") && !text_eq(scope, "account")) {
        at = org_of(scope);
    } else {
        AUTO(auto_free) char *safe = text_safe(view_cstr(text));

        return err_new(ERR_INPUT, "%s is no reference at %s", safe != NULL ? safe : "", scope);
    }
    char *copy = strdup(id);

    if (at == NULL || copy == NULL) {
        free(copy);
        return err_nomem();
    }
    *ret_scope = take(&at);
    *ret_id = copy;
    return NULL;
}
