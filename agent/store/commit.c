/*
 * A commit: all changes in one transaction that holds the write lock from its beginning, so what is
 * checked here stays true until it ends, whoever else has the file open. The changes are made in
 * order; references are judged at the end, when all are there. The foreign keys of the schema say
 * the same once more: no program that writes to this file can leave a reference to nothing.
 */
#include "store/db.h"

enum { USERS_SHOWN = 10, USERS_MAX_BYTES = 900 };

struct found {
    bool is;
    int64_t n;
    uint64_t revision;
};

static struct err *find(struct store_db *db, const struct store_key *k, struct found *ret)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row = false;
    struct err *e = store_db_take(
        db, STORE_SQL_FIND,
        "SELECT n, revision FROM entry WHERE kind = ?1 AND scope = ?2 AND id = ?3", &stmt);

    if (e != NULL) {
        return e;
    }
    store_db_bind_key(stmt, 1, k);
    e = store_db_step(db, stmt, &row);
    *ret = (struct found){.is = row};
    if (row) {
        ret->n = sqlite3_column_int64(stmt, 0);
        ret->revision = (uint64_t)sqlite3_column_int64(stmt, 1);
    }
    return e;
}

/* Runs a statement whose first parameter is the entry's row number. */
static struct err *run_on(struct store_db *db, enum store_sql which, const char *sql, int64_t n)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row;
    struct err *e = store_db_take(db, which, sql, &stmt);

    if (e != NULL) {
        return e;
    }
    sqlite3_bind_int64(stmt, 1, n);
    return store_db_step(db, stmt, &row);
}

static struct err *add_tag(struct store_db *db, int64_t n, size_t place, const char *tag)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row;
    struct err *e = store_db_take(db, STORE_SQL_ADD_TAG,
                                  "INSERT INTO tag (entry, place, tag) VALUES (?1, ?2, ?3)", &stmt);

    if (e != NULL) {
        return e;
    }
    sqlite3_bind_int64(stmt, 1, n);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)place);
    store_db_bind(stmt, 3, tag);
    return store_db_step(db, stmt, &row);
}

static struct err *add_ref(struct store_db *db, int64_t n, size_t place, const struct store_key *to)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row;
    struct err *e = store_db_take(db, STORE_SQL_ADD_REF,
                                  "INSERT INTO reference (entry, place, kind, scope, id)"
                                  " VALUES (?1, ?2, ?3, ?4, ?5)",
                                  &stmt);

    if (e != NULL) {
        return e;
    }
    sqlite3_bind_int64(stmt, 1, n);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)place);
    store_db_bind_key(stmt, 3, to);
    return store_db_step(db, stmt, &row);
}

static struct err *add_lists(struct store_db *db, int64_t n, const struct store_entry *entry)
{
    struct err *e = NULL;
    size_t tags = text_list_len(entry->tags);

    for (size_t i = 0; e == NULL && i < tags; i++) {
        e = add_tag(db, n, i, entry->tags[i]);
    }
    for (size_t i = 0; e == NULL && i < entry->refs_n; i++) {
        e = add_ref(db, n, i, &entry->refs[i]);
    }
    return e;
}

/* Its tags and references, as the last parameter. @b: what is bound */
static struct err *bind_lists(sqlite3_stmt *stmt, int at, const struct store_entry *entry,
                              struct buf *b)
{
    store_lists_write(b, entry);
    (void)sqlite3_bind_blob(stmt, at, b->data, (int)b->len, SQLITE_STATIC);
    return buf_check(b, "tags and references");
}

struct err *store_db_put(struct store_db *db, const struct store_entry *entry)
{
    AUTO(buf_deinit) struct buf lists;
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row;
    struct err *e = store_db_take(
        db, STORE_SQL_CREATE,
        "INSERT INTO entry (kind, scope, id, revision, name, body, created, updated, lists)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        &stmt);

    buf_init(&lists, 0);
    if (e != NULL) {
        return e;
    }
    store_db_bind_key(stmt, 1, &entry->key);
    sqlite3_bind_int64(stmt, 4, (sqlite3_int64)entry->revision);
    store_db_bind(stmt, 5, entry->name);
    store_db_bind(stmt, 6, entry->body);
    sqlite3_bind_int64(stmt, 7, entry->created.s);
    sqlite3_bind_int64(stmt, 8, entry->updated.s);
    e = bind_lists(stmt, 9, entry, &lists);
    e = e == NULL ? store_db_step(db, stmt, &row) : e;
    return e == NULL ? add_lists(db, sqlite3_last_insert_rowid(db->sql), entry) : e;
}

/* The new entry borrows all from @entry. */
static struct err *create(struct store_db *db, const struct store_entry *entry, struct wall now)
{
    struct store_entry new = *entry;

    new.revision = 1;
    new.created = new.updated = now;
    return store_db_put(db, &new);
}

static struct err *update(struct store_db *db, int64_t n, const struct store_entry *entry,
                          struct wall now)
{
    AUTO(buf_deinit) struct buf lists;
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row;
    struct err *e = store_db_take(db, STORE_SQL_UPDATE,
                                  "UPDATE entry SET revision = revision + 1, name = ?2, body = ?3,"
                                  " updated = ?4, lists = ?5 WHERE n = ?1",
                                  &stmt);

    buf_init(&lists, 0);
    if (e != NULL) {
        return e;
    }
    sqlite3_bind_int64(stmt, 1, n);
    store_db_bind(stmt, 2, entry->name);
    store_db_bind(stmt, 3, entry->body);
    sqlite3_bind_int64(stmt, 4, now.s);
    e = bind_lists(stmt, 5, entry, &lists);
    e = e == NULL ? store_db_step(db, stmt, &row) : e;
    e = e == NULL ? run_on(db, STORE_SQL_CLEAR_TAGS, "DELETE FROM tag WHERE entry = ?1", n) : e;
    e = e == NULL ? run_on(db, STORE_SQL_CLEAR_REFS, "DELETE FROM reference WHERE entry = ?1", n)
                  : e;
    return e == NULL ? add_lists(db, n, entry) : e;
}

static struct err *apply(struct store_db *db, const struct store_change *ch, struct wall now)
{
    const struct store_key *k = &ch->entry.key;
    struct found was;
    struct err *e = find(db, k, &was);

    if (e != NULL) {
        return e;
    }
    if (ch->what == STORE_CREATE) {
        return was.is ? err_new(ERR_EXISTS, STORE_KEY_WORDS " exists already", STORE_KEY_ARGS(k))
                      : create(db, &ch->entry, now);
    }
    if (!was.is) {
        return err_new(ERR_NOT_FOUND, "there is no " STORE_KEY_WORDS, STORE_KEY_ARGS(k));
    }
    if (ch->expected != 0 && ch->expected != was.revision) {
        return err_native(
            ERR_BUSY, ERR_DOMAIN_NONE, 0, "STALE",
            STORE_KEY_WORDS " was changed in the meantime: its revision is %llu, not %llu",
            STORE_KEY_ARGS(k), (unsigned long long)was.revision, (unsigned long long)ch->expected);
    }
    return ch->what == STORE_DELETE
               ? run_on(db, STORE_SQL_DELETE, "DELETE FROM entry WHERE n = ?1", was.n)
               : update(db, was.n, &ch->entry, now);
}

static struct err *check_targets(struct store_db *db, const struct store_key *k)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row = false;
    struct err *e =
        store_db_take(db, STORE_SQL_MISSING,
                      "SELECT r.kind, r.scope, r.id FROM entry e JOIN reference r ON r.entry = e.n"
                      " LEFT JOIN entry t ON t.kind = r.kind AND t.scope = r.scope AND t.id = r.id"
                      " WHERE e.kind = ?1 AND e.scope = ?2 AND e.id = ?3 AND t.n IS NULL ORDER BY "
                      "r.place LIMIT 1",
                      &stmt);

    if (e != NULL) {
        return e;
    }
    store_db_bind_key(stmt, 1, k);
    e = store_db_step(db, stmt, &row);
    return !row ? e
                : err_new(ERR_NOT_FOUND,
                          STORE_KEY_WORDS " refers to " STORE_KEY_WORDS ", which does not exist",
                          STORE_KEY_ARGS(k), (const char *)sqlite3_column_text(stmt, 0),
                          (const char *)sqlite3_column_text(stmt, 2),
                          (const char *)sqlite3_column_text(stmt, 1));
}

static struct err *count_users(struct store_db *db, const struct store_key *k, int64_t *ret_n)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row = false;
    struct err *e = store_db_take(db, STORE_SQL_USERS_N,
                                  "SELECT count(DISTINCT entry) FROM reference"
                                  " WHERE kind = ?1 AND scope = ?2 AND id = ?3",
                                  &stmt);

    if (e != NULL) {
        return e;
    }
    store_db_bind_key(stmt, 1, k);
    e = store_db_step(db, stmt, &row);
    *ret_n = row ? sqlite3_column_int64(stmt, 0) : 0;
    return e;
}

/* As many as fit into a clause of an error. */
static struct err *list_users(struct store_db *db, const struct store_key *k, struct buf *list,
                              int *ret_shown)
{
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    bool row = true;
    struct err *e = store_db_take(
        db, STORE_SQL_USERS,
        "SELECT DISTINCT e.kind, e.id, e.scope, e.name FROM reference r JOIN entry e ON e.n = "
        "r.entry"
        " WHERE r.kind = ?1 AND r.scope = ?2 AND r.id = ?3 ORDER BY e.scope, e.name, e.id, e.kind",
        &stmt);

    if (e != NULL) {
        return e;
    }
    store_db_bind_key(stmt, 1, k);
    for (*ret_shown = 0; *ret_shown < USERS_SHOWN; (*ret_shown)++) {
        AUTO(auto_free) char *user = NULL;

        if ((e = store_db_step(db, stmt, &row)) != NULL || !row) {
            return e;
        }
        user = text_fmt("%s" STORE_KEY_WORDS, *ret_shown > 0 ? ", " : "",
                        (const char *)sqlite3_column_text(stmt, 0),
                        (const char *)sqlite3_column_text(stmt, 1),
                        (const char *)sqlite3_column_text(stmt, 2));
        if (user == NULL) {
            return err_nomem();
        }
        buf_put(list, user, strlen(user));
        if (list->failed) {
            return NULL;
        }
    }
    return NULL;
}

static struct err *check_users(struct store_db *db, const struct store_key *k)
{
    AUTO(buf_deinit) struct buf users;
    struct found now;
    int64_t n = 0;
    int shown = 0;
    struct err *e = find(db, k, &now);

    buf_init(&users, USERS_MAX_BYTES);
    if (e != NULL || now.is) {
        return e; /* deleted and made again in one commit */
    }
    e = count_users(db, k, &n);
    e = e == NULL && n > 0 ? list_users(db, k, &users, &shown) : e;
    if (e != NULL || n == 0) {
        return e;
    }
    return err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "IN-USE",
                      STORE_KEY_WORDS " is used by %lld: %.*s%s", STORE_KEY_ARGS(k), (long long)n,
                      (int)users.len, users.data != NULL ? (const char *)users.data : "",
                      shown < n ? ", ..." : "");
}

struct err *store_db_commit(struct store_db *db, struct store_call *c)
{
    struct err *e = store_db_begin_write(db);

    if (e != NULL) {
        return e;
    }
    for (size_t i = 0; e == NULL && i < c->changes_n; i++) {
        e = apply(db, &c->changes[i], c->now);
    }
    for (size_t i = 0; e == NULL && i < c->changes_n; i++) {
        const struct store_change *ch = &c->changes[i];

        e = ch->what == STORE_DELETE ? check_users(db, &ch->entry.key)
                                     : check_targets(db, &ch->entry.key);
    }
    return store_db_end(db, e);
}
