/*
 * Log in with a user name and a password. Vault locks an account after a few wrong passwords, which
 * is why pace.c does not try one again before its file has changed or some time is over.
 * Spec: Vault and OpenBao, userpass auth method, "Login"
 */
#include "vault/auth.h"

static struct err *login(const struct vault_api *api, void *memory, struct vault_lease *ret)
{
    const struct vault_conf *server = api->server;
    AUTO(secret_free) struct secret *password = NULL;
    struct err *e = server->user != NULL ? vault_auth_password(server->password_file, &password)
                                         : err_new(ERR_INPUT, "no user is configured");

    (void)memory;
    if (e != NULL) {
        return e;
    }
    AUTO(vault_json_free) json_t *body = json_pack("{s:s}", "password", secret_text(password));

    return vault_auth_post(api, server->user, body, ret);
}

const struct vault_auth_method vault_auth_userpass = {
    .name = "a user name and password",
    .doubt_ms = 60 * 1000,
    .login = login,
};
