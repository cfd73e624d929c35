/*
 * Scopes: account, organizations in it, projects in those. What lies above may be used from below;
 * nothing is ever seen sideways or downwards. A scope is text, and its meaning is its form, so that
 * these two questions need no registry.
 */
#include "policy/policy.h"

/* One identifier at @p: its length, 0 when there is none. */
static size_t identifier_len(const char *p)
{
    size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return n <= POLICY_IDENTIFIER_MAX_BYTES ? n : 0;
}

bool policy_scope_ok(const char *scope)
{
    static const char org[] = "org/", project[] = "/project/";

    if (strcmp(scope, "account") == 0) {
        return true;
    }
    if (strncmp(scope, org, strlen(org)) != 0) {
        return false;
    }
    scope += strlen(org);
    size_t n = identifier_len(scope);

    if (n == 0 || scope[n] == '\0') {
        return n > 0;
    }
    if (strncmp(scope + n, project, strlen(project)) != 0) {
        return false;
    }
    scope += n + strlen(project);
    n = identifier_len(scope);
    return n > 0 && scope[n] == '\0';
}

bool policy_scope_reaches(const char *from, const char *scope)
{
    size_t len = strlen(scope);

    return strcmp(scope, "account") == 0 || strcmp(from, scope) == 0 ||
           (len > 0 && strncmp(from, scope, len) == 0 &&
            strncmp(from + len, "/project/", strlen("/project/")) == 0);
}

static bool has_all(char *const *has, char *const *wanted)
{
    for (; wanted != NULL && *wanted != NULL; wanted++) {
        if (!text_list_has(has, *wanted)) {
            return false;
        }
    }
    return true;
}

bool policy_shows(const struct policy_view *v, const struct identity *i)
{
    const char *scope = identity_scope(i);

    if (v == NULL) {
        return true;
    }
    return (v->scope == NULL || policy_scope_reaches(v->scope, scope)) &&
           has_all(identity_tags(i), v->tags);
}
