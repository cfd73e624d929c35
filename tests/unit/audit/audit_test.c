/* Notes on the loop: all of them in the file, in order, and none lost when the disk says no. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"

enum { MANY = 500 };

static char folder[] = "/tmp/hf-audit-XXXXXX";
static char path[64];
static struct io_loop *loop;
static struct audit *audit;
static char *lines;
static uint64_t counted;

static int set_up(void **state)
{
    (void)state;
    memcpy(strrchr(folder, '-') + 1, "XXXXXX", 6);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/sub/audit.jsonl", folder);
    assert_null(io_loop_new(&loop));
    assert_null(audit_new(loop, path, &audit));
    return 0;
}

static void make_folder(void)
{
    char sub[64];

    snprintf(sub, sizeof sub, "%s/sub", folder);
    assert_int_equal(mkdir(sub, 0700), 0);
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    audit_free(&audit);
    io_loop_free(&loop);
    free(take(&lines));
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void on_lines(void *arg, struct err *e, struct view v)
{
    (void)arg;
    assert_null(e);
    lines = view_dup(v);
    io_loop_stop(loop);
}

static void on_error(void *arg, struct err *e, struct view v)
{
    (void)v;
    *(enum err_code *)arg = err_code(e);
    err_free(&e);
    io_loop_stop(loop);
}

static void on_verified(void *arg, struct err *e, uint64_t n)
{
    (void)arg;
    assert_null(e);
    counted = n;
    io_loop_stop(loop);
}

static void note(const char *value)
{
    audit_note(audit, "test",
               (const struct audit_fact[]){{"value", value}, {"nothing", NULL}, {NULL, NULL}});
}

static void notes_are_there_in_order(void **state)
{
    (void)state;
    make_folder();
    for (int i = 0; i < MANY; i++) {
        AUTO(auto_free) char *text = text_fmt("v%d", i);

        note(text);
    }
    audit_tail(audit, 2, on_lines, NULL);
    assert_null(io_loop_run(loop));
    assert_non_null(strstr(lines, "\"value\":\"v498\"}\n{\"seq\":500,"));
    assert_null(strstr(lines, "nothing"));
    audit_verify(audit, on_verified, NULL);
    assert_null(io_loop_run(loop));
    assert_int_equal(counted, MANY);
}

static void what_is_hostile_stays_one_line(void **state)
{
    (void)state;
    make_folder();
    note("a\nb\x1b[31m\"}\xff");
    audit_tail(audit, 1, on_lines, NULL);
    assert_null(io_loop_run(loop));
    assert_ptr_equal(strchr(lines, '\n'), lines + strlen(lines) - 1);
    assert_null(strchr(lines, '\x1b'));
}

static void nothing_is_lost_while_it_cannot_be_written(void **state)
{
    enum err_code code = ERR_BUG;

    (void)state;
    note("before"); /* there is no folder yet */
    audit_tail(audit, 1, on_error, &code);
    assert_null(io_loop_run(loop));
    assert_int_equal(code, ERR_NOT_FOUND);
    make_folder();
    note("after");
    audit_tail(audit, 9, on_lines, NULL);
    assert_null(io_loop_run(loop));
    assert_non_null(strstr(lines, "before"));
    assert_true(strstr(lines, "before") < strstr(lines, "after"));
}

static void freeing_writes_what_waits(void **state)
{
    (void)state;
    make_folder();
    note("last");
    audit_tail(audit, 1, on_lines, NULL); /* not told, and not leaked */
    audit_free(&audit);
    assert_null(lines);
    assert_null(audit_new(loop, path, &audit));
    audit_verify(audit, on_verified, NULL);
    assert_null(io_loop_run(loop));
    assert_int_equal(counted, 1);
    audit_note(NULL, "nowhere", NULL);
    assert_null(audit_error(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(notes_are_there_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_hostile_stays_one_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_lost_while_it_cannot_be_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(freeing_writes_what_waits, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
