/*
 * Reading a token's keys, page by page: after a login, and after something was made or deleted.
 * One listing at a time; a job that comes while one runs waits for the next, because the running
 * one may have read the token before the job's change.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

static void ask_page(struct slot *s);

static void tell_jobs(struct job_list *list, const struct err *why)
{
    struct job_list jobs = TAILQ_HEAD_INITIALIZER(jobs);
    struct job *job;

    TAILQ_CONCAT(&jobs, list, next);
    while ((job = TAILQ_FIRST(&jobs)) != NULL) {
        TAILQ_REMOVE(&jobs, job, next);
        job->on_listed(job, err_copy(why));
    }
}

static void forget_pages(struct slot *s)
{
    ops_keys_free(&s->page, s->page_n);
    s->page_n = 0;
    s->list_call = 0;
    s->listing_now = false;
}

static void begin(struct slot *s)
{
    s->listing_now = true;
    TAILQ_CONCAT(&s->listing, &s->asked, next);
    ask_page(s);
}

static void finish(struct slot *s, struct err *failed)
{
    AUTO(err_free) struct err *e = failed;

    if (e == NULL) {
        keycache_store(s, s->page, s->page_n);
        e = key_merge(s, s->page, s->page_n);
    }
    e = err_add(e, "list the keys of token %s", s->name);
    forget_pages(s);
    if (s->phase == SLOT_KEYS && e != NULL) {
        slot_fail(s, err_copy(e), true); /* tells the jobs too */
    } else if (s->phase == SLOT_KEYS) {
        slot_set_ready(s);
    } else if (err_is(e, ERR_GONE)) {
        s->suspect = true;
    }
    tell_jobs(&s->listing, e);
    if (!TAILQ_EMPTY(&s->asked) && !s->listing_now) {
        begin(s);
    }
    remote_poke(s->r);
}

static struct err *add_page(struct slot *s, struct rd *reply, size_t *ret_total)
{
    struct token_key *keys = NULL;
    size_t n = 0;
    struct err *e = ops_page_get(reply, ret_total, &keys, &n);

    if (e == NULL && (s->page_n + n > *ret_total || (n == 0 && s->page_n < *ret_total))) {
        e = err_new(ERR_PROTOCOL, "the pages of keys do not add up");
    }
    struct token_key *grown =
        e == NULL && n > 0 ? reallocarray(s->page, s->page_n + n, sizeof *grown) : NULL;

    if (e == NULL && n > 0 && grown == NULL) {
        e = err_nomem();
    }
    if (grown == NULL) {
        ops_keys_free(&keys, n);
        return e;
    }
    memcpy(grown + s->page_n, keys, n * sizeof *keys);
    free(keys);
    s->page = grown;
    s->page_n += n;
    return NULL;
}

static void on_page(void *arg, struct err *e, struct rd *reply)
{
    struct slot *s = arg;
    size_t total = 0;

    s->list_call = 0;
    if (e == NULL) {
        e = add_page(s, reply, &total);
    }
    if (e != NULL || s->page_n == total) {
        finish(s, e);
    } else {
        ask_page(s);
    }
}

static void ask_page(struct slot *s)
{
    AUTO(buf_deinit) struct buf body;

    buf_init(&body, 0);
    ops_keys_put(&body, &(struct ops_keys){s->lane, (uint32_t)s->page_n});
    slot_call(s, &(struct slot_request){OPS_KEYS, &body, KEYS_MS, on_page, s}, &s->list_call);
}

void listing_start(struct slot *s, struct job *job)
{
    if (job != NULL) {
        TAILQ_INSERT_TAIL(&s->asked, job, next);
    }
    if (!s->listing_now) {
        begin(s);
    }
}

void listing_stop(struct slot *s, const struct err *why)
{
    if (s->list_call != 0 && s->module->helper != NULL) {
        io_helper_cancel(s->module->helper, s->list_call);
    }
    forget_pages(s);
    tell_jobs(&s->listing, why);
    tell_jobs(&s->asked, why);
}
