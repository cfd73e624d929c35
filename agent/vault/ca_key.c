/*
 * The public key of an SSH engine's CA, from where Vault shows it to anybody: hosts and clients put it
 * into TrustedUserCAKeys and @cert-authority lines long before they could log in anywhere. So no login
 * is made and no token is sent, over a connection of its own: one that shows no client certificate must
 * not be left for requests that need it. The answer is a line of text and no JSON; the agent judges
 * whether it is a key.
 */
#include <stdlib.h>

#include "vault/issuer.h"
#include "vault/look_serve.h"
#include "vault/pool.h"
#include "vault/url.h"

enum { LINE_MAX_BYTES = 16 * 1024, TIMEOUT_MS = 10000 };

/* "/MOUNT/public_key", or "/MOUNT/issuer/REF/public_key" */
static struct err *make_path(const char *mount, const char *issuer, struct buf *path,
                             const char **ret)
{
    struct err *e = err_add(vault_url_path(path, mount), "mount");

    if (e == NULL && issuer != NULL) {
        e = vault_url_path(path, "issuer");
        e = e == NULL ? err_add(vault_url_name(path, issuer), "issuer") : e;
    }
    e = e == NULL ? vault_url_path(path, "public_key") : e;
    return e != NULL ? e : vault_url_end(path, ret);
}

static struct err *judge(const char *mount, const char *issuer, const struct vault_http_answer *a)
{
    AUTO(vault_json_free) json_t *root = NULL;

    if (a->status == 200) {
        return NULL;
    }
    struct err *e = vault_api_read(a->status, buf_view(&a->body), &root);

    if (e == NULL) {
        return err_new(ERR_PROTOCOL, "an answer with status %u and no key", a->status);
    }
    if (vault_api_is_status(e, 404) || vault_api_is_status(e, 400) || vault_api_is_forbidden(e)) {
        return err_add(e, "is an SSH engine with %s mounted at \"%s\"?",
                       issuer != NULL ? "this issuer" : "a CA", mount);
    }
    return e;
}

/* The first of @body. */
static struct err *put_line(const struct buf *body, struct buf *line)
{
    const char *text = (const char *)body->data;
    size_t len = 0;

    while (len < body->len && text[len] != '\n' && text[len] != '\r' && text[len] != '\0') {
        len++;
    }
    if (len == 0 || len > LINE_MAX_BYTES) {
        return err_new(ERR_PROTOCOL, "the answer holds no public key");
    }
    buf_put(line, text, len);
    return buf_check(line, "a CA's public key");
}

static struct err *ask(const struct vault_api *api, size_t i, const char *path,
                       struct vault_pool *pool, struct vault_http_answer *answer)
{
    AUTO(buf_deinit) struct buf url, connect_to;
    struct vault_http_request request = {0};
    int64_t left = mono_left_ms(api->deadline), longest = api->server->request_timeout_ms;

    buf_init(&url, 0);
    buf_init(&connect_to, 0);
    struct err *e = vault_api_request(api->server, i, path, NULL, &url, &connect_to, &request);

    if (e != NULL || left == 0) {
        return e != NULL ? e : err_new(ERR_TIMEOUT, "no time was left to ask");
    }
    longest = longest > 0 ? longest : TIMEOUT_MS;
    request.method = "GET";
    request.timeout_ms = longest < left ? longest : left;
    request.pool = pool;
    request.cert = (struct vault_client_cert){0};
    return vault_http_do(api->http, &request, answer);
}

struct err *vault_ca_key_get(const struct vault_api *api, const char *mount, const char *issuer,
                             struct buf *line)
{
    AUTO(buf_deinit) struct buf path;
    AUTO(vault_pool_free) struct vault_pool *pool = NULL;
    size_t n = vault_conf_addresses(api->server);
    const char *text = NULL;
    bool is_settled = false;

    buf_init(&path, 0);
    struct err *e = make_path(mount, issuer, &path, &text);

    if (e == NULL) {
        e = vault_pool_new(&pool);
    }
    for (size_t i = 0; text != NULL && pool != NULL && i < n && !is_settled; i++) {
        AUTO(vault_http_answer_deinit) struct vault_http_answer answer = {0};

        err_free(&e);
        e = ask(api, i, text, pool, &answer);
        e = e == NULL ? judge(mount, issuer, &answer) : e;
        e = e == NULL ? put_line(&answer.body, line) : e;
        /* another one knows no better than one that answered */
        is_settled = e == NULL || (err_domain(e) == ERR_DOMAIN_HTTP && err_native_code(e) < 500);
    }
    return e;
}

struct err *vault_serve_ca_key(struct vault_look *look)
{
    const char *mount = look->query->mount != NULL ? look->query->mount : "";
    AUTO(buf_deinit) struct buf line;

    buf_init(&line, 0);
    struct err *e = vault_ca_key_get(&look->api, mount, look->query->name, &line);

    if (e != NULL) {
        return err_add(e, "the public key of %s", mount);
    }
    buf_put_string(look->request->reply, buf_view(&line));
    return buf_check(look->request->reply, "a CA's public key");
}
