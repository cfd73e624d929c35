/*
 * Making, deleting and trying to steal keys, and the certificates beside them. What changes keys is
 * followed by a listing, and only then is the caller told, so that what it hears is what everybody
 * sees. Certificates are kept by nobody here: whoever wants them hears of a change and asks.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

struct manage {
    struct job job; /* first: on_listed() gets it */
    struct slot *slot;
    struct ops_name name;
    remote_key_fn *on_key;
    remote_done_fn *on_done;
    remote_text_fn *on_text;
    void *arg;
};

/* Ends it: exactly one of the three callbacks is set. */
static void finish(struct manage *m, struct err *e, struct remote_key *key, const char *text)
{
    struct manage ended = *m;

    free(m);
    if (ended.on_key != NULL) {
        ended.on_key(ended.arg, e, key);
    } else if (ended.on_done != NULL) {
        ended.on_done(ended.arg, e);
    } else {
        ended.on_text(ended.arg, e, text);
    }
}

static void on_listed(struct job *job, struct err *e)
{
    struct manage *m = (struct manage *)job;
    struct remote_key *key = NULL;

    if (e == NULL && m->on_key != NULL) {
        key = key_find_name(m->slot, &m->name);
        if (key == NULL) {
            e = err_new(ERR_GONE, "token %s: the new key is not listed", m->slot->name);
        }
    }
    finish(m, e, key, NULL);
}

static struct manage *begin(struct slot *s, void *arg)
{
    struct manage *m = calloc(1, sizeof *m);

    if (m != NULL) {
        m->job.on_listed = on_listed;
        m->slot = s;
        m->arg = arg;
    }
    return m;
}

void manage_learn(struct slot *s, const struct err *e)
{
    if (err_is(e, ERR_GONE) && s->phase == SLOT_READY) {
        s->suspect = true;
        remote_poke(s->r);
    }
}

static void on_generated(void *arg, struct err *e, struct rd *reply)
{
    struct manage *m = arg;
    struct token_key made;

    if (e == NULL) {
        e = ops_key_get(reply, &made);
    }
    if (e != NULL) {
        manage_learn(m->slot, e);
        finish(m, err_add(e, "generate a key on token %s", m->slot->name), NULL, NULL);
        return;
    }
    m->name = ops_name_of(view_of(made.id, made.id_len), ssh_key_blob(made.key));
    ops_key_deinit(&made);
    listing_start(m->slot, &m->job);
}

void remote_generate(struct remote *r, size_t token, const struct remote_key_spec *spec,
                     remote_key_fn *on_done, void *arg)
{
    AUTO(buf_deinit) struct buf body;
    struct slot *s = token < r->slots_n ? r->slots[token] : NULL;
    struct err *e = s == NULL
                        ? err_new(ERR_INPUT, "this token is not configured, so it is not opened")
                        : slot_why_not(s);

    buf_init(&body, 0);
    struct manage *m = e == NULL ? begin(s, arg) : NULL;

    if (m == NULL) {
        on_done(arg, e != NULL ? e : err_nomem(), NULL);
        return;
    }
    m->on_key = on_done;
    ops_generate_put(&body, s->lane,
                     &(struct token_key_spec){spec->type, spec->bits, spec->label, spec->id});
    slot_call(s,
              &(struct slot_request){OPS_GENERATE, &body, s->profile.generate_timeout_ms,
                                     on_generated, m},
              NULL);
}

static void on_deleted(void *arg, struct err *e, struct rd *reply)
{
    struct manage *m = arg;

    (void)reply;
    if (e != NULL) {
        manage_learn(m->slot, e);
        finish(m, err_add(e, "delete a key of token %s", m->slot->name), NULL, NULL);
        return;
    }
    listing_start(m->slot, &m->job);
}

/* begin() for a key that is there and can be managed now. */
static struct err *begin_with(const struct remote_key *k, void *arg, struct manage **ret)
{
    if (k->slot == NULL) {
        return err_new(ERR_GONE, "the key's token is not present");
    }
    struct err *e = slot_why_not(k->slot);

    if (e == NULL && !k->present) {
        e = err_new(ERR_NOT_FOUND, "the key is no longer on token %s", k->slot->name);
    }
    if (e == NULL) {
        *ret = begin(k->slot, arg);
        e = *ret == NULL ? err_nomem() : NULL;
    }
    return e;
}

void remote_delete(struct remote *r, struct remote_key *k, remote_done_fn *on_done, void *arg)
{
    AUTO(buf_deinit) struct buf body;
    struct manage *m = NULL;
    struct err *e = begin_with(k, arg, &m);

    (void)r;
    buf_init(&body, 0);
    if (e != NULL) {
        on_done(arg, e);
        return;
    }
    struct slot *s = m->slot;

    m->on_done = on_done;
    ops_delete_put(&body, &(struct ops_delete){s->lane, view_of(k->k.id, k->k.id_len),
                                               ssh_key_blob(k->k.key)});
    slot_call(s, &(struct slot_request){OPS_DELETE, &body, LIST_MS, on_deleted, m}, NULL);
}

static void on_cert_stored(void *arg, struct err *e, struct rd *reply)
{
    struct manage *m = arg;
    struct slot *s = m->slot;

    (void)reply;
    manage_learn(s, e);
    if (e == NULL || err_is(e, ERR_EXISTS)) {
        remote_poke(s->r);
    }
    finish(m, err_add(e, "certificates of token %s", s->name != NULL ? s->name : "that left"), NULL,
           NULL);
}

void remote_cert_store(struct remote *r, struct remote_key *k, struct view der,
                       remote_done_fn *on_done, void *arg)
{
    AUTO(buf_deinit) struct buf body;
    struct manage *m = NULL;
    struct err *e = der.len > 0 && der.len <= TOKEN_CERT_MAX_BYTES
                        ? begin_with(k, arg, &m)
                        : err_new(ERR_LIMIT, "a certificate of %zu bytes; 1 to %d are possible",
                                  der.len, TOKEN_CERT_MAX_BYTES);

    (void)r;
    buf_init(&body, 0);
    if (e != NULL) {
        on_done(arg, e);
        return;
    }
    struct slot *s = m->slot;

    m->on_done = on_done;
    ops_cert_put(&body, &(struct ops_cert){.lane = s->lane,
                                           .id = view_of(k->k.id, k->k.id_len),
                                           .blob = ssh_key_blob(k->k.key),
                                           .label = k->k.label,
                                           .der = der});
    slot_call(s, &(struct slot_request){OPS_CERT_STORE, &body, LIST_MS, on_cert_stored, m}, NULL);
}

static void on_tried(void *arg, struct err *e, struct rd *reply)
{
    AUTO(auto_free) char *text = NULL;
    struct manage *m = arg;
    struct view v;

    if (e == NULL) {
        e = ops_string_get(reply, &v);
    }
    if (e == NULL) {
        text = view_dup(v);
        e = text == NULL ? err_nomem() : NULL;
    }
    manage_learn(m->slot, e);
    finish(m, err_add(e, "try to export a key of token %s", m->slot->name), NULL, text);
}

void remote_try_export(struct remote *r, struct remote_key *k, remote_text_fn *on_done, void *arg)
{
    AUTO(buf_deinit) struct buf body;
    struct manage *m = NULL;
    struct err *e = begin_with(k, arg, &m);

    (void)r;
    buf_init(&body, 0);
    if (e != NULL) {
        on_done(arg, e, NULL);
        return;
    }
    struct slot *s = m->slot;

    m->on_text = on_done;
    ops_export_put(&body, &(struct ops_export){s->lane, k->name});
    slot_call(s, &(struct slot_request){OPS_EXPORT, &body, LIST_MS, on_tried, m}, NULL);
}
