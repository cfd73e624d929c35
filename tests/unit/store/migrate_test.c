/* Migrations: a database of every version before opens with all that is in it, and a newer or foreign
 * one is left alone. */
#include "store/support_sqlite.h"

#include "store/db.h"
#include "store/v1.h"

static void assert_v1_content(void)
{
    const struct store_query eu = {.scope = "account", .below = true, .tag = "prod", .limit = 10};
    AUTO(answer_deinit) struct answer a = page(&eu);

    assert_ok(take(&a.e));
    assert_int_equal(a.n, 2);
    assert_string_equal(a.entries[0].body, "pem");
    assert_int_equal(a.entries[0].revision, 3);
    assert_int_equal(a.entries[0].created.s, 1000);
    assert_string_equal(a.entries[0].tags[1], "prod");
    assert_string_equal(a.entries[1].refs[0].id, "root");
    assert_err(put(STORE_DELETE, "cert", "account", "root", NULL), ERR_BUSY, "conn main in org/a");
}

static void test_version_1_opens(void **state)
{
    const char *path = in_folder("registry.db");

    (void)state;
    change_in(path, v1);
    assert_in(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'tag_of_entry'", "0");
    assert_ok(open_sqlite(&suite.store));
    assert_v1_content();
    assert_in(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'tag_of_entry'", "1");
    assert_in(path, "PRAGMA user_version", "2");
    reopen();
    assert_v1_content();
}

/* What is migrated is what is made anew, word for word. */
static void test_the_same_schema_on_both_ways(void **state)
{
    static const char schema[] = "SELECT group_concat(sql, ';') FROM"
                                 " (SELECT sql FROM sqlite_schema ORDER BY name)";
    const char *old = in_folder("old.db"), *made = in_folder("registry.db");
    struct store_db *db;

    (void)state;
    change_in(old, v1);
    assert_ok(store_db_open(old, &db));
    store_db_free(&db);
    assert_ok(open_sqlite(&suite.store));
    AUTO(auto_free) char *a = sql_in(old, schema);
    AUTO(auto_free) char *b = sql_in(made, schema);

    assert_string_equal(a, b);
    assert_int_equal(store_db_version_current(), 2);
}

static void test_a_step_that_fails_changes_nothing(void **state)
{
    const char *path = in_folder("registry.db");
    struct store *s = NULL;

    (void)state;
    change_in(path, v1);
    change_in(path, "CREATE TABLE tag_of_entry (x)"); /* the name that step 2 needs */
    assert_err(open_sqlite(&s), ERR_STORE, "bring the database to version 2");
    assert_null(s);
    assert_in(path, "PRAGMA user_version", "1");
    assert_in(path, "SELECT count(*) FROM entry", "2");
}

static void test_newer_and_foreign_ones_are_left_alone(void **state)
{
    const char *path = in_folder("registry.db");
    struct store *s = NULL;

    (void)state;
    change_in(path, v1);
    change_in(path, "PRAGMA user_version = 3");
    assert_err(open_sqlite(&s), ERR_UNSUPPORTED,
               "newer Holdfast: its version is 3, this one knows 2");
    assert_in(path, "PRAGMA user_version", "3");
    assert_in(path, "PRAGMA journal_mode", "delete");
    assert_int_equal(unlink(path), 0);
    change_in(path, "CREATE TABLE bookmarks (url); PRAGMA user_version = 1");
    assert_err(open_sqlite(&s), ERR_STORE, "no registry of Holdfast");
    assert_in(path, "PRAGMA journal_mode", "delete");
}

static void test_settings(void **state)
{
    struct stat st;
    struct store_status status;

    (void)state;
    assert_ok(open_sqlite(&suite.store));
    assert_in(in_folder("registry.db"), "PRAGMA journal_mode", "wal");
    assert_int_equal(stat(in_folder("registry.db"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(in_folder("registry.db-wal"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_ok(put(STORE_CREATE, "cert", "account", "a", ""));
    store_status(suite.store, &status);
    assert_string_equal(status.kind, "sqlite");
    assert_string_equal(status.where, in_folder("registry.db"));
    assert_int_equal(status.entries, 1);
    assert_true(status.writable);
    assert_null(status.error);
    struct store_db *db;
    int64_t full = 0, keys = 0;

    assert_ok(store_db_open(in_folder("registry.db"), &db));
    assert_ok(store_db_number(db, "PRAGMA synchronous", &full));
    assert_ok(store_db_number(db, "PRAGMA foreign_keys", &keys));
    assert_int_equal(full, 2);
    assert_int_equal(keys, 1);
    store_db_free(&db);
}

static void test_odd_paths(void **state)
{
    struct store *s = NULL;
    AUTO(auto_close) int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_err(store_sqlite_open(suite.loop, in_folder("none/x.db"), NULL, NULL, &s), ERR_NOT_FOUND,
               "none/x.db");
    assert_int_equal(chdir(suite.folder), 0);
    assert_ok(store_sqlite_open(suite.loop, ":memory:", NULL, NULL, &s));
    assert_int_equal(access(in_folder(":memory:"), F_OK), 0);
    store_free(&s);
    assert_int_equal(mkdir(in_folder("d"), 0700), 0);
    struct err *e = store_sqlite_open(suite.loop, in_folder("d"), NULL, NULL, &s);

    assert_non_null(e);
    err_free(&e);
    assert_int_equal(rmdir(in_folder("d")), 0);
    assert_int_equal(fchdir(here), 0);
}

#define WITH_FOLDER(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_version_1_opens),
        WITH_FOLDER(test_the_same_schema_on_both_ways),
        WITH_FOLDER(test_a_step_that_fails_changes_nothing),
        WITH_FOLDER(test_newer_and_foreign_ones_are_left_alone),
        WITH_FOLDER(test_settings),
        WITH_FOLDER(test_odd_paths),
    };

    suite_open = open_sqlite;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
