/*
 * Reading: one entry, what refers to one, and pages. A page is a walk along an index from the key
 * where the page before ended, never a count of what to skip, so the last page costs what the first
 * does.
 */
#include <stdlib.h>

#include "store/db.h"

#define COLUMNS "kind, scope, id, revision, name, body, created, updated, lists"

/* The filters that pages of both kinds share. ?5: last scope, ?6: only this scope and those below it. */
#define PAGE_FILTERS                                                                               \
    " AND scope <= ?5"                                                                             \
    " AND (?6 IS NULL OR scope = ?6 OR substr(scope, 1, length(?6) + 1) = ?6 || '/')"              \
    " AND (?7 IS NULL OR EXISTS (SELECT 1 FROM tag WHERE tag.entry = n AND tag.tag = ?7))"         \
    " AND (?8 IS NULL OR instr(lower(name), ?8) > 0)"

static const char page_of_kind[] =
    "SELECT " COLUMNS
    " FROM entry WHERE kind = ?10 AND (scope, name, id) > (?1, ?2, ?3)" PAGE_FILTERS
    " ORDER BY scope, name, id LIMIT ?9";
static const char page_of_all[] =
    "SELECT " COLUMNS " FROM entry WHERE (scope, name, id, kind) > (?1, ?2, ?3, ?4)" PAGE_FILTERS
    " ORDER BY scope, name, id, kind LIMIT ?9";

/* The rows of an answer, as they come in. */
struct rows {
    struct store_entry *entries;
    size_t n, max, bytes;
    bool more; /* there was no room for the next one */
};

static struct err *rows_init(struct rows *r, size_t max)
{
    *r = (struct rows){.max = max};
    r->entries = calloc(max + 1, sizeof *r->entries);
    return r->entries != NULL ? NULL : err_nomem();
}

static void rows_deinit(struct rows *r)
{
    store_entries_free(&r->entries, r->n);
}

static struct err *read_row(struct rows *r, sqlite3_stmt *stmt)
{
    struct store_entry *to = &r->entries[r->n++];
    const void *lists = sqlite3_column_blob(stmt, 8);

    to->key =
        (struct store_key){store_db_text(stmt, 0), store_db_text(stmt, 1), store_db_text(stmt, 2)};
    to->revision = (uint64_t)sqlite3_column_int64(stmt, 3);
    to->name = store_db_text(stmt, 4);
    to->body = store_db_text(stmt, 5);
    to->created.s = sqlite3_column_int64(stmt, 6);
    to->updated.s = sqlite3_column_int64(stmt, 7);
    r->bytes += (size_t)sqlite3_column_bytes(stmt, 5);
    if (to->key.kind == NULL || to->key.scope == NULL || to->key.id == NULL || to->name == NULL ||
        to->body == NULL) {
        return err_nomem();
    }
    struct err *e = store_lists_read(view_of(lists, (size_t)sqlite3_column_bytes(stmt, 8)), to);

    return err_add(e, STORE_KEY_WORDS, STORE_KEY_ARGS(&to->key));
}

static struct err *read_rows(struct store_db *db, sqlite3_stmt *stmt, struct rows *r)
{
    bool row = true;
    struct err *e;

    while ((e = store_db_step(db, stmt, &row)) == NULL && row) {
        if (r->n == r->max || r->bytes >= STORE_PAGE_MAX_BYTES) {
            r->more = true;
            return NULL;
        }
        if ((e = read_row(r, stmt)) != NULL) {
            return e;
        }
    }
    return e;
}

/* The rows become the call's. */
static struct err *hand_over(struct rows *r, struct store_call *c)
{
    if (r->more) {
        const struct store_entry *last = &r->entries[r->n - 1];
        const struct store_place ended = {last->key.scope, last->name, last->key.id,
                                          last->key.kind};

        c->cursor = store_cursor_write(&ended);
        if (c->cursor == NULL) {
            return err_nomem();
        }
    }
    c->entries_n = r->n;
    c->entries = take(&r->entries);
    return NULL;
}

static void bind_filters(sqlite3_stmt *stmt, const struct store_wanted *w,
                         const struct store_place *from)
{
    store_db_bind(stmt, 1, from->scope);
    store_db_bind(stmt, 2, from->name);
    store_db_bind(stmt, 3, from->id);
    if (w->kind == NULL) {
        store_db_bind(stmt, 4, from->kind);
    } else {
        store_db_bind(stmt, 10, w->kind);
    }
    store_db_bind(stmt, 7, w->tag);
    store_db_bind(stmt, 8, w->name_has);
}

/* The entries of one of the wanted scopes, or of it and those below it: "org/a" to "org/a0", as '0'
 * comes after '/'; and below "account" is all there is. */
static struct err *read_scope(struct store_db *db, const struct store_wanted *w, char *scope,
                              struct rows *r)
{
    bool below = w->below && text_eq(scope, w->scope);
    bool all = below && text_eq(scope, "account");
    AUTO(auto_free) char *last =
        all ? text_copy("\xff") : text_fmt("%s%s", scope, below ? "0" : "");
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    const struct store_place before = {all ? "" : scope, "", "", ""};
    bool kind = w->kind != NULL;
    struct err *e = last == NULL
                        ? err_nomem()
                        : store_db_take(db, kind ? STORE_SQL_PAGE_OF_KIND : STORE_SQL_PAGE_OF_ALL,
                                        kind ? page_of_kind : page_of_all, &stmt);

    if (e != NULL) {
        return e;
    }
    bind_filters(stmt, w, strcmp(w->after.scope, before.scope) >= 0 ? &w->after : &before);
    store_db_bind(stmt, 5, last);
    store_db_bind(stmt, 6, below && !all ? scope : NULL);
    sqlite3_bind_int64(stmt, 9, (sqlite3_int64)(w->limit - r->n) + 1);
    return read_rows(db, stmt, r);
}

/* The reader who is on this thread takes the rows; nothing of them is left. */
static struct err *show(struct store_call *c)
{
    struct err *e = c->show(c->entries, c->entries_n, c->cursor != NULL ? c->cursor : "", &c->text);

    store_entries_free(&c->entries, c->entries_n);
    c->entries_n = 0;
    return e;
}

struct err *store_db_page(struct store_db *db, struct store_call *c)
{
    AUTO(rows_deinit) struct rows r;
    struct err *e = rows_init(&r, c->wanted.limit);

    e = e == NULL ? store_db_begin_read(db) : e;
    if (e != NULL) {
        return e;
    }
    for (char **scope = c->wanted.scopes; e == NULL && !r.more && *scope != NULL; scope++) {
        e = read_scope(db, &c->wanted, *scope, &r);
    }
    e = store_db_end(db, e == NULL ? hand_over(&r, c) : e);
    return e == NULL && c->show != NULL ? show(c) : e;
}

/* What a statement finds for the call's key. */
static struct err *read_for_key(struct store_db *db, struct store_call *c, enum store_sql which,
                                const char *sql, size_t max)
{
    AUTO(rows_deinit) struct rows r;
    AUTO(store_db_give) sqlite3_stmt *stmt = NULL;
    struct err *e = rows_init(&r, max);

    e = e == NULL ? store_db_begin_read(db) : e;
    if (e != NULL) {
        return e;
    }
    e = store_db_take(db, which, sql, &stmt);
    if (e == NULL) {
        store_db_bind_key(stmt, 1, &c->key);
        e = read_rows(db, stmt, &r);
    }
    e = e == NULL ? hand_over(&r, c) : e;
    store_db_give(&stmt);
    return store_db_end(db, e);
}

struct err *store_db_get(struct store_db *db, struct store_call *c)
{
    struct err *e =
        read_for_key(db, c, STORE_SQL_GET,
                     "SELECT " COLUMNS " FROM entry WHERE kind = ?1 AND scope = ?2 AND id = ?3", 1);

    return e == NULL && c->entries_n == 0
               ? err_new(ERR_NOT_FOUND, "there is no " STORE_KEY_WORDS, STORE_KEY_ARGS(&c->key))
               : e;
}

struct err *store_db_referrers(struct store_db *db, struct store_call *c)
{
    return read_for_key(db, c, STORE_SQL_REFERRERS,
                        "SELECT " COLUMNS " FROM entry WHERE n IN (SELECT entry FROM reference"
                        " WHERE kind = ?1 AND scope = ?2 AND id = ?3)"
                        " ORDER BY scope, name, id, kind LIMIT 1001",
                        STORE_PAGE_MAX);
}
