/*
 * Requests of the agent to holdfast-vault, from the call to its callback, and signing, which is what
 * most of them are.
 *
 * The helper gives up at a request's deadline by itself; ours is a little later. So a slow Vault
 * costs a request and only a helper that hangs is killed.
 */
#include <stdlib.h>

#include "base/patience.h"
#include "vault/client.h"

enum { GRACE_MS = 2000, NAMES_AT_FIRST = 64, NAMES_MAX = 1000000 };

/* --- on the way --------------------------------------------------------------------------------- */

struct vault_pending *vault_pending_new(struct vault *v, struct vault_client_server *server)
{
    struct vault_pending *p = calloc(1, sizeof *p);

    if (p != NULL) {
        p->vault = v;
        p->server = server;
        p->edition = server != NULL ? server->edition : NULL;
        if (p->edition != NULL) {
            p->edition->open++;
        }
        LIST_INSERT_HEAD(&v->pending, p, link);
    }
    return p;
}

/* Off the list, told, and gone. */
static void finish(struct vault_pending *p, struct err *e, struct rd *reply)
{
    LIST_REMOVE(p, link);
    if (p->edition != NULL) {
        vault_edition_release(p->vault, p->edition);
    }
    if (e == NULL && p->broken != NULL) {
        e = take(&p->broken);
        reply = NULL;
    }
    p->finish(p, e, reply);
    for (size_t i = 0; i < p->names_n; i++) {
        free(p->names[i]);
    }
    free(p->names);
    err_free(&p->broken);
    free(p);
}

static void on_answer(void *arg, struct err *e, struct rd *reply)
{
    finish(arg, e, reply);
}

static void on_event(void *arg, struct rd *event)
{
    struct vault_pending *p = arg;

    if (p->event != NULL) {
        p->event(p, event);
    }
}

static void say_nothing(struct vault_pending *p, struct err *e, struct rd *reply)
{
    (void)p;
    (void)reply;
    err_free(&e);
}

void vault_pending_end(struct vault_pending *p, struct err *e)
{
    if (p->handle != 0 && p->vault->helper != NULL) {
        io_helper_cancel(p->vault->helper, p->handle);
    }
    if (e == NULL) {
        p->finish = say_nothing;
    }
    finish(p, e, NULL);
}

void vault_cancel(struct vault *v, uint64_t handle)
{
    struct vault_pending *p;

    LIST_FOREACH(p, &v->pending, link)
    {
        if (handle != 0 && p->handle == handle) {
            vault_pending_end(p, NULL);
            return;
        }
    }
}

/* Have it answered by @p->finish; @p is taken, @body may be marked failed. */
static uint64_t send_call(struct vault_pending *p, enum vault_op op, const struct buf *body,
                          struct mono deadline)
{
    struct err *e = buf_check(body, "a request to holdfast-vault");
    uint32_t lane = p->edition != NULL ? p->edition->number : UINT32_MAX;

    if (e == NULL && (p->vault->helper == NULL || (p->server != NULL && p->server->removed))) {
        e = err_new(ERR_GONE, "this Vault server was removed");
    }
    if (e != NULL) {
        finish(p, e, NULL);
        return 0;
    }
    struct io_call call = {
        .op = (uint8_t)op,
        .body = buf_view(body),
        .deadline = {deadline.ms < INT64_MAX - GRACE_MS ? deadline.ms + GRACE_MS : INT64_MAX},
        .flow = lane,
        .lane = lane,
        .secret = body->secret,
        .on_event = on_event,
        .on_reply = on_answer,
        .arg = p,
    };
    uint64_t handle = io_helper_call(p->vault->helper, &call);

    if (handle != 0) { /* else on_answer() has run, and p is gone */
        p->handle = handle;
    }
    return handle;
}

uint64_t vault_send_query(struct vault_pending *p, enum vault_op op, struct vault_query *q)
{
    AUTO(buf_deinit) struct buf body;

    buf_init(&body, 0);
    body.secret = true;
    q->server = p->edition != NULL ? p->edition->number : 0;
    vault_query_put(&body, q);
    return send_call(p, op, &body, q->deadline);
}

/* --- names in events ---------------------------------------------------------------------------- */

static bool add_name(struct vault_pending *p, char *name)
{
    if (p->names_n + 1 >= p->names_cap) {
        size_t cap = p->names_cap > 0 ? 2 * p->names_cap : NAMES_AT_FIRST;
        char **grown = cap <= NAMES_MAX ? realloc(p->names, cap * sizeof *grown) : NULL;

        if (grown == NULL) {
            free(name);
            return false;
        }
        p->names = grown;
        p->names_cap = cap;
    }
    p->names[p->names_n++] = name;
    p->names[p->names_n] = NULL;
    return true;
}

void vault_pending_names(struct vault_pending *p, struct rd *event)
{
    while (p->broken == NULL && !rd_at_end(event)) {
        char *name = rd_cstr(event);

        if (name == NULL) {
            p->broken = err_new(ERR_PROTOCOL, "malformed list of names from holdfast-vault");
        } else if (!add_name(p, name)) {
            p->broken = err_new(ERR_LIMIT, "more than %d names", NAMES_MAX);
        }
    }
}

/* --- signing ------------------------------------------------------------------------------------ */

static void note(struct vault_client_server *s, const struct err *e,
                 const struct signer_answer *answer)
{
    s->used = true;
    err_free(&s->last_error);
    s->last_error = err_copy(e);
    if (e != NULL && err_patience_s(e) > 0) {
        s->patience_until = (struct wall){wall_now().s + err_patience_s(e)};
    }
    if (answer != NULL) {
        s->patience_until = (struct wall){0};
        s->last_ok = wall_now();
        s->has_skew = answer->has_skew;
        s->skew_s = answer->skew_s;
    }
}

static void on_signed(struct vault_pending *p, struct err *e, struct rd *reply)
{
    struct signer_answer answer = {0};
    AUTO(auto_free) char *request_id = NULL;

    if (e == NULL) {
        e = vault_answer_get(reply, &answer, &request_id);
    }
    const struct signer_answer *good = e == NULL ? &answer : NULL;

    note(p->server, e, good);
    p->on.signed_(p->arg, e, good);
}

static uint64_t sign(void *self, const struct signer_request *request, struct mono deadline,
                     signer_reply_fn *on_reply, void *arg)
{
    struct vault_client_server *s = self;
    AUTO(buf_deinit) struct buf body;
    AUTO(auto_free) char *line = ssh_key_line(request->key, NULL);
    struct vault_pending *p = line != NULL ? vault_pending_new(s->vault, s) : NULL;

    buf_init(&body, 0);
    if (p == NULL) {
        on_reply(arg, err_nomem(), NULL);
        return 0;
    }
    p->finish = on_signed;
    p->on.signed_ = on_reply;
    p->arg = arg;
    vault_ask_put(&body, p->edition->number, deadline, line, request);
    return send_call(p, VAULT_OP_SIGN, &body, deadline);
}

static void cancel(void *self, uint64_t handle)
{
    vault_cancel(((struct vault_client_server *)self)->vault, handle);
}

static void keep(void *self)
{
    (void)self; /* signers belong to the vault object */
}

const struct signer_ops *vault_signer_ops(void)
{
    static const struct signer_ops ops = {.sign = sign, .cancel = cancel, .free = keep};

    return &ops;
}
