#ifndef HF_IO_WORKER_H
#define HF_IO_WORKER_H

#include "io/loop.h"

/** A thread beside the loop for work that takes long: jobs run there one after the other, in the order
 * in which they were put. */
struct io_worker;

/** io_worker_new() - starts the thread, with all signals blocked; NOMEM, or what the system says */
struct err *io_worker_new(struct io_loop *l, struct io_worker **ret) MUST_CHECK;
/** io_worker_free() - runs what was put, ends the thread; nobody is told any more */
void io_worker_free(struct io_worker **w);

/**
 * io_worker_put() - have a function run
 * @work:    called on the thread
 * @on_done: called on the loop in a later round, after @work; may be NULL
 * @arg:     for both; the thread's while @work runs
 * Errors: NOMEM; neither is called then
 */
struct err *io_worker_put(struct io_worker *w, void (*work)(void *arg), void (*on_done)(void *arg),
                          void *arg) MUST_CHECK;

#endif
