/*
 * Log in with a token that somebody else got: out of a file, which is read anew each time because
 * the one who got it may replace it (Vault Agent's sink does), given by the environment, or where
 * Vault's own program left it at home.
 *
 * Asking the server about it tells how long it lives. A token whose policy does not even allow that
 * is used as it is: whether it is good will show. Nobody but the one who handed it over ends it.
 *
 * It may come wrapped. Then what is inside was made for us and nobody else ever has it: it is treated
 * like one of a login, and the answer of the exchange says what it is, because a question could be
 * the one use that it is good for.
 */
#include "vault/wrap.h"

static bool is_made_well(const struct vault_conf *server, const char *path)
{
    static const char create[] = "auth/token/create";
    size_t len = strlen(create);

    if (server->wrapping_path != NULL) {
        return text_eq(path, server->wrapping_path);
    }
    return strncmp(path, create, len) == 0 &&
           (path[len] == '\0' || path[len] == '/' || strcmp(path + len, "-orphan") == 0);
}

static struct err *find_token(const json_t *answer, const char **ret)
{
    return vault_json_text(json_object_get(answer, "auth"), "client_token", ret);
}

/* What Vault says of a token that is not wrapped. @token is taken. */
static struct err *look_up(const struct vault_api *api, struct secret *token,
                           struct vault_lease *ret)
{
    static const char *const parts[] = {"auth/token/lookup-self", NULL};
    AUTO(secret_free) struct secret *owned = token;
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct err *e = vault_api_ask(api, &(struct vault_api_call){.method = "GET", .token = owned},
                                  parts, &answer);

    if (vault_api_is_forbidden(e)) {
        err_free(&e);
    }
    if (e != NULL) {
        return e;
    }
    const json_t *data = json_object_get(answer.root, "data");
    json_int_t ttl = json_integer_value(json_object_get(data, "ttl"));
    json_int_t uses = json_integer_value(json_object_get(data, "num_uses"));

    *ret = (struct vault_lease){
        .token = take(&owned),
        .ttl_s = ttl > 0 && ttl < INT32_MAX ? ttl : 0,
        .uses = uses > 0 && uses < INT32_MAX ? uses : 0,
        .renewable = json_is_true(json_object_get(data, "renewable")),
        .is_root = vault_auth_has_root(data),
        .is_batch = text_eq(json_string_value(json_object_get(data, "type")), "batch"),
    };
    return NULL;
}

static struct err *unwrap(const struct vault_api *api, void *memory, const char *file,
                          const struct secret *wrapping_token, struct vault_lease *ret)
{
    const char *path = api->server->wrapping_path;
    struct vault_wrapped wrapped = {
        .what = "token",
        .file = file,
        .made_by = path != NULL ? path : "auth/token/create",
        .is_made_well = is_made_well,
        .find = find_token,
    };
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    AUTO(secret_free) struct secret *token = NULL;
    struct err *e = vault_wrap_open(api, memory, &wrapped, wrapping_token, &answer, &token);

    if (e == NULL && answer.root != NULL) {
        return vault_auth_read_lease(answer.root, ret);
    }
    if (e == NULL) { /* exchanged before */
        e = look_up(api, take(&token), ret);
        ret->is_ours = e == NULL;
    }
    return e;
}

static struct err *login(const struct vault_api *api, void *memory, struct vault_lease *ret)
{
    const struct vault_conf *server = api->server;
    AUTO(auto_free) char *home = vault_auth_home_token();
    const char *file =
        server->token_file == NULL && server->token == NULL ? home : server->token_file;
    AUTO(secret_free) struct secret *token = NULL;
    struct err *e = vault_auth_secret(file, server->token, &token);

    if (e != NULL) {
        return err_add(e, "the token");
    }
    return server->token_wrapped ? unwrap(api, memory, file, token, ret)
                                 : look_up(api, take(&token), ret);
}

const struct vault_auth_method vault_auth_token = {
    .name = "a token",
    .new_memory = vault_wrap_memory_new,
    .free_memory = vault_wrap_memory_free,
    .login = login,
};
