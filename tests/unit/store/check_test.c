/* Damaged files: refused in words that say what to do, and left exactly as they are. */
#include "store/support_sqlite.h"

enum { PAGE = 4096, ENTRIES = 60 };

/* A closed database with a few pages of everything. */
static void make(void)
{
    const struct store_key root = key_of("cert", "account", "root");
    struct store_change c[ENTRIES];
    char id[ENTRIES][16];

    assert_ok(open_sqlite(&suite.store));
    assert_ok(put(STORE_CREATE, "cert", "account", "root", "pem"));
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(id[i], sizeof id[i], "c_%d", i);
        c[i] = change_of(STORE_CREATE, "conn", "org/a", id[i], "{\"a body of\": \"some length\"}");
        c[i].entry.refs = (struct store_key *)&root;
        c[i].entry.refs_n = 1;
    }
    assert_ok(commit(c, ENTRIES));
    store_free(&suite.store);
}

static void read_whole(struct buf *b)
{
    buf_clear(b);
    assert_ok(file_read(in_folder("registry.db"), 1 << 20, b));
}

static void write_at(size_t at, const void *p, size_t n)
{
    AUTO(auto_close) int fd = open(in_folder("registry.db"), O_WRONLY | O_CLOEXEC);

    assert_int_equal(pwrite(fd, p, n, (off_t)at), n);
}

/* Refused, with the words; and not a byte of it was changed. */
static void assert_refused(const char *words)
{
    AUTO(buf_deinit) struct buf before;
    AUTO(buf_deinit) struct buf after;

    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    read_whole(&before);
    struct err *e = open_sqlite(&suite.store);

    assert_null(suite.store);
    assert_non_null(strstr(err_text(e), "holdfast registry restore FILE --offline"));
    assert_err(e, ERR_STORE, words);
    read_whole(&after);
    assert_true(view_eq(buf_view(&before), buf_view(&after)));
}

static void test_no_database_at_all(void **state)
{
    (void)state;
    make();
    write_at(0, "this is not the header", 22);
    assert_refused("the database is damaged");
}

static void test_cut_off(void **state)
{
    struct stat st;

    (void)state;
    make();
    assert_int_equal(stat(in_folder("registry.db"), &st), 0);
    assert_true(st.st_size > 6 * PAGE);
    for (off_t size = st.st_size - PAGE; size > 0; size -= 2 * PAGE) {
        assert_int_equal(truncate(in_folder("registry.db"), size), 0);
        assert_refused("the database is damaged");
    }
    assert_int_equal(truncate(in_folder("registry.db"), 100), 0);
    struct err *e = open_sqlite(&suite.store);

    assert_err(e, ERR_STORE, "To go back to a backup");
}

/* Each page overwritten in turn. */
static void test_each_page(void **state)
{
    AUTO(buf_deinit) struct buf good;
    uint8_t junk[PAGE];

    (void)state;
    make();
    buf_init(&good, 1 << 20);
    read_whole(&good);
    memset(junk, 0x5a, sizeof junk);
    for (size_t at = 0; at < good.len; at += PAGE) {
        write_at(at, junk, sizeof junk);
        assert_refused("the database is damaged");
        write_at(at, good.data + at, PAGE);
    }
    assert_ok(open_sqlite(&suite.store));
    assert_body("cert", "account", "root", "pem", 1);
}

/* No half-page of a live row can be wrong in silence either: an index that disagrees is found. */
static void test_a_name_that_its_index_does_not_have(void **state)
{
    AUTO(buf_deinit) struct buf b;

    (void)state;
    make();
    buf_init(&b, 1 << 20);
    read_whole(&b);
    const uint8_t *at = memmem(b.data, b.len, "c_33", 4);

    assert_non_null(at);
    write_at((size_t)(at - b.data), "c_zz", 4);
    assert_refused("the database is damaged");
}

static void test_a_reference_to_nothing(void **state)
{
    (void)state;
    make();
    change_in(in_folder("registry.db"),
              "PRAGMA foreign_keys = OFF; DELETE FROM entry WHERE id = 'root'");
    assert_refused("table reference refers to what is not there");
}

/* The schema keeps the rule by itself, whoever writes. */
static void test_others_cannot_leave_a_reference_to_nothing(void **state)
{
    sqlite3 *db;

    (void)state;
    make();
    assert_int_equal(sqlite3_open(in_folder("registry.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM entry WHERE id = 'root'", NULL, NULL, NULL),
                     SQLITE_CONSTRAINT);
    sqlite3_close(db);
}

#define WITH_FOLDER(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_no_database_at_all),
        WITH_FOLDER(test_cut_off),
        WITH_FOLDER(test_each_page),
        WITH_FOLDER(test_a_name_that_its_index_does_not_have),
        WITH_FOLDER(test_a_reference_to_nothing),
        WITH_FOLDER(test_others_cannot_leave_a_reference_to_nothing),
    };

    suite_open = open_sqlite;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
