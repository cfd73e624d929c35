/*
 * The agent's side of holdfast-vault: starts the helper on demand, gives it the configurations each
 * time it comes up and whenever one is put. It knows neither HTTP nor JSON, and must not come to:
 * holdfast-agent links this file, call.c, look.c, kv.c and the messages alone out of this folder.
 *
 * Secrets that came by environment stay here in the secure heap, because the helper forgets them
 * when it dies. All else that is secret the helper reads from files, which this process never opens.
 *
 * What holdfast-vault asks back goes to whoever vault_on_question() named; nothing is signed here.
 *
 * A server that is replaced gets a new edition under a new number, and the old one stays with the
 * helper until its last request is over. A configuration goes to the helper ahead of everything that
 * is queued, so it is always on its way before the first request that names it.
 */
#include "vault/client.h"

#include <stdlib.h>

#include "vault/ask.h"

enum { OUTSTANDING_MAX = 2 * VAULT_WORKERS };

/* --- configuring the helper --------------------------------------------------------------------- */

static void send_setup(struct vault *v, enum vault_op op, const struct buf *body,
                       io_reply_fn *on_reply)
{
    struct io_call call = {
        .op = (uint8_t)op,
        .body = buf_view(body),
        .deadline = mono_in(VAULT_CONFIGURE_MS),
        .setup = true,
        .secret = true,
        .on_reply = on_reply,
        .arg = v,
    };

    io_helper_call(v->helper, &call);
}

/* A helper that is down is told when it is up; one that cannot take it has to start anew. */
static bool is_fatal(struct vault *v, const struct err *e)
{
    if (e != NULL && !err_is(e, ERR_GONE) && v->helper != NULL) {
        io_helper_restart(v->helper, e);
        return true;
    }
    return e != NULL;
}

static void on_configured(void *arg, struct err *e, struct rd *reply)
{
    struct vault *v = arg;

    (void)reply;
    if (!is_fatal(v, e) && --v->unconfigured == 0) {
        io_helper_ready(v->helper);
    }
    err_free(&e);
}

static void on_told(void *arg, struct err *e, struct rd *reply)
{
    (void)reply;
    is_fatal(arg, e);
    err_free(&e);
}

static struct err *put_edition(struct buf *b, const struct vault_edition *edition)
{
    buf_init(b, 0);
    b->secret = true;
    buf_put_u32(b, edition->number);
    vault_conf_put(b, &edition->conf);
    return err_add(buf_check(b, "configuration"), "vault %s", edition->conf.name);
}

static void configure(struct vault *v, const struct vault_edition *edition, io_reply_fn *on_reply)
{
    AUTO(buf_deinit) struct buf body;
    struct err *e = put_edition(&body, edition);

    if (e != NULL) {
        on_reply(v, e, NULL);
    } else {
        send_setup(v, VAULT_OP_CONFIGURE, &body, on_reply);
    }
}

static void on_up(void *arg)
{
    struct vault *v = arg;
    const struct vault_edition *edition;

    v->unconfigured = 1; /* this function: it is not ready before all are sent */
    LIST_FOREACH(edition, &v->editions, link)
    {
        v->unconfigured++;
    }
    LIST_FOREACH(edition, &v->editions, link)
    {
        configure(v, edition, on_configured);
    }
    on_configured(v, NULL, NULL);
}

static void on_down(void *arg, const struct err *why)
{
    (void)arg; /* open requests have failed one by one; io_helper_status() shows the reason */
    (void)why;
}

/* --- its questions ------------------------------------------------------------------------------ */

static void on_question(void *arg, uint64_t question, uint8_t op, struct rd *body)
{
    struct vault *v = arg;
    struct vault_question_in in = {0};
    struct err *e = op == VAULT_ASK_SIGN
                        ? vault_question_get(body, &in)
                        : err_new(ERR_PROTOCOL, "holdfast-vault asks for operation %u", op);

    if (e == NULL && (v->on_question == NULL || v->helper == NULL)) {
        e = err_new(ERR_DENIED, "nothing is signed for Vault logins");
    }
    if (e != NULL) {
        vault_answer(v, question, e, view_of(NULL, 0));
    } else {
        v->on_question(v->on_question_arg, question, &in.question);
    }
    vault_question_in_deinit(&in);
}

void vault_on_question(struct vault *v, vault_question_fn *fn, void *arg)
{
    v->on_question = fn;
    v->on_question_arg = arg;
}

void vault_answer(struct vault *v, uint64_t question, struct err *e, struct view signature)
{
    if (v->helper == NULL) {
        err_free(&e);
        return;
    }
    io_helper_answer(v->helper, question, e, signature);
}

/* --- the helper --------------------------------------------------------------------------------- */

/* The helper's whole environment: what name resolution, TLS and a proxy need, and nothing else. */
static struct err *make_env(char ***ret)
{
    static const char *const passed[] = {
        "PATH",      "LANG",      "SSL_CERT_FILE", "SSL_CERT_DIR", "https_proxy",    "HTTPS_PROXY",
        "all_proxy", "ALL_PROXY", "no_proxy",      "NO_PROXY",     "JOURNAL_STREAM", "HOME",
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
        .questions = VAULT_WORKERS + 1, /* the last one is for the clock */
        .on_question = on_question,
        .arg = v,
    };

    return e != NULL ? e : io_helper_new(l, &conf, &v->helper);
}

/* --- editions ----------------------------------------------------------------------------------- */

static void edition_free(struct vault_edition *edition)
{
    vault_conf_deinit(&edition->conf);
    free(edition);
}

static struct err *edition_new(struct vault *v, const struct vault_conf *conf,
                               struct vault_edition **ret)
{
    AUTO(buf_deinit) struct buf body = {0};
    struct err *e = vault_conf_check(conf);
    struct vault_edition *edition = e == NULL ? calloc(1, sizeof *edition) : NULL;

    if (edition == NULL) {
        return e != NULL ? e : err_nomem();
    }
    edition->number = v->last_number + 1;
    e = vault_conf_copy(conf, &edition->conf);
    if (e == NULL) {
        e = put_edition(&body, edition); /* does it fit into a frame? */
    }
    if (e != NULL) {
        edition_free(edition);
        return e;
    }
    v->last_number++;
    *ret = edition;
    return NULL;
}

static void retire(struct vault *v, struct vault_edition *edition)
{
    edition->retired = true;
    edition->open++;
    vault_edition_release(v, edition);
}

void vault_edition_release(struct vault *v, struct vault_edition *edition)
{
    AUTO(buf_deinit) struct buf body;

    buf_init(&body, 0);
    if (--edition->open > 0 || !edition->retired) {
        return;
    }
    LIST_REMOVE(edition, link);
    buf_put_u32(&body, edition->number);
    edition_free(edition);
    if (v->helper != NULL && !body.failed) {
        send_setup(v, VAULT_OP_FORGET, &body, on_told);
    }
}

/* --- servers ------------------------------------------------------------------------------------ */

struct vault_client_server *vault_find(const struct vault *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++) {
        if (text_eq(v->servers[i]->name, name)) {
            return v->servers[i];
        }
    }
    return NULL;
}

static void server_free(struct vault_client_server *s)
{
    if (s != NULL) {
        err_free(&s->last_error);
        free(s->name);
        free(s);
    }
}

static struct err *add(struct vault *v, const char *name, struct vault_client_server **ret)
{
    if (v->n == VAULT_SERVERS_MAX) {
        return err_new(ERR_LIMIT, "%s: there are %d Vault servers, more are not possible", name,
                       VAULT_SERVERS_MAX);
    }
    struct vault_client_server *s = calloc(1, sizeof *s);

    if (s == NULL || (s->name = text_copy(name)) == NULL) {
        server_free(s);
        return err_nomem();
    }
    s->vault = v;
    s->signer =
        (struct signer){.name = s->name, .kind = "vault", .ops = vault_signer_ops(), .self = s};
    v->servers[v->n++] = s;
    *ret = s;
    return NULL;
}

struct err *vault_put(struct vault *v, const struct vault_conf *conf,
                      const struct signer **ret_signer)
{
    struct vault_edition *edition = NULL;
    struct vault_client_server *s = conf->name != NULL ? vault_find(v, conf->name) : NULL;
    struct err *e = edition_new(v, conf, &edition);

    if (e == NULL && s == NULL) {
        e = add(v, conf->name, &s);
    }
    if (e != NULL) {
        if (edition != NULL) {
            edition_free(edition);
        }
        return e;
    }
    struct vault_edition *old = s->edition;

    s->edition = edition;
    LIST_INSERT_HEAD(&v->editions, edition, link);
    configure(v, edition, on_told);
    if (old != NULL) {
        retire(v, old);
    }
    if (ret_signer != NULL) {
        *ret_signer = &s->signer;
    }
    return NULL;
}

/* Callbacks may call anything, so each round begins anew. */
static void end_all(struct vault *v, struct vault_client_server *s)
{
    struct vault_pending *p;

    do {
        LIST_FOREACH(p, &v->pending, link)
        {
            if (p->server == s) {
                vault_pending_end(p, err_new(ERR_GONE, "vault %s was removed", s->name));
                break;
            }
        }
    } while (p != NULL);
}

void vault_remove(struct vault *v, const char *name)
{
    struct vault_client_server *s = vault_find(v, name);

    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < v->n; i++) {
        if (v->servers[i] == s) {
            memmove(&v->servers[i], &v->servers[i + 1],
                    (v->n - i - 1) * sizeof(struct vault_client_server *));
            v->n--;
            break;
        }
    }
    s->removed = true;
    end_all(v, s);
    retire(v, s->edition);
    server_free(s);
}

/* --- life --------------------------------------------------------------------------------------- */

struct err *vault_new(struct io_loop *l, const char *helper_path, const struct vault_conf *conf,
                      size_t n, struct vault **ret, struct signer **ret_signers)
{
    AUTO(vault_free) struct vault *v = calloc(1, sizeof *v);

    if (v == NULL ||
        (v->servers = calloc(VAULT_SERVERS_MAX, sizeof(struct vault_client_server *))) == NULL ||
        (v->first = calloc(n + 1, sizeof *v->first)) == NULL) {
        return err_nomem();
    }
    LIST_INIT(&v->pending);
    LIST_INIT(&v->editions);
    struct err *e = make_helper(v, l, helper_path);

    for (size_t i = 0; e == NULL && i < n; i++) {
        const struct signer *signer = NULL;

        e = vault_put(v, &conf[i], &signer);
        if (e == NULL) {
            v->first[i] = *signer;
        }
    }
    if (e != NULL) {
        return e;
    }
    if (ret_signers != NULL) {
        *ret_signers = v->first;
    }
    *ret = take(&v);
    return NULL;
}

/* A clean end, which a crash is not: whether tokens are revoked is the helper's to know. */
static void say_goodbye(struct vault *v)
{
    AUTO(buf_deinit) struct buf nothing;
    struct io_helper_status status = {0};
    const struct vault_edition *edition;
    bool wanted = false;

    buf_init(&nothing, 0);
    LIST_FOREACH(edition, &v->editions, link)
    {
        wanted = wanted || edition->conf.revoke_on_stop;
    }
    if (v->helper != NULL) {
        io_helper_status(v->helper, &status);
    }
    if (wanted && status.ready) {
        send_setup(v, VAULT_OP_STOP, &nothing, on_told);
    }
}

void vault_free(struct vault **vp)
{
    struct vault *v = take(vp);

    if (v == NULL) {
        return;
    }
    say_goodbye(v);
    io_helper_free(&v->helper); /* answers what is pending */
    for (size_t i = 0; i < v->n; i++) {
        server_free(v->servers[i]);
    }
    while (!LIST_EMPTY(&v->editions)) {
        struct vault_edition *edition = LIST_FIRST(&v->editions);

        LIST_REMOVE(edition, link);
        edition_free(edition);
    }
    free(v->servers);
    free(v->first);
    free(v);
}

size_t vault_count(const struct vault *v)
{
    return v->n;
}

void vault_status(const struct vault *v, size_t i, struct vault_status *ret)
{
    const struct vault_client_server *s = v->servers[i];

    *ret = (struct vault_status){
        .name = s->name,
        .address = s->edition->conf.address,
        .state = !s->used                ? VAULT_NEVER_USED
                 : s->last_error == NULL ? VAULT_OK
                                         : VAULT_FAILING,
        .last_error = s->last_error,
        .last_ok = s->last_ok,
        .skew_s = s->skew_s,
        .has_skew = s->has_skew,
        .patience_until = {s->patience_until.s > wall_now().s ? s->patience_until.s : 0},
    };
}

void vault_helper_status(const struct vault *v, struct io_helper_status *ret)
{
    io_helper_status(v->helper, ret);
}
