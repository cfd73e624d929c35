/*
 * Log in with a JWT of our own, signed by a key that stays on a token: Vault's jwt method knows the
 * public half (jwt_validation_pubkeys). No certificate is needed, and a proxy that ends TLS is no
 * obstacle.
 *
 * A JWT is worth a minute, and is made for one login. It says when it was made, and Vault judges that
 * by its own clock: so ours is corrected by what Vault's answers said of it. Before the first answer
 * nothing is known; then the JWT is dated back a little, and if Vault refuses it, with its clock known
 * from just that answer to be another, it gets one more that fits.
 *
 * Spec: Vault and OpenBao, JWT/OIDC auth method, "JWT login"
 */
#include <openssl/rand.h>

#include "vault/ask.h"
#include "vault/auth.h"
#include "vault/jwt.h"

enum { LIFE_S = 60, BACK_S = 15, SKEW_S = 10, ID_BYTES = 16 };

/* --- the key ------------------------------------------------------------------------------------- */

static struct err *find_scheme(const struct vault_conf *server, enum scheme *ret)
{
    EVP_PKEY *key = NULL;

    if (server->client_public_pem == NULL) {
        return server->client_problem != NULL
                   ? err_new(server->client_problem_passes ? ERR_GONE : ERR_NOT_FOUND, "%s",
                             server->client_problem)
                   : err_new(ERR_GONE, "the key to log in with has not been read yet");
    }
    if (server->client_key == NULL) {
        return err_new(ERR_INPUT, "no key to log in with is configured");
    }
    struct err *e = vault_provider_public(server->client_public_pem, &key);

    if (e == NULL) {
        vault_provider_scheme(key, ret); /* it has one: vault_provider_public() says so */
    }
    EVP_PKEY_free(key);
    return err_add(e, "the key %s", server->client_key);
}

/* --- the JWT ------------------------------------------------------------------------------------- */

static struct err *write_claims(const struct vault_conf *server, enum scheme scheme,
                                struct wall now, struct buf *out)
{
    uint8_t bytes[ID_BYTES];

    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        return err_openssl(ERR_BUG, "no random bytes");
    }
    AUTO(auto_free) char *id = text_hex(view_of(bytes, sizeof bytes));
    struct vault_jwt jwt = {
        .scheme = scheme,
        .issuer = server->jwt_issuer != NULL ? server->jwt_issuer : VAULT_JWT_ISSUER,
        .subject = server->jwt_subject,
        .audience = server->jwt_audience,
        .id = id,
        .issued = {now.s - BACK_S},
        .expires = {now.s + LIFE_S},
    };

    return id != NULL ? vault_jwt_put(&jwt, out) : err_nomem();
}

static struct err *make_jwt(const struct vault_api *api, enum scheme scheme, struct wall now,
                            struct secret **ret)
{
    AUTO(buf_deinit) struct buf text;
    AUTO(buf_deinit) struct buf signature;
    const struct vault_conf *server = api->server;

    buf_init(&text, SECRET_MAX_BYTES);
    text.secret = true;
    buf_init(&signature, 0);
    struct err *e = write_claims(server, scheme, now, &text);

    if (e == NULL) {
        struct vault_question q = {.server = server->name,
                                   .key = server->client_key,
                                   .scheme = scheme,
                                   .message = buf_view(&text)};

        e = vault_ask_signature(api->ask_fd, &q, api->deadline, &signature);
    }
    if (e == NULL) {
        e = vault_jwt_end(&text, buf_view(&signature));
    }
    return e != NULL ? e : secret_new(buf_view(&text), ret);
}

/* --- the login ----------------------------------------------------------------------------------- */

static bool skew_of(const struct vault_api *api, int64_t *ret_s)
{
    if (!atomic_load(&api->link->has_skew)) {
        return false;
    }
    *ret_s = atomic_load(&api->link->skew_s);
    return true;
}

static struct err *login_at(const struct vault_api *api, enum scheme scheme, int64_t skew_s,
                            struct vault_lease *ret)
{
    AUTO(secret_free) struct secret *jwt = NULL;
    struct err *e = make_jwt(api, scheme, (struct wall){wall_now().s + skew_s}, &jwt);

    return e != NULL ? e : vault_auth_post_jwt(api, jwt, ret);
}

static struct err *login(const struct vault_api *api, void *memory, struct vault_lease *ret)
{
    enum scheme scheme = SCHEME_ES256;
    int64_t skew_s = 0, used_s = 0;
    struct err *e = find_scheme(api->server, &scheme);

    (void)memory;
    if (e != NULL) {
        return e;
    }
    skew_of(api, &used_s);
    e = login_at(api, scheme, used_s, ret);
    if (e != NULL && err_domain(e) == ERR_DOMAIN_HTTP && skew_of(api, &skew_s) &&
        (skew_s > used_s + SKEW_S || skew_s < used_s - SKEW_S)) {
        err_free(&e);
        e = login_at(api, scheme, skew_s, ret);
    }
    return e;
}

const struct vault_auth_method vault_auth_token_key = {
    .name = "a JWT of the token's key",
    .doubt_ms = 60 * 1000,
    .login = login,
};
