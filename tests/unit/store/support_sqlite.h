#ifndef HF_TESTS_STORE_SUPPORT_SQLITE_H
#define HF_TESTS_STORE_SUPPORT_SQLITE_H

/* For tests of what is particular to SQLite: other people's hands on the file. */
#include "store/suite.h"

#include <sqlite3.h>

static inline struct err *open_sqlite(struct store **ret)
{
    return store_sqlite_open(suite.loop, in_folder("registry.db"), suite_on_changed, &suite, ret);
}

/** sql_in() - run SQL on a file as the sqlite3 program would; returns the last column of the last row
 * (owned) */
static inline char *sql_in(const char *path, const char *sql)
{
    sqlite3 *db;
    char *last = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    while (*sql != '\0') {
        sqlite3_stmt *stmt;
        int rc;

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, &sql), SQLITE_OK);
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            free(last);
            last =
                text_copy((const char *)sqlite3_column_text(stmt, sqlite3_column_count(stmt) - 1));
        }
        assert_true(rc == SQLITE_DONE);
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
    return last;
}

static inline void change_in(const char *path, const char *sql)
{
    free(sql_in(path, sql));
}

/** assert_in() - what sql_in() says */
static inline void assert_in(const char *path, const char *sql, const char *says)
{
    AUTO(auto_free) char *last = sql_in(path, sql);

    assert_string_equal(last, says);
}

static inline struct err *
on_file(void (*call)(struct store *, const char *, store_done_fn *, void *), const char *path)
{
    struct err *e = NULL;

    call(suite.store, path, on_done_stop, &e);
    run();
    return e;
}

#endif
