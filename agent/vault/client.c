/*
 * The agent's side of holdfast-vault: starts the helper on demand, gives it the configuration each
 * time it comes up, and offers each server as a signer. It knows neither HTTP nor JSON, and must not
 * come to: holdfast-agent links this file and ops.c alone out of this folder.
 *
 * Secrets that came by environment stay here in the secure heap, because the helper forgets them
 * when it dies. All else that is secret the helper reads from files, which this process never opens.
 *
 * The helper gives up at a request's deadline by itself; ours is a little later. So a slow Vault
 * costs a request and only a helper that hangs is killed.
 */
#include <stdlib.h>
#include <sys/queue.h>

#include "vault/ops.h"

enum { GRACE_MS = 2000, CONFIGURE_MS = 10000, OUTSTANDING_MAX = 2 * VAULT_WORKERS };

/* One server: what status shows, and what a signer is bound to. */
struct server {
    struct vault *vault;
    uint32_t index;
    struct vault_conf conf; /* owned copy */
    bool used;
    struct err *last_error;
    struct wall last_ok;
    int64_t skew_s;
    bool has_skew;
};

/* One request on its way; on its vault's list until it is answered or cancelled. */
struct pending {
    LIST_ENTRY(pending) link;
    struct server *server;
    uint64_t handle;
    signer_reply_fn *on_reply;
    void *arg;
};

LIST_HEAD(pending_list, pending);

struct vault {
    struct io_helper *helper;
    struct server *servers;
    struct signer *signers;
    size_t n;
    struct pending_list pending;
};

/* --- the helper --------------------------------------------------------------------------------- */

static void on_configured(void *arg, struct err *e, struct rd *reply)
{
    struct vault *v = arg;

    (void)reply;
    if (e == NULL) {
        io_helper_ready(v->helper);
        return;
    }
    if (!err_is(e, ERR_GONE)) {
        io_helper_restart(v->helper, e);
    }
    err_free(&e);
}

static struct err *put_configuration(const struct vault *v, struct buf *b)
{
    struct vault_conf *list = calloc(v->n + 1, sizeof *list);

    if (list == NULL) {
        return err_nomem();
    }
    for (size_t i = 0; i < v->n; i++) {
        list[i] = v->servers[i].conf; /* borrowed */
    }
    vault_confs_put(b, list, v->n);
    free(list);
    return buf_check(b, "Vault configuration");
}

static void on_up(void *arg)
{
    struct vault *v = arg;
    AUTO(buf_deinit) struct buf body;

    buf_init(&body, 0);
    body.secret = true;
    AUTO(err_free) struct err *e = put_configuration(v, &body);

    if (e != NULL) {
        io_helper_restart(v->helper, e);
        return;
    }
    struct io_call call = {
        .op = VAULT_OP_CONFIGURE,
        .body = buf_view(&body),
        .deadline = mono_in(CONFIGURE_MS),
        .setup = true,
        .secret = true,
        .on_reply = on_configured,
        .arg = v,
    };

    io_helper_call(v->helper, &call);
}

static void on_down(void *arg, const struct err *why)
{
    (void)arg; /* open requests have failed one by one; io_helper_status() shows the reason */
    (void)why;
}

/* The helper's whole environment: what name resolution, TLS and a proxy need, and nothing else. */
static struct err *make_env(char ***ret)
{
    static const char *const passed[] = {
        "PATH",      "LANG",      "SSL_CERT_FILE", "SSL_CERT_DIR", "https_proxy",    "HTTPS_PROXY",
        "all_proxy", "ALL_PROXY", "no_proxy",      "NO_PROXY",     "JOURNAL_STREAM",
    };

    for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
        const char *value = getenv(passed[i]);
        AUTO(auto_free) char *entry = value != NULL ? text_fmt("%s=%s", passed[i], value) : NULL;

        if (value != NULL && (entry == NULL || !text_list_add(ret, entry))) {
            return err_nomem();
        }
    }
    return *ret != NULL || text_list_add(ret, "PATH=/usr/bin:/bin") ? NULL : err_nomem();
}

static struct err *make_helper(struct vault *v, struct io_loop *l, const char *helper_path)
{
    const char *const argv[] = {helper_path, NULL};
    AUTO(text_list_free) char **env = NULL;
    struct err *e = make_env(&env);
    struct io_helper_conf conf = {
        .name = "holdfast-vault",
        .argv = argv,
        .env = (const char *const *)env,
        .outstanding_max = OUTSTANDING_MAX,
        .lane_outstanding_max = VAULT_WORKERS - 1, /* one stays free for another server */
        .on_up = on_up,
        .on_down = on_down,
        .arg = v,
    };

    return e != NULL ? e : io_helper_new(l, &conf, &v->helper);
}

/* --- signing ------------------------------------------------------------------------------------ */

static void note(struct server *s, const struct err *e, const struct signer_answer *answer)
{
    s->used = true;
    err_free(&s->last_error);
    s->last_error = err_copy(e);
    if (answer != NULL) {
        s->last_ok = wall_now();
        s->has_skew = answer->has_skew;
        s->skew_s = answer->skew_s;
    }
}

static void on_signed(void *arg, struct err *e, struct rd *reply)
{
    struct pending *p = arg;
    struct signer_answer answer = {0};
    AUTO(auto_free) char *request_id = NULL;

    if (e == NULL) {
        e = vault_answer_get(reply, &answer, &request_id);
    }
    const struct signer_answer *good = e == NULL ? &answer : NULL;

    note(p->server, e, good);
    LIST_REMOVE(p, link);
    p->on_reply(p->arg, e, good);
    free(p);
}

static struct err *put_request(const struct server *s, const struct signer_request *request,
                               struct mono deadline, struct buf *b)
{
    AUTO(auto_free) char *line = ssh_key_line(request->key, NULL);

    if (line == NULL) {
        return err_nomem();
    }
    vault_ask_put(b, s->index, deadline, line, request);
    return buf_check(b, "signing request");
}

static uint64_t sign(void *self, const struct signer_request *request, struct mono deadline,
                     signer_reply_fn *on_reply, void *arg)
{
    struct server *s = self;
    AUTO(buf_deinit) struct buf body;
    struct pending *p = calloc(1, sizeof *p);

    buf_init(&body, 0);
    struct err *e = p != NULL ? put_request(s, request, deadline, &body) : err_nomem();

    if (e != NULL) {
        free(p);
        on_reply(arg, e, NULL);
        return 0;
    }
    *p = (struct pending){.server = s, .on_reply = on_reply, .arg = arg};
    LIST_INSERT_HEAD(&s->vault->pending, p, link);
    struct io_call call = {
        .op = VAULT_OP_SIGN,
        .body = buf_view(&body),
        .deadline = {deadline.ms + GRACE_MS},
        .flow = s->index + 1,
        .lane = s->index + 1,
        .on_reply = on_signed,
        .arg = p,
    };
    uint64_t handle = io_helper_call(s->vault->helper, &call);

    if (handle != 0) { /* else on_signed() has run, and p is gone */
        p->handle = handle;
    }
    return handle;
}

static void cancel(void *self, uint64_t handle)
{
    struct vault *v = ((struct server *)self)->vault;
    struct pending *p;

    LIST_FOREACH(p, &v->pending, link)
    {
        if (p->handle == handle) {
            io_helper_cancel(v->helper, handle);
            LIST_REMOVE(p, link);
            free(p);
            return;
        }
    }
}

static void keep(void *self)
{
    (void)self; /* signers belong to the vault object */
}

/* --- life --------------------------------------------------------------------------------------- */

static struct err *add_server(struct vault *v, const struct vault_conf *conf)
{
    static const struct signer_ops ops = {.sign = sign, .cancel = cancel, .free = keep};
    struct server *s = &v->servers[v->n];
    struct err *e = vault_conf_copy(conf, &s->conf);

    if (e == NULL) {
        s->vault = v;
        s->index = (uint32_t)v->n;
        v->signers[v->n] =
            (struct signer){.name = s->conf.name, .kind = "vault", .ops = &ops, .self = s};
        v->n++;
    }
    return e;
}

struct err *vault_new(struct io_loop *l, const char *helper_path, const struct vault_conf *conf,
                      size_t n, struct vault **ret, struct signer **ret_signers)
{
    if (n > VAULT_SERVERS_MAX) {
        return err_new(ERR_LIMIT, "%zu Vault servers: at most %d are possible", n,
                       VAULT_SERVERS_MAX);
    }
    AUTO(vault_free) struct vault *v = calloc(1, sizeof *v);

    if (v == NULL || (v->servers = calloc(n + 1, sizeof *v->servers)) == NULL ||
        (v->signers = calloc(n + 1, sizeof *v->signers)) == NULL) {
        return err_nomem();
    }
    LIST_INIT(&v->pending);
    struct err *e = NULL;

    for (size_t i = 0; e == NULL && i < n; i++) {
        e = add_server(v, &conf[i]);
    }
    if (e == NULL) {
        e = make_helper(v, l, helper_path);
    }
    if (e == NULL) {
        *ret_signers = v->signers;
        *ret = take(&v);
    }
    return e;
}

void vault_free(struct vault **vp)
{
    struct vault *v = take(vp);

    if (v == NULL) {
        return;
    }
    io_helper_free(&v->helper); /* answers what is pending */
    for (size_t i = 0; i < v->n; i++) {
        vault_conf_deinit(&v->servers[i].conf);
        err_free(&v->servers[i].last_error);
    }
    free(v->servers);
    free(v->signers);
    free(v);
}

size_t vault_count(const struct vault *v)
{
    return v->n;
}

void vault_status(const struct vault *v, size_t i, struct vault_status *ret)
{
    const struct server *s = &v->servers[i];

    *ret = (struct vault_status){
        .name = s->conf.name,
        .address = s->conf.address,
        .state = !s->used                ? VAULT_NEVER_USED
                 : s->last_error == NULL ? VAULT_OK
                                         : VAULT_FAILING,
        .last_error = s->last_error,
        .last_ok = s->last_ok,
        .skew_s = s->skew_s,
        .has_skew = s->has_skew,
    };
}

void vault_helper_status(const struct vault *v, struct io_helper_status *ret)
{
    io_helper_status(v->helper, ret);
}
