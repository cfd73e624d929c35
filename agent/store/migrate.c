/*
 * The schema, as numbered steps: PRAGMA user_version says how many of them a database has seen, and
 * what is missing is made up for in one transaction. A step that was released is never changed; a new
 * one is added at the end, with a test that opens a database of the version before.
 *
 * A reference is a row whose foreign key names its target by (kind, scope, id). It is checked when the
 * transaction ends: SQLite's RESTRICT would look at once, even where it is declared deferred, and
 * then a commit could neither delete an entry together with its users nor make a user first.
 */
#include "store/db.h"

static const char *const step[] = {
    "PRAGMA application_id = 1212572786;"
    "CREATE TABLE entry ("
    "  n INTEGER PRIMARY KEY,"
    "  kind TEXT NOT NULL, scope TEXT NOT NULL, id TEXT NOT NULL,"
    "  revision INTEGER NOT NULL CHECK (revision > 0),"
    "  name TEXT NOT NULL, body TEXT NOT NULL, lists BLOB NOT NULL,"
    "  created INTEGER NOT NULL, updated INTEGER NOT NULL,"
    "  UNIQUE (kind, scope, id)"
    ") STRICT;"
    "CREATE INDEX entry_page_of_kind ON entry (kind, scope, name, id);"
    "CREATE INDEX entry_page_of_all ON entry (scope, name, id, kind);"
    "CREATE TABLE tag ("
    "  entry INTEGER NOT NULL REFERENCES entry ON DELETE CASCADE,"
    "  place INTEGER NOT NULL, tag TEXT NOT NULL,"
    "  PRIMARY KEY (entry, place)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE reference ("
    "  entry INTEGER NOT NULL REFERENCES entry ON DELETE CASCADE,"
    "  place INTEGER NOT NULL,"
    "  kind TEXT NOT NULL, scope TEXT NOT NULL, id TEXT NOT NULL,"
    "  PRIMARY KEY (entry, place),"
    "  FOREIGN KEY (kind, scope, id) REFERENCES entry (kind, scope, id)"
    "    ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX reference_target ON reference (kind, scope, id);",

    /* 2: whether an entry has a tag, without reading all of its tags */
    "CREATE INDEX tag_of_entry ON tag (entry, tag);",
};

int store_db_version_current(void)
{
    return (int)ARRAY_LEN(step);
}

/* The version is read inside the transaction: another process may be doing the same. */
static struct err *take_steps(struct store_db *db)
{
    int64_t version = 0;
    struct err *e = store_db_number(db, "PRAGMA user_version", &version);

    for (; e == NULL && version < store_db_version_current(); version++) {
        AUTO(auto_free) char *done = text_fmt("PRAGMA user_version = %d", (int)version + 1);

        e = store_db_exec(db, step[version]);
        e = e == NULL && done == NULL ? err_nomem() : e;
        e = e == NULL ? store_db_exec(db, done) : e;
        e = err_add(e, "bring the database to version %d", (int)version + 1);
    }
    return e;
}

struct err *store_db_migrate(struct store_db *db)
{
    int64_t version = 0;
    struct err *e = store_db_number(db, "PRAGMA user_version", &version);

    if (e != NULL || version >= store_db_version_current()) {
        return e;
    }
    e = store_db_begin_write(db);
    return e == NULL ? store_db_end(db, take_steps(db)) : e;
}
