/*
 * The operations of holdfast-vault: take the configuration once, then sign. Each worker owns one
 * HTTP client; what they share, the logins, has locks of its own. The list of servers is written by
 * CONFIGURE before any other worker exists and is only read from then on.
 */
#include "vault/serve.h"

#include <stdlib.h>

#include "vault/sign.h"

struct vault_helper {
    struct vault_conf *servers; /* n of them, as are the logins */
    struct vault_auth **logins;
    size_t n;
};

struct err *vault_helper_new(struct vault_helper **ret)
{
    *ret = calloc(1, sizeof **ret);
    return *ret != NULL ? NULL : err_nomem();
}

void vault_helper_free(struct vault_helper **hp)
{
    struct vault_helper *h = take(hp);

    if (h == NULL) {
        return;
    }
    for (size_t i = 0; h->logins != NULL && i < h->n; i++) {
        vault_auth_free(&h->logins[i]);
    }
    free(h->logins);
    vault_confs_free(&h->servers, h->n);
    free(h);
}

static struct err *on_configure(struct vault_helper *h, struct ipc_request *request)
{
    if (h->servers != NULL) {
        return err_new(ERR_BUG, "holdfast-vault is configured already");
    }
    struct err *e = vault_confs_get(&request->body, &h->servers, &h->n);

    if (e == NULL && (h->logins = calloc(h->n + 1, sizeof(struct vault_auth *))) == NULL) {
        e = err_nomem();
    }
    for (size_t i = 0; e == NULL && i < h->n; i++) {
        e = vault_auth_new(h->servers[i].login, &h->logins[i]);
    }
    return e != NULL ? e : ipc_server_grow(request->server, VAULT_WORKERS);
}

static struct err *sign(struct vault_helper *h, struct vault_http *http,
                        const struct vault_ask *ask, struct buf *reply)
{
    const struct vault_conf *server = &h->servers[ask->server];
    struct vault_api api = {.http = http, .server = server, .deadline = ask->deadline};
    struct vault_signed done = {0};
    struct err *e = vault_sign(h->logins[ask->server], &api, ask, &done);

    if (e != NULL) {
        return err_add(e, "vault %s at %s", server->name, server->address);
    }
    struct signer_answer answer = {
        .cert_line = view_cstr(done.cert_line),
        .request_id = done.request_id,
        .skew_s = done.skew_s,
        .has_skew = done.has_skew,
    };

    vault_answer_put(reply, &answer);
    vault_signed_deinit(&done);
    return NULL;
}

static struct err *on_sign(struct vault_helper *h, struct vault_http *http,
                           struct ipc_request *request)
{
    AUTO(vault_ask_deinit) struct vault_ask ask = {0};
    struct err *e = vault_ask_get(&request->body, &ask);

    if (e == NULL && ask.server >= h->n) {
        e = err_new(ERR_BUG, "there is no Vault server number %u", ask.server);
    }
    return e != NULL ? e : sign(h, http, &ask, request->reply);
}

static struct err *serve(void *helper, void *worker, struct ipc_request *request)
{
    switch (request->op) {
    case VAULT_OP_CONFIGURE:
        return on_configure(helper, request);
    case VAULT_OP_SIGN:
        return worker != NULL ? on_sign(helper, worker, request) : err_nomem();
    default:
        return err_new(ERR_PROTOCOL, "holdfast-vault has no operation %u", request->op);
    }
}

static void *start(void *helper, unsigned index)
{
    struct vault_http *http = NULL;
    AUTO(err_free) struct err *e = vault_http_new(&http);

    (void)helper;
    (void)index;
    return e == NULL ? http : NULL;
}

static void stop(void *helper, void *worker)
{
    struct vault_http *http = worker;

    (void)helper;
    vault_http_free(&http);
}

const struct ipc_server_ops *vault_helper_ops(void)
{
    static const struct ipc_server_ops ops = {.serve = serve, .start = start, .stop = stop};

    return &ops;
}
