/*
 * Log in by TLS certificate, with a key that stays on a token: the request itself says no more than a
 * role's name, it is the connection that proves who asks (client_cert.c, provider.c).
 *
 * The connection is made for the login, so that a login means that the key signed now: not that it did
 * when the connection was made, or that a ticket is left of it. Requests after it go over the same
 * connection, renewals of the Vault token too, for which Vault wants to see the same certificate.
 *
 * What can be known to be in vain is not sent: a certificate for another key, or one that has ended.
 *
 * Spec: Vault and OpenBao, TLS certificates auth method, "Login with TLS certificate method"
 */
#include "vault/auth.h"

static struct err *check(const struct vault_conf *server)
{
    const struct vault_client_cert cert = vault_client_cert_of(server);

    if (server->client_public_pem == NULL || server->client_cert_pem == NULL) {
        return server->client_problem != NULL
                   ? err_new(server->client_problem_passes ? ERR_GONE : ERR_NOT_FOUND, "%s",
                             server->client_problem)
                   : err_new(ERR_GONE, "the key to log in with has not been read yet");
    }
    return cert.key != NULL ? vault_client_cert_check(&cert)
                            : err_new(ERR_INPUT, "no key to log in with is configured");
}

static struct err *login(const struct vault_api *api, void *memory, struct vault_lease *ret)
{
    const char *role = api->server->role;
    struct err *e = check(api->server);

    (void)memory;
    if (e != NULL) {
        return e;
    }
    AUTO(vault_json_free) json_t *body =
        role != NULL ? json_pack("{s:s}", "name", role) : json_object();

    return vault_auth_post(api, NULL, body, ret);
}

const struct vault_auth_method vault_auth_cert = {
    .name = "a TLS certificate",
    .doubt_ms = 60 * 1000,
    .login = login,
};
