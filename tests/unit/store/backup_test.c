/* Backup and restore: whole, checked, and never at the cost of what is there. */
#include "store/support_sqlite.h"

#include "store/v1.h"

static void fill(void)
{
    const struct store_key root = key_of("cert", "account", "root");

    assert_ok(put(STORE_CREATE, "cert", "account", "root", "pem"));
    assert_ok(put_ref(STORE_CREATE, "conn", "org/a", "main", &root, 1));
}

static void test_there_and_back(void **state)
{
    struct store_status status;
    struct stat st;

    (void)state;
    fill();
    assert_ok(on_file(store_backup, in_folder("saved")));
    assert_int_equal(stat(in_folder("saved"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(access(in_folder("saved-wal"), F_OK), -1);
    assert_in(in_folder("saved"), "PRAGMA journal_mode", "delete");
    assert_ok(put(STORE_UPDATE, "cert", "account", "root", "changed"));
    assert_ok(put(STORE_CREATE, "cert", "account", "later", ""));
    unsigned told = suite.told;

    assert_ok(on_file(store_restore, in_folder("saved")));
    assert_int_equal(suite.told, told + 1);
    assert_body("cert", "account", "root", "pem", 1);
    assert_absent("cert", "account", "later");
    assert_err(put(STORE_DELETE, "cert", "account", "root", NULL), ERR_BUSY, "conn main");
    store_status(suite.store, &status);
    assert_int_equal(status.entries, 2);
    reopen();
    assert_body("cert", "account", "root", "pem", 1);
    assert_in(in_folder("registry.db"), "PRAGMA journal_mode", "wal");

    /* and what was there before the restore is beside it, itself a backup */
    assert_ok(on_file(store_restore, in_folder("registry.db.before-restore")));
    assert_body("cert", "account", "root", "changed", 2);
    assert_body("cert", "account", "later", "", 1);
    assert_int_equal(access(in_folder("registry.db.restoring"), F_OK), -1);
    assert_int_equal(access(in_folder("registry.db.before-restore.new"), F_OK), -1);
}

static void test_no_file_is_overwritten(void **state)
{
    (void)state;
    fill();
    assert_ok(on_file(store_backup, in_folder("saved")));
    assert_err(on_file(store_backup, in_folder("saved")), ERR_EXISTS, "saved exists already");
    assert_err(on_file(store_backup, in_folder("registry.db")), ERR_EXISTS, "exists already");
    assert_err(on_file(store_backup, in_folder("none/saved")), ERR_NOT_FOUND, "none/saved");
    assert_err(on_file(store_backup, ""), ERR_INPUT, "no name");
}

static void assert_not_restored(const char *name, enum err_code code, const char *words)
{
    assert_err(on_file(store_restore, in_folder(name)), code, words);
    assert_body("cert", "account", "root", "pem", 1);
    assert_int_equal(access(in_folder("registry.db.before-restore"), F_OK), -1);
    assert_int_equal(access(in_folder("registry.db.restoring"), F_OK), -1);
}

static void test_bad_backups_change_nothing(void **state)
{
    (void)state;
    fill();
    assert_not_restored("none", ERR_NOT_FOUND, "nothing was changed");
    assert_ok(file_replace(in_folder("empty"), view_cstr(""), 0600));
    assert_not_restored("empty", ERR_STORE, "the file is empty");
    assert_ok(file_replace(in_folder("text"), view_cstr("-----BEGIN"), 0600));
    assert_not_restored("text", ERR_STORE, "damaged");
    assert_ok(on_file(store_backup, in_folder("newer")));
    change_in(in_folder("newer"), "PRAGMA user_version = 99");
    assert_not_restored("newer", ERR_UNSUPPORTED, "newer Holdfast");
    assert_ok(on_file(store_backup, in_folder("dangling")));
    change_in(in_folder("dangling"), "DELETE FROM entry WHERE id = 'root'");
    assert_not_restored("dangling", ERR_STORE, "refers to what is not there");
    assert_ok(on_file(store_backup, in_folder("cut")));
    assert_int_equal(truncate(in_folder("cut"), 5 * 4096), 0);
    assert_not_restored("cut", ERR_STORE, "damaged");
    change_in(in_folder("other"), "CREATE TABLE bookmarks (url)");
    assert_not_restored("other", ERR_STORE, "no registry of Holdfast");
}

static void test_an_older_backup_is_migrated(void **state)
{
    (void)state;
    fill();
    change_in(in_folder("old"), v1);
    assert_ok(on_file(store_restore, in_folder("old")));
    assert_body("cert", "account", "root", "pem", 3);
    assert_in(in_folder("registry.db"), "PRAGMA user_version", "2");
    assert_in(in_folder("old"), "PRAGMA user_version", "1"); /* it was only read */
}

/* The files of a stopped agent, just copied: with a write-ahead log in their header. */
static void test_a_plain_copy_is_a_backup(void **state)
{
    AUTO(buf_deinit) struct buf copy;

    (void)state;
    buf_init(&copy, 1 << 20);
    fill();
    store_free(&suite.store);
    assert_ok(file_read(in_folder("registry.db"), 1 << 20, &copy));
    assert_ok(file_replace(in_folder("copy"), buf_view(&copy), 0600));
    assert_ok(open_sqlite(&suite.store));
    assert_ok(put(STORE_UPDATE, "cert", "account", "root", "changed"));
    assert_ok(on_file(store_restore, in_folder("copy")));
    assert_body("cert", "account", "root", "pem", 1);
}

/* Another process reads and writes on, and sees the restored state. */
static void test_others_see_a_restore(void **state)
{
    struct store *mine = NULL, *other = NULL;

    (void)state;
    fill();
    assert_ok(on_file(store_backup, in_folder("saved")));
    assert_ok(open_sqlite(&other));
    assert_ok(put(STORE_UPDATE, "cert", "account", "root", "changed"));
    mine = suite.store;
    suite.store = other;
    assert_body("cert", "account", "root", "changed", 2);
    suite.store = mine;
    assert_ok(on_file(store_restore, in_folder("saved")));
    suite.store = other;
    assert_body("cert", "account", "root", "pem", 1);
    assert_ok(put(STORE_UPDATE, "cert", "account", "root", "by the other"));
    store_free(&other);
    suite.store = mine;
    assert_body("cert", "account", "root", "by the other", 2);
}

int main(void)
{
#define SUITE_TEST(f) cmocka_unit_test_setup_teardown(f, suite_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_there_and_back),
        SUITE_TEST(test_no_file_is_overwritten),
        SUITE_TEST(test_bad_backups_change_nothing),
        SUITE_TEST(test_an_older_backup_is_migrated),
        SUITE_TEST(test_a_plain_copy_is_a_backup),
        SUITE_TEST(test_others_see_a_restore),
    };

    suite_open = open_sqlite;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
