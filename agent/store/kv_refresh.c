/*
 * From Vault into the local copy. Paths wait in two queues, those of our own commits before those of
 * others; a batch of them is read at once, then taken over in one transaction by the worker. There is
 * never more than one batch, so nothing old can come after something newer.
 *
 * Where a commit of somebody happened between two of the readings, a batch may hold a reference to
 * nothing. Then what stands on its two sides is read again, and joins the batch, until it fits. What was
 * under way when it was read is kept in a third list, to be read again at the next look.
 */
#include <stdlib.h>

#include "store/kv_impl.h"

enum { BATCH = 32, ROUNDS_MAX = 10 };

/* First in, first out. */
struct queue {
    char **paths; /* owned, from @at to @n */
    size_t at, n, room;
};

struct reading {
    struct store_kv_refresh *refresh;
    struct store_kv_edit edit;
    char *path;
    bool is_read;
};

struct store_kv_refresh {
    struct store_kv *kv;
    struct queue urgent, normal, under_way;
    struct reading **batch; /* owned */
    size_t n, room, open;
    bool running, has_normal, applying;
    unsigned rounds;
    struct err *e;               /* the first of this batch */
    struct store_kv_apply apply; /* the worker's while applying */
    void (*on_urgent)(void *arg, bool changed);
    bool urgent_changed;
    void *urgent_arg;
};

static void run(struct store_kv_refresh *r);

/* --- queues ----------------------------------------------------------------------------------------- */

static void queue_deinit(struct queue *q)
{
    for (; q->at < q->n; q->at++) {
        free(q->paths[q->at]);
    }
    free(q->paths);
    *q = (struct queue){0};
}

static bool queue_is_empty(const struct queue *q)
{
    return q->at == q->n;
}

static bool queue_add(struct queue *q, const char *path)
{
    if (q->at == q->n) {
        q->at = q->n = 0;
    }
    if (q->n == q->room) {
        size_t room = q->room * 2 + 16;
        void *longer = reallocarray(q->paths, room, sizeof *q->paths);

        if (longer == NULL) {
            return false;
        }
        q->paths = longer;
        q->room = room;
    }
    char *copy = text_copy(path);

    if (copy != NULL) {
        q->paths[q->n++] = copy;
    }
    return copy != NULL;
}

/* --- the batch -------------------------------------------------------------------------------------- */

static void reading_free(struct reading **rp)
{
    struct reading *one = take(rp);

    if (one != NULL) {
        store_kv_edit_deinit(&one->edit);
        free(one->path);
        free(one);
    }
}

static void forget_batch(struct store_kv_refresh *r)
{
    for (size_t i = 0; i < r->n; i++) {
        reading_free(&r->batch[i]);
    }
    r->n = 0;
    r->rounds = 0;
    r->has_normal = false;
    store_kv_apply_deinit(&r->apply);
    err_free(&r->e);
}

static struct reading *in_batch(const struct store_kv_refresh *r, const char *path)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->batch[i]->path, path) == 0) {
            return r->batch[i];
        }
    }
    return NULL;
}

/* Joins the batch, to be read; again, when it is in it. */
static struct err *join(struct store_kv_refresh *r, const char *path)
{
    struct reading *one = in_batch(r, path);

    if (one != NULL) {
        one->is_read = false;
        return NULL;
    }
    if (r->n == r->room) {
        void *longer = reallocarray(r->batch, r->room + BATCH, sizeof(struct reading *));

        if (longer == NULL) {
            return err_nomem();
        }
        r->batch = longer;
        r->room += BATCH;
    }
    one = calloc(1, sizeof *one);
    if (one == NULL || (one->path = text_copy(path)) == NULL) {
        free(one);
        return err_nomem();
    }
    one->refresh = r;
    r->batch[r->n++] = one;
    return NULL;
}

static struct err *take_from(struct store_kv_refresh *r, struct queue *q)
{
    struct err *e = NULL;

    while (e == NULL && !queue_is_empty(q) && r->n < BATCH) {
        e = join(r, q->paths[q->at]);
        if (e == NULL) {
            free(q->paths[q->at++]);
        }
    }
    return e;
}

/* Not now: all of it goes back into the queue. */
static void stop(struct store_kv_refresh *r, struct err *e)
{
    void (*on_urgent)(void *, bool) = r->on_urgent;
    bool ok = true;

    for (size_t i = 0; i < r->n; i++) {
        ok = queue_add(&r->normal, r->batch[i]->path) && ok;
    }
    forget_batch(r);
    r->running = false;
    r->on_urgent = NULL;
    e = ok ? e : err_add(e, "out of memory");
    if (on_urgent != NULL) {
        struct store_kv *kv = r->kv;

        on_urgent(r->urgent_arg, r->urgent_changed);
        store_kv_refreshed(kv, e);
    } else {
        store_kv_refreshed(r->kv, e);
    }
}

/* --- taking over ------------------------------------------------------------------------------------ */

static struct err *add_row(struct store_kv_apply *a, const struct reading *one)
{
    struct store_kv_row *row = &a->rows[a->n++];

    row->there = json_object_get(one->edit.item, "entry") != NULL;
    return row->there ? store_kv_entry_read(one->edit.item, &row->entry)
                      : store_kv_path_read(one->path, &row->entry.key);
}

static void on_worker(void *arg)
{
    struct store_kv_refresh *r = arg;

    r->apply.e = store_kv_copy_apply(r->kv->db, &r->apply);
}

static void read_batch(struct store_kv_refresh *r);

static void on_applied(void *arg)
{
    struct store_kv_refresh *r = arg;
    struct store_kv_apply *a = &r->apply;
    struct err *e = take(&a->e);

    r->applying = false;
    for (size_t i = 0; e == NULL && a->offenders != NULL && a->offenders[i] != NULL; i++) {
        e = join(r, a->offenders[i]);
    }
    if (e == NULL && a->offenders != NULL && ++r->rounds >= ROUNDS_MAX) {
        e = err_new(ERR_BUSY, "the registry changes faster than it can be read");
    }
    if (e != NULL) {
        stop(r, e);
        return;
    }
    if (a->offenders != NULL) {
        store_kv_apply_deinit(a);
        read_batch(r);
        return;
    }
    r->kv->entries = a->total;
    r->urgent_changed = r->urgent_changed || a->changed;
    if (a->changed && r->has_normal) {
        store_look(&r->kv->front);
    }
    forget_batch(r);
    run(r);
}

static void apply(struct store_kv_refresh *r)
{
    struct err *e = NULL;

    store_kv_apply_deinit(&r->apply);
    r->apply.rows = calloc(r->n + 1, sizeof *r->apply.rows);
    e = r->apply.rows == NULL ? err_nomem() : NULL;
    for (size_t i = 0; e == NULL && i < r->n; i++) {
        if (r->batch[i]->edit.path != NULL) {
            e = add_row(&r->apply, r->batch[i]);
        }
    }
    e = e == NULL ? io_worker_put(r->kv->worker, on_worker, on_applied, r) : e;
    if (e != NULL) {
        stop(r, e);
        return;
    }
    r->applying = true;
}

/* --- reading ---------------------------------------------------------------------------------------- */

/* One that cannot be understood is left as it was, and told in status: it must not stop the others. */
static struct err *pass_over(struct store_kv_refresh *r, struct reading *one, struct err *e)
{
    if (e == NULL || err_is(e, ERR_PROTOCOL)) {
        if (e != NULL) {
            store_kv_edit_deinit(&one->edit);
            err_free(&r->kv->odd);
            r->kv->odd = e;
        }
        return NULL;
    }
    return e;
}

static void on_read(void *arg, struct err *e)
{
    struct reading *one = arg;
    struct store_kv_refresh *r = one->refresh;

    one->is_read = true;
    if (e == NULL && one->edit.under_way && !queue_add(&r->under_way, one->path)) {
        e = err_nomem();
    }
    e = pass_over(r, one, e);
    if (e != NULL && r->e == NULL) {
        r->e = take(&e);
    }
    err_free(&e);
    if (--r->open > 0) {
        return;
    }
    if (r->e != NULL) {
        stop(r, take(&r->e));
    } else {
        apply(r);
    }
}

static void read_one(struct reading *one)
{
    store_kv_edit_deinit(&one->edit);
    one->edit = (struct store_kv_edit){.kv = one->refresh->kv,
                                       .on_done = on_read,
                                       .arg = one,
                                       .deadline = mono_in(store_kv_times.commit_ms),
                                       .view = true};
    store_kv_edit_start(&one->edit, one->path);
}

/* One more is open than there are, so that none that fails at once ends the batch. */
static void read_batch(struct store_kv_refresh *r)
{
    size_t n = r->n;

    r->open = 1;
    for (size_t i = 0; i < n; i++) {
        if (!r->batch[i]->is_read) {
            r->open++;
            read_one(r->batch[i]);
        }
    }
    if (--r->open == 0) {
        struct err *e = take(&r->e);

        if (e != NULL) {
            stop(r, e);
        } else {
            apply(r);
        }
    }
}

static void run(struct store_kv_refresh *r)
{
    void (*on_urgent)(void *, bool) = r->on_urgent;

    if (on_urgent != NULL && queue_is_empty(&r->urgent)) {
        r->on_urgent = NULL;
        on_urgent(r->urgent_arg, r->urgent_changed);
    }
    if (queue_is_empty(&r->urgent) && queue_is_empty(&r->normal)) {
        r->running = false;
        store_kv_refreshed(r->kv, NULL);
        return;
    }
    struct err *e = take_from(r, &r->urgent);

    if (e == NULL && r->n < BATCH && !queue_is_empty(&r->normal)) {
        r->has_normal = true;
        e = take_from(r, &r->normal);
    }
    if (e != NULL) {
        stop(r, e);
    } else {
        read_batch(r);
    }
}

/* --- what others call ------------------------------------------------------------------------------- */

struct err *store_kv_refresh_new(struct store_kv *kv, struct store_kv_refresh **ret)
{
    struct store_kv_refresh *r = calloc(1, sizeof *r);

    if (r == NULL) {
        return err_nomem();
    }
    r->kv = kv;
    *ret = r;
    return NULL;
}

void store_kv_refresh_free(struct store_kv_refresh **rp)
{
    struct store_kv_refresh *r = take(rp);

    if (r == NULL) {
        return;
    }
    forget_batch(r);
    free(r->batch);
    queue_deinit(&r->urgent);
    queue_deinit(&r->normal);
    queue_deinit(&r->under_way);
    free(r);
}

struct err *store_kv_refresh_add(struct store_kv_refresh *r, const char *path, bool urgent)
{
    AUTO(store_key_deinit) struct store_key key = {0};
    struct err *e = store_kv_path_read(path, &key);

    if (err_is(e, ERR_PROTOCOL)) {
        err_free(&e); /* somebody keeps other things there: not our business */
        return NULL;
    }
    if (e == NULL && !queue_add(urgent ? &r->urgent : &r->normal, path)) {
        e = err_nomem();
    }
    return e;
}

void store_kv_refresh_run(struct store_kv_refresh *r)
{
    if (!r->running) {
        r->running = true;
        run(r);
    }
}

void store_kv_refresh_again(struct store_kv_refresh *r)
{
    while (!queue_is_empty(&r->under_way) &&
           queue_add(&r->normal, r->under_way.paths[r->under_way.at])) {
        free(r->under_way.paths[r->under_way.at++]);
    }
}

bool store_kv_refresh_is_under_way(const struct store_kv_refresh *r)
{
    return !queue_is_empty(&r->under_way);
}

void store_kv_refresh_wait(struct store_kv_refresh *r, void (*on_done)(void *arg, bool changed),
                           void *arg)
{
    r->urgent_changed = false;
    r->on_urgent = on_done;
    r->urgent_arg = arg;
}
