/*
 * One entry of Vault: read, change, write if nobody else wrote in between; else all over again, after a
 * pause that grows and is drawn by lot, until a deadline. A write whose answer was lost is no case of its
 * own: the entry is read again, and the change function sees whether its work is done.
 *
 * An intent that another commit left in the entry is settled first. Whether that commit happened is
 * written in one place only, its agent's journal. Where it is still under way we wait, and when it has
 * been for a minute, its journal is marked as undone: from then on its agent cannot finish it any more,
 * however late it wakes. A look (view) waits for nobody, and tells what was true before the intent.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "store/kv_impl.h"

enum { TRIES_MAX = 60, DOUBLE_MAX = 4 };

static void look(struct store_kv_edit *e);

bool store_kv_is_away(const struct err *e)
{
    return err_is(e, ERR_GONE) || err_is(e, ERR_TIMEOUT) || err_is(e, ERR_REMOTE);
}

void store_kv_edit_deinit(struct store_kv_edit *e)
{
    io_timer_free(&e->again);
    json_decref(e->item);
    json_decref(e->journal);
    free(e->path);
    *e = (struct store_kv_edit){0};
}

static void finish(struct store_kv_edit *e, struct err *failed)
{
    e->on_done(e->arg, failed);
}

static void on_again(void *arg)
{
    look(arg);
}

/* Somewhere between half of the pause and all of it. */
static int64_t pause_ms(const struct store_kv_edit *e)
{
    unsigned doubled = e->tries < DOUBLE_MAX ? e->tries : DOUBLE_MAX;
    int64_t all = store_kv_times.again_ms << doubled;
    uint32_t lot = 0;

    return getrandom(&lot, sizeof lot, GRND_NONBLOCK) == (ssize_t)sizeof lot
               ? all / 2 + (int64_t)lot % (all / 2 + 1)
               : all;
}

/* Takes @why: it is told if there is no time left. */
static void again(struct store_kv_edit *e, struct err *why)
{
    e->is_known = false;
    e->tries++;
    if (e->view || e->tries > TRIES_MAX || mono_passed(e->deadline)) {
        finish(e, why);
        return;
    }
    err_free(&why);
    io_timer_set(e->again, mono_in(pause_ms(e)));
}

static struct err *contended(const struct store_kv_edit *e, const char *who)
{
    return err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "CONTENDED",
                      "%s is being changed by %s; try again in a moment", e->path, who);
}

/* No moment of an election: somebody has to unseal it. */
static bool is_sealed(const struct err *e)
{
    return err_domain(e) == ERR_DOMAIN_HTTP && err_native_code(e) == 503 &&
           strstr(err_text(e), "is sealed") != NULL;
}

/* What an operation on Vault ended with, when it is no success. */
static void failed(struct store_kv_edit *e, struct err *why)
{
    if (err_is(why, ERR_BUSY)) {
        err_free(&why);
        again(e, contended(e, "others"));
    } else if (store_kv_is_away(why) && !is_sealed(why)) {
        again(e, why);
    } else {
        finish(e, why);
    }
}

/* --- writing ---------------------------------------------------------------------------------------- */

static void on_cas(void *arg, struct err *why, uint64_t version)
{
    struct store_kv_edit *e = arg;

    if (why != NULL) {
        failed(e, why);
        return;
    }
    e->version = version;
    finish(e, NULL);
}

static void write_item(struct store_kv_edit *e)
{
    AUTO(auto_free) char *text = NULL;

    if (store_kv_item_is_empty(e->item)) {
        json_decref(e->item);
        e->item = NULL;
        if (e->version == 0) {
            finish(e, NULL);
            return;
        }
    } else if ((text = json_dumps(e->item, JSON_COMPACT)) == NULL) {
        finish(e, err_nomem());
        return;
    }
    e->kv->ops.cas(e->kv->ops.self, e->path, text, e->version, on_cas, e);
}

static void decide(struct store_kv_edit *e)
{
    bool write = false;
    struct err *wrong = e->change != NULL ? e->change(e->arg, &e->item, &write) : NULL;

    if (wrong != NULL) {
        finish(e, wrong);
    } else if (!e->view && (write || e->settled)) {
        write_item(e);
    } else {
        finish(e, NULL);
    }
}

/* --- intents ---------------------------------------------------------------------------------------- */

static void settle(struct store_kv_edit *e, bool done)
{
    struct err *wrong = store_kv_item_settle(e->item, done);

    e->settled = true;
    if (wrong != NULL) {
        finish(e, wrong);
    } else {
        decide(e);
    }
}

static const char *intent_text(const struct store_kv_edit *e, const char *name)
{
    return store_kv_text_of(json_object_get(e->item, "intent"), name);
}

static void on_undone(void *arg, struct err *why, uint64_t version)
{
    struct store_kv_edit *e = arg;

    (void)version;
    if (why != NULL) {
        failed(e, why);
        return;
    }
    settle(e, false);
}

/* Its agent has had its minute. */
static void undo_other(struct store_kv_edit *e, json_t *journal)
{
    AUTO(auto_free) char *path = text_fmt(STORE_KV_AGENTS "%s", intent_text(e, "agent"));
    AUTO(auto_free) char *text = NULL;

    if (json_object_set_new(journal, "state", json_string("undone")) != 0 ||
        (text = json_dumps(journal, JSON_COMPACT)) == NULL || path == NULL) {
        finish(e, err_nomem());
        return;
    }
    e->kv->ops.cas(e->kv->ops.self, path, text, e->journal_version, on_undone, e);
}

static void judge(struct store_kv_edit *e, json_t *journal)
{
    const char *commit = intent_text(e, "commit");
    const char *state = text_eq(store_kv_text_of(journal, "commit"), commit)
                            ? store_kv_text_of(journal, "state")
                            : "undone";
    struct mono since = store_kv_met(e->kv, commit);
    bool orphan = mono_now().ms - since.ms >= store_kv_times.sweep_ms;

    e->under_way = true;
    if (!text_eq(state, "open")) {
        e->view = e->view && !orphan; /* whoever should have settled it has gone */
        settle(e, text_eq(state, "done"));
    } else if (orphan) {
        e->view = false;
        undo_other(e, journal);
    } else if (e->view) {
        decide(e);
    } else {
        again(e, contended(e, "another agent"));
    }
}

static void on_journal(void *arg, struct err *why, const char *text, uint64_t version)
{
    struct store_kv_edit *e = arg;
    AUTO(store_kv_json_free) json_t *journal = NULL;

    if (why == NULL && text != NULL) {
        why = store_kv_item_parse("_", text, &journal);
    }
    if (why != NULL) {
        failed(e, why);
        return;
    }
    e->journal_version = version;
    judge(e, journal);
}

static void consider(struct store_kv_edit *e)
{
    const json_t *intent = json_object_get(e->item, "intent");
    bool own =
        intent != NULL && e->own != NULL && text_eq(store_kv_text_of(intent, "commit"), e->own);

    if (own && e->settle_own) {
        settle(e, e->own_done);
    } else if (e->settle_own) {
        finish(e, NULL); /* somebody has done it, and maybe more */
    } else if (intent == NULL || own) {
        decide(e);
    } else {
        AUTO(auto_free) char *path =
            text_fmt(STORE_KV_AGENTS "%s", store_kv_text_of(intent, "agent"));

        if (path == NULL) {
            finish(e, err_nomem());
            return;
        }
        e->kv->ops.get(e->kv->ops.self, path, on_journal, e);
    }
}

/* --- reading ---------------------------------------------------------------------------------------- */

static void on_get(void *arg, struct err *why, const char *text, uint64_t version)
{
    struct store_kv_edit *e = arg;

    json_decref(e->item);
    e->item = NULL;
    e->version = version;
    e->settled = false;
    e->under_way = false;
    if (why == NULL && text != NULL) {
        why = store_kv_item_parse(e->path, text, &e->item);
    }
    if (why != NULL) {
        failed(e, why);
        return;
    }
    consider(e);
}

static void look(struct store_kv_edit *e)
{
    if (e->is_known) {
        consider(e);
        return;
    }
    e->kv->ops.get(e->kv->ops.self, e->path, on_get, e);
}

void store_kv_edit_start(struct store_kv_edit *e, const char *path)
{
    e->path = text_copy(path);
    e->again = io_timer_new(e->kv->loop, on_again, e);
    if (e->path == NULL || e->again == NULL) {
        finish(e, err_nomem());
        return;
    }
    look(e);
}
