/*
 * Log in with a token that somebody else got: out of a file, which is read anew each time because
 * the one who got it may replace it (Vault Agent's sink does), or given by the environment.
 *
 * Asking the server about it tells how long it lives. A token whose policy does not even allow that
 * is used as it is: whether it is good will show.
 */
#include "vault/auth.h"

static bool is_root(const json_t *data)
{
    const json_t *policies = json_object_get(data, "policies");

    for (size_t i = 0; i < json_array_size(policies); i++) {
        if (text_eq(json_string_value(json_array_get(policies, i)), "root")) {
            return true;
        }
    }
    return false;
}

static struct err *login(const struct vault_api *api, void *memory, struct vault_lease *ret)
{
    static const char *const parts[] = {"auth/token/lookup-self", NULL};
    AUTO(secret_free) struct secret *token = NULL;
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct err *e = vault_auth_secret(api->server->token_file, api->server->token, &token);

    (void)memory;
    if (e != NULL) {
        return err_add(e, "the token");
    }
    e = vault_api_ask(api, &(struct vault_api_call){.method = "GET", .token = token}, parts,
                      &answer);
    if (vault_api_is_forbidden(e)) {
        err_free(&e);
    }
    if (e != NULL) {
        return e;
    }
    const json_t *data = json_object_get(answer.root, "data");
    json_int_t ttl = json_integer_value(json_object_get(data, "ttl"));

    *ret = (struct vault_lease){
        .token = take(&token),
        .ttl_s = ttl > 0 && ttl < INT32_MAX ? ttl : 0,
        .renewable = json_is_true(json_object_get(data, "renewable")),
        .is_root = is_root(data),
    };
    return NULL;
}

const struct vault_auth_method vault_auth_token = {.name = "a token", .login = login};
