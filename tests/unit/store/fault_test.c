/* Disks that are full or broken: the n-th write of a transaction fails, for every n. SQLite itself is
 * the real one; only its system calls are ours. A failure is told, the old state stays, and once there
 * is room again, writes go on. */
#include <stdatomic.h>

#include "store/support_sqlite.h"

static atomic_int writes_left; /* until they fail; below 0: they do not */
static int failure;

static bool fails(void)
{
    int left = atomic_load(&writes_left);

    if (left < 0) {
        return false;
    }
    if (left == 0) {
        errno = failure;
        return true;
    }
    atomic_store(&writes_left, left - 1);
    return false;
}

static ssize_t fake_pwrite(int fd, const void *p, size_t n, off_t at)
{
    return fails() ? -1 : pwrite(fd, p, n, at);
}

static ssize_t fake_write(int fd, const void *p, size_t n)
{
    return fails() ? -1 : write(fd, p, n);
}

static int fake_ftruncate(int fd, off_t size)
{
    return fails() ? -1 : ftruncate(fd, size);
}

static int set_calls(void **state)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    (void)state;
    vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)fake_pwrite);
    vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)fake_pwrite);
    vfs->xSetSystemCall(vfs, "write", (sqlite3_syscall_ptr)fake_write);
    vfs->xSetSystemCall(vfs, "ftruncate", (sqlite3_syscall_ptr)fake_ftruncate);
    atomic_store(&writes_left, -1);
    return 0;
}

static void fail_after(int n, int with)
{
    failure = with;
    atomic_store(&writes_left, n);
}

static void heal(void)
{
    atomic_store(&writes_left, -1);
}

static int setup(void **state)
{
    heal();
    return suite_setup(state);
}

static int teardown(void **state)
{
    heal();
    return folder_teardown(state);
}

static void test_a_full_disk_and_room_again(void **state)
{
    AUTO(auto_free) char *body = calloc(1, STORE_BODY_MAX_BYTES + 1);
    struct store_status status;

    (void)state;
    memset(body, 'x', STORE_BODY_MAX_BYTES);
    assert_ok(put(STORE_CREATE, "cert", "account", "a", "1"));
    fail_after(0, ENOSPC);
    for (int i = 0; i < 3; i++) {
        struct err *e = put(STORE_UPDATE, "cert", "account", "a", body);

        assert_string_equal(err_native_name(e), "SQLITE_FULL");
        assert_err(e, ERR_STORE, "the disk is full; nothing was changed");
    }
    assert_body("cert", "account", "a", "1", 1); /* reads go on */
    store_status(suite.store, &status);
    assert_false(status.writable);
    assert_non_null(strstr(err_text(status.error), "the disk is full"));
    assert_err(put(STORE_UPDATE, "cert", "account", "none", ""), ERR_NOT_FOUND, "none");
    heal();
    assert_ok(put(STORE_UPDATE, "cert", "account", "a", body));
    assert_body("cert", "account", "a", body, 2);
    store_status(suite.store, &status);
    assert_true(status.writable);
    assert_null(status.error);
}

/* What a commit of three changes leaves: all or nothing of it. */
static uint64_t assert_whole(void)
{
    AUTO(answer_deinit) struct answer a = get("cert", "account", "a");
    AUTO(answer_deinit) struct answer b = get("cert", "account", "b");

    assert_ok(take(&a.e));
    assert_ok(take(&b.e));
    assert_int_equal(a.entries[0].revision, b.entries[0].revision);
    return a.entries[0].revision;
}

/* For each n until none is left to fail; with a body that takes many pages. */
static void each_write_fails(int with, int step)
{
    enum { BODY = 40 * 4096 };
    AUTO(auto_free) char *body = calloc(1, BODY + 1);
    int failures = 0;

    const struct store_change c[] = {change_of(STORE_UPDATE, "cert", "account", "a", body),
                                     change_of(STORE_UPDATE, "cert", "account", "b", body)};

    assert_ok(put(STORE_CREATE, "cert", "account", "a", ""));
    assert_ok(put(STORE_CREATE, "cert", "account", "b", ""));
    for (int n = 0;; n += step) {
        uint64_t before = assert_whole();

        memset(body, 'a' + n % 26, BODY); /* SQLite leaves pages alone that stay the same */
        fail_after(n, with);
        struct err *e = commit(c, 2);
        bool reached = atomic_load(&writes_left) == 0;

        heal();
        assert_int_equal(assert_whole(), e == NULL ? before + 1 : before);
        if (e == NULL && !reached) {
            break;
        }
        failures += e != NULL;
        if (e != NULL) {
            assert_err(e, ERR_STORE, "registry.db");
            assert_ok(commit(c, 2));
            assert_int_equal(assert_whole(), before + 1);
        }
        reopen();
    }
    assert_true(failures > 80 / step);
}

static void test_each_write_finds_the_disk_full(void **state)
{
    (void)state;
    each_write_fails(ENOSPC, 1);
}

static void test_each_write_fails_with_the_disk(void **state)
{
    (void)state;
    each_write_fails(EIO, 3);
}

static void test_backup_on_a_full_disk(void **state)
{
    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "a", "1"));
    fail_after(2, ENOSPC);
    assert_err(on_file(store_backup, in_folder("saved")), ERR_STORE, "disk is full");
    assert_int_equal(access(in_folder("saved"), F_OK), -1);
    heal();
    assert_ok(on_file(store_backup, in_folder("saved")));
}

/* A restore writes a copy, a backup and then the registry: each of its writes fails in turn. */
static void test_restore_on_a_full_disk(void **state)
{
    int n = 0;

    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "a", "old"));
    assert_ok(on_file(store_backup, in_folder("saved")));
    assert_ok(put(STORE_UPDATE, "cert", "account", "a", "new"));
    for (; n < 100; n++) {
        fail_after(n, ENOSPC);
        struct err *e = on_file(store_restore, in_folder("saved"));

        heal();
        if (e == NULL) {
            break;
        }
        assert_err(e, ERR_STORE, "restore");
        assert_body("cert", "account", "a", "new", 2);
        assert_int_equal(access(in_folder("registry.db.restoring"), F_OK), -1);
    }
    assert_in_range(n, 20, 99);
    assert_body("cert", "account", "a", "old", 1);
}

static void test_made_on_a_full_disk(void **state)
{
    (void)state;
    for (int n = 0; n < 40; n += 3) {
        struct store *s = NULL;

        fail_after(n, ENOSPC);
        struct err *e = store_sqlite_open(suite.loop, in_folder("second.db"), NULL, NULL, &s);

        assert_true((e == NULL) == (s != NULL));
        assert_true(e == NULL || err_is(e, ERR_STORE));
        err_free(&e);
        store_free(&s);
        heal();
        assert_ok(store_sqlite_open(suite.loop, in_folder("second.db"), NULL, NULL, &s));
        store_free(&s);
        unlink(in_folder("second.db"));
    }
}

int main(void)
{
#define SUITE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_a_full_disk_and_room_again),
        SUITE_TEST(test_each_write_finds_the_disk_full),
        SUITE_TEST(test_each_write_fails_with_the_disk),
        SUITE_TEST(test_backup_on_a_full_disk),
        SUITE_TEST(test_restore_on_a_full_disk),
        SUITE_TEST(test_made_on_a_full_disk),
    };

    suite_open = open_sqlite;
    return cmocka_run_group_tests(tests, set_calls, NULL);
}
