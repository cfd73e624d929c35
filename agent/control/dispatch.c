/*
 * Which handler answers which request. To add a resource: a row here, a handler in a file of its own,
 * a path in openapi.yaml, a row in the command line, a story in tests/flows.
 *
 * The row says all that a request may hold; a handler sees only requests that were checked against
 * it, from clients that have the row's right. Errors that no handler is needed for are made here: no
 * such path, another method.
 */
#include <stdlib.h>

#include "control/request_impl.h"
#include "control/resources.h"

static const struct control_route routes[] = {
    {EVHTTP_REQ_GET, "/v1/status", CONTROL_VIEWER, control_status_get, NULL, control_status_query},
    {EVHTTP_REQ_GET, "/v1/tokens", CONTROL_VIEWER, control_tokens_list, NULL, NULL},
    {EVHTTP_REQ_GET, "/v1/tokens/{token}", CONTROL_VIEWER, control_token_get, NULL, NULL},
    {EVHTTP_REQ_POST, "/v1/tokens/{token}/unlock", CONTROL_ADMINISTRATOR, control_token_unlock,
     control_token_unlock_body, NULL},
    {EVHTTP_REQ_GET, "/v1/tokens/{token}/certificates", CONTROL_VIEWER, control_token_certificates,
     NULL, NULL},
    {EVHTTP_REQ_GET, "/v1/keys", CONTROL_VIEWER, control_keys_list, NULL, control_keys_list_query},
    {EVHTTP_REQ_POST, "/v1/keys", CONTROL_ADMINISTRATOR, control_key_generate,
     control_key_generate_body, NULL},
    {EVHTTP_REQ_GET, "/v1/keys/{key}", CONTROL_VIEWER, control_key_get, NULL, NULL},
    {EVHTTP_REQ_DELETE, "/v1/keys/{key}", CONTROL_ADMINISTRATOR, control_key_delete, NULL,
     control_key_delete_query},
    {EVHTTP_REQ_POST, "/v1/keys/{key}/prove", CONTROL_OPERATOR, control_key_prove, NULL, NULL},
    {EVHTTP_REQ_POST, "/v1/keys/{key}/certify", CONTROL_ADMINISTRATOR, control_key_certify,
     control_key_certify_body, NULL},
    {EVHTTP_REQ_POST, "/v1/enroll", CONTROL_ADMINISTRATOR, control_enroll, control_enroll_body,
     NULL},
    {EVHTTP_REQ_GET, "/v1/identities", CONTROL_VIEWER, control_identities_list, NULL, NULL},
    {EVHTTP_REQ_GET, "/v1/identities/{identity}", CONTROL_VIEWER, control_identity_get, NULL, NULL},
    {EVHTTP_REQ_POST, "/v1/identities/{identity}/renew", CONTROL_OPERATOR, control_identity_renew,
     NULL, control_identity_renew_query},
    {EVHTTP_REQ_POST, "/v1/renewals", CONTROL_OPERATOR, control_renew_all, NULL, NULL},
    {EVHTTP_REQ_GET, "/v1/cas/{signer}", CONTROL_VIEWER, control_ca_get, NULL, NULL},
    {EVHTTP_REQ_POST, "/v1/cas/{signer}/revocations", CONTROL_ADMINISTRATOR, control_ca_revoke,
     control_ca_revoke_body, NULL},
    {EVHTTP_REQ_GET, "/v1/audit", CONTROL_ADMINISTRATOR, control_audit_list, NULL,
     control_audit_query},
    {EVHTTP_REQ_POST, "/v1/audit/verify", CONTROL_ADMINISTRATOR, control_audit_verify, NULL, NULL},
    {EVHTTP_REQ_POST, "/v1/connect", CONTROL_OPERATOR, control_connect, control_connect_body, NULL},
    {EVHTTP_REQ_POST, "/v1/runs", CONTROL_NOTHING, control_run, control_run_body, NULL},
    {EVHTTP_REQ_GET, "/v1/scopes", CONTROL_NOTHING, control_scopes_list, NULL,
     control_scopes_query},
    {EVHTTP_REQ_GET, "/v1/scopes/{scope}/{kind}", CONTROL_VIEWER, control_resources_list, NULL,
     control_resources_query},
    {EVHTTP_REQ_POST, "/v1/scopes/{scope}/{kind}", CONTROL_ADMINISTRATOR, control_resource_create,
     control_resource_body, NULL},
    {EVHTTP_REQ_GET, "/v1/scopes/{scope}/{kind}/{id}", CONTROL_VIEWER, control_resource_get, NULL,
     NULL},
    {EVHTTP_REQ_PUT, "/v1/scopes/{scope}/{kind}/{id}", CONTROL_ADMINISTRATOR,
     control_resource_replace, control_resource_body, NULL},
    {EVHTTP_REQ_DELETE, "/v1/scopes/{scope}/{kind}/{id}", CONTROL_ADMINISTRATOR,
     control_resource_delete, NULL, control_resource_delete_query},
    {EVHTTP_REQ_POST, "/v1/scopes/{scope}/{kind}/-/check", CONTROL_VIEWER, control_resource_check,
     control_resource_body, NULL},
    {EVHTTP_REQ_POST, "/v1/scopes/{scope}/connectors/-/test", CONTROL_ADMINISTRATOR,
     control_connector_test_new, control_resource_body, control_connector_test_query},
    {EVHTTP_REQ_POST, "/v1/scopes/{scope}/connectors/{id}/test", CONTROL_OPERATOR,
     control_connector_test, NULL, control_connector_test_query},
    {EVHTTP_REQ_GET, "/v1/scopes/{scope}/connectors/{id}/mounts", CONTROL_OPERATOR,
     control_connector_mounts, NULL, NULL},
    {EVHTTP_REQ_GET, "/v1/scopes/{scope}/connectors/{id}/ca", CONTROL_OPERATOR,
     control_connector_ca, NULL, control_connector_ca_query},
    {EVHTTP_REQ_POST, "/v1/signers/{signer}/test", CONTROL_OPERATOR, control_signer_test, NULL,
     control_connector_test_query},
    {EVHTTP_REQ_GET, "/v1/signers/{signer}/ca", CONTROL_OPERATOR, control_signer_ca, NULL,
     control_connector_ca_query},
    {EVHTTP_REQ_GET, "/v1/scopes/{scope}/secrets-managers/{id}/mounts", CONTROL_OPERATOR,
     control_secrets_manager_mounts, NULL, NULL},
    {EVHTTP_REQ_POST, "/v1/scopes/{scope}/ssh-keys/{id}/test", CONTROL_OPERATOR,
     control_ssh_key_test, control_ssh_key_test_body, NULL},
    {EVHTTP_REQ_POST, "/v1/scopes/{scope}/infrastructures/-/parse", CONTROL_VIEWER,
     control_hosts_parse, control_hosts_parse_body, NULL},
    {EVHTTP_REQ_GET, "/v1/registry", CONTROL_NOTHING, control_registry_status, NULL,
     control_registry_status_query},
    {EVHTTP_REQ_GET, "/v1/registry/export", CONTROL_NOTHING, control_registry_export, NULL,
     control_registry_export_query},
    {EVHTTP_REQ_POST, "/v1/registry/apply", CONTROL_NOTHING, control_registry_apply,
     control_registry_apply_body, NULL},
    {EVHTTP_REQ_POST, "/v1/registry/backup", CONTROL_ADMINISTRATOR, control_registry_backup,
     control_registry_path_body, NULL},
    {EVHTTP_REQ_POST, "/v1/registry/restore", CONTROL_ADMINISTRATOR, control_registry_restore,
     control_registry_path_body, NULL},
};

static const struct {
    enum evhttp_cmd_type method;
    const char *name;
} methods[] = {
    {EVHTTP_REQ_GET, "GET"},     {EVHTTP_REQ_POST, "POST"},     {EVHTTP_REQ_PUT, "PUT"},
    {EVHTTP_REQ_PATCH, "PATCH"}, {EVHTTP_REQ_DELETE, "DELETE"},
};

/* Compares one segment of both; steps over it. A parameter matches any segment but an empty one. */
static bool match_segment(const char **pattern, const char **path)
{
    size_t want = strcspn(*pattern, "/");
    size_t have = strcspn(*path, "/");
    bool same = **pattern == '{' ? have > 0 : want == have && memcmp(*pattern, *path, want) == 0;

    *pattern += want;
    *path += have;
    return same && **pattern == **path;
}

static bool match(const char *pattern, const char *path)
{
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        if (!match_segment(&pattern, &path)) {
            return false;
        }
    }
    return *pattern == '\0' && *path == '\0';
}

static struct err *add_param(struct control_request *r, const char *pattern, const char *path)
{
    struct control_param *p = &r->param[r->params];
    AUTO(auto_free) char *raw = view_dup(view_of(path, strcspn(path, "/")));
    size_t len = 0;

    p->name = pattern + 1;
    p->name_len = strcspn(pattern, "}") - 1;
    p->value = raw != NULL ? evhttp_uridecode(raw, 0, &len) : NULL;
    if (p->value == NULL) {
        return err_nomem();
    }
    r->params++;
    if (len == 0 || strlen(p->value) != len) {
        return err_new(ERR_INPUT, "the path holds a NUL byte");
    }
    return NULL;
}

static struct err *take_params(struct control_request *r, const char *path)
{
    for (const char *pattern = r->route->path; *pattern != '\0';) {
        pattern++;
        path++;
        struct err *e =
            *pattern == '{' && r->params < CONTROL_PARAMS_MAX ? add_param(r, pattern, path) : NULL;

        if (e != NULL) {
            return e;
        }
        pattern += strcspn(pattern, "/");
        path += strcspn(path, "/");
    }
    return NULL;
}

const char *control_param(const struct control_request *r, const char *name)
{
    for (size_t i = 0; i < r->params; i++) {
        if (view_is(view_of(r->param[i].name, r->param[i].name_len), name)) {
            return r->param[i].value;
        }
    }
    return "";
}

static const struct control_route *find(enum evhttp_cmd_type method, const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (routes[i].method == method && match(routes[i].path, path)) {
            return &routes[i];
        }
    }
    return NULL;
}

static void no_route(struct control_request *r, const char *path)
{
    AUTO(auto_free) char *shown = text_safe(view_cstr(path));
    AUTO(auto_free) char *allow = NULL;

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (find(methods[i].method, path) != NULL) {
            AUTO(auto_free) char *before = take(&allow);

            allow = text_fmt("%s%s%s", before != NULL ? before : "", before != NULL ? ", " : "",
                             methods[i].name);
        }
    }
    if (allow == NULL) {
        control_fail(r, err_new(ERR_NOT_FOUND, "no such path: %s", shown != NULL ? shown : ""));
        return;
    }
    control_header(r, "Allow", allow);
    control_refuse(r, 405, err_new(ERR_INPUT, "%s takes %s", shown != NULL ? shown : "", allow));
}

static struct err *check_right(const struct control_request *r)
{
    const char *scope = control_param(r, "scope");

    return r->route->right == CONTROL_NOTHING
               ? NULL
               : control_need(r, r->route->right, *scope != '\0' ? scope : "account");
}

static struct err *run(struct control_request *r, const char *path)
{
    struct err *e = take_params(r, path);

    if (e == NULL) {
        e = check_right(r);
    }
    if (e == NULL) {
        e = control_read_query(r);
    }
    if (e == NULL) {
        e = control_read_body(r);
    }
    return e != NULL ? e : r->route->handle(r);
}

void control_dispatch(struct control_request *r)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(r->http);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;

    if (path == NULL) {
        path = "";
    }
    r->route = find(evhttp_request_get_command(r->http), path);
    if (r->route == NULL) {
        if (evhttp_request_get_command(r->http) == EVHTTP_REQ_TRACE) {
            control_header(r, "Connection", "close"); /* libevent 2.1.12 does not read its body */
        }
        no_route(r, path);
        return;
    }
    struct err *e = run(r, path);

    if (e != NULL) {
        control_fail(r, e);
    }
}
