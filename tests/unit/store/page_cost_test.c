/* What a page out of 10,000 entries costs beside the bare query. Times are printed, not judged: that is
 * for tests/bench; judged is what SQLite counts itself: steps of its machine, rows sorted, tables read
 * from end to end. */
#include <time.h>

#include "store/db.h"
#include "store/support_sqlite.h"

enum { ENTRIES = 10000, BATCH = 500, LIMIT = 100, RUNS = 101 };

static void fill(void)
{
    const struct store_key root = key_of("cert", "account", "root");
    static char *tags[] = {"prod", "eu", NULL};
    static struct store_change c[BATCH];
    static char id[BATCH][16];
    char body[401];

    memset(body, 'x', 400);
    body[400] = '\0';
    assert_ok(put(STORE_CREATE, "cert", "account", "root", "pem"));
    for (int i = 0; i < ENTRIES; i += BATCH) {
        for (int j = 0; j < BATCH; j++) {
            snprintf(id[j], sizeof id[j], "c_%05d", (i + j) * 7919 % ENTRIES);
            c[j] = change_of(STORE_CREATE, "conn", "org/a/project/p", id[j], body);
            c[j].entry.tags = tags;
            c[j].entry.refs = (struct store_key *)&root;
            c[j].entry.refs_n = 1;
        }
        assert_ok(commit(c, BATCH));
    }
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static double median_us(int64_t *ns)
{
    qsort(ns, RUNS, sizeof *ns, by_size);
    return (double)ns[RUNS / 2] / 1000;
}

static double bare_us(sqlite3 *db)
{
    int64_t ns[RUNS];

    for (int i = 0; i < RUNS; i++) {
        sqlite3_stmt *stmt;
        int64_t begun = now_ns();
        int rows = 0;

        sqlite3_prepare_v2(db,
                           "SELECT * FROM entry WHERE kind = 'conn' AND scope = 'org/a/project/p'"
                           " ORDER BY scope, name, id LIMIT 100",
                           -1, &stmt, NULL);
        for (; sqlite3_step(stmt) == SQLITE_ROW; rows++) {
            for (int column = 0; column < 10; column++) {
                sqlite3_column_text(stmt, column);
            }
        }
        sqlite3_finalize(stmt);
        ns[i] = now_ns() - begun;
        assert_int_equal(rows, LIMIT);
    }
    return median_us(ns);
}

static void on_entries(void *arg, struct err *e, const struct store_entry *entries, size_t n,
                       const char *next)
{
    assert_null(e);
    assert_non_null(entries);
    assert_int_equal(n, LIMIT);
    assert_non_null(next);
    *(int64_t *)arg = now_ns() - *(int64_t *)arg;
    stop();
}

static double page_us(const char *after)
{
    const struct store_query q = {
        .kind = "conn", .scope = "org/a/project/p", .limit = LIMIT, .after = after};
    int64_t ns[RUNS];

    for (int i = 0; i < RUNS; i++) {
        ns[i] = now_ns();
        store_page(suite.store, &q, on_entries, &ns[i]);
        run();
    }
    return median_us(ns);
}

/* The cursor before the last page, after a walk through all. */
static char *walk(void)
{
    AUTO(auto_free) char *after = NULL;
    char *last = NULL;
    size_t seen = 0;

    do {
        const struct store_query q = {
            .kind = "conn", .scope = "org/a/project/p", .limit = LIMIT, .after = after};
        AUTO(answer_deinit) struct answer a = page(&q);

        assert_ok(take(&a.e));
        seen += a.n;
        free(last);
        last = take(&after);
        after = take(&a.next);
    } while (*after != '\0');
    assert_int_equal(seen, ENTRIES);
    return last;
}

static void test_cost(void **state)
{
    sqlite3 *db;

    (void)state;
    fill();
    AUTO(auto_free) char *last = walk();

    assert_int_equal(sqlite3_open(in_folder("registry.db"), &db), SQLITE_OK);
    double bare = bare_us(db), at_first = page_us(""), at_last = page_us(last);

    sqlite3_close(db);
    printf("page of %d of %d: bare query %.0f us, first page %.0f us (%.2f x), last page %.0f us "
           "(%.2f x the first)\n",
           LIMIT, ENTRIES, bare, at_first, at_first / bare, at_last, at_last / at_first);
}

/* Steps for one page, which neither sorts nor reads a whole table. */
static int steps_for(struct store_db *db, const char *kind, const char *after)
{
    const struct store_query q = {
        .kind = kind, .scope = "account", .below = true, .limit = LIMIT, .after = after};
    AUTO(store_call_free) struct store_call *c = store_call_new(NULL, STORE_OP_PAGE);
    enum store_sql which = kind != NULL ? STORE_SQL_PAGE_OF_KIND : STORE_SQL_PAGE_OF_ALL;

    assert_ok(store_call_set_query(c, &q));
    assert_ok(store_db_page(db, c));
    assert_int_equal(c->entries_n, LIMIT);
    sqlite3_stmt *stmt = db->kept[which];

    assert_int_equal(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_SORT, 1), 0);
    assert_int_equal(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1), 0);
    return sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
}

static void test_steps(void **state)
{
    struct store_db *db;

    (void)state;
    fill();
    AUTO(auto_free) char *last = walk();

    assert_ok(store_db_open(in_folder("registry.db"), &db));
    for (int i = 0; i < 2; i++) {
        const char *kind = i == 0 ? "conn" : NULL;
        int at_first = steps_for(db, kind, ""), at_last = steps_for(db, kind, last);

        assert_in_range(at_first, LIMIT, 40 * LIMIT);
        printf("%d steps for the first page, %d for the last\n", at_first, at_last);
        assert_true(at_last <= at_first + at_first / 4); /* three columns compared a row, not one */
    }
    store_db_free(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cost, suite_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_steps, suite_setup, folder_teardown),
    };

    suite_open = open_sqlite;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
