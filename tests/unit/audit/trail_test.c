/* The file of the audit trail: numbered, chained, whole after a crash, and a change shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/trail.h"

enum { PROCESSES = 4, LINES_EACH = 50 };

static char folder[] = "/tmp/hf-trail-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    memcpy(strrchr(folder, '-') + 1, "XXXXXX", 6);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/audit.jsonl", folder);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void append(const char *lines)
{
    assert_null(audit_trail_append(path, view_cstr(lines)));
}

static uint64_t verified(void)
{
    uint64_t n = 0;

    assert_null(audit_trail_verify(path, &n));
    return n;
}

static void read_all(struct buf *ret)
{
    buf_init(ret, 4 * 1024 * 1024);
    assert_null(file_read(path, ret->max, ret));
}

static void overwrite(struct view content)
{
    assert_null(file_replace(path, content, 0600));
}

static void lines_are_numbered_and_chained(void **state)
{
    AUTO(buf_deinit) struct buf tail;

    (void)state;
    assert_int_equal(verified(), 0);
    append("{\"event\":\"a\"}\n");
    append("{\"event\":\"b\"}\n{\"event\":\"c\"}\n");
    assert_int_equal(verified(), 3);
    buf_init(&tail, 0);
    assert_null(audit_trail_tail(path, 2, &tail));
    buf_put_u8(&tail, 0);
    assert_non_null(strstr((char *)tail.data, "{\"seq\":2,\"prev\":\""));
    assert_non_null(strstr((char *)tail.data, "\"event\":\"c\"}\n"));
    assert_null(strstr((char *)tail.data, "\"event\":\"a\""));
}

static void each_changed_byte_shows(void **state)
{
    AUTO(buf_deinit) struct buf all;
    const uint8_t *last;

    (void)state;
    append("{\"event\":\"a\"}\n{\"event\":\"b\"}\n{\"event\":\"c\"}\n");
    read_all(&all);
    for (last = all.data + all.len - 2; *last != '\n'; last--) {
    }
    for (uint8_t *p = all.data; p < last; p++) { /* the last line has nobody to vouch for it yet */
        uint64_t n = 0;

        *p ^= 1;
        overwrite(buf_view(&all));
        AUTO(err_free) struct err *e = audit_trail_verify(path, &n);

        assert_non_null(e);
        *p ^= 1;
    }
}

static void a_missing_line_shows(void **state)
{
    AUTO(buf_deinit) struct buf all;
    uint64_t n = 0;

    (void)state;
    append("{\"event\":\"a\"}\n{\"event\":\"b\"}\n{\"event\":\"c\"}\n");
    read_all(&all);
    char *second = (char *)memchr(all.data, '\n', all.len) + 1;
    char *third = (char *)memchr(second, '\n', all.len - (size_t)(second - (char *)all.data)) + 1;

    memmove(second, third, all.len - (size_t)(third - (char *)all.data));
    all.len -= (size_t)(third - second);
    overwrite(buf_view(&all));
    AUTO(err_free) struct err *e = audit_trail_verify(path, &n);

    assert_true(err_is(e, ERR_CERT));
}

/* Cut off anywhere in its last line, the file goes on behind the line before. */
static void a_torn_line_is_cut_off(void **state)
{
    AUTO(buf_deinit) struct buf all;

    (void)state;
    append("{\"event\":\"a\"}\n{\"event\":\"b\"}\n");
    read_all(&all);
    size_t first = (size_t)((uint8_t *)memchr(all.data, '\n', all.len) + 1 - all.data);

    for (size_t len = first; len < all.len; len++) {
        overwrite(view_of(all.data, len));
        assert_int_equal(verified(), 1);
        append("{\"event\":\"after\"}\n");
        assert_int_equal(verified(), 2);
    }
}

/* The last line is found whatever its length, torn or not. */
static void a_last_line_may_be_long(void **state)
{
    (void)state;
    for (int len = 4000; len <= 120 * 1000; len *= 5) {
        AUTO(auto_free) char *line = text_fmt("{\"event\":\"%0*d\"}\n", len, 0);
        AUTO(buf_deinit) struct buf all;
        uint64_t before = verified();

        append(line);
        append("{\"event\":\"after\"}\n");
        append(line);
        read_all(&all);
        overwrite(view_of(all.data, all.len - 2));
        append("{\"event\":\"mended\"}\n");
        assert_int_equal(verified(), before + 3);
    }
}

static void a_full_file_is_set_aside(void **state)
{
    static char filler[60 * 1024];
    uint64_t before;
    struct stat st;
    char aside[128];

    (void)state;
    memset(filler, 'x', sizeof filler);
    for (size_t size = 0; size < AUDIT_FILE_BYTES; size += sizeof filler) {
        AUTO(auto_free) char *line = text_fmt("{\"event\":\"%.*s\"}\n", (int)sizeof filler, filler);

        append(line);
    }
    before = verified();
    append("{\"event\":\"next\"}\n");
    assert_int_equal(verified(), before + 1);
    snprintf(aside, sizeof aside, "%s.%020d", path, 1);
    assert_int_equal(stat(aside, &st), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < AUDIT_FILE_BYTES / 2);
    assert_int_equal(truncate(path, 0), 0); /* the disk was full when the new file was begun */
    before = verified();
    append("{\"event\":\"next\"}\n");
    assert_int_equal(verified(), before + 1);
    assert_int_equal(unlink(path), 0); /* or there was a crash */
    append("{\"event\":\"next\"}\n{\"event\":\"last\"}\n");
    assert_int_equal(verified(), before + 2);
    snprintf(aside, sizeof aside, "%s.notes", path);
    assert_null(file_replace(aside, view_cstr("nobody's chain\n"), 0600));
    assert_int_equal(verified(), before + 2);
}

static void several_processes_share_it(void **state)
{
    (void)state;
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            for (int k = 0; k < LINES_EACH; k++) {
                struct err *e = audit_trail_append(path, view_cstr("{\"event\":\"a\"}\n"));

                if (e != NULL) {
                    _exit(1);
                }
            }
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 1;

        wait(&status);
        assert_int_equal(status, 0);
    }
    assert_int_equal(verified(), PROCESSES * LINES_EACH);
}

static void what_is_no_trail_is_left_alone(void **state)
{
    AUTO(buf_deinit) struct buf all;

    (void)state;
    overwrite(view_cstr("somebody's notes\n"));
    AUTO(err_free) struct err *e = audit_trail_append(path, view_cstr("{\"event\":\"a\"}\n"));

    assert_non_null(e);
    read_all(&all);
    assert_true(view_is(buf_view(&all), "somebody's notes\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_numbered_and_chained, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_changed_byte_shows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_line_shows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_torn_line_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_last_line_may_be_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_file_is_set_aside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_processes_share_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_trail_is_left_alone, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
