/*
 * What a role may certify. Everything that it does not name is refused, in words that say what was
 * asked and what would have been allowed: whoever reads them has to change one of the two.
 */
#include <stdlib.h>

#include "ca/priv.h"

/* What ssh-keygen gives to a user's certificate (OpenSSH, PROTOCOL.certkeys). */
static const struct ssh_cert_option usual[] = {
    {(char *)"permit-X11-forwarding", (char *)""},  {(char *)"permit-agent-forwarding", (char *)""},
    {(char *)"permit-port-forwarding", (char *)""}, {(char *)"permit-pty", (char *)""},
    {(char *)"permit-user-rc", (char *)""},         {NULL, NULL},
};

static struct err *copy(const struct ca_role *from, struct ca_role *to)
{
    struct ssh_cert_option *extensions = NULL;

    if (from->name == NULL || from->principals == NULL || from->principals[0] == NULL) {
        return err_new(ERR_INPUT, "a role needs a name and principals");
    }
    struct err *e = ssh_cert_options_copy(from->extensions, &extensions);

    to->name = text_copy(from->name);
    to->principals = text_list_copy(from->principals);
    to->extensions = extensions;
    to->max_ttl_s = from->max_ttl_s != 0         ? from->max_ttl_s
                    : from->ttl_s > CA_TTL_MAX_S ? from->ttl_s
                                                 : CA_TTL_MAX_S;
    to->ttl_s = from->ttl_s != 0 ? from->ttl_s : CA_TTL_S;
    to->ttl_s = to->ttl_s < to->max_ttl_s ? to->ttl_s : to->max_ttl_s;
    return e == NULL && (to->name == NULL || to->principals == NULL) ? err_nomem() : e;
}

struct err *ca_roles_copy(const struct ca_role *from, size_t n, struct ca_role **ret)
{
    struct ca_role *roles = n > 0 ? calloc(n, sizeof *roles) : NULL;
    struct err *e = NULL;

    if (roles == NULL) {
        return n > 0 ? err_nomem() : err_new(ERR_INPUT, "no roles");
    }
    for (size_t i = 0; e == NULL && i < n; i++) {
        e = copy(&from[i], &roles[i]);
    }
    if (e != NULL) {
        ca_roles_free(&roles, n);
    }
    *ret = roles;
    return e;
}

void ca_roles_free(struct ca_role **rp, size_t n)
{
    struct ca_role *roles = take(rp);

    for (size_t i = 0; roles != NULL && i < n; i++) {
        char **principals = (char **)roles[i].principals;
        struct ssh_cert_option *extensions = (struct ssh_cert_option *)roles[i].extensions;

        free((char *)roles[i].name);
        text_list_free(&principals);
        ssh_cert_options_free(&extensions);
    }
    free(roles);
}

struct err *ca_role_find(const struct ca_role *roles, size_t n, const char *name,
                         const struct ca_role **ret)
{
    for (size_t i = 0; i < n; i++) {
        if (name == NULL ? n == 1 : text_eq(roles[i].name, name)) {
            *ret = &roles[i];
            return NULL;
        }
    }
    return name != NULL ? err_new(ERR_INPUT, "there is no role '%s'", name)
                        : err_new(ERR_INPUT, "a role must be named: there are %zu", n);
}

static struct err *check_principals(const struct ca_role *role, char *const *principals)
{
    if (principals == NULL || principals[0] == NULL) {
        return err_new(ERR_DENIED, "no principals were asked for");
    }
    for (; *principals != NULL; principals++) {
        if (**principals == '\0' || (!text_list_has(role->principals, "*") &&
                                     !text_list_has(role->principals, *principals))) {
            return err_new(ERR_DENIED, "role '%s' does not certify the principal '%s'", role->name,
                           *principals);
        }
    }
    return NULL;
}

static const struct ssh_cert_option *allowed_extensions(const struct ca_role *role)
{
    return role->extensions != NULL ? role->extensions : usual;
}

/* The first that the role does not give; NULL: it gives them all. */
static const struct ssh_cert_option *not_given(const struct ca_role *role,
                                               const struct ssh_cert_option *list)
{
    for (; list != NULL && list->name != NULL; list++) {
        if (ssh_cert_options_find(allowed_extensions(role), list->name) == NULL) {
            return list;
        }
    }
    return NULL;
}

static struct err *check_extensions(const struct ca_role *role, const struct signer_request *q)
{
    const struct ssh_cert_option *o = q->role_may_choose ? NULL : not_given(role, q->extensions);

    return o == NULL ? NULL
                     : err_new(ERR_DENIED, "role '%s' does not give the extension '%s'", role->name,
                               o->name);
}

struct err *ca_role_allows(const struct ca_role *role, const struct signer_request *q)
{
    char asked[TEXT_DURATION_BYTES], most[TEXT_DURATION_BYTES];
    struct err *e = check_principals(role, q->principals);

    if (e == NULL && (q->ttl_s < 0 || q->ttl_s > role->max_ttl_s)) {
        e = err_new(ERR_DENIED, "role '%s' certifies for %s at most, %s was asked for", role->name,
                    text_duration_of(role->max_ttl_s, most), text_duration_of(q->ttl_s, asked));
    }
    return e != NULL ? e : check_extensions(role, q);
}

int64_t ca_role_ttl(const struct ca_role *role, const struct signer_request *q)
{
    return q->ttl_s != 0 ? q->ttl_s : role->ttl_s;
}

const struct ssh_cert_option *ca_role_extensions(const struct ca_role *role,
                                                 const struct signer_request *q)
{
    if (q->extensions == NULL && q->kind != SSH_CERT_HOST) {
        return allowed_extensions(role);
    }
    /* host certificates have none (OpenSSH, PROTOCOL.certkeys); a wish is granted whole or not */
    return not_given(role, q->extensions) == NULL ? q->extensions : NULL;
}
