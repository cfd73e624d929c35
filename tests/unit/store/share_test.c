/* Two processes on one file: no update is lost, no reference is left to nothing, and each sees what the
 * other does. */
#include "store/support_sqlite.h"

enum { EDITS = 150 };

static uint64_t revision_of(const char *id)
{
    AUTO(answer_deinit) struct answer a = get("cert", "account", id);

    return a.n == 1 ? a.entries[0].revision : 0;
}

static int meeting[2][2]; /* a pipe each way */

/* Returns when the other process has come here as well. */
static void meet(int me)
{
    char c = 0;

    assert_int_equal(write(meeting[me][1], &c, 1), 1);
    assert_int_equal(read(meeting[1 - me][0], &c, 1), 1);
}

static struct err *edit(uint64_t expected)
{
    struct store_change c = change_of(STORE_UPDATE, "cert", "account", "shared", "x");

    c.expected = expected;
    return commit(&c, 1);
}

/* Both have read the same when they write; the slower one is told, and does it again. */
static unsigned edit_often(int me)
{
    unsigned stale = 0;

    for (int i = 0; i < EDITS; i++) {
        uint64_t read = revision_of("shared");

        meet(me);
        struct err *e = edit(read);

        if (e != NULL) {
            assert_string_equal(err_native_name(e), "STALE");
            err_free(&e);
            stale++;
            assert_ok(edit(revision_of("shared")));
        }
        meet(me);
    }
    return stale;
}

/* One half makes users of an entry, the other deletes the entry: each is refused at times. */
static void use_often(void)
{
    const struct store_key used = key_of("cert", "account", "used");

    for (int i = 0; i < EDITS; i++) {
        struct err *e = put_ref(STORE_CREATE, "conn", "account", "user", &used, 1);

        assert_true(e == NULL || err_is(e, ERR_NOT_FOUND));
        if (e == NULL) {
            assert_ok(put(STORE_DELETE, "conn", "account", "user", NULL));
        }
        err_free(&e);
    }
}

static void delete_often(void)
{
    for (int i = 0; i < EDITS; i++) {
        struct err *e = put(STORE_DELETE, "cert", "account", "used", NULL);

        assert_true(e == NULL || text_eq(err_native_name(e), "IN-USE"));
        if (e == NULL) {
            assert_ok(put(STORE_CREATE, "cert", "account", "used", ""));
        }
        err_free(&e);
    }
}

static void test_two_processes_write_at_once(void **state)
{
    int status;
    unsigned theirs = 0;

    (void)state;
    assert_int_equal(pipe2(meeting[0], O_CLOEXEC), 0);
    assert_int_equal(pipe2(meeting[1], O_CLOEXEC), 0);
    store_free(&suite.store); /* no connection goes through fork() */
    unlink(in_folder("registry.db"));
    pid_t child = fork();

    assert_true(child >= 0);
    assert_ok(io_loop_new(&suite.loop));  /* both: epoll does not go through fork() either */
    assert_ok(open_sqlite(&suite.store)); /* both make the database, at once */
    struct err *e = put(STORE_CREATE, "cert", "account", "shared", "");

    err_free(&e);
    e = put(STORE_CREATE, "cert", "account", "used", "");
    err_free(&e);
    meet(child == 0);
    unsigned stale = edit_often(child == 0);

    if (child == 0) {
        use_often();
        store_free(&suite.store);
        _exit(write(meeting[1][1], &stale, sizeof stale) != sizeof stale);
    }
    delete_often();
    assert_int_equal(read(meeting[1][0], &theirs, sizeof theirs), sizeof theirs);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(revision_of("shared"), 1 + 2 * EDITS);
    assert_int_equal(stale + theirs, EDITS);
    for (int i = 0; i < 4; i++) {
        close(meeting[i / 2][i % 2]);
    }
    reopen(); /* checks integrity and references */
}

static struct io_loop *first_loop;

static int setup(void **state)
{
    int rc = suite_setup(state);

    first_loop = suite.loop;
    return rc;
}

static int teardown(void **state)
{
    struct io_loop *second = suite.loop != first_loop ? first_loop : NULL;
    int rc = folder_teardown(state);

    io_loop_free(&second);
    return rc;
}

/* Both find no database, or a half-made one of the other's. */
static void test_two_processes_make_it_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        int status;

        store_free(&suite.store);
        unlink(in_folder("registry.db"));
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            struct err *e = io_loop_new(&suite.loop);

            e = e == NULL ? open_sqlite(&suite.store) : e;
            if (e != NULL) {
                fprintf(stderr, "child: %s\n", err_text(e));
            }
            store_free(&suite.store);
            _exit(e != NULL);
        }
        assert_ok(open_sqlite(&suite.store));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

static void on_other_changed(void *arg)
{
    (*(unsigned *)arg)++;
    stop();
}

static void test_each_sees_what_the_other_does(void **state)
{
    struct store_status status;
    struct store *other = NULL;
    unsigned told = 0;

    (void)state;
    assert_ok(
        store_sqlite_open(suite.loop, in_folder("registry.db"), on_other_changed, &told, &other));
    struct mono before = mono_now();

    assert_ok(put(STORE_CREATE, "cert", "account", "a", ""));
    assert_int_equal(suite.told, 1);
    assert_int_equal(told, 0);
    run();
    assert_int_equal(told, 1);
    assert_true(mono_now().ms - before.ms < 5000);
    store_status(other, &status);
    assert_int_equal(status.entries, 1);
    store_free(&other);
    assert_int_equal(suite.told, 1); /* its own change is not told twice */
}

int main(void)
{
#define SUITE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_two_processes_make_it_at_once),
        SUITE_TEST(test_two_processes_write_at_once),
        SUITE_TEST(test_each_sees_what_the_other_does),
    };

    suite_open = open_sqlite;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
