/*
 * Files: read with a limit, and replaced so that the old one stays whole whenever it goes wrong.
 */
#include "base/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

static struct err *read_into(const char *path, size_t max, const char *expected)
{
    AUTO(buf_deinit) struct buf b;

    buf_init(&b, 0);
    struct err *e = file_read(path, max, &b);

    if (e == NULL) {
        assert_true(view_is(buf_view(&b), expected));
    }
    return e;
}

static size_t entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n - 2;
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void test_replace_and_read(void **state)
{
    const char *path = in_folder("replaced");
    size_t before = entries(folder);

    (void)state;
    assert_ok(file_replace(path, view_cstr("first"), 0600));
    assert_ok(read_into(path, 5, "first"));
    assert_int_equal(mode_of(path), 0600);
    assert_ok(file_replace(path, view_cstr("2nd"), 0640));
    assert_ok(read_into(path, 5, "2nd"));
    assert_int_equal(mode_of(path), 0640);
    assert_ok(file_replace(path, view_cstr(""), 0600));
    assert_ok(read_into(path, 0, ""));
    assert_int_equal(entries(folder), before + 1); /* no temporary file stays */
}

static void test_replace_is_not_in_place(void **state)
{
    AUTO(auto_close) int old = -1;
    char text[8] = "";

    (void)state;
    assert_ok(file_replace(in_folder("inode"), view_cstr("old"), 0600));
    old = open(in_folder("inode"), O_RDONLY);
    assert_ok(file_replace(in_folder("inode"), view_cstr("new"), 0600));
    assert_int_equal(read(old, text, sizeof text), 3);
    assert_string_equal(text, "old"); /* who has it open still sees all of the old one */
}

static void test_replace_that_fails(void **state)
{
    const char *taken = in_folder("taken");

    (void)state;
    assert_err(file_replace(in_folder("none/x"), view_cstr("x"), 0600), ERR_NOT_FOUND);
    assert_ok(file_make_folder(in_folder("taken/inside"), 0700));
    size_t before = entries(folder);
    AUTO(err_free) struct err *e = file_replace(taken, view_cstr("x"), 0600);

    assert_non_null(e); /* a folder is in the way */
    assert_int_equal(entries(folder), before);
    assert_int_equal(entries(taken), 1);
}

static void test_a_full_disk_leaves_the_old_file(void **state)
{
    const char *path = in_folder("kept");

    (void)state;
    assert_ok(file_replace(path, view_cstr("old"), 0600));
    size_t before = entries(folder);
    pid_t pid = fork();

    if (pid == 0) { /* a limit on file sizes stands in for the disk */
        struct rlimit limit = {4, 4};
        struct err *e;

        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        e = file_replace(path, view_cstr("much longer"), 0600);
        _exit(err_is(e, ERR_STORE) ? 0 : 1);
    }
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_ok(read_into(path, 100, "old"));
    assert_int_equal(entries(folder), before);
}

static void test_read_limits(void **state)
{
    const char *path = in_folder("long");
    AUTO(auto_free) char *text = calloc(1, 10001);
    AUTO(buf_deinit) struct buf small;

    (void)state;
    buf_init(&small, 100);
    memset(text, 'x', 10000);
    assert_ok(file_replace(path, view_cstr(text), 0600));
    assert_ok(read_into(path, 10000, text));
    assert_err(read_into(path, 9999, ""), ERR_LIMIT);
    assert_err(file_read(path, 10000, &small), ERR_LIMIT);
    assert_err(read_into(in_folder("absent"), 10, ""), ERR_NOT_FOUND);
    assert_err(read_into(folder, 10, ""), ERR_STORE);
}

static void test_folders(void **state)
{
    mode_t old = umask(077);

    (void)state;
    assert_ok(file_make_folder(in_folder("a/b//c"), 0755));
    assert_int_equal(mode_of(in_folder("a")), 0755);
    assert_int_equal(mode_of(in_folder("a/b/c")), 0755);
    assert_ok(file_make_folder(in_folder("a/b/d/"), 0700));
    assert_int_equal(mode_of(in_folder("a/b/d")), 0700);
    assert_int_equal(mode_of(in_folder("a/b")), 0755); /* what exists is left alone */
    assert_ok(file_make_folder("/", 0700));
    umask(old);
}

static void test_no_folder(void **state)
{
    (void)state;
    assert_ok(file_replace(in_folder("file"), view_cstr("x"), 0600));
    assert_err(file_make_folder(in_folder("file"), 0700), ERR_NOT_FOUND);
    assert_err(file_make_folder(in_folder("file/x"), 0700), ERR_NOT_FOUND);
    assert_err(file_make_folder("", 0700), ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replace_and_read),
        cmocka_unit_test(test_replace_is_not_in_place),
        cmocka_unit_test(test_replace_that_fails),
        cmocka_unit_test(test_a_full_disk_leaves_the_old_file),
        cmocka_unit_test(test_read_limits),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_no_folder),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
