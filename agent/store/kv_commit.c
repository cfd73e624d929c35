/*
 * A commit over several entries of Vault, of which each alone can be written under check-and-set:
 *
 *   recover   finish or undo what this agent left behind, if it did
 *   read      the resources to be changed; then the plan is made
 *   begin     the agent's journal says: this commit is open, and touches these paths
 *   prepare   an intent into each of them, in the order of their paths; this is where rules are judged
 *   announce  the paths to everybody, who will find the intents and watch them
 *   decide    the journal says: done. This one write is the commit
 *   settle    the intents are made true, one after the other
 *   refresh   the local copy takes it over; also what a refusal after read was about
 *
 * While its intent stands, nobody else changes an entry: so what was judged stays true, and a delete sees
 * a reference that is only about to be. A crash leaves intents; the journal tells whoever meets them what
 * they are worth. It is begun anew only when all intents of the commit before are settled; so an intent
 * of which the journal knows nothing (a write that came late) belongs to a commit that was undone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/kv_impl.h"

enum { RESTARTS_MAX = 20 };

enum phase { RECOVER, READ, BEGIN, PREPARE, ANNOUNCE, DECIDE, UNDO, SETTLE, REFRESH };

struct store_kv_commit {
    struct store_kv *kv;
    struct store_call *call; /* NULL: only recover */
    enum phase phase;
    size_t at; /* the target that it is the turn of */
    struct store_kv_plan plan;
    char id[48];
    struct store_kv_edit edit;
    struct mono deadline;
    unsigned restarts;
    bool recovering; /* the plan is that of a commit before */
    bool done;       /* what settle makes of the intents */
    bool decided;    /* the commit happened */
    bool changed;    /* the copy is not what it was */
    struct err *e;   /* how it will end */
    struct io_timer *pause;
};

static void next(struct store_kv_commit *c);

void store_kv_commit_free(struct store_kv_commit **cp)
{
    struct store_kv_commit *c = take(cp);

    if (c == NULL) {
        return;
    }
    store_kv_plan_deinit(&c->plan);
    store_kv_edit_deinit(&c->edit);
    io_timer_free(&c->pause);
    err_free(&c->e);
    free(c);
}

static void finish(struct store_kv_commit *c)
{
    struct store_kv *kv = c->kv;
    struct store_call *call = c->call;
    struct err *e = take(&c->e);

    if (e != NULL && store_kv_is_away(e)) {
        store_kv_set_away(kv, err_copy(e));
        e = err_add(err_recode(e, ERR_GONE), "%s",
                    c->phase == DECIDE ? "Vault went away in the middle: whether this was changed "
                                         "will be seen when it is back"
                                       : "Vault went away: nothing was changed");
    }
    store_kv_commit_ended(kv);
    if (call != NULL) {
        call->changed = e == NULL || c->changed;
        store_answer(call, e);
    } else {
        err_free(&e);
    }
}

/* --- steps ------------------------------------------------------------------------------------------ */

static bool says(const json_t *journal, const char *name, const char *text)
{
    return text_eq(store_kv_text_of(journal, name), text);
}

static struct err *recover(void *arg, json_t **journal, bool *ret_write)
{
    struct store_kv_commit *c = arg;
    const json_t *paths = json_object_get(*journal, "paths");

    store_kv_plan_deinit(&c->plan);
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const char *path = json_string_value(json_array_get(paths, i));

        if (path != NULL && store_kv_plan_add(&c->plan, NULL, path) == NULL) {
            return err_nomem();
        }
    }
    c->done = says(*journal, "state", "done");
    *ret_write = says(*journal, "state", "open");
    return *ret_write && json_object_set_new(*journal, "state", json_string("undone")) != 0
               ? err_nomem()
               : NULL;
}

static struct err *begin(void *arg, json_t **journal, bool *ret_write)
{
    struct store_kv_commit *c = arg;
    char now[WALL_TEXT_BYTES];

    if (says(*journal, "commit", c->id)) {
        return NULL; /* its answer was lost */
    }
    if (!says(*journal, "commit", c->kv->last_commit)) {
        c->kv->settled = false; /* somebody has a copy of our copy, and so our journal */
        return err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "AGAIN",
                          "another agent has the identity of this one");
    }
    json_decref(*journal);
    *journal = json_pack("{s:s, s:s, s:s, s:o*}", "commit", c->id, "state", "open", "since",
                         wall_text(c->call->now, now), "paths", store_kv_plan_paths(&c->plan));
    *ret_write = true;
    return *journal != NULL ? NULL : err_nomem();
}

static struct err *prepare(void *arg, json_t **item, bool *ret_write)
{
    struct store_kv_commit *c = arg;
    const json_t *intent = json_object_get(*item, "intent");

    if (intent != NULL && says(intent, "commit", c->id)) {
        return NULL; /* its answer was lost */
    }
    *ret_write = true;
    return store_kv_plan_put_intent(c->plan.targets[c->at], c->kv->agent, c->id, item);
}

static struct err *announce(void *arg, json_t **changes, bool *ret_write)
{
    struct store_kv_commit *c = arg;

    return store_kv_announce(c->kv, c->id, json_object_get(c->kv->journal, "paths"), changes,
                             ret_write);
}

/* To done or undone; but only from open. */
static struct err *decide(void *arg, json_t **journal, bool *ret_write)
{
    struct store_kv_commit *c = arg;
    const char *state = c->phase == DECIDE ? "done" : "undone";

    if (says(*journal, "commit", c->id) && says(*journal, "state", state)) {
        return NULL;
    }
    if (!says(*journal, "commit", c->id) || !says(*journal, "state", "open")) {
        return err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "CONTENDED",
                          "this took so long that another agent has undone it; try again");
    }
    *ret_write = true;
    return json_object_set_new(*journal, "state", json_string(state)) == 0 ? NULL : err_nomem();
}

/* --- what follows on a step ------------------------------------------------------------------------- */

static struct store_kv_target *turn(struct store_kv_commit *c)
{
    return c->plan.targets[c->at];
}

static void keep_journal(struct store_kv_commit *c)
{
    json_decref(c->kv->journal);
    c->kv->journal = take(&c->edit.item);
    c->kv->journal_version = c->edit.version;
}

static void keep_item(struct store_kv_commit *c)
{
    struct store_kv_target *t = turn(c);

    json_decref(t->item);
    t->item = take(&c->edit.item);
    t->version = c->edit.version;
    c->at++;
}

static void on_pause(void *arg)
{
    next(arg);
}

/* All over again, after a moment. */
static void restart(struct store_kv_commit *c)
{
    store_kv_plan_deinit(&c->plan);
    c->phase = c->kv->settled ? READ : RECOVER;
    c->at = 0;
    c->recovering = false;
    c->restarts++;
    err_free(&c->e);
    io_timer_set(c->pause, mono_in(store_kv_times.again_ms));
}

/* What was left behind may have happened, and nobody took it over. */
static void refresh_later(struct store_kv_commit *c)
{
    struct err *e = NULL;

    for (size_t i = 0; e == NULL && i < c->plan.n; i++) {
        e = store_kv_refresh_add(c->kv->refresh, c->plan.targets[i]->path, false);
    }
    err_free(&e);
    store_kv_refresh_run(c->kv->refresh);
}

static void after_settle(struct store_kv_commit *c)
{
    c->kv->settled = true;
    if (c->recovering) {
        refresh_later(c);
    }
    if (c->recovering && c->call != NULL) {
        store_kv_plan_deinit(&c->plan);
        c->recovering = false;
        c->phase = READ;
        c->at = 0;
        next(c);
    } else if (c->e != NULL && text_eq(err_native_name(c->e), "AGAIN") &&
               c->restarts < RESTARTS_MAX && !mono_passed(c->deadline)) {
        restart(c);
    } else if (c->decided) {
        c->phase = REFRESH;
        next(c);
    } else {
        finish(c);
    }
}

static struct err *after_recover(struct store_kv_commit *c)
{
    free(c->kv->last_commit);
    c->kv->last_commit = text_copy(store_kv_text_of(c->kv->journal, "commit"));
    c->recovering = true;
    c->phase = SETTLE;
    c->at = 0;
    return c->kv->last_commit != NULL ? NULL : err_nomem();
}

static struct err *after_begin(struct store_kv_commit *c)
{
    free(c->kv->last_commit);
    c->kv->last_commit = text_copy(c->id);
    c->kv->settled = false;
    c->phase = PREPARE;
    c->at = 0;
    return c->kv->last_commit != NULL ? NULL : err_nomem();
}

/* The plan is made as soon as all is read. */
static struct err *after_read(struct store_kv_commit *c)
{
    keep_item(c);
    if (c->at < c->plan.n) {
        return NULL;
    }
    struct err *e = store_kv_plan_make(&c->plan, c->call);

    c->phase = e == NULL ? BEGIN : READ;
    return e;
}

static void settle_all(struct store_kv_commit *c, bool done)
{
    c->done = done;
    c->phase = SETTLE;
    c->at = 0;
}

static struct err *after(struct store_kv_commit *c)
{
    switch (c->phase) {
    case RECOVER:
        keep_journal(c);
        return after_recover(c);
    case READ:
        return after_read(c);
    case BEGIN:
        keep_journal(c);
        return after_begin(c);
    case PREPARE:
        keep_item(c);
        c->phase = c->at < c->plan.n ? PREPARE : ANNOUNCE;
        return NULL;
    case ANNOUNCE:
        c->phase = DECIDE;
        return NULL;
    case DECIDE:
        keep_journal(c);
        c->decided = true;
        settle_all(c, true);
        return NULL;
    case UNDO:
        keep_journal(c);
        settle_all(c, false);
        return NULL;
    case SETTLE:
        keep_item(c);
        return NULL;
    case REFRESH:
        break;
    }
    return err_new(ERR_BUG, "commit phase %d", (int)c->phase);
}

/* A step failed for good. What is left behind will be settled with the next commit, or by others. */
static void give_up(struct store_kv_commit *c, struct err *e)
{
    enum phase failed = c->phase;

    if (c->e == NULL && !c->decided) {
        c->e = take(&e);
    }
    err_free(&e);
    if (failed == SETTLE && c->decided) {
        c->phase = REFRESH; /* it happened, whatever comes now */
        next(c);
    } else if (failed == READ && !store_kv_is_away(c->e)) {
        c->phase = REFRESH; /* refused, maybe for what the caller could not see in the copy yet */
        next(c);
    } else if ((failed == PREPARE || failed == ANNOUNCE) && !store_kv_is_away(c->e)) {
        c->phase = UNDO;
        next(c);
    } else if (failed == BEGIN && text_eq(err_native_name(c->e), "AGAIN") &&
               c->restarts < RESTARTS_MAX) {
        restart(c);
    } else {
        finish(c);
    }
}

static void on_edit(void *arg, struct err *e)
{
    struct store_kv_commit *c = arg;

    e = e == NULL ? after(c) : e;
    if (e != NULL) {
        give_up(c, e);
    } else {
        next(c);
    }
}

/* --- running ---------------------------------------------------------------------------------------- */

static void start_edit(struct store_kv_commit *c, store_kv_change_fn *change, const char *path,
                       json_t *known, uint64_t version)
{
    store_kv_edit_deinit(&c->edit);
    c->edit = (struct store_kv_edit){
        .kv = c->kv,
        .change = change,
        .on_done = on_edit,
        .arg = c,
        .deadline = c->deadline,
        .own = c->recovering ? c->kv->last_commit : c->id,
        .settle_own = c->phase == SETTLE,
        .own_done = c->done,
        .item = known,
        .version = version,
        .is_known = known != NULL,
    };
    store_kv_edit_start(&c->edit, path);
}

static void edit_journal(struct store_kv_commit *c, store_kv_change_fn *change)
{
    AUTO(auto_free) char *path = text_fmt(STORE_KV_AGENTS "%s", c->kv->agent);

    if (path == NULL) {
        give_up(c, err_nomem());
        return;
    }
    start_edit(c, change, path, take(&c->kv->journal), c->kv->journal_version);
}

static void edit_target(struct store_kv_commit *c, store_kv_change_fn *change)
{
    struct store_kv_target *t = turn(c);

    start_edit(c, change, t->path, take(&t->item), t->version);
}

static void read_targets(struct store_kv_commit *c)
{
    struct err *e = c->at == 0 ? store_kv_plan_begin(&c->plan, c->call) : NULL;

    if (c->at == 0) {
        snprintf(c->id, sizeof c->id, "%s-%llu", c->kv->session,
                 (unsigned long long)++c->kv->commits);
    }
    if (e != NULL) {
        give_up(c, e);
    } else {
        edit_target(c, NULL);
    }
}

static void on_refreshed(void *arg, bool changed)
{
    struct store_kv_commit *c = arg;

    c->changed = changed;
    finish(c);
}

static void refresh(struct store_kv_commit *c)
{
    struct err *e = NULL;

    for (size_t i = 0; e == NULL && i < c->plan.n; i++) {
        e = store_kv_refresh_add(c->kv->refresh, c->plan.targets[i]->path, true);
    }
    err_free(&e); /* then the copy learns of it as of the changes of others */
    store_kv_refresh_wait(c->kv->refresh, on_refreshed, c);
    store_kv_refresh_run(c->kv->refresh);
}

static void next(struct store_kv_commit *c)
{
    switch (c->phase) {
    case RECOVER:
        edit_journal(c, recover);
        return;
    case READ:
        read_targets(c);
        return;
    case BEGIN:
        edit_journal(c, begin);
        return;
    case PREPARE:
        edit_target(c, prepare);
        return;
    case ANNOUNCE:
        start_edit(c, announce, STORE_KV_CHANGES, NULL, 0);
        return;
    case DECIDE:
    case UNDO:
        edit_journal(c, decide);
        return;
    case SETTLE:
        if (c->at < c->plan.n) {
            edit_target(c, NULL);
        } else {
            after_settle(c);
        }
        return;
    case REFRESH:
        refresh(c);
        return;
    }
}

void store_kv_commit_start(struct store_kv *kv, struct store_call *call)
{
    struct store_kv_commit *c = calloc(1, sizeof *c);

    if (c == NULL || (c->pause = io_timer_new(kv->loop, on_pause, c)) == NULL) {
        free(c);
        if (call != NULL) {
            store_answer(call, err_nomem());
        }
        return;
    }
    c->kv = kv;
    c->call = call;
    c->phase = kv->settled ? READ : RECOVER;
    c->deadline = mono_in(store_kv_times.commit_ms);
    kv->commit = c;
    next(c);
}
