/* The thread that writes cache files: nothing is lost at the end, the newest content wins. */
#include <stdio.h>
#include <unistd.h>

#include "identity/fake_remote.h"
#include "identity/priv.h"

static void put(struct identity_writer *w, size_t slot, const char *path, uint32_t n)
{
    struct buf b;

    buf_init(&b, 0);
    buf_put_u32(&b, n);
    identity_writer_put(w, slot, path, &b);
    assert_null(b.data);
}

static uint32_t content(const char *path)
{
    AUTO(buf_deinit) struct buf b;

    buf_init(&b, 0);
    fake_ok(file_read(path, 100, &b));
    struct rd r = rd_of(buf_view(&b));

    return rd_u32(&r);
}

static void the_end_waits_for_the_newest(void **state)
{
    char dir[] = "writer.XXXXXX";
    struct identity_writer *w = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    AUTO(auto_free) char *a = text_fmt("%s/a", dir);
    AUTO(auto_free) char *b = text_fmt("%s/b", dir);

    fake_ok(identity_writer_new(2, &w));
    for (uint32_t i = 1; i <= 200; i++) {
        put(w, 0, a, i);
        put(w, 1, b, 1000 + i);
    }
    identity_writer_free(&w);
    assert_null(w);
    assert_int_equal(content(a), 200);
    assert_int_equal(content(b), 1200);
    unlink(a);
    unlink(b);
    rmdir(dir);
}

static void a_failure_is_told_once(void **state)
{
    struct identity_writer *w = NULL;
    struct err *e = NULL;

    (void)state;
    fake_ok(identity_writer_new(1, &w));
    assert_false(identity_writer_result(w, 0, &e));
    put(w, 0, "no-such-folder/file", 1);
    for (int i = 0; i < 5000 && !identity_writer_result(w, 0, &e); i++) {
        usleep(1000);
    }
    fake_fails(e, ERR_NOT_FOUND, "no-such-folder");
    assert_false(identity_writer_result(w, 0, &e));
    identity_writer_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_waits_for_the_newest),
        cmocka_unit_test(a_failure_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
