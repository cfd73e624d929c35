/*
 * Child processes: started clean, waited for without SIGCHLD. A pidfd becomes readable when its
 * process ends, so each child is one more event; a kernel without pidfd (before 5.3) gets a timer
 * that asks. posix_spawn() never runs our code in the child, which matters once threads exist.
 *
 * A child must inherit nothing by accident: all descriptors above the given one are closed, signal
 * handlers and mask are reset, the environment is the caller's.
 */
#include "io/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/internal.h"

enum { ASK_EVERY_MS = 50, ORPHAN_WAIT_MS = 1000, WAIT_STEP_MS = 5 };

struct io_process {
    LIST_ENTRY(io_process) orphans; /* io_loop's list */
    struct io_loop *loop;
    pid_t pid; /* 0 when reaped */
    int pidfd;
    struct event event;
    struct io_timer ask; /* instead of pidfd */
    void (*on_exit)(void *arg, int status);
    void *arg;
};

static int set_up_descriptors(posix_spawn_file_actions_t *a, const struct io_process_conf *conf)
{
    const int more_n = (int)conf->more_n;
    const int last = conf->as_fd > STDERR_FILENO ? conf->as_fd + more_n : STDERR_FILENO;
    int failed = posix_spawn_file_actions_adddup2(a, conf->fd, conf->as_fd);

    for (int i = 0; failed == 0 && i < more_n; i++) {
        failed = posix_spawn_file_actions_adddup2(a, conf->more[i], conf->as_fd + 1 + i);
    }
    if (failed == 0 && conf->as_fd != STDOUT_FILENO) {
        failed = posix_spawn_file_actions_adddup2(a, STDERR_FILENO, STDOUT_FILENO);
    }
    if (failed == 0) {
        failed = posix_spawn_file_actions_addopen(a, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    }
    return failed != 0 ? failed : posix_spawn_file_actions_addclosefrom_np(a, last + 1);
}

static int set_up_attributes(posix_spawnattr_t *attr, bool own_group)
{
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    sigset_t all, none;

    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(attr, &all);
    posix_spawnattr_setsigmask(attr, &none);
    if (own_group) { /* a Ctrl-C at the terminal is for the agent, which then ends its helpers */
        flags = (short)(flags | POSIX_SPAWN_SETPGROUP);
        posix_spawnattr_setpgroup(attr, 0);
    }
    return posix_spawnattr_setflags(attr, flags);
}

static int spawn(const struct io_process_conf *conf, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    char *const *env = conf->env != NULL ? conf->env : environ;
    int failed = posix_spawn_file_actions_init(&actions);

    if (failed != 0) {
        return failed;
    }
    failed = posix_spawnattr_init(&attr);
    if (failed == 0) {
        failed = set_up_descriptors(&actions, conf);
        if (failed == 0) {
            failed = set_up_attributes(&attr, conf->as_fd != STDOUT_FILENO);
        }
        if (failed == 0) {
            failed = conf->search_path
                         ? posix_spawnp(ret_pid, conf->argv[0], &actions, &attr, conf->argv, env)
                         : posix_spawn(ret_pid, conf->argv[0], &actions, &attr, conf->argv, env);
        }
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static bool reap(struct io_process *p, int *ret_status)
{
    pid_t got = p->pid != 0 ? waitpid(p->pid, ret_status, WNOHANG) : 0;

    if (got == 0 || (got < 0 && errno != ECHILD)) {
        return false;
    }
    if (got < 0) { /* somebody else took it */
        *ret_status = W_EXITCODE(255, 0);
    }
    p->pid = 0;
    event_del(&p->event);
    io_timer_clear(&p->ask);
    return true;
}

static void dispose(struct io_process *p)
{
    event_del(&p->event);
    io_timer_deinit(&p->ask);
    auto_close(&p->pidfd);
    free(p);
}

static void look(struct io_process *p)
{
    int status;

    if (!reap(p, &status)) {
        if (p->pidfd < 0) {
            io_timer_set(&p->ask, mono_in(ASK_EVERY_MS));
        }
    } else if (p->on_exit != NULL) {
        p->on_exit(p->arg, status);
    } else {
        LIST_REMOVE(p, orphans);
        dispose(p);
    }
}

static void on_pidfd(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    look(arg);
}

static void on_ask(void *arg)
{
    look(arg);
}

static void watch(struct io_process *p)
{
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    if (p->pidfd >= 0) {
        fcntl(p->pidfd, F_SETFD, FD_CLOEXEC);
        event_assign(&p->event, p->loop->base, p->pidfd, EV_READ | EV_PERSIST, on_pidfd, p);
        if (event_add(&p->event, NULL) == 0) {
            return;
        }
        auto_close(&p->pidfd);
    }
    event_assign(&p->event, p->loop->base, -1, 0, on_pidfd, p);
    io_timer_set(&p->ask, mono_in(ASK_EVERY_MS));
}

struct err *io_process_new(struct io_loop *l, const struct io_process_conf *conf,
                           struct io_process **ret)
{
    struct io_process *p = calloc(1, sizeof *p);

    if (p == NULL) {
        return err_nomem();
    }
    int failed = spawn(conf, &p->pid);

    if (failed != 0) {
        free(p);
        return err_native(ERR_GONE, ERR_DOMAIN_ERRNO, (unsigned long)failed, strerror(failed),
                          "could not start %s", conf->argv[0]);
    }
    p->loop = l;
    p->on_exit = conf->on_exit;
    p->arg = conf->arg;
    io_timer_init(&p->ask, l, on_ask, p);
    watch(p);
    *ret = p;
    return NULL;
}

void io_process_free(struct io_process **pp)
{
    struct io_process *p = take(pp);

    if (p == NULL) {
        return;
    }
    if (p->pid == 0) {
        dispose(p);
        return;
    }
    io_process_kill(p);
    p->on_exit = NULL;
    LIST_INSERT_HEAD(&p->loop->orphans, p, orphans);
}

pid_t io_process_pid(const struct io_process *p)
{
    return p->pid;
}

void io_process_kill(struct io_process *p)
{
    if (p->pid != 0) {
        kill(p->pid, SIGKILL);
    }
}

bool io_process_wait(struct io_process *p, int ms)
{
    const struct mono until = mono_in(ms);
    int status;

    while (p->pid != 0 && !reap(p, &status)) {
        if (mono_passed(until)) {
            return false;
        }
        struct pollfd fd = {.fd = p->pidfd, .events = POLLIN}; /* -1 is ignored: a plain pause */

        poll(&fd, p->pidfd >= 0 ? 1 : 0, p->pidfd >= 0 ? (int)mono_left_ms(until) : WAIT_STEP_MS);
    }
    return true;
}

struct err *io_process_reason(int status)
{
    if (WIFSIGNALED(status)) {
        return err_new(ERR_GONE, "killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    }
    return err_new(ERR_GONE, "exit status %d", WEXITSTATUS(status));
}

void io_process_reap_orphans(struct io_loop *l)
{
    struct io_process *p;

    while ((p = LIST_FIRST(&l->orphans)) != NULL) {
        LIST_REMOVE(p, orphans);
        io_process_wait(p, ORPHAN_WAIT_MS);
        dispose(p);
    }
}
