#ifndef HF_IO_STEP_H
#define HF_IO_STEP_H

#include "io/loop.h"

/** Watches for time that jumps. */
struct io_step;

/** io_step_new() - @on_step runs, from the loop, when the wall clock was set and when the machine was
 * awake again after a sleep; NULL: this system cannot tell, or no memory. Then timers notice within a
 * minute */
struct io_step *io_step_new(struct io_loop *l, void (*on_step)(void *arg), void *arg);
void io_step_free(struct io_step **s);
/** io_step_fd() - what is watched, for tests */
int io_step_fd(const struct io_step *s);

#endif
