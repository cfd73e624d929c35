/*
 * The operations of holdfast-vault: which server a request is about, and who serves it. Each worker
 * owns one HTTP client and one socket to ask the agent on; what they share, the table of servers and
 * the logins, has locks of its own.
 */
#include "vault/serve.h"

#include <stdlib.h>

#include "vault/look_serve.h"
#include "vault/servers.h"
#include "vault/sign.h"

struct vault_helper {
    struct vault_servers *servers;
};

/** What one thread has to itself. */
struct vault_worker {
    struct vault_http *http;
    int ask_fd; /* its socket for questions */
};

struct err *vault_helper_new(struct vault_helper **ret)
{
    AUTO(vault_helper_free) struct vault_helper *h = calloc(1, sizeof *h);
    struct err *e = h != NULL ? vault_servers_new(&h->servers) : err_nomem();

    if (e == NULL) {
        *ret = take(&h);
    }
    return e;
}

void vault_helper_free(struct vault_helper **hp)
{
    struct vault_helper *h = take(hp);

    if (h != NULL) {
        vault_servers_free(&h->servers);
        free(h);
    }
}

/* --- configuration ------------------------------------------------------------------------------ */

static struct err *on_configure(struct vault_helper *h, struct ipc_request *request)
{
    uint32_t number = rd_u32(&request->body);
    struct vault_conf conf = {0};
    struct err *e = vault_conf_get(&request->body, &conf);

    if (e == NULL) {
        e = rd_end(&request->body, "Vault configuration");
    }
    if (e != NULL) {
        vault_conf_deinit(&conf);
        return e;
    }
    return vault_servers_add(h->servers, number, &conf);
}

static struct err *on_forget(struct vault_helper *h, struct ipc_request *request)
{
    uint32_t number = rd_u32(&request->body);
    struct err *e = rd_end(&request->body, "number of a Vault server");

    if (e == NULL) {
        vault_servers_forget(h->servers, number);
    }
    return e;
}

static struct err *on_stop(struct vault_helper *h, const struct vault_worker *w)
{
    AUTO(err_free) struct err *e =
        vault_servers_revoke(h->servers, w->http, w->ask_fd, mono_in(VAULT_STOP_MS));

    if (e != NULL) { /* nobody waits for an answer any more */
        log_err(LOG_WARN, e, "a Vault token goes on to its end");
    }
    return NULL;
}

/* --- signing ------------------------------------------------------------------------------------ */

static struct vault_api api_of(const struct vault_worker *w, struct vault_server *server,
                               struct mono deadline)
{
    return (struct vault_api){.http = w->http,
                              .server = &server->conf,
                              .deadline = deadline,
                              .good = &server->good,
                              .link = &server->link,
                              .ask_fd = w->ask_fd};
}

static struct err *sign(struct vault_server *server, const struct vault_worker *w,
                        const struct vault_ask *ask, struct buf *reply)
{
    struct vault_api api = api_of(w, server, ask->deadline);
    struct vault_signed done = {0};
    struct err *e = vault_sign(server->auth, &api, ask, &done);

    if (e != NULL) {
        return err_add(e, "vault %s at %s", server->conf.name,
                       vault_conf_address(&server->conf, atomic_load(&server->good)));
    }
    if (done.warnings != NULL) {
        log_line(LOG_NOTE, "vault %s: %s/sign/%s: Vault warns: %s", server->conf.name, ask->mount,
                 ask->role, done.warnings);
    }
    struct signer_answer answer = {
        .cert_line = view_cstr(done.cert_line),
        .request_id = done.request_id,
        .skew_s = done.skew_s,
        .has_skew = done.has_skew,
        .role_chose = done.role_chose,
    };

    vault_answer_put(reply, &answer);
    vault_signed_deinit(&done);
    return NULL;
}

static struct err *on_sign(struct vault_helper *h, const struct vault_worker *w,
                           struct ipc_request *request)
{
    AUTO(vault_ask_deinit) struct vault_ask ask = {0};
    struct vault_server *server = NULL;
    struct err *e = vault_ask_get(&request->body, &ask);

    if (e == NULL) {
        e = vault_servers_hold(h->servers, ask.server, ask.deadline, &server);
    }
    if (e == NULL) {
        e = sign(server, w, &ask, request->reply);
    }
    vault_servers_let_go(h->servers, &server);
    return e;
}

/* --- all else ----------------------------------------------------------------------------------- */

/* The same configuration, not logged in to: a check that leaned on an old login would prove little. */
static struct err *hold_afresh(struct vault_helper *h, struct vault_server **server)
{
    struct vault_server *old = take(server);
    struct vault_conf conf = {0};
    struct err *e = vault_conf_copy(&old->conf, &conf);

    vault_servers_let_go(h->servers, &old);
    return e != NULL ? e : vault_servers_hold_new(h->servers, &conf, server);
}

/* Whom a query is about; a configuration that came along moves into the server. */
static struct err *hold(struct vault_helper *h, uint8_t op, struct vault_query *q,
                        struct vault_server **ret)
{
    if (q->server == 0) {
        return vault_servers_hold_new(h->servers, (struct vault_conf *)q->conf, ret);
    }
    struct err *e = vault_servers_hold(h->servers, q->server, q->deadline, ret);

    return e == NULL && op == VAULT_OP_CHECK ? hold_afresh(h, ret) : e;
}

static struct err *on_query(struct vault_helper *h, const struct vault_worker *w,
                            struct ipc_request *request)
{
    static vault_serve_fn *const serve_fns[] = {
        [VAULT_OP_CHECK] = vault_serve_check,     [VAULT_OP_MOUNTS] = vault_serve_mounts,
        [VAULT_OP_KV_GET] = vault_serve_kv_get,   [VAULT_OP_KV_CAS] = vault_serve_kv_cas,
        [VAULT_OP_KV_LIST] = vault_serve_kv_list, [VAULT_OP_PKI_SIGN] = vault_serve_pki,
        [VAULT_OP_REVOKE] = vault_serve_revoke,   [VAULT_OP_CA_KEY] = vault_serve_ca_key,
    };
    AUTO(vault_query_deinit) struct vault_query q = {0};
    struct vault_server *server = NULL;
    struct err *e = vault_query_get(&request->body, &q);

    if (e == NULL) {
        e = hold(h, request->op, &q, &server);
    }
    if (e == NULL) {
        struct vault_look look = {
            .api = api_of(w, server, q.deadline),
            .auth = server->auth,
            .query = &q,
            .request = request,
        };

        e = serve_fns[request->op](&look);
        if (e != NULL && request->op != VAULT_OP_CHECK) {
            e = err_add(e, "vault %s at %s", server->conf.name,
                        vault_conf_address(&server->conf, atomic_load(&server->good)));
        }
    }
    vault_servers_let_go(h->servers, &server);
    return e;
}

static struct err *serve(void *helper, void *worker, struct ipc_request *request)
{
    struct err *e = ipc_server_grow(request->server, VAULT_WORKERS);

    if (e != NULL) {
        return e;
    }
    if (worker == NULL) {
        return err_nomem();
    }
    switch (request->op) {
    case VAULT_OP_CONFIGURE:
        return on_configure(helper, request);
    case VAULT_OP_FORGET:
        return on_forget(helper, request);
    case VAULT_OP_STOP:
        return on_stop(helper, worker);
    case VAULT_OP_SIGN:
        return on_sign(helper, worker, request);
    case VAULT_OP_CHECK:
    case VAULT_OP_MOUNTS:
    case VAULT_OP_KV_GET:
    case VAULT_OP_KV_CAS:
    case VAULT_OP_KV_LIST:
    case VAULT_OP_PKI_SIGN:
    case VAULT_OP_REVOKE:
    case VAULT_OP_CA_KEY:
        return on_query(helper, worker, request);
    default:
        return err_new(ERR_PROTOCOL, "holdfast-vault has no operation %u", request->op);
    }
}

static void stop(void *helper, void *worker)
{
    struct vault_worker *w = worker;

    (void)helper;
    if (w != NULL) {
        vault_http_free(&w->http);
        free(w);
    }
}

static void *start(void *helper, unsigned index)
{
    struct vault_worker *w = calloc(1, sizeof *w);
    AUTO(err_free) struct err *e = w != NULL ? vault_http_new(&w->http) : err_nomem();

    if (e != NULL) {
        stop(helper, w);
        return NULL;
    }
    w->ask_fd = IPC_ASK_FD + (int)index;
    return w;
}

const struct ipc_server_ops *vault_helper_ops(void)
{
    static const struct ipc_server_ops ops = {.serve = serve, .start = start, .stop = stop};

    return &ops;
}
