/*
 * Fetches host certificates by ssh-keyscan, because libssh2 1.11 cannot take them in its own
 * handshake. Nothing that comes back is trusted: it is bounded, parsed, and then judged in
 * host_key.c. The program is started without a shell, sees no input, and never outlives its run.
 */
#include "connect/keyscan.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX_BYTES = 256 * 1024 };

extern char **environ;

struct connect_keyscan {
    pid_t pid; /* 0: reaped */
    int fd;
    struct buf output;
    struct mono until;
};

static void end_it(struct connect_keyscan *k)
{
    if (k->pid > 0) {
        kill(k->pid, SIGKILL);
        while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        k->pid = 0;
    }
}

void connect_keyscan_free(struct connect_keyscan **keyscan)
{
    struct connect_keyscan *k = take(keyscan);

    if (k) {
        end_it(k);
        auto_close(&k->fd);
        buf_deinit(&k->output);
        free(k);
    }
}

static int spawn(const char *address, const char *port, int output_fd, pid_t *ret_pid)
{
    char *const argv[] = {
        (char[]){"ssh-keyscan"},
        (char[]){"-c"},
        (char[]){"-T"},
        (char[]){"5"},
        (char[]){"-p"},
        (char *)(uintptr_t)port,
        (char *)(uintptr_t)address,
        NULL,
    };
    posix_spawn_file_actions_t files;
    int rc = posix_spawn_file_actions_init(&files);

    if (rc != 0) {
        return rc;
    }
    rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&files, output_fd, 1);
    }
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&files, output_fd, 2);
    }
    if (rc == 0) {
        rc = posix_spawnp(ret_pid, argv[0], &files, NULL, argv, environ);
    }
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

struct err *connect_keyscan_new(const char *address, unsigned port, struct connect_keyscan **ret)
{
    AUTO(connect_keyscan_free) struct connect_keyscan *k = calloc(1, sizeof *k);
    AUTO(auto_free) char *port_text = text_fmt("%u", port);
    int fds[2] = {-1, -1};
    int rc;

    if (!k || !port_text) {
        return err_nomem();
    }
    k->fd = -1;
    buf_init(&k->output, OUTPUT_MAX_BYTES);
    k->until = mono_in(CONNECT_KEYSCAN_MS);
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        return err_sys(errno, "a pipe for ssh-keyscan");
    }
    k->fd = fds[0];
    rc = spawn(address, port_text, fds[1], &k->pid);
    auto_close(&fds[1]);
    if (rc != 0) {
        k->pid = 0;
        return err_sys(rc, "start ssh-keyscan, which fetches host certificates");
    }
    *ret = take(&k);
    return NULL;
}

struct err *connect_keyscan_go(struct connect_keyscan *k, struct connect_certs *certs,
                               enum connect_progress *ret_progress)
{
    uint8_t piece[4096];
    ssize_t n;

    while ((n = read(k->fd, piece, sizeof piece)) > 0) {
        buf_put(&k->output, piece, (size_t)n);
    }
    if (n < 0 && errno == EAGAIN && !k->output.failed && !mono_passed(k->until)) {
        *ret_progress = CONNECT_AGAIN;
        return NULL;
    }
    end_it(k);
    *ret_progress = CONNECT_FINISHED;
    struct err *e = buf_check(&k->output, "the output of ssh-keyscan");
    return e ? e : connect_certs_read(certs, buf_view(&k->output));
}

void connect_keyscan_wait(const struct connect_keyscan *k, struct connect_wait *w)
{
    connect_wait_add(w, k->fd, POLLIN);
    w->until = connect_wait_sooner(w->until, k->until);
}
