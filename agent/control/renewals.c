/*
 * Renew everything: each identity that wants certificates is asked for at once, as far as the renewal
 * clock lets requests be under way. One that fails is counted and told, and is no reason to stop.
 */
#include <stdlib.h>

#include "control/resources.h"

enum { ALL_MS = 600 * 1000, FAILURES_TOLD_MAX = 20 };

struct all {
    struct control_request *r;
    size_t pending, renewed, failed;
    json_t *failures;
};

/* One identity of them. */
struct one {
    struct all *all;
    char *name;
};

static void finish(struct all *a)
{
    if (control_resume(a->r)) {
        control_answer(a->r, 200,
                       json_pack("{s:I, s:I, s:O}", "renewed", (json_int_t)a->renewed, "failed",
                                 (json_int_t)a->failed, "failures", a->failures));
    }
    json_decref(a->failures);
    free(a);
}

static void on_renewed(void *arg, struct err *e)
{
    AUTO(auto_free) struct one *one = arg;
    struct all *a = one->all;

    a->renewed += e == NULL;
    a->failed += e != NULL;
    if (e != NULL && json_array_size(a->failures) < FAILURES_TOLD_MAX) {
        e = err_add(e, "identity %s", one->name);
        control_json_add(a->failures, control_json_text(err_text(e)));
    }
    err_free(&e);
    auto_free(&one->name);
    if (--a->pending == 0) {
        finish(a);
    }
}

static void renew_one(struct all *a, struct identity *id)
{
    struct one *one = malloc(sizeof *one);

    a->pending++;
    if (one == NULL) {
        a->failed++;
        a->pending--;
        return;
    }
    *one = (struct one){a, text_copy(identity_name(id))};
    renew_now(control_deps_of(a->r)->renew, id, on_renewed, one);
}

struct err *control_renew_all(struct control_request *r)
{
    const struct control_deps *d = control_deps_of(r);
    struct all *a = calloc(1, sizeof *a);
    struct err *e =
        a != NULL ? control_wait(r, ALL_MS, "renew everything", NULL, NULL) : err_nomem();

    if (e != NULL) {
        free(a);
        return e;
    }
    *a = (struct all){.r = r, .pending = 1, .failures = json_array()};
    for (size_t i = 0; i < identity_count(d->identities); i++) {
        struct identity *id = identity_at(d->identities, i);

        if (identity_certs(id) > 0) {
            renew_one(a, id);
        }
    }
    if (--a->pending == 0) {
        finish(a);
    }
    return NULL;
}
