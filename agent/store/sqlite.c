/*
 * The default store: one SQLite file, and one thread that owns the connection to it, so that the loop
 * never waits for a disk. A call is one job there and one whole transaction; jobs run in the order
 * of the calls, and a write is answered after its COMMIT has been synced. What other processes write
 * is noticed by asking SQLite now and then whether its data has changed.
 */
#include <stdlib.h>

#include "store/db.h"

enum { LOOK_MS = 4000 };

struct sqlite_store {
    struct store front; /* first: the front frees it all */
    struct io_worker *worker;
    struct store_db *db; /* the worker's, while it runs */
    struct io_timer *look;
    int64_t seen; /* the worker's: data version */
    char *path;
    struct wall checked;
    uint64_t entries, counted; /* the loop's, the worker's */
};

static struct err *count(struct sqlite_store *s)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row = false;
    struct err *e = store_db_take(s->db, STORE_SQL_COUNT, "SELECT count(*) FROM entry", &stmt);

    e = e == NULL ? store_db_step(s->db, stmt, &row) : e;
    if (row) {
        s->counted = (uint64_t)sqlite3_column_int64(stmt, 0);
    }
    return e;
}

static struct err *look(struct sqlite_store *s, bool *ret_changed)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row = false;
    struct err *e = store_db_take(s->db, STORE_SQL_DATA_VERSION, "PRAGMA data_version", &stmt);

    e = e == NULL ? store_db_step(s->db, stmt, &row) : e;
    if (row) {
        *ret_changed = s->seen != sqlite3_column_int64(stmt, 0);
        s->seen = sqlite3_column_int64(stmt, 0);
    }
    return e;
}

static struct err *run_op(struct sqlite_store *s, struct store_call *c)
{
    switch (c->op) {
    case STORE_OP_COMMIT:
        return store_db_commit(s->db, c);
    case STORE_OP_GET:
        return store_db_get(s->db, c);
    case STORE_OP_PAGE:
        return store_db_page(s->db, c);
    case STORE_OP_REFERRERS:
        return store_db_referrers(s->db, c);
    case STORE_OP_SCOPES:
        return store_db_scopes(s->db, c);
    case STORE_OP_FACTS:
        return store_db_facts(s->db, c);
    case STORE_OP_BACKUP:
        return store_db_backup(s->db, c->path);
    case STORE_OP_RESTORE:
        return store_db_restore(s->db, c->path);
    case STORE_OP_LOOK:
        return look(s, &c->changed);
    }
    return err_new(ERR_BUG, "store operation %d", (int)c->op);
}

static void on_worker(void *arg)
{
    struct store_call *c = arg;
    struct sqlite_store *s = (struct sqlite_store *)c->store;

    c->e = run_op(s, c);
    if (c->e == NULL && (c->op == STORE_OP_COMMIT || c->op == STORE_OP_RESTORE)) {
        c->changed = true;
    }
    if (c->changed) {
        struct err *e = count(s); /* for status only: what was done is done */

        err_free(&e);
    }
    c->total = s->counted;
}

static void on_loop(void *arg)
{
    struct store_call *c = arg;

    ((struct sqlite_store *)c->store)->entries = c->total;
    store_answer(c, take(&c->e));
}

static void start(struct store *front, struct store_call *c)
{
    struct sqlite_store *s = (struct sqlite_store *)front;
    struct err *e = io_worker_put(s->worker, on_worker, on_loop, c);

    if (e != NULL) {
        store_answer(c, e);
    }
}

static void status(const struct store *front, struct store_status *ret)
{
    const struct sqlite_store *s = (const struct sqlite_store *)front;

    ret->kind = "sqlite";
    ret->where = s->path;
    ret->entries = s->entries;
    ret->checked = s->checked;
}

static void stop(struct store *front)
{
    struct sqlite_store *s = (struct sqlite_store *)front;

    io_worker_free(&s->worker);
    io_timer_free(&s->look);
    store_db_free(&s->db);
    free(s->path);
    s->path = NULL;
}

static const struct store_ops ops = {.start = start, .status = status, .stop = stop};

static void on_look(void *arg)
{
    struct sqlite_store *s = arg;

    io_timer_set(s->look, mono_in(LOOK_MS));
    store_look(&s->front);
}

static struct err *open_parts(struct io_loop *l, const char *path, struct sqlite_store *s)
{
    bool changed;
    struct err *e = store_db_open(path, &s->db);

    e = e == NULL ? count(s) : e;
    e = e == NULL ? look(s, &changed) : e;
    e = e == NULL ? io_worker_new(l, &s->worker) : e;
    if (e != NULL) {
        return e;
    }
    s->entries = s->counted;
    s->checked = wall_now();
    s->path = text_copy(path);
    s->look = io_timer_new(l, on_look, s);
    if (s->path == NULL || s->look == NULL) {
        return err_nomem();
    }
    io_timer_set(s->look, mono_in(LOOK_MS));
    return NULL;
}

struct err *store_sqlite_open(struct io_loop *l, const char *path, store_changed_fn *on_changed,
                              void *arg, struct store **ret)
{
    struct sqlite_store *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return err_nomem();
    }
    AUTO(store_free) struct store *front = &s->front;
    struct err *e = store_init(front, &ops, l, on_changed, arg);

    e = e == NULL ? open_parts(l, path, s) : e;
    if (e == NULL) {
        *ret = take(&front);
    }
    return err_add(e, "registry %s", path);
}
