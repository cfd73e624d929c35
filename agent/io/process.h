#ifndef HF_IO_PROCESS_H
#define HF_IO_PROCESS_H

#include <sys/types.h>

#include "io/loop.h"

/* For the files of io/ only: a child process that is watched by its pidfd. */
struct io_process;

struct io_process_conf {
    char *const *argv;
    char *const *env; /* NULL: ours */
    bool search_path; /* look argv[0] up in PATH */
    int fd, as_fd;    /* the child sees @fd as @as_fd (1 or above 2); the caller keeps @fd */
    const int *more;  /* the child sees them as as_fd + 1 and on; each is above all these */
    size_t more_n;
    void (*on_exit)(void *arg, int status); /* status as of waitpid(); once */
    void *arg;
};

/**
 * io_process_new() - start a program
 * It gets /dev/null as input, our standard error as its standard error, and as its output unless
 * as_fd is 1; no other descriptor, default signals, and a process group of its own unless as_fd is
 * 1 (a PIN program may want the terminal).
 * Errors: GONE with the native errno (no such program, not executable), NOMEM, LIMIT
 */
struct err *io_process_new(struct io_loop *l, const struct io_process_conf *conf,
                           struct io_process **ret) MUST_CHECK;
/** io_process_free() - does not block: one that still runs is killed and reaped by the loop */
void io_process_free(struct io_process **p);
pid_t io_process_pid(const struct io_process *p);
/** io_process_kill() - SIGKILL, if it still runs */
void io_process_kill(struct io_process *p);
/** io_process_wait() - block up to @ms for the exit; on_exit will not run. False when it still runs */
bool io_process_wait(struct io_process *p, int ms);
/** io_process_reason() - "exit status 1", "killed by signal 11 (Segmentation fault)": GONE */
struct err *io_process_reason(int status) MUST_CHECK;
/** io_process_reap_orphans() - at the end of the loop */
void io_process_reap_orphans(struct io_loop *l);

#endif
