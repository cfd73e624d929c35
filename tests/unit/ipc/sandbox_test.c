/* Is what the sandbox takes away really gone, and does what it leaves still work? Each case runs in
 * a child, because there is no way back; it exits with 0 or the line that was wrong. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/ipc.h"

#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno);              \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static char folder[] = "sandbox-XXXXXX";

static void in_child(void (*body)(void))
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void enter(const struct sandbox *s, char *text)
{
    AUTO(err_free) struct err *e = sandbox_enter(s, text);

    NEED(e == NULL);
}

static void *nothing(void *arg)
{
    return arg;
}

static bool runs(void)
{
    char *const argv[] = {(char *)"true", NULL};
    int status;
    pid_t child = vfork();

    if (child == 0) {
        execv("/bin/true", argv);
        _exit(77);
    }
    return waitpid(child, &status, 0) == child && status == 0;
}

static void strict(void)
{
    const struct sandbox s = {0};
    char text[SANDBOX_TEXT_BYTES];
    pthread_t thread;
    char *const argv[] = {(char *)"true", NULL};

    enter(&s, text);
    NEED(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    NEED(prctl(PR_GET_DUMPABLE) == 0);
    NEED(strstr(text, "writes not limited") != NULL);
    if (strncmp(text, "seccomp", 7) != 0) {
        return;
    }
    NEED(execv("/bin/true", argv) < 0 && errno == EPERM);
    NEED(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EAFNOSUPPORT);
    NEED(socket(AF_INET6, SOCK_DGRAM, 0) < 0 && errno == EAFNOSUPPORT);
    NEED(syscall(SYS_socket, 0x100000000L + AF_INET, SOCK_STREAM, 0) < 0 && errno == EAFNOSUPPORT);
    NEED(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    NEED(unshare(CLONE_NEWUSER) < 0 && errno == EPERM);
    NEED(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) < 0 && errno == EPERM);
    NEED(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS);
    NEED(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == EPERM);
    NEED(syscall(SYS_userfaultfd, 0) < 0 && errno == EPERM);
    NEED(syscall(SYS_keyctl, 0, 0) < 0 && errno == EPERM);
    NEED(syscall(SYS_bpf, 0, NULL, 0) < 0 && errno == EPERM);
    NEED(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0) < 0 && errno == EPERM);
    NEED(mount(NULL, "/", NULL, MS_REMOUNT, NULL) < 0 && errno == EPERM);
#ifndef __SANITIZE_ADDRESS__
    NEED(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 && errno == EPERM);
#endif
    NEED(pthread_create(&thread, NULL, nothing, NULL) == 0); /* by clone(), after clone3() */
    NEED(pthread_join(thread, NULL) == 0);
}

static void lax(void)
{
    const struct sandbox s = {.allow_exec = true, .allow_inet = true};
    char text[SANDBOX_TEXT_BYTES];

    enter(&s, text);
    NEED(runs());
    NEED(socket(AF_INET, SOCK_STREAM, 0) >= 0);
}

static int make(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static void writes(void)
{
    AUTO(auto_free) char *inside = text_fmt("%s/in", folder);
    AUTO(auto_free) char *file = text_fmt("%s/in/file", folder);
    AUTO(auto_free) char *outside = text_fmt("%s/file", folder);
    const char *const paths[] = {inside, "no-such-path", NULL};
    const struct sandbox s = {.write_paths = paths};
    char text[SANDBOX_TEXT_BYTES];

    NEED(mkdir(inside, 0700) == 0 || errno == EEXIST);
    NEED(make(outside) >= 0);
    enter(&s, text);
    NEED(make(file) >= 0);
    NEED(open("/dev/null", O_WRONLY) >= 0);
    NEED(open(outside, O_RDONLY) >= 0);
    if (strstr(text, ", landlock ") == NULL) {
        fprintf(stderr, "%s: writes are not tested\n", text);
        return;
    }
    NEED(make(outside) < 0 && errno == EACCES);
    NEED(unlink(outside) < 0 && errno == EACCES);
    NEED(mkdir("no-such-path", 0700) < 0 && errno == EACCES);
}

static void test_strict(void **state)
{
    (void)state;
    in_child(strict);
}

static void test_lax(void **state)
{
    (void)state;
    in_child(lax);
}

static void test_writes(void **state)
{
    (void)state;
    in_child(writes);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const paths[] = {"in/file", "in", "file", ""};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        AUTO(auto_free) char *path = text_fmt("%s/%s", folder, paths[i]);

        remove(path);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_lax),
        cmocka_unit_test(test_writes),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
