/*
 * Renewing at somebody's word. Whoever asks waits for all certificates of the identity; a request
 * that is under way already is joined, never doubled.
 */
#include <stdlib.h>

#include "renew/priv.h"

/* One caller; it lives until its last certificate is through. */
struct waiter {
    size_t pending;
    struct err *first;
    void (*on_done)(void *arg, struct err *e);
    void *arg;
};

struct renew_join {
    struct renew_join *next;
    struct waiter *waiter;
};

/* @error is borrowed. */
static void count_down(struct waiter *w, const struct err *error)
{
    if (w->first == NULL && error != NULL) {
        w->first = err_copy(error);
    }
    if (--w->pending == 0) {
        struct waiter done = *w;

        free(w);
        done.on_done(done.arg, done.first);
    }
}

void renew_joins_done(struct renew_entry *e, const struct err *error)
{
    struct renew_join *j = take(&e->joins);

    while (j != NULL) {
        struct renew_join *next = j->next;
        struct waiter *w = j->waiter;

        free(j);
        count_down(w, error);
        j = next;
    }
}

/* A request to the first signer may hang: whoever tells to ask the standby does not wait for it. */
static void turn_to_standby(struct renew_entry *e)
{
    if (e->in_flight && !e->at_standby) {
        renew_withdraw(e);
    }
    e->forced_standby = !e->in_flight;
    renew_look_soon(e);
}

/* Errors: as identity_cert_may_request() says, NOMEM */
static struct err *join(struct renew_entry *e, bool standby, struct waiter *w)
{
    if (standby && identity_cert_want(e->cert)->standby.signer == NULL) {
        return NULL;
    }
    if (standby) {
        turn_to_standby(e);
    }
    struct err *why = e->in_flight ? NULL : identity_cert_may_request(e->cert);
    struct renew_join *j = why == NULL ? malloc(sizeof *j) : NULL;

    if (why != NULL || j == NULL) {
        return why != NULL ? why : err_nomem();
    }
    *j = (struct renew_join){.next = e->joins, .waiter = w};
    e->joins = j;
    e->forced = !e->in_flight;
    w->pending++;
    renew_look_soon(e);
    return NULL;
}

/* NULL, or why nothing can be asked for. */
static struct err *nothing_to_ask(const struct identity *i, bool standby)
{
    bool has = false;

    for (size_t k = 0; k < identity_certs(i); k++) {
        has |= !standby || identity_cert_want(identity_cert_at(i, k))->standby.signer != NULL;
    }
    return has ? NULL
               : err_new(ERR_INPUT,
                         standby ? "no certificate of %s has a standby signer"
                                 : "%s wants no certificate",
                         identity_name(i));
}

static void at_once(struct renew *r, struct identity *i, bool standby,
                    void (*on_done)(void *arg, struct err *e), void *arg)
{
    struct waiter *w = calloc(1, sizeof *w);

    if (w == NULL) {
        on_done(arg, err_nomem());
        return;
    }
    *w = (struct waiter){.pending = 1, .on_done = on_done, .arg = arg};
    if (r->edition != identity_set_edition(r->identities)) {
        w->first = renew_add_missing(r, false);
    }
    if (w->first == NULL) {
        w->first = nothing_to_ask(i, standby);
    }
    for (size_t k = 0; k < identity_certs(i); k++) {
        struct renew_entry *entry = renew_entry_of(r, identity_cert_at(i, k));
        struct err *e = entry != NULL ? join(entry, standby, w) : NULL;

        if (w->first == NULL) {
            w->first = e;
        } else {
            err_free(&e);
        }
    }
    io_timer_set(r->timer, mono_now());
    count_down(w, NULL);
}

void renew_now(struct renew *r, struct identity *i, void (*on_done)(void *arg, struct err *e),
               void *arg)
{
    at_once(r, i, false, on_done, arg);
}

void renew_standby(struct renew *r, struct identity *i, void (*on_done)(void *arg, struct err *e),
                   void *arg)
{
    at_once(r, i, true, on_done, arg);
}
