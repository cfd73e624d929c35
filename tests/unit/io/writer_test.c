/*
 * The thread that writes files: nothing is lost at the end, the newest content wins, a reader never
 * sees what is out of date, and how it ended is told on the loop.
 */
#include "io/support.h"

enum { FILES = 50 };

static struct io_writer *writer;
static char folder[32];
static struct {
    unsigned told, failed;
    struct err *e;     /* the last */
    unsigned stop_at;  /* this many told */
    const char *again; /* put this path when told */
} t;

static char *path_of(unsigned i)
{
    return text_fmt("%s/%u", folder, i);
}

static int set_up(void **state)
{
    memset(&t, 0, sizeof t);
    strcpy(folder, "writer-XXXXXX");
    assert_non_null(mkdtemp(folder));
    new_loop(state);
    assert_null(io_writer_new(loop, &writer));
    return 0;
}

static int tear_down(void **state)
{
    io_writer_free(&writer);
    err_free(&t.e);
    for (unsigned i = 0; i < FILES; i++) {
        AUTO(auto_free) char *path = path_of(i);

        remove(path);
    }
    assert_int_equal(rmdir(folder), 0); /* and no temporary file is left */
    return free_loop(state);
}

static void on_written(void *arg, const struct err *e);

static void put_at(const char *path, const char *text)
{
    struct buf b;

    buf_init(&b, 0);
    buf_put(&b, text, strlen(text));
    assert_null(io_writer_put(writer, path, &b, 0640, on_written, &t));
    assert_null(b.data);
}

static void put(unsigned i, const char *text)
{
    AUTO(auto_free) char *path = path_of(i);

    put_at(path, text);
}

static void put_removal(unsigned i)
{
    AUTO(auto_free) char *path = path_of(i);

    assert_null(io_writer_put(writer, path, NULL, 0, on_written, &t));
}

static void on_written(void *arg, const struct err *e)
{
    const char *again = take(&t.again);

    assert_ptr_equal(arg, &t);
    t.told++;
    t.failed += e != NULL;
    err_free(&t.e);
    t.e = err_copy(e);
    if (again != NULL) {
        put_at(again, "again");
    }
    if (t.told == t.stop_at) {
        stop();
    }
}

static void assert_text(struct err *e, struct buf *b, const char *text)
{
    if (e != NULL) {
        fail_msg("%s", err_text(e));
    }
    assert_true(view_is(buf_view(b), text));
    buf_deinit(b);
}

static void assert_on_disk(unsigned i, const char *text)
{
    AUTO(auto_free) char *path = path_of(i);
    struct buf b;

    buf_init(&b, 0);
    assert_text(file_read(path, 100, &b), &b, text);
}

static void assert_reads(unsigned i, const char *text)
{
    AUTO(auto_free) char *path = path_of(i);
    struct buf b;

    buf_init(&b, 0);
    assert_text(io_writer_read(writer, path, 100, &b), &b, text);
}

static void assert_no_read(unsigned i, size_t max_bytes, enum err_code code)
{
    AUTO(auto_free) char *path = path_of(i);
    AUTO(buf_deinit) struct buf b;

    buf_init(&b, 0);
    AUTO(err_free) struct err *e = io_writer_read(writer, path, max_bytes, &b);

    assert_true(err_is(e, code));
    assert_int_equal(b.len, 0);
}

static void test_the_end_waits_for_the_newest(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 200; n++) {
        put(0, "old");
        put(1, "also old");
    }
    put(0, "new");
    put(1, "also new");
    io_writer_free(&writer);
    assert_null(writer);
    assert_on_disk(0, "new");
    assert_on_disk(1, "also new");
    assert_in_range(t.told, 2, 402); /* and not those that were replaced */
    assert_int_equal(t.failed, 0);
}

static void test_tells_on_the_loop(void **state)
{
    AUTO(auto_free) char *path = path_of(0);
    struct stat st;

    (void)state;
    put(0, "text");
    assert_int_equal(t.told, 0);
    t.stop_at = 1;
    run();
    assert_null(t.e);
    assert_on_disk(0, "text");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    run_rounds(3);
    assert_int_equal(t.told, 1);
}

static void test_tells_of_failures(void **state)
{
    AUTO(auto_free) char *nowhere = text_fmt("%s/no-such-folder/file", folder);
    AUTO(auto_free) char *path = path_of(0);

    (void)state;
    put_at(nowhere, "x");
    t.stop_at = 1;
    run();
    assert_true(err_is(t.e, ERR_NOT_FOUND));
    assert_non_null(strstr(err_text(t.e), "no-such-folder"));
    assert_int_equal(mkdir(path, 0700), 0);
    put_removal(0);
    io_writer_flush(writer); /* tells as well */
    assert_int_equal(t.told, 2);
    assert_int_equal(t.failed, 2);
    assert_non_null(strstr(err_text(t.e), "remove "));
    put(1, "after all that");
    io_writer_flush(writer);
    assert_null(t.e);
    assert_on_disk(1, "after all that");
    io_writer_flush(writer); /* nothing to wait for */
    put_at(nowhere, "x");
    io_writer_free(&writer); /* tells too */
    assert_int_equal(t.failed, 3);
}

/* However far the thread has got, a reader sees what was put last. */
static void test_a_reader_sees_what_waits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FILES; i++) {
        put(i, "old");
    }
    io_writer_flush(writer);
    for (unsigned i = 0; i < FILES; i++) {
        put(i, "new");
    }
    for (unsigned i = 0; i < FILES; i++) {
        assert_reads(i, "new");
        assert_no_read(i, 2, ERR_LIMIT);
    }
    for (unsigned i = 0; i < FILES; i++) {
        put_removal(i);
    }
    for (unsigned i = FILES; i > 0; i--) {
        assert_no_read(i - 1, 100, ERR_NOT_FOUND);
    }
    put(0, "back");
    assert_reads(0, "back");
    io_writer_flush(writer);
    assert_reads(0, "back");
    assert_on_disk(0, "back");
    for (unsigned i = 1; i < FILES; i++) {
        assert_no_read(i, 100, ERR_NOT_FOUND);
    }
    put_removal(1); /* what is not there may be removed */
    io_writer_flush(writer);
    assert_int_equal(t.failed, 0);
}

static void test_put_when_told(void **state)
{
    AUTO(auto_free) char *second = path_of(1);
    AUTO(auto_free) char *third = path_of(2);

    (void)state;
    t.again = second;
    put(0, "first");
    t.stop_at = 2;
    run();
    assert_on_disk(1, "again");
    t.again = third;
    put(0, "first");
    io_writer_free(&writer); /* what is put now is written, and nobody told */
    assert_int_equal(t.told, 3);
    assert_on_disk(2, "again");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_the_end_waits_for_the_newest),
        CASE(test_tells_on_the_loop),
        CASE(test_tells_of_failures),
        CASE(test_a_reader_sees_what_waits),
        CASE(test_put_when_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
