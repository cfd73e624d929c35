#ifndef HF_CONTROL_JOB_H
#define HF_CONTROL_JOB_H

#include <sys/queue.h>

#include "control/request.h"

/**
 * Work for a request in several steps, of which some cannot be called off: the callback then finds
 * that nobody waits any more. First member of the handler's own structure.
 */
struct control_job {
    struct control_request *r;             /* NULL: the request has ended */
    unsigned due;                          /* callbacks that will come */
    void (*stop)(struct control_job *job); /* what can be called off; NULL: nothing */
    void (*free)(struct control_job *job);
    LIST_ENTRY(control_job) next; /* job.c: those whose request has ended, and a callback is due */
};

/** control_job_start() - @job waits for @r; it is freed when the request has ended and nothing is due.
 * Errors: those of control_wait(), and then @job is freed already */
struct err *control_job_start(struct control_job *job, struct control_request *r, int64_t ms,
                              const char *what) MUST_CHECK;
/** control_job_await() - a callback that cannot be called off is going to come */
void control_job_await(struct control_job *job);
/** control_job_back() - it came. False: the request has ended; @job may be freed by now */
bool control_job_back(struct control_job *job) MUST_CHECK;
/** control_job_forget() - no callback will come any more: those that still wait for one are freed */
void control_job_forget(void);
/** control_job_fail() - end the request with an error (taken); @job may be freed by now */
void control_job_fail(struct control_job *job, struct err *e);

#endif
