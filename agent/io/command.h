#ifndef HF_IO_COMMAND_H
#define HF_IO_COMMAND_H

#include "io/loop.h"

/** Gets the first line a program printed (taken), or an error (taken): DENIED (the exit status),
 * GONE (a signal), TIMEOUT, LIMIT, INPUT (printed nothing). Runs once, from the loop; the command
 * stays until io_command_free(), which may be called in it. */
typedef void io_command_fn(void *arg, struct err *e, struct secret *output);

struct io_command;

/**
 * io_command_run() - run a program (no shell) and take its standard output as a secret
 * @argv: NULL-terminated; argv[0] is looked up in PATH
 * @env:  whole environment; NULL: ours
 * Standard input is /dev/null, standard error is ours. A PIN command or SSH_ASKPASS. At the
 * deadline it is killed.
 */
struct err *io_command_run(struct io_loop *l, const char *const *argv, const char *const *env,
                           struct mono deadline, io_command_fn *on_done, void *arg,
                           struct io_command **ret) MUST_CHECK;
/** io_command_free() - kills it if it still runs; on_done will not run */
void io_command_free(struct io_command **c);

#endif
