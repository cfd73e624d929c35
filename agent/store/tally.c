/*
 * Counting: which scopes have entries, and how many entries of each kind there are. Both are walks along
 * an index; a page of scopes costs as much as the entries that are in them, and nothing for those of
 * scopes that are not asked for.
 */
#include <stdlib.h>

#include "store/db.h"

/* A scope and those below it as a range: "org/a" to "org/a0", as '0' comes after '/'. No scope has a
 * character before '/' in its names, so nothing else is in between. */
struct range {
    char *from, *to;
};

static void range_deinit(struct range *r)
{
    free(r->from);
    free(r->to);
}

static struct err *range_of(const char *top, struct range *ret)
{
    bool all = text_eq(top, "account");

    *ret =
        (struct range){text_copy(all ? "" : top), all ? text_copy("\xff") : text_fmt("%s0", top)};
    return ret->from != NULL && ret->to != NULL ? NULL : err_nomem();
}

/* Room for one more; the limit keeps it small. */
static struct err *add(struct store_call *c, sqlite3_stmt *stmt, bool of_kind)
{
    struct store_tally *more = reallocarray(c->tallies, c->tallies_n + 1, sizeof *more);

    if (more == NULL) {
        return err_nomem();
    }
    c->tallies = more;
    struct store_tally *t = &more[c->tallies_n];

    *t = (struct store_tally){.word = store_db_text(stmt, 0),
                              .entries = (uint64_t)sqlite3_column_int64(stmt, 1)};
    if (t->word == NULL) {
        return err_nomem();
    }
    if (of_kind) {
        t->revision = (uint64_t)sqlite3_column_int64(stmt, 2);
        t->updated.s = sqlite3_column_int64(stmt, 3);
    }
    c->tallies_n++;
    return NULL;
}

static struct err *read_tallies(struct store_db *db, struct store_call *c, sqlite3_stmt *stmt,
                                bool of_kind)
{
    bool row = true;
    struct err *e;

    while ((e = store_db_step(db, stmt, &row)) == NULL && row) {
        e = add(c, stmt, of_kind);
        if (e != NULL) {
            return e;
        }
    }
    return e;
}

/* The next scopes of one range: one more than fit in, to know whether there are more. */
static struct err *read_range(struct store_db *db, struct store_call *c, const char *top)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    AUTO(range_deinit) struct range range = {0};
    struct err *e = range_of(top, &range);

    e = e == NULL ? store_db_take(db, STORE_SQL_SCOPES,
                                  "SELECT scope, count(*) FROM entry WHERE scope > ?1"
                                  " AND scope >= ?2 AND scope < ?3 GROUP BY scope ORDER BY scope"
                                  " LIMIT ?4",
                                  &stmt)
                  : e;
    if (e != NULL) {
        return e;
    }
    store_db_bind(stmt, 1, c->wanted.after.scope);
    store_db_bind(stmt, 2, range.from);
    store_db_bind(stmt, 3, range.to);
    sqlite3_bind_int64(stmt, 4, (sqlite3_int64)(c->wanted.limit - c->tallies_n) + 1);
    return read_tallies(db, c, stmt, false);
}

static struct err *end_page(struct store_call *c)
{
    if (c->tallies_n <= c->wanted.limit) {
        return NULL;
    }
    free(c->tallies[--c->tallies_n].word);
    const struct store_place ended = {c->tallies[c->tallies_n - 1].word, "", "", ""};

    c->cursor = store_cursor_write(&ended);
    return c->cursor != NULL ? NULL : err_nomem();
}

struct err *store_db_scopes(struct store_db *db, struct store_call *c)
{
    struct err *e = store_db_begin_read(db);

    if (e != NULL) {
        return e;
    }
    for (char **top = c->wanted.scopes; e == NULL && top != NULL && *top != NULL; top++) {
        e = c->tallies_n <= c->wanted.limit ? read_range(db, c, *top) : NULL;
    }
    return store_db_end(db, e == NULL ? end_page(c) : e);
}

static struct err *count_scopes(struct store_db *db, struct store_call *c,
                                const struct range *range)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row = false;
    struct err *e = store_db_take(db, STORE_SQL_SCOPES_N,
                                  "SELECT count(DISTINCT scope) FROM entry"
                                  " WHERE scope >= ?1 AND scope < ?2",
                                  &stmt);

    if (e == NULL) {
        store_db_bind(stmt, 1, range->from);
        store_db_bind(stmt, 2, range->to);
        e = store_db_step(db, stmt, &row);
    }
    if (row) {
        c->facts.scopes = (uint64_t)sqlite3_column_int64(stmt, 0);
    }
    return e;
}

static struct err *count_kinds(struct store_db *db, struct store_call *c, const struct range *range)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    struct err *e = store_db_take(db, STORE_SQL_KINDS,
                                  "SELECT kind, count(*), max(revision), max(updated) FROM entry"
                                  " WHERE scope >= ?1 AND scope < ?2 GROUP BY kind ORDER BY kind",
                                  &stmt);

    if (e == NULL) {
        store_db_bind(stmt, 1, range->from);
        store_db_bind(stmt, 2, range->to);
        e = read_tallies(db, c, stmt, true);
    }
    return e;
}

static struct err *measure(struct store_db *db, struct store_facts *f)
{
    int64_t pages = 0, size = 0;
    struct err *e = store_db_number(db, "PRAGMA page_count", &pages);

    e = e == NULL ? store_db_number(db, "PRAGMA page_size", &size) : e;
    f->bytes = (uint64_t)(pages * size);
    return e == NULL ? store_db_number(db, "PRAGMA user_version", &f->version) : e;
}

struct err *store_db_facts(struct store_db *db, struct store_call *c)
{
    AUTO(range_deinit) struct range range = {0};
    struct err *e = range_of(c->wanted.scope, &range);

    e = e == NULL ? store_db_begin_read(db) : e;
    if (e != NULL) {
        return e;
    }
    e = count_kinds(db, c, &range);
    e = e == NULL ? count_scopes(db, c, &range) : e;
    return store_db_end(db, e == NULL ? measure(db, &c->facts) : e);
}
