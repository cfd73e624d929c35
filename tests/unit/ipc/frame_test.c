/* Does a frame come back as it was written, and is every damaged one refused or read in bounds? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ipc/ipc.h"

static void test_round_trip(void **state)
{
    AUTO(buf_deinit) struct buf b;
    struct ipc_frame f;

    (void)state;
    buf_init(&b, 0);
    assert_null(ipc_frame_make(&b, 0x01020304, 7, view_cstr("body")));
    assert_int_equal(b.len, IPC_FRAME_HEAD_BYTES + 4);
    assert_memory_equal(b.data,
                        "\0\0\0\x09\x01\x02\x03\x04\x07"
                        "body",
                        13);
    assert_null(ipc_frame_read(buf_view(&b), &f));
    assert_int_equal(f.id, 0x01020304);
    assert_int_equal(f.op, 7);
    assert_true(view_is(rd_rest(&f.body), "body"));
}

static void test_largest(void **state)
{
    AUTO(buf_deinit) struct buf b;
    AUTO(auto_free) void *body = calloc(1, IPC_FRAME_MAX_BYTES + 1);

    (void)state;
    buf_init(&b, 0);
    assert_null(ipc_frame_make(&b, 1, 1, view_of(body, IPC_FRAME_MAX_BYTES)));
    assert_int_equal(b.len, IPC_MESSAGE_MAX_BYTES);
    AUTO(err_free) struct err *e = ipc_frame_make(&b, 1, 1, view_of(body, IPC_FRAME_MAX_BYTES + 1));

    assert_true(err_is(e, ERR_LIMIT));
    assert_null(ipc_frame_make(&b, 1, 1, view_cstr("fits again")));
}

static void test_every_truncation_is_refused(void **state)
{
    AUTO(buf_deinit) struct buf b;
    struct ipc_frame f;

    (void)state;
    buf_init(&b, 0);
    assert_null(ipc_frame_make(&b, 1, 2, view_cstr("some body")));
    for (size_t len = 0; len < b.len; len++) {
        AUTO(auto_free) char *part = view_dup(view_of(b.data, len));
        AUTO(err_free) struct err *e = ipc_frame_read(view_of(part, len), &f);

        assert_true(err_is(e, ERR_PROTOCOL));
    }
}

static void test_every_bit_flip(void **state)
{
    AUTO(buf_deinit) struct buf b;
    struct ipc_frame f;

    (void)state;
    buf_init(&b, 0);
    assert_null(ipc_frame_make(&b, 1, 2, view_cstr("some body")));
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        AUTO(err_free) struct err *e = ipc_frame_read(buf_view(&b), &f);

        if (bit < 32) { /* the length */
            assert_true(err_is(e, ERR_PROTOCOL));
        } else {
            assert_null(e);
            assert_int_equal(f.body.left, 9);
        }
        b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_every_bit_flip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
