/* Does the kernel's word about a peer arrive, and is a hostile process name harmless in a log? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/ipc.h"

static void test_peer_of_a_pair_is_us(void **state)
{
    struct peer p;
    int fd[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    assert_null(peer_of(fd[0], &p));
    assert_int_equal(p.pid, getpid());
    assert_int_equal(p.uid, geteuid());
    assert_int_equal(p.gid, getegid());
    close(fd[0]);
    close(fd[1]);
}

static void test_no_socket(void **state)
{
    struct peer p;
    int fd[2];

    (void)state;
    assert_int_equal(pipe(fd), 0);
    AUTO(err_free) struct err *e = peer_of(fd[0], &p);

    assert_true(err_is(e, ERR_DENIED));
    close(fd[0]);
    close(fd[1]);
}

static void test_text(void **state)
{
    const struct peer us = {.pid = getpid(), .uid = 1000};
    const struct peer unknown = {.uid = 1000};
    AUTO(auto_free) char *want = text_fmt("pid %d (a\\x1b[1m\\x0ab) uid 1000", (int)getpid());

    (void)state;
    assert_int_equal(prctl(PR_SET_NAME, "a\x1b[1m\nb"), 0);
    AUTO(auto_free) char *got = peer_text(&us);
    AUTO(auto_free) char *got_unknown = peer_text(&unknown);

    assert_string_equal(got, want);
    assert_string_equal(got_unknown, "pid unknown, uid 1000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peer_of_a_pair_is_us),
        cmocka_unit_test(test_no_socket),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
