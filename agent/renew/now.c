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

/* Errors: as identity_cert_may_request() says, NOMEM */
static struct err *join(struct renew_entry *e, struct waiter *w)
{
    struct err *why = e->in_flight ? NULL : identity_cert_may_request(e->cert);
    struct renew_join *j = why == NULL ? malloc(sizeof *j) : NULL;

    if (why != NULL || j == NULL) {
        return why != NULL ? why : err_nomem();
    }
    *j = (struct renew_join){.next = e->joins, .waiter = w};
    e->joins = j;
    e->forced = !e->in_flight;
    w->pending++;
    return NULL;
}

void renew_now(struct renew *r, struct identity *i, void (*on_done)(void *arg, struct err *e),
               void *arg)
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
    if (identity_certs(i) == 0) {
        w->first = err_new(ERR_INPUT, "%s wants no certificate", identity_name(i));
    }
    for (size_t k = 0; k < identity_certs(i); k++) {
        struct renew_entry *entry = renew_entry_of(r, identity_cert_at(i, k));
        struct err *e = entry != NULL ? join(entry, w) : NULL;

        if (w->first == NULL) {
            w->first = e;
        } else {
            err_free(&e);
        }
    }
    io_timer_set(r->timer, mono_now());
    count_down(w, NULL);
}
