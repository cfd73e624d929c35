/*
 * The X.509 certificates that a token stores, page by page, for whoever asks: nothing is kept of
 * them, as they are wanted once, to be copied into the registry.
 *
 * A locked token may show them too. Pages are read one after another; should another token have come
 * to the slot in between, or the number have changed, the whole of it fails.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

struct ask {
    struct slot *slot;
    char serial[sizeof((struct token_info *)0)->serial];
    struct token_cert *certs; /* what has come so far */
    size_t n;
    remote_certs_fn *on_done;
    void *arg;
};

/* Ends it; @e is taken. */
static void finish(struct ask *a, struct err *e)
{
    struct ask ended = *a;
    struct remote_cert list[TOKEN_CERTS_MAX];

    free(a);
    for (size_t i = 0; e == NULL && i < ended.n; i++) {
        const struct token_cert *c = &ended.certs[i];

        list[i] = (struct remote_cert){c->label, view_of(c->id, c->id_len), buf_view(&c->der)};
    }
    ended.on_done(ended.arg, e, list, e == NULL ? ended.n : 0);
    ops_cert_list_free(&ended.certs, ended.n);
}

static struct err *check_slot(const struct slot *s)
{
    return s->phase == SLOT_LOCKED ? NULL : slot_why_not(s);
}

static struct err *add_page(struct ask *a, struct rd *reply, size_t *ret_total)
{
    struct token_cert *page = NULL;
    size_t n = 0;
    struct err *e = ops_cert_page_get(reply, ret_total, &page, &n);

    if (e == NULL && (a->n + n > *ret_total || (n == 0 && a->n < *ret_total))) {
        e = err_new(ERR_PROTOCOL, "the pages do not add up");
    }
    struct token_cert *grown =
        e == NULL && n > 0 ? reallocarray(a->certs, a->n + n, sizeof *grown) : NULL;

    if (e == NULL && n > 0 && grown == NULL) {
        e = err_nomem();
    }
    if (grown == NULL) {
        ops_cert_list_free(&page, n);
        return e;
    }
    memcpy(grown + a->n, page, n * sizeof *page);
    free(page);
    a->certs = grown;
    a->n += n;
    return NULL;
}

static void ask_page(struct ask *a);

static void on_page(void *arg, struct err *e, struct rd *reply)
{
    struct ask *a = arg;
    struct slot *s = a->slot;
    size_t total = 0;

    manage_learn(s, e);
    if (e == NULL) {
        e = add_page(a, reply, &total);
    }
    if (e == NULL && a->n < total) {
        e = check_slot(s);
        if (e == NULL && !text_eq(a->serial, s->info.serial)) {
            e = err_new(ERR_GONE, "another token came");
        }
        if (e == NULL) {
            ask_page(a);
            return;
        }
    }
    finish(a, err_add(e, "certificates of token %s", s->name != NULL ? s->name : "that left"));
}

static void ask_page(struct ask *a)
{
    AUTO(buf_deinit) struct buf body;
    struct slot *s = a->slot;

    buf_init(&body, 0);
    ops_certs_put(&body, &(struct ops_certs){s->lane, (uint32_t)a->n});
    slot_call(s, &(struct slot_request){OPS_CERTS, &body, LIST_MS, on_page, a}, NULL);
}

void remote_certs(struct remote *r, size_t token, remote_certs_fn *on_done, void *arg)
{
    struct slot *s = token < r->slots_n ? r->slots[token] : NULL;
    struct err *e = s == NULL
                        ? err_new(ERR_INPUT, "this token is not configured, so it is not opened")
                        : check_slot(s);
    struct ask *a = e == NULL ? calloc(1, sizeof *a) : NULL;

    if (a == NULL) {
        on_done(arg, e != NULL ? e : err_nomem(), NULL, 0);
        return;
    }
    a->slot = s;
    a->on_done = on_done;
    a->arg = arg;
    memcpy(a->serial, s->info.serial, sizeof a->serial);
    ask_page(a);
}
