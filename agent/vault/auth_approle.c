/*
 * Log in as an AppRole: a role id, which is a name more than a secret, and a secret id, which may come
 * wrapped (see wrap.c): then it must have been made by the AppRole's own path.
 * Spec: Vault and OpenBao, AppRole auth method, "Login with AppRole"
 */
#include "vault/wrap.h"

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t len = strlen(text);

    return len >= strlen(suffix) && strcmp(text + len - strlen(suffix), suffix) == 0;
}

static bool is_made_well(const struct vault_conf *server, const char *path)
{
    AUTO(auto_free) char *prefix = text_fmt("auth/%s/role/", server->login_mount);

    if (server->wrapping_path != NULL) {
        return text_eq(path, server->wrapping_path);
    }
    return prefix != NULL && has_prefix(path, prefix) && has_suffix(path, "/secret-id");
}

static struct err *find_secret_id(const json_t *answer, const char **ret)
{
    return vault_json_text(json_object_get(answer, "data"), "secret_id", ret);
}

static struct err *wrapped_secret_id(const struct vault_api *api, void *memory, struct secret **ret)
{
    const struct vault_conf *server = api->server;
    AUTO(auto_free) char *made_by =
        server->wrapping_path != NULL
            ? text_copy(server->wrapping_path)
            : text_fmt("auth/%s/role/<role>/secret-id", server->login_mount);
    AUTO(secret_free) struct secret *wrapping_token = NULL;
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct vault_wrapped wrapped = {
        .what = "secret id",
        .file = server->secret_id_file,
        .made_by = made_by,
        .is_made_well = is_made_well,
        .find = find_secret_id,
    };
    struct err *e = made_by != NULL
                        ? vault_auth_secret(server->secret_id_file, NULL, &wrapping_token)
                        : err_nomem();

    return e != NULL ? e : vault_wrap_open(api, memory, &wrapped, wrapping_token, &answer, ret);
}

static struct err *read_role_id(const struct vault_conf *server, char **ret)
{
    AUTO(buf_deinit) struct buf text;

    if (server->role_id_file == NULL) {
        return err_new(ERR_INPUT, "no role id file is configured");
    }
    buf_init(&text, 0);
    struct err *e = file_read(server->role_id_file, 4096, &text);
    struct view v = buf_view(&text);

    while (v.len > 0 && strchr(" \r\n", v.p[v.len - 1]) != NULL) {
        v.len--;
    }
    if (e == NULL && (v.len == 0 || view_has_nul(v))) {
        e = err_new(ERR_INPUT, "%s holds no role id", server->role_id_file);
    }
    if (e == NULL && (*ret = view_dup(v)) == NULL) {
        e = err_nomem();
    }
    return e;
}

static struct err *login(const struct vault_api *api, void *memory, struct vault_lease *ret)
{
    const struct vault_conf *server = api->server;
    AUTO(auto_free) char *role_id = NULL;
    AUTO(secret_free) struct secret *secret_id = NULL;
    struct err *e = server->login_mount != NULL
                        ? read_role_id(server, &role_id)
                        : err_new(ERR_INPUT, "no mount of the login is configured");

    if (e == NULL) {
        e = server->secret_id_wrapped ? wrapped_secret_id(api, memory, &secret_id)
                                      : vault_auth_secret(server->secret_id_file, NULL, &secret_id);
    }
    if (e != NULL) {
        return e;
    }
    AUTO(vault_json_free) json_t *body =
        json_pack("{s:s, s:s}", "role_id", role_id, "secret_id", secret_text(secret_id));

    return vault_auth_post(api, NULL, body, ret);
}

const struct vault_auth_method vault_auth_approle = {
    .name = "AppRole",
    .doubt_ms = 60 * 1000,
    .new_memory = vault_wrap_memory_new,
    .free_memory = vault_wrap_memory_free,
    .login = login,
};
