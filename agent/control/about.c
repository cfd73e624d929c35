/*
 * About the registry: the scopes in use, and how it is. A client is told of what it may see and of
 * nothing else: scopes at which its grants count, counts at and below a scope of its own, and what of
 * the machine (the file, why Vault is away) only to a viewer of the account.
 */
#include <stdlib.h>

#include "control/resources.h"

enum { WAIT_MS = 30 * 1000, PAGE = 100, PAGE_MAX = 1000, CURSOR_MAX_BYTES = 4096 };

const char *const control_scopes_query[] = {"after", "limit", NULL};
const char *const control_registry_status_query[] = {"scope", NULL};

struct err *control_scopes_list(struct control_request *r)
{
    const struct control_deps *d = control_deps_of(r);
    const char *after = control_query(r, "after");
    AUTO(text_list_free) char **tops = control_scopes_of(d, control_peer_get(r));
    struct registry *registry;
    size_t limit = PAGE;
    struct err *e = control_query_number(r, "limit", PAGE_MAX, &limit);

    if (e == NULL && after != NULL && strlen(after) > CURSOR_MAX_BYTES) {
        e = err_new(ERR_INPUT, "query: after has to have at most %d bytes", CURSOR_MAX_BYTES);
    }
    if (e == NULL && tops == NULL) {
        e = err_new(ERR_DENIED, "uid %u sees no scope", (unsigned)control_caller(r).uid);
    }
    e = e == NULL ? control_registry_of(r, &registry) : e;
    e = e == NULL ? control_wait(r, WAIT_MS, "the registry", NULL, NULL) : e;
    if (e == NULL) {
        registry_scopes(registry, tops, after, limit, control_answer_text_done, r);
    }
    return e;
}

/* Those at and below the scope; what has no scope of its own is the account's. */
static json_t *problems_at(const json_t *all, const char *scope)
{
    json_t *list = json_array();
    size_t i;
    json_t *problem;

    json_array_foreach(all, i, problem)
    {
        const char *at = json_string_value(json_object_get(problem, "scope"));

        if (registry_scope_is_below(at != NULL ? at : "account", scope)) {
            json_array_append(list, problem);
        }
    }
    return list;
}

static json_t *with_problems(struct control_request *r, const json_t *status)
{
    const struct control_deps *d = control_deps_of(r);
    const char *scope = json_string_value(json_object_get(status, "scope"));
    json_t *known = d->registry_problems != NULL ? d->registry_problems(d->arg) : NULL;
    json_t *retry = json_object_get(known, "retry_s");
    json_t *all = json_copy((json_t *)(uintptr_t)status);
    AUTO(err_free) struct err *hidden = control_need(r, CONTROL_VIEWER, "account");

    json_object_set_new(all, "problems", problems_at(json_object_get(known, "problems"), scope));
    json_object_set_new(all, "retry_s", retry != NULL ? json_incref(retry) : json_null());
    if (hidden != NULL) {
        json_object_set_new(all, "store", json_null());
    }
    json_decref(known);
    return all;
}

static void on_status(void *arg, struct err *e, json_t *result)
{
    if (control_came(arg, e)) {
        control_answer(arg, 200, with_problems(arg, result));
    }
}

struct err *control_registry_status(struct control_request *r)
{
    const char *asked = control_query(r, "scope");
    const char *scope = asked != NULL ? asked : "account";
    struct registry *registry;
    struct err *e = control_need(r, CONTROL_VIEWER, scope);

    e = e == NULL ? control_registry_of(r, &registry) : e;
    e = e == NULL ? control_wait(r, WAIT_MS, "the registry", NULL, NULL) : e;
    if (e == NULL) {
        registry_status(registry, scope, on_status, r);
    }
    return e;
}
