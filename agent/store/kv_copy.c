/*
 * The local copy: a registry's database like the default store's, so that reading it is the same code, and
 * one table more with what the copy is of. It is never half of something: what was read from Vault is
 * taken over in one transaction, and where that would leave a reference to nothing, because an entry was
 * read before and another after a commit, nothing is, and the caller hears which to read again.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "store/kv_impl.h"

enum { AGENT_BYTES = 8 };

static void sqlite_finalize(sqlite3_stmt **stmt)
{
    sqlite3_finalize(*stmt);
}

static struct err *run(struct store_db *db, const char *sql, const char *const *texts, size_t n)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL);

    for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
        store_db_bind(stmt, (int)i + 1, texts[i]);
    }
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    struct err *e = rc == SQLITE_ROW || rc == SQLITE_DONE ? NULL : store_db_error(db, db->path);

    sqlite3_finalize(stmt);
    return e;
}

void store_kv_apply_deinit(struct store_kv_apply *a)
{
    for (size_t i = 0; i < a->n; i++) {
        store_entry_deinit(&a->rows[i].entry);
    }
    free(a->rows);
    text_list_free(&a->offenders);
    err_free(&a->e);
    *a = (struct store_kv_apply){0};
}

/* --- opening ---------------------------------------------------------------------------------------- */

static struct err *remember(struct store_db *db, const char *name, const char *value)
{
    return run(db, "INSERT OR REPLACE INTO kv_copy (name, value) VALUES (?1, ?2)",
               (const char *const[]){name, value}, 2);
}

static struct err *make_agent(struct store_db *db, char **ret)
{
    uint8_t bytes[AGENT_BYTES];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return err_new(ERR_BUG, "the kernel gives no random bytes");
    }
    *ret = text_hex(view_of(bytes, sizeof bytes));
    return *ret != NULL ? remember(db, "agent", *ret) : err_nomem();
}

static struct err *read_memory(struct store_db *db, char **ret_agent, int64_t *ret_seen)
{
    struct err *e = store_db_exec(db, "CREATE TABLE IF NOT EXISTS kv_copy ("
                                      " name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
                                      "PRAGMA synchronous = NORMAL");

    e = e == NULL ? store_db_value(db, "SELECT value FROM kv_copy WHERE name = 'agent'", ret_agent)
                  : e;
    e = e == NULL && *ret_agent == NULL ? make_agent(db, ret_agent) : e;
    return e == NULL ? store_db_number(db,
                                       "SELECT coalesce((SELECT value FROM kv_copy"
                                       " WHERE name = 'seen'), -1)",
                                       ret_seen)
                     : e;
}

static struct err *throw_away(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        AUTO(auto_free) char *file = text_fmt("%s%s", path, ends[i]);

        if (file == NULL) {
            return err_nomem();
        }
        if (unlink(file) != 0 && errno != ENOENT) {
            return err_sys(errno, "remove the damaged copy %s", file);
        }
    }
    return NULL;
}

struct err *store_kv_copy_open(const char *path, struct store_db **ret, char **ret_agent,
                               int64_t *ret_seen)
{
    AUTO(store_db_free) struct store_db *db = NULL;
    struct err *e = store_db_open(path, &db);

    if (err_is(e, ERR_STORE)) {
        err_free(&e);
        e = throw_away(path);
        e = e == NULL ? store_db_open(path, &db) : e;
    }
    e = e == NULL ? read_memory(db, ret_agent, ret_seen) : e;
    if (e == NULL) {
        *ret = take(&db);
    }
    return e;
}

struct err *store_kv_copy_set_seen(struct store_db *db, int64_t seen)
{
    AUTO(auto_free) char *value = text_fmt("%lld", (long long)seen);

    return value != NULL ? remember(db, "seen", value) : err_nomem();
}

/* --- reading ---------------------------------------------------------------------------------------- */

/* The paths of keys: three columns from each of @at. */
static struct err *list_paths(struct store_db *db, const char *sql, int keys, char ***ret)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL);
    bool ok = true;

    while (ok && (rc == SQLITE_OK || rc == SQLITE_ROW) && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        for (int i = 0; ok && i < keys; i++) {
            AUTO(store_key_deinit) struct store_key k = {store_db_text(stmt, 3 * i),
                                                         store_db_text(stmt, 3 * i + 1),
                                                         store_db_text(stmt, 3 * i + 2)};
            AUTO(auto_free) char *path =
                k.kind != NULL && k.scope != NULL && k.id != NULL ? store_kv_path(&k) : NULL;

            ok = path != NULL &&
                 ((keys > 1 && text_list_has(*ret, path)) || text_list_add(ret, path));
        }
    }
    struct err *e = !ok ? err_nomem() : rc == SQLITE_DONE ? NULL : store_db_error(db, db->path);

    sqlite3_finalize(stmt);
    return e;
}

struct err *store_kv_copy_paths(struct store_db *db, char ***ret)
{
    return list_paths(db, "SELECT kind, scope, id FROM entry", 1, ret);
}

struct err *store_kv_copy_count(struct store_db *db, uint64_t *ret)
{
    int64_t n = 0;
    struct err *e = store_db_number(db, "SELECT count(*) FROM entry", &n);

    *ret = (uint64_t)n;
    return e;
}

/* --- taking over ------------------------------------------------------------------------------------ */

/* @ret: the copy says the same already. Tags and references do not change without the revision. */
static struct err *compare(struct store_db *db, const struct store_kv_row *row, bool *ret)
{
    const struct store_entry *want = &row->entry;
    AUTO(sqlite_finalize) sqlite3_stmt *stmt = NULL;
    bool is = false;

    if (sqlite3_prepare_v2(db->sql,
                           "SELECT revision = ?4 AND created = ?5 AND updated = ?6 AND name IS ?7"
                           " AND body IS ?8 FROM entry WHERE kind = ?1 AND scope = ?2 AND id = ?3",
                           -1, &stmt, NULL) != SQLITE_OK) {
        return store_db_error(db, db->path);
    }
    store_db_bind_key(stmt, 1, &row->entry.key);
    sqlite3_bind_int64(stmt, 4, (sqlite3_int64)want->revision);
    sqlite3_bind_int64(stmt, 5, want->created.s);
    sqlite3_bind_int64(stmt, 6, want->updated.s);
    store_db_bind(stmt, 7, want->name);
    store_db_bind(stmt, 8, want->body);
    struct err *e = store_db_step(db, stmt, &is);

    *ret = row->there ? is && sqlite3_column_int(stmt, 0) != 0 : !is;
    return e;
}

static struct err *put_row(struct store_db *db, const struct store_kv_row *row, bool *changed)
{
    const struct store_key *k = &row->entry.key;
    bool same = false;
    struct err *e = compare(db, row, &same);

    if (e != NULL || same) {
        return e;
    }
    *changed = true;
    e = run(db, "DELETE FROM entry WHERE kind = ?1 AND scope = ?2 AND id = ?3",
            (const char *const[]){k->kind, k->scope, k->id}, 3);
    return e == NULL && row->there ? store_db_put(db, &row->entry) : e;
}

static bool is_dangling(struct store_db *db)
{
    return sqlite3_extended_errcode(db->sql) == SQLITE_CONSTRAINT_FOREIGNKEY;
}

/* The transaction is still open when its COMMIT was refused, so both sides can be asked for. */
static struct err *end(struct store_db *db, struct store_kv_apply *a)
{
    struct err *e = store_db_do(db, STORE_SQL_COMMIT, "COMMIT");

    if (e == NULL || !is_dangling(db)) {
        return e == NULL ? e : store_db_end(db, e);
    }
    struct err *wrong =
        list_paths(db,
                   "SELECT e.kind, e.scope, e.id, r.kind, r.scope, r.id"
                   " FROM reference r JOIN entry e ON e.n = r.entry LEFT JOIN entry t"
                   " ON t.kind = r.kind AND t.scope = r.scope AND t.id = r.id WHERE t.n IS NULL",
                   2, &a->offenders);

    e = store_db_end(db, e);
    if (wrong == NULL && a->offenders != NULL) {
        err_free(&e); /* as the caller sees from the list */
    }
    err_free(&wrong);
    return e;
}

struct err *store_kv_copy_apply(struct store_db *db, struct store_kv_apply *a)
{
    struct err *e = store_db_begin_write(db);

    if (e != NULL) {
        return e;
    }
    for (size_t i = 0; e == NULL && i < a->n; i++) {
        e = put_row(db, &a->rows[i], &a->changed);
    }
    e = e == NULL ? end(db, a) : store_db_end(db, e);
    a->changed = a->changed && e == NULL && a->offenders == NULL;
    return e == NULL ? store_kv_copy_count(db, &a->total) : e;
}
