/*
 * Opening a database, and whether it may be used: it must be ours, of a version that we know, and
 * whole. One that is not is left exactly as it is, and the message says what can be done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#include "store/db.h"

enum { APPLICATION_ID = 1212572786 };

void store_db_free(struct store_db **dbp)
{
    struct store_db *db = take(dbp);

    if (db == NULL) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(db->kept); i++) {
        sqlite3_finalize(db->kept[i]);
    }
    sqlite3_close(db->sql);
    free(db->path);
    free(db);
}

/* A path that SQLite takes for nothing else: it knows "file:..." and ":memory:". */
static char *plain_path(const char *path)
{
    return *path == '/' ? text_copy(path) : text_fmt("./%s", path);
}

struct err *store_db_open_raw(const char *path, int flags, struct store_db **ret)
{
    AUTO(store_db_free) struct store_db *db = calloc(1, sizeof *db);

    if (db == NULL || (db->path = plain_path(path)) == NULL) {
        return err_nomem();
    }
    if (sqlite3_open_v2(db->path, &db->sql, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        int sys = db->sql != NULL ? sqlite3_system_errno(db->sql) : 0;

        return sys != 0 ? err_sys(sys, "open the database %s", path) : store_db_error(db, path);
    }
    sqlite3_extended_result_codes(db->sql, 1);
    sqlite3_busy_timeout(db->sql, STORE_DB_BUSY_MS);
    *ret = take(&db);
    return NULL;
}

struct origin {
    int64_t version, application, tables;
};

/* In one transaction: another process may be making the database now. */
static struct err *read_origin(struct store_db *db, struct origin *ret)
{
    struct err *e = store_db_begin_read(db);

    if (e != NULL) {
        return e;
    }
    e = store_db_number(db, "PRAGMA user_version", &ret->version);
    e = e == NULL ? store_db_number(db, "PRAGMA application_id", &ret->application) : e;
    e = e == NULL ? store_db_number(db, "SELECT count(*) FROM sqlite_schema", &ret->tables) : e;
    return store_db_end(db, e);
}

static struct err *check_whose(struct store_db *db, bool *ret_empty)
{
    struct origin o = {0};
    struct err *e = read_origin(db, &o);

    if (e != NULL) {
        return e;
    }
    *ret_empty = o.version == 0 && o.application == 0 && o.tables == 0;
    if (!*ret_empty && o.application != APPLICATION_ID) {
        return err_new(ERR_STORE, "%s is a database, but no registry of Holdfast", db->path);
    }
    return o.version > store_db_version_current()
               ? err_new(ERR_UNSUPPORTED,
                         "%s was made by a newer Holdfast: its version is %lld, this one knows %d",
                         db->path, (long long)o.version, store_db_version_current())
               : NULL;
}

static bool says_damaged(const struct err *e)
{
    int code = e != NULL ? (int)(err_native_code(e) & 0xff) : 0;

    return e != NULL && err_domain(e) == ERR_DOMAIN_SQLITE &&
           (code == SQLITE_CORRUPT || code == SQLITE_NOTADB);
}

static struct err *check_whole(struct store_db *db)
{
    AUTO(auto_free) char *integrity = NULL;
    AUTO(auto_free) char *table = NULL;
    struct err *e = store_db_value(db, "PRAGMA integrity_check(1)", &integrity);

    if (e == NULL && !text_eq(integrity, "ok")) {
        return err_new(ERR_STORE, "the database is damaged: %s: %s", db->path,
                       integrity != NULL ? integrity : "it cannot be checked");
    }
    e = e == NULL ? store_db_value(db, "PRAGMA foreign_key_check", &table) : e;
    return e == NULL && table != NULL
               ? err_new(ERR_STORE,
                         "the database is damaged: %s: table %s refers to what is not there",
                         db->path, table)
               : e;
}

struct err *store_db_check(struct store_db *db)
{
    bool empty = false;
    struct err *e = check_whose(db, &empty);

    e = e == NULL && !empty ? check_whole(db) : e;
    return says_damaged(e) ? err_add(e, "the database is damaged") : e;
}

/* Made by us, so that nobody else may read it; SQLite gives the files beside it the same mode. An
 * existing one is not even opened here: closing it would drop the locks that this process has on it. */
static struct err *make_file(const char *path)
{
    AUTO(auto_close) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return fd >= 0 || errno == EEXIST ? NULL : err_sys(errno, "make the database %s", path);
}

static struct err *set_up(struct store_db *db)
{
    AUTO(auto_free) char *mode = NULL;
    struct err *e = store_db_value(db, "PRAGMA journal_mode = WAL", &mode);

    if (e == NULL && !text_eq(mode, "wal")) {
        e = err_new(ERR_STORE, "%s: this file system cannot keep a write-ahead log", db->path);
    }
    if (e == NULL) {
        sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        e = store_db_exec(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                              "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                              "PRAGMA journal_size_limit = 16777216;");
    }
    return e;
}

static struct err *open_once(const char *path, struct store_db **ret)
{
    AUTO(store_db_free) struct store_db *db = NULL;
    struct err *e = make_file(path);

    e = e == NULL ? store_db_open_raw(path, SQLITE_OPEN_READWRITE, &db) : e;
    e = e == NULL ? store_db_check(db) : e;
    if (e != NULL && err_is(e, ERR_STORE)) {
        return err_add(
            e,
            "the registry %s cannot be opened; it is left as it is. To go back to a backup: "
            "`holdfast registry restore FILE --offline`, which keeps this one beside it",
            path);
    }
    e = e == NULL ? set_up(db) : e;
    e = e == NULL ? store_db_migrate(db) : e;
    if (e == NULL) {
        *ret = take(&db);
    }
    return e;
}

/* While another process makes the database, SQLite gives up at once where waiting could be a deadlock
 * (the change to WAL): so its own time-out does not cover all, and we start over. */
struct err *store_db_open(const char *path, struct store_db **ret)
{
    struct mono until = mono_in(STORE_DB_BUSY_MS);
    struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    struct err *e = open_once(path, ret);

    while (err_is(e, ERR_BUSY) && !mono_passed(until)) {
        err_free(&e);
        nanosleep(&pause, NULL);
        e = open_once(path, ret);
    }
    return e;
}
