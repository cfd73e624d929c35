/*
 * The public key of an SSH engine's CA, from where Vault shows it to anybody: hosts and clients put it
 * into TrustedUserCAKeys and @cert-authority lines long before they could log in anywhere. So no login
 * is made and no token is sent, over a connection of its own: one that shows no client certificate must
 * not be left for requests that need it. The answer is a line of text and no JSON; the agent judges
 * whether it is a key.
 */
#include <stdlib.h>

#include "vault/look_serve.h"
#include "vault/pool.h"
#include "vault/url.h"

enum { LINE_MAX_BYTES = 16 * 1024, TIMEOUT_MS = 10000 };

/* "/MOUNT/public_key", or "/MOUNT/issuer/REF/public_key" */
static struct err *make_path(const struct vault_query *q, struct buf *path, const char **ret)
{
    struct err *e = err_add(vault_url_path(path, q->mount != NULL ? q->mount : ""), "mount");

    if (e == NULL && q->name != NULL) {
        e = vault_url_path(path, "issuer");
        e = e == NULL ? err_add(vault_url_name(path, q->name), "issuer") : e;
    }
    e = e == NULL ? vault_url_path(path, "public_key") : e;
    return e != NULL ? e : vault_url_end(path, ret);
}

static struct err *judge(const struct vault_query *q, const struct vault_http_answer *a)
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
                       q->name != NULL ? "this issuer" : "a CA", q->mount);
    }
    return e;
}

/* The first line goes into the reply. */
static struct err *put_line(const struct buf *body, struct buf *reply)
{
    const char *text = (const char *)body->data;
    size_t len = 0;

    while (len < body->len && text[len] != '\n' && text[len] != '\r' && text[len] != '\0') {
        len++;
    }
    if (len == 0 || len > LINE_MAX_BYTES) {
        return err_new(ERR_PROTOCOL, "the answer holds no public key");
    }
    buf_put_string(reply, view_of(text, len));
    return buf_check(reply, "a CA's public key");
}

static struct err *ask(struct vault_look *look, size_t i, const char *path, struct vault_pool *pool)
{
    AUTO(buf_deinit) struct buf url, connect_to;
    AUTO(vault_http_answer_deinit) struct vault_http_answer answer = {0};
    struct vault_http_request request = {0};
    const struct vault_api *api = &look->api;
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
    e = vault_http_do(api->http, &request, &answer);
    e = e == NULL ? judge(look->query, &answer) : e;
    return e != NULL ? e : put_line(&answer.body, look->request->reply);
}

struct err *vault_serve_ca_key(struct vault_look *look)
{
    AUTO(buf_deinit) struct buf path;
    AUTO(vault_pool_free) struct vault_pool *pool = NULL;
    size_t n = vault_conf_addresses(look->api.server);
    const char *text = NULL;

    buf_init(&path, 0);
    struct err *e = make_path(look->query, &path, &text);

    if (e == NULL) {
        e = vault_pool_new(&pool);
    }
    if (e != NULL) {
        return e;
    }
    for (size_t i = 0; i < n; i++) { /* another one knows no better than one that answered */
        err_free(&e);
        e = ask(look, i, text, pool);
        if (e == NULL || (err_domain(e) == ERR_DOMAIN_HTTP && err_native_code(e) < 500)) {
            break;
        }
    }
    return err_add(e, "the public key of %s", look->query->mount);
}
