/*
 * Log in with a JWT that somebody else writes into a file: a CI runner, a SPIFFE helper, an identity
 * provider's client. It lives for minutes, so the file is read anew each time, and what is in it is
 * judged by Vault alone: its words say what was wrong with it.
 * Spec: Vault and OpenBao, JWT/OIDC auth method, "JWT login"
 */
#include "vault/auth.h"

static struct err *login(const struct vault_api *api, void *memory, struct vault_lease *ret)
{
    AUTO(secret_free) struct secret *jwt = NULL;
    struct err *e = api->server->jwt_file != NULL
                        ? vault_auth_secret(api->server->jwt_file, NULL, &jwt)
                        : err_new(ERR_INPUT, "no file of a JWT is configured");

    (void)memory;
    return e != NULL ? e : vault_auth_post_jwt(api, jwt, ret);
}

const struct vault_auth_method vault_auth_jwt = {
    .name = "a JWT",
    .doubt_ms = 60 * 1000,
    .login = login,
};
