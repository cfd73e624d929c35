/* Do frames of every allowed size pass, for everyone, and is everything else an error? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/ipc.h"

static int pair[2];

static int set_up(void **state)
{
    (void)state;
    assert_null(ipc_pair(pair));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ipc_close(&pair[0]);
    ipc_close(&pair[1]);
    return 0;
}

/* 0: the largest frame passed */
static int pass_largest(void)
{
    AUTO(auto_free) uint8_t *bytes = malloc(IPC_MESSAGE_MAX_BYTES);
    AUTO(buf_deinit) struct buf in;
    enum ipc_result result = IPC_EOF;

    buf_init(&in, 0);
    memset(bytes, 'x', IPC_MESSAGE_MAX_BYTES);
    AUTO(err_free) struct err *e =
        ipc_send(pair[0], view_of(bytes, IPC_MESSAGE_MAX_BYTES), false, &result);

    if (e != NULL || result != IPC_DONE) {
        return 1;
    }
    e = ipc_recv(pair[1], &in, false, &result);
    return e == NULL && result == IPC_DONE && view_eq(buf_view(&in), view_of(bytes, in.len)) &&
                   in.len == IPC_MESSAGE_MAX_BYTES
               ? 0
               : 2;
}

static void test_largest(void **state)
{
    (void)state;
    assert_int_equal(pass_largest(), 0);
}

static void test_largest_without_privileges(void **state)
{
    int status;

    (void)state;
    if (getuid() != 0) {
        return; /* test_largest() has shown it */
    }
    pid_t child = fork();

    if (child == 0) {
        tear_down(NULL);
        AUTO(err_free) struct err *e = setresuid(65534, 65534, 65534) == 0 ? ipc_pair(pair) : NULL;

        _exit(e == NULL ? pass_largest() : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_too_large_and_empty_are_not_sent(void **state)
{
    AUTO(auto_free) uint8_t *bytes = calloc(1, IPC_MESSAGE_MAX_BYTES + 1);
    enum ipc_result result;
    AUTO(err_free) struct err *large =
        ipc_send(pair[0], view_of(bytes, IPC_MESSAGE_MAX_BYTES + 1), true, &result);
    AUTO(err_free) struct err *empty = ipc_send(pair[0], view_of(bytes, 0), true, &result);

    (void)state;
    assert_true(err_is(large, ERR_LIMIT));
    assert_true(err_is(empty, ERR_BUG));
}

static void test_truncated_message_is_fatal(void **state)
{
    AUTO(auto_free) uint8_t *bytes = calloc(1, IPC_MESSAGE_MAX_BYTES + 1);
    AUTO(buf_deinit) struct buf in;
    enum ipc_result result;

    (void)state;
    buf_init(&in, 0);
    assert_int_equal(send(pair[0], bytes, IPC_MESSAGE_MAX_BYTES + 1, 0), IPC_MESSAGE_MAX_BYTES + 1);
    AUTO(err_free) struct err *e = ipc_recv(pair[1], &in, true, &result);

    assert_true(err_is(e, ERR_PROTOCOL));
    assert_int_equal(in.len, 0);
}

static void test_full_socket_would_block(void **state)
{
    AUTO(buf_deinit) struct buf in;
    enum ipc_result result = IPC_DONE;
    unsigned sent = 0, got = 0;

    (void)state;
    buf_init(&in, 0);
    while (result == IPC_DONE) {
        assert_null(ipc_send(pair[0], view_cstr("frame"), false, &result));
        sent += result == IPC_DONE ? 1 : 0;
    }
    assert_int_equal(result, IPC_WOULD_BLOCK);
    do {
        assert_null(ipc_recv(pair[1], &in, false, &result));
        got += result == IPC_DONE ? 1 : 0;
    } while (result == IPC_DONE);
    assert_int_equal(result, IPC_WOULD_BLOCK);
    assert_int_equal(got, sent);
    assert_in_range(sent, 64, 100000); /* as many as there are workers, at least */
}

static void test_end_of_stream(void **state)
{
    AUTO(buf_deinit) struct buf in;
    enum ipc_result result;

    (void)state;
    buf_init(&in, 0);
    assert_null(ipc_send(pair[0], view_cstr("last words"), true, &result));
    ipc_close(&pair[0]);
    assert_null(ipc_recv(pair[1], &in, true, &result));
    assert_int_equal(result, IPC_DONE);
    assert_true(view_is(buf_view(&in), "last words"));
    assert_null(ipc_recv(pair[1], &in, true, &result));
    assert_int_equal(result, IPC_EOF);
    assert_null(ipc_send(pair[1], view_cstr("nobody"), true, &result)); /* and no SIGPIPE */
    assert_int_equal(result, IPC_EOF);
}

static void test_end_with_unread_frames_is_the_end_too(void **state)
{
    AUTO(buf_deinit) struct buf in;
    enum ipc_result result;

    (void)state;
    buf_init(&in, 0);
    assert_null(ipc_send(pair[1], view_cstr("never read"), true, &result));
    ipc_close(&pair[0]);
    assert_null(ipc_recv(pair[1], &in, true, &result)); /* ECONNRESET */
    assert_int_equal(result, IPC_EOF);
}

static void test_secret_is_wiped_by_the_next_frame(void **state)
{
    AUTO(buf_deinit) struct buf in;
    enum ipc_result result;

    (void)state;
    buf_init(&in, 0);
    in.secret = true;
    assert_null(ipc_send(pair[0], view_cstr("1234 is the PIN"), true, &result));
    assert_null(ipc_send(pair[0], view_cstr("x"), true, &result));
    assert_null(ipc_recv(pair[1], &in, true, &result));
    assert_true(view_is(buf_view(&in), "1234 is the PIN"));
    assert_null(ipc_recv(pair[1], &in, true, &result));
    assert_memory_equal(in.data, "x\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_largest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_largest_without_privileges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_large_and_empty_are_not_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_truncated_message_is_fatal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_socket_would_block, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_end_of_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_end_with_unread_frames_is_the_end_too, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_secret_is_wiped_by_the_next_frame, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
