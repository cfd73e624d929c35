/*
 * Log in with the token of a pod's service account, which Vault shows to the cluster's TokenReview
 * API. The kubelet replaces it within its hour, so it is read anew each time.
 *
 * The kubelet also decides who may read the file: a projected volume's is open to everybody in the
 * pod, as a file that is mounted there for that purpose. So this is the one secret whose permissions
 * are not looked at.
 * Spec: Vault and OpenBao, Kubernetes auth method, "Login"
 */
#include "vault/auth.h"

static const char default_file[] = "/var/run/secrets/kubernetes.io/serviceaccount/token";

static struct err *read_token(const char *file, struct secret **ret)
{
    AUTO(buf_deinit) struct buf text;
    AUTO(secret_free) struct secret *whole = NULL;

    buf_init(&text, SECRET_MAX_BYTES + 1);
    text.secret = true;
    struct err *e = file_read(file, SECRET_MAX_BYTES, &text);
    struct view v = buf_view(&text);

    while (v.len > 0 && (v.p[v.len - 1] == '\n' || v.p[v.len - 1] == '\r')) {
        v.len--;
    }
    if (e == NULL) {
        e = err_add(secret_new(v, &whole), "%s", file);
    }
    if (e == NULL) {
        e = err_add(vault_auth_secret(NULL, whole, ret), "%s", file);
    }
    return e;
}

static struct err *login(const struct vault_api *api, void *memory, struct vault_lease *ret)
{
    const char *file = api->server->jwt_file;
    AUTO(secret_free) struct secret *jwt = NULL;
    struct err *e = read_token(file != NULL ? file : default_file, &jwt);

    (void)memory;
    return e != NULL ? e : vault_auth_post_jwt(api, jwt, ret);
}

const struct vault_auth_method vault_auth_kubernetes = {
    .name = "a Kubernetes service account",
    .doubt_ms = 60 * 1000,
    .login = login,
};
