/*
 * What the other files here need of SQLite: statements that stay prepared, and errors that say in the
 * project's words what SQLite said. Texts are always bound, never pasted into a statement.
 */
#include "store/db.h"

#include <stdlib.h>

static const struct {
    int sqlite;
    enum err_code code;
    const char *name;
    const char *meaning; /* NULL: SQLite's own words say enough */
} codes[] = {
    {SQLITE_FULL, ERR_STORE, "SQLITE_FULL", "the disk is full; nothing was changed"},
    {SQLITE_BUSY, ERR_BUSY, "SQLITE_BUSY", "another process keeps the database locked"},
    {SQLITE_LOCKED, ERR_BUSY, "SQLITE_LOCKED", NULL},
    {SQLITE_CORRUPT, ERR_STORE, "SQLITE_CORRUPT", "the database is damaged"},
    {SQLITE_NOTADB, ERR_STORE, "SQLITE_NOTADB", "the file is damaged, or no database"},
    {SQLITE_IOERR, ERR_STORE, "SQLITE_IOERR", NULL},
    {SQLITE_READONLY, ERR_STORE, "SQLITE_READONLY", NULL},
    {SQLITE_CANTOPEN, ERR_STORE, "SQLITE_CANTOPEN", NULL},
    {SQLITE_PERM, ERR_DENIED, "SQLITE_PERM", NULL},
    {SQLITE_AUTH, ERR_DENIED, "SQLITE_AUTH", NULL},
    {SQLITE_TOOBIG, ERR_LIMIT, "SQLITE_TOOBIG", NULL},
    {SQLITE_CONSTRAINT, ERR_STORE, "SQLITE_CONSTRAINT", NULL},
};

struct err *store_db_error(struct store_db *db, const char *what)
{
    int code = db->sql != NULL ? sqlite3_extended_errcode(db->sql) : SQLITE_NOMEM;

    if ((code & 0xff) == SQLITE_NOMEM) {
        return err_nomem();
    }
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (codes[i].sqlite == (code & 0xff)) {
            const char *words =
                codes[i].meaning != NULL ? codes[i].meaning : sqlite3_errmsg(db->sql);

            return err_native(codes[i].code, ERR_DOMAIN_SQLITE, (unsigned long)code, codes[i].name,
                              "%s: %s", what, words);
        }
    }
    return err_native(ERR_STORE, ERR_DOMAIN_SQLITE, (unsigned long)code, sqlite3_errstr(code),
                      "%s: %s", what, sqlite3_errmsg(db->sql));
}

struct err *store_db_exec(struct store_db *db, const char *sql)
{
    return sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK ? NULL
                                                                     : store_db_error(db, db->path);
}

struct err *store_db_value(struct store_db *db, const char *sql, char **ret)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL);

    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    struct err *e = rc == SQLITE_ROW || rc == SQLITE_DONE ? NULL : store_db_error(db, db->path);

    if (e == NULL) {
        *ret = rc == SQLITE_ROW ? store_db_text(stmt, 0) : NULL;
    }
    sqlite3_finalize(stmt);
    return e;
}

struct err *store_db_number(struct store_db *db, const char *sql, int64_t *ret)
{
    AUTO(auto_free) char *text = NULL;
    struct err *e = store_db_value(db, sql, &text);

    if (e == NULL) {
        *ret = text != NULL ? strtoll(text, NULL, 10) : 0;
    }
    return e;
}

struct err *store_db_take(struct store_db *db, enum store_sql which, const char *sql,
                          sqlite3_stmt **ret)
{
    sqlite3_stmt **kept = &db->kept[which];

    if (*kept == NULL &&
        sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, kept, NULL) != SQLITE_OK) {
        return store_db_error(db, db->path);
    }
    *ret = *kept;
    return NULL;
}

void store_db_give(sqlite3_stmt **stmt)
{
    if (*stmt != NULL) {
        sqlite3_reset(*stmt);
        sqlite3_clear_bindings(*stmt);
    }
    *stmt = NULL;
}

struct err *store_db_step(struct store_db *db, sqlite3_stmt *stmt, bool *ret_row)
{
    int rc = sqlite3_step(stmt);

    *ret_row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? NULL : store_db_error(db, db->path);
}

struct err *store_db_do(struct store_db *db, enum store_sql which, const char *sql)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row;
    struct err *e = store_db_take(db, which, sql, &stmt);

    return e == NULL ? store_db_step(db, stmt, &row) : e;
}

/* A borrowed text that is short enough always binds: the front has seen to its length. */
void store_db_bind(sqlite3_stmt *stmt, int at, const char *text)
{
    (void)sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

void store_db_bind_key(sqlite3_stmt *stmt, int at, const struct store_key *k)
{
    store_db_bind(stmt, at, k->kind);
    store_db_bind(stmt, at + 1, k->scope);
    store_db_bind(stmt, at + 2, k->id);
}

char *store_db_text(sqlite3_stmt *stmt, int column)
{
    return text_copy((const char *)sqlite3_column_text(stmt, column));
}

/* The write lock is taken at once, so that no transaction finds out half-way that it must start anew. */
struct err *store_db_begin_write(struct store_db *db)
{
    return store_db_do(db, STORE_SQL_BEGIN_WRITE, "BEGIN IMMEDIATE");
}

struct err *store_db_begin_read(struct store_db *db)
{
    return store_db_do(db, STORE_SQL_BEGIN_READ, "BEGIN");
}

struct err *store_db_end(struct store_db *db, struct err *e)
{
    if (e == NULL) {
        e = store_db_do(db, STORE_SQL_COMMIT, "COMMIT");
    }
    if (e != NULL && sqlite3_get_autocommit(db->sql) == 0) {
        struct err *second = store_db_do(db, STORE_SQL_ROLLBACK, "ROLLBACK");

        err_free(&second); /* the first failure is the one to tell */
    }
    return e;
}
