/*
 * The fleet's store: Vault KV v2 under check-and-set, shared by many agents, and a local copy that is read.
 *
 *   calls --> jobs --> kv_commit (kv_plan) --> kv_edit --> Vault
 *               |           |                                ^
 *               |           v                                |
 *               +--> worker: copy <-- kv_refresh <-- kv_poll-+
 *
 * Writes go to Vault, one commit of ours after the other, and are answered when the copy has them. Reads
 * are answered from the copy alone, by the worker, as the default store does it; they keep their turn
 * behind our own commits before them, and never wait for Vault otherwise. While Vault is away a write is
 * refused at once; a copy that has never been complete is not shown.
 *
 * In Vault there are the resources (kv_text.c), one journal an agent (kv_commit.c), and the list of
 * changes (kv_poll.c). After stop() no answer of Vault may come in: the owner's close() sees to that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "store/kv_impl.h"

struct store_kv_times store_kv_times = {
    .poll_ms = 4000, .soon_ms = 1000, .commit_ms = 15000, .sweep_ms = 60000, .again_ms = 25};

/* A call that waits for its turn, or for the worker. */
struct store_kv_job {
    TAILQ_ENTRY(store_kv_job) next; /* store_kv's jobs */
    struct store_call *call;        /* NULL: finish what was left behind */
};

static void pump(struct store_kv *kv);

static struct store_kv *of(const struct store *front)
{
    return (struct store_kv *)front;
}

struct mono store_kv_met(struct store_kv *kv, const char *commit)
{
    for (size_t i = 0; i < STORE_KV_MET_MAX; i++) {
        if (text_eq(kv->met[i].commit, commit)) {
            return kv->met[i].since;
        }
    }
    struct store_kv_met *m = &kv->met[kv->met_next++ % STORE_KV_MET_MAX];

    free(m->commit);
    m->commit = text_copy(commit);
    m->since = mono_now();
    return m->since;
}

/* --- reads ------------------------------------------------------------------------------------------ */

static struct err *run_op(struct store_kv *kv, struct store_call *c)
{
    switch (c->op) {
    case STORE_OP_GET:
        return store_db_get(kv->db, c);
    case STORE_OP_PAGE:
        return store_db_page(kv->db, c);
    case STORE_OP_REFERRERS:
        return store_db_referrers(kv->db, c);
    case STORE_OP_SCOPES:
        return store_db_scopes(kv->db, c);
    case STORE_OP_FACTS:
        return store_db_facts(kv->db, c);
    case STORE_OP_LOOK:
        c->changed = true;
        return NULL;
    case STORE_OP_COMMIT:
    case STORE_OP_BACKUP:
    case STORE_OP_RESTORE:
        break;
    }
    return err_new(ERR_UNSUPPORTED, "the registry is in Vault: take a snapshot of Vault, or export "
                                    "the registry");
}

static void on_worker(void *arg)
{
    struct store_call *c = arg;

    c->e = run_op(of(c->store), c);
}

static void on_loop(void *arg)
{
    struct store_call *c = arg;

    store_answer(c, take(&c->e));
}

static void read_copy(struct store_kv *kv, struct store_call *c)
{
    struct err *e = io_worker_put(kv->worker, on_worker, on_loop, c);

    if (e != NULL) {
        store_answer(c, e);
    }
}

/* --- turns ------------------------------------------------------------------------------------------ */

/* What is answered though the copy was never complete. */
static bool is_about_copy(enum store_op op)
{
    return op == STORE_OP_LOOK || op == STORE_OP_FACTS || op == STORE_OP_BACKUP ||
           op == STORE_OP_RESTORE;
}

static struct err *refusal(const struct store_kv *kv, const char *what)
{
    return err_domain(kv->away) == ERR_DOMAIN_SQLITE
               ? err_add(err_copy(kv->away), "the local copy cannot be written: %s", what)
               : err_add(err_recode(err_copy(kv->away), ERR_GONE), "Vault is away: %s", what);
}

/* Starts or refuses the first job; false: it has to wait. */
static bool start_first(struct store_kv *kv, struct store_call *c)
{
    if (c == NULL) {
        if (!kv->settled) {
            store_kv_commit_start(kv, NULL);
        }
    } else if (c->op == STORE_OP_COMMIT && kv->away == NULL) {
        store_kv_commit_start(kv, c);
    } else if (c->op == STORE_OP_COMMIT) {
        store_answer(c, refusal(kv, "nothing can be changed until it is back"));
        store_kv_poll_now(kv->poll);
    } else if (kv->synced || is_about_copy(c->op)) {
        read_copy(kv, c);
    } else if (kv->away != NULL) {
        store_answer(c, refusal(kv, "the registry has not been read yet"));
    } else {
        return false;
    }
    return true;
}

static void pump(struct store_kv *kv)
{
    struct store_kv_job *job;

    while (kv->commit == NULL && (job = TAILQ_FIRST(&kv->jobs)) != NULL) {
        struct store_call *c = job->call;

        TAILQ_REMOVE(&kv->jobs, job, next);
        if (!start_first(kv, c)) {
            TAILQ_INSERT_HEAD(&kv->jobs, job, next);
            return;
        }
        free(job);
    }
}

static struct err *put_job(struct store_kv *kv, struct store_call *c)
{
    struct store_kv_job *job = calloc(1, sizeof *job);

    if (job == NULL) {
        return err_nomem();
    }
    job->call = c;
    TAILQ_INSERT_TAIL(&kv->jobs, job, next);
    return NULL;
}

static void start(struct store *front, struct store_call *c)
{
    struct store_kv *kv = of(front);
    struct err *e = put_job(kv, c);

    if (e != NULL) {
        store_answer(c, e);
        return;
    }
    pump(kv);
}

/* The commit is on the stack still: it is freed in a round of its own. */
void store_kv_commit_ended(struct store_kv *kv)
{
    io_timer_set(kv->ended, (struct mono){0});
}

static void on_ended(void *arg)
{
    struct store_kv *kv = arg;

    store_kv_commit_free(&kv->commit);
    pump(kv);
}

/* --- how Vault is ----------------------------------------------------------------------------------- */

/* Back again: what we left half-way comes first. */
static void recover(struct store_kv *kv)
{
    struct store_kv_job *first = TAILQ_FIRST(&kv->jobs);

    if (!kv->settled && kv->commit == NULL && (first == NULL || first->call != NULL)) {
        struct err *e = put_job(kv, NULL);

        err_free(&e); /* the next commit does it, too */
    }
}

void store_kv_set_away(struct store_kv *kv, struct err *e)
{
    if (e == NULL) {
        kv->away_since = (struct wall){0};
    } else if (kv->away == NULL) {
        kv->away_since = wall_now();
    }
    err_free(&kv->away);
    kv->away = e;
    pump(kv);
}

void store_kv_refreshed(struct store_kv *kv, struct err *e)
{
    bool away = e != NULL && !err_is(e, ERR_BUSY);

    store_kv_poll_ended(kv->poll, e);
    if (e == NULL) {
        kv->refreshed = wall_now();
        recover(kv);
    }
    if (e == NULL || away) {
        store_kv_set_away(kv, e);
    } else {
        err_free(&e);
    }
}

static void status(const struct store *front, struct store_status *ret)
{
    const struct store_kv *kv = of(front);

    ret->kind = "kv";
    ret->where = kv->path;
    ret->entries = kv->entries;
    ret->writable = kv->away == NULL;
    ret->error = kv->away != NULL ? kv->away : kv->odd;
    ret->checked = kv->checked;
    ret->refreshed = kv->refreshed;
    ret->away_since = kv->away_since;
}

/* --- the whole -------------------------------------------------------------------------------------- */

static void stop(struct store *front)
{
    struct store_kv *kv = of(front);
    struct store_kv_job *job;

    if (kv->ops.close != NULL) {
        kv->ops.close(kv->ops.self);
    }
    io_worker_free(&kv->worker);
    store_kv_commit_free(&kv->commit);
    store_kv_poll_free(&kv->poll);
    store_kv_refresh_free(&kv->refresh);
    io_timer_free(&kv->ended);
    while ((job = TAILQ_FIRST(&kv->jobs)) != NULL) {
        TAILQ_REMOVE(&kv->jobs, job, next);
        free(job);
    }
    for (size_t i = 0; i < STORE_KV_MET_MAX; i++) {
        free(kv->met[i].commit);
    }
    store_db_free(&kv->db);
    json_decref(kv->journal);
    free(kv->last_commit);
    free(kv->path);
    free(kv->agent);
    err_free(&kv->away);
    err_free(&kv->odd);
}

static const struct store_ops ops = {.start = start, .status = status, .stop = stop};

static struct err *make_session(struct store_kv *kv)
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
        return err_new(ERR_BUG, "the kernel gives no random bytes");
    }
    snprintf(kv->session, sizeof kv->session, "%016llx", (unsigned long long)number);
    return NULL;
}

static struct err *open_parts(struct store_kv *kv, const char *path)
{
    int64_t seen = -1;
    struct err *e = store_kv_copy_open(path, &kv->db, &kv->agent, &seen);

    kv->checked = wall_now();
    kv->synced = seen >= 0;
    kv->path = text_copy(path);
    kv->last_commit = text_copy("");
    kv->ended = io_timer_new(kv->loop, on_ended, kv);
    if (e == NULL && (kv->path == NULL || kv->last_commit == NULL || kv->ended == NULL)) {
        e = err_nomem();
    }
    e = e == NULL ? make_session(kv) : e;
    e = e == NULL ? store_kv_copy_count(kv->db, &kv->entries) : e;
    e = e == NULL ? io_worker_new(kv->loop, &kv->worker) : e;
    e = e == NULL ? store_kv_refresh_new(kv, &kv->refresh) : e;
    return e == NULL ? store_kv_poll_new(kv, seen, &kv->poll) : e;
}

struct err *store_kv_open(struct io_loop *l, const struct store_kv_ops *kv_ops,
                          const char *copy_path, store_changed_fn *on_changed, void *arg,
                          struct store **ret)
{
    struct store_kv *kv = calloc(1, sizeof *kv);

    if (kv == NULL) {
        return err_nomem();
    }
    kv->loop = l;
    kv->ops = *kv_ops;
    TAILQ_INIT(&kv->jobs);
    AUTO(store_free) struct store *front = &kv->front;
    struct err *e = store_init(front, &ops, l, on_changed, arg);

    e = e == NULL ? open_parts(kv, copy_path) : e;
    if (e == NULL) {
        *ret = take(&front);
    }
    return err_add(e, "the copy %s", copy_path);
}
