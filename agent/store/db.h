#ifndef HF_STORE_DB_H
#define HF_STORE_DB_H

/* For the files of store/ only: the registry's tables in one SQLite file, without loop or thread. Used
 * by one thread at a time; everything here may block on the disk. */
#include <sqlite3.h>

#include "store/store_impl.h"

/** Statements that are kept prepared. */
enum store_sql {
    STORE_SQL_BEGIN_READ,
    STORE_SQL_BEGIN_WRITE,
    STORE_SQL_COMMIT,
    STORE_SQL_ROLLBACK,
    STORE_SQL_FIND,
    STORE_SQL_CREATE,
    STORE_SQL_UPDATE,
    STORE_SQL_DELETE,
    STORE_SQL_CLEAR_TAGS,
    STORE_SQL_CLEAR_REFS,
    STORE_SQL_ADD_TAG,
    STORE_SQL_ADD_REF,
    STORE_SQL_MISSING,
    STORE_SQL_USERS,
    STORE_SQL_USERS_N,
    STORE_SQL_GET,
    STORE_SQL_PAGE_OF_KIND,
    STORE_SQL_PAGE_OF_ALL,
    STORE_SQL_REFERRERS,
    STORE_SQL_COUNT,
    STORE_SQL_DATA_VERSION,
    STORE_SQL_SCOPES,
    STORE_SQL_SCOPES_N,
    STORE_SQL_KINDS,
    STORE_SQL_N,
};

struct store_db {
    sqlite3 *sql;
    char *path;
    sqlite3_stmt *kept[STORE_SQL_N];
};

enum { STORE_DB_BUSY_MS = 5000 };

/**
 * store_db_open() - open or make the database, check it, bring it to the current version
 * Errors: as store_sqlite_open()
 */
struct err *store_db_open(const char *path, struct store_db **ret) MUST_CHECK;
/** store_db_open_raw() - only open; @flags are SQLite's. Nothing is checked or set up */
struct err *store_db_open_raw(const char *path, int flags, struct store_db **ret) MUST_CHECK;
void store_db_free(struct store_db **db);
/** store_db_check() - that it is a registry which we can read and that it is whole. An empty
 * database is fine. Errors: STORE, UNSUPPORTED */
struct err *store_db_check(struct store_db *db) MUST_CHECK;
/** store_db_migrate() - bring it to the current version, in one transaction */
struct err *store_db_migrate(struct store_db *db) MUST_CHECK;
/** store_db_version_current() - the version that store_db_migrate() ends at */
int store_db_version_current(void);

/** store_db_error() - an error from what SQLite said last; @what is the clause */
struct err *store_db_error(struct store_db *db, const char *what) MUST_CHECK;
/** store_db_exec() - statements without results */
struct err *store_db_exec(struct store_db *db, const char *sql) MUST_CHECK;
/** store_db_value(), store_db_number() - the first column of the first row. value: as text (caller
 * owns), NULL when there is no row or it is null. number: 0 then */
struct err *store_db_value(struct store_db *db, const char *sql, char **ret) MUST_CHECK;
struct err *store_db_number(struct store_db *db, const char *sql, int64_t *ret) MUST_CHECK;
/** store_db_take() - a kept statement; @sql is its text, the same each time. Give it back with
 * store_db_give() (fits AUTO) */
struct err *store_db_take(struct store_db *db, enum store_sql which, const char *sql,
                          sqlite3_stmt **ret) MUST_CHECK;
void store_db_give(sqlite3_stmt **stmt);
/** store_db_step() - one row; false at the end */
struct err *store_db_step(struct store_db *db, sqlite3_stmt *stmt, bool *ret_row) MUST_CHECK;
/** store_db_do() - take a statement without parameters or results, and run it */
struct err *store_db_do(struct store_db *db, enum store_sql which, const char *sql) MUST_CHECK;
/** store_db_bind() - a text or, for NULL, null; borrowed until the statement is given back */
void store_db_bind(sqlite3_stmt *stmt, int at, const char *text);
/** store_db_bind_key() - kind, scope and id from parameter @at on */
void store_db_bind_key(sqlite3_stmt *stmt, int at, const struct store_key *k);
/** store_db_text() - a column as an owned text; NULL when out of memory */
char *store_db_text(sqlite3_stmt *stmt, int column);

/** store_db_begin_write(), store_db_begin_read(), store_db_end() - around a transaction.
 * end: commits when @e is NULL, else rolls back; returns @e (taken) or how the commit failed */
struct err *store_db_begin_write(struct store_db *db) MUST_CHECK;
struct err *store_db_begin_read(struct store_db *db) MUST_CHECK;
struct err *store_db_end(struct store_db *db, struct err *e) MUST_CHECK;

/** store_lists_write() - tags and references as one value; store_lists_read() - the reverse, into an
 * entry that has none: STORE when it is damaged, NOMEM; what was read by then is in @to */
void store_lists_write(struct buf *b, const struct store_entry *entry);
struct err *store_lists_read(struct view bytes, struct store_entry *to) MUST_CHECK;

/** store_db_put() - in a transaction: a new entry just as it is, times and revision too */
struct err *store_db_put(struct store_db *db, const struct store_entry *entry) MUST_CHECK;

/** store_db_commit(), ..._get(), ..._page(), ..._referrers(), ..._scopes(), ..._facts() - as the
 * calls of store.h that are named like this; what was asked and the answer are in @c */
struct err *store_db_commit(struct store_db *db, struct store_call *c) MUST_CHECK;
struct err *store_db_get(struct store_db *db, struct store_call *c) MUST_CHECK;
struct err *store_db_page(struct store_db *db, struct store_call *c) MUST_CHECK;
struct err *store_db_referrers(struct store_db *db, struct store_call *c) MUST_CHECK;
struct err *store_db_scopes(struct store_db *db, struct store_call *c) MUST_CHECK;
struct err *store_db_facts(struct store_db *db, struct store_call *c) MUST_CHECK;
/** store_db_load() - a copy of a backup, checked and brought to our version, at @copy */
struct err *store_db_load(const char *path, const char *copy, struct store_db **ret) MUST_CHECK;
/** store_db_sync() - fsync of a file and of the folder that it is in */
struct err *store_db_sync(const char *path) MUST_CHECK;
/** store_db_backup(), ..._restore() - as store_backup() and store_restore() */
struct err *store_db_backup(struct store_db *db, const char *path) MUST_CHECK;
struct err *store_db_restore(struct store_db *db, const char *path) MUST_CHECK;

#endif
