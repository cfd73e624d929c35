/*
 * Log lines: one line each whatever is in them, with what journald or a person needs in front.
 */
#include "base/support.h"

#include <fcntl.h>

static struct wall fixed(void)
{
    return (struct wall){1700000000};
}

/* Standard error goes to a file until end_capture(), which returns what was written. */
static int saved_stderr;

static void begin_capture(void)
{
    int fd = open(in_folder("log"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    saved_stderr = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    clock_set_for_test(NULL, fixed);
}

static char *end_capture(void)
{
    AUTO(buf_deinit) struct buf b;

    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    clock_set_for_test(NULL, NULL);
    buf_init(&b, 0);
    assert_ok(file_read(in_folder("log"), 10000, &b));
    return view_dup(buf_view(&b));
}

static void test_lines_for_people(void **state)
{
    AUTO(err_free) struct err *e = err_add(err_new(ERR_GONE, "C_Sign"), "token\ndemo");

    (void)state;
    unsetenv("JOURNAL_STREAM");
    begin_capture();
    log_init("holdfast-test", LOG_NOTE);
    log_line(LOG_NOTE, "started with %d tokens", 2);
    log_line(LOG_INFO, "not shown");
    log_err(LOG_DEBUG, e, "not shown");
    log_err(LOG_ERROR, e, "web\x1b");
    log_err(LOG_WARN, NULL, "nothing");
    AUTO(auto_free) char *text = end_capture();

    assert_string_equal(
        text, "2023-11-14T22:13:20Z holdfast-test note: started with 2 tokens\n"
              "2023-11-14T22:13:20Z holdfast-test error: web\\x1b: token\\x0ademo: C_Sign\n"
              "2023-11-14T22:13:20Z holdfast-test warn: nothing\n");
}

static void set_stream(unsigned long long more)
{
    struct stat st;
    char stream[64];

    fstat(STDERR_FILENO, &st);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino + more);
    setenv("JOURNAL_STREAM", stream, 1);
}

static void test_lines_for_journald(void **state)
{
    (void)state;
    begin_capture();
    set_stream(0);
    log_init("holdfast-test", LOG_DEBUG);
    log_line(LOG_ERROR, "a");
    log_line(LOG_DEBUG, "b");
    AUTO(auto_free) char *text = end_capture();

    unsetenv("JOURNAL_STREAM");
    assert_string_equal(text, "<3>holdfast-test: a\n<7>holdfast-test: b\n");
}

/* The variable is inherited, but standard error is not the journal's any more. */
static void test_inherited_journal_stream(void **state)
{
    static const char *const odd[] = {"", "x", "1", ":"};

    (void)state;
    begin_capture();
    set_stream(1);
    log_init("t", LOG_NOTE);
    log_line(LOG_NOTE, "a");
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        setenv("JOURNAL_STREAM", odd[i], 1);
        log_init("t", LOG_NOTE);
        log_line(LOG_NOTE, "a");
    }
    AUTO(auto_free) char *text = end_capture();

    unsetenv("JOURNAL_STREAM");
    assert_null(strchr(text, '<'));
    assert_non_null(strstr(text, "t note: a\n"));
}

static void test_levels(void **state)
{
    static const char *const words[] = {"error", "warn", "note", "info", "debug"};
    enum log_level level = LOG_ERROR;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        assert_true(log_level_find(words[i], &level));
        assert_int_equal(level, LOG_ERROR + i);
    }
    assert_false(log_level_find("warning", &level));
    assert_false(log_level_find("", &level));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_for_people),
        cmocka_unit_test(test_lines_for_journald),
        cmocka_unit_test(test_inherited_journal_stream),
        cmocka_unit_test(test_levels),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
