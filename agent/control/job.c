/*
 * A job outlives its request where another part still owes it a callback. It must never touch the
 * request after that has ended, nor be freed while a callback is due: two facts, both kept here. A
 * part that ends before it called back never will; what waited for it is freed at the very end.
 */
#include "control/job.h"

static LIST_HEAD(, control_job) orphans = LIST_HEAD_INITIALIZER(orphans);

static void on_end(void *arg)
{
    struct control_job *job = arg;

    job->r = NULL;
    if (job->stop != NULL) {
        job->stop(job);
    }
    if (job->due > 0) {
        LIST_INSERT_HEAD(&orphans, job, next);
    } else {
        job->free(job);
    }
}

struct err *control_job_start(struct control_job *job, struct control_request *r, int64_t ms,
                              const char *what)
{
    struct err *e = control_wait(r, ms, what, on_end, job);

    if (e != NULL) {
        job->free(job);
        return e;
    }
    job->r = r;
    return NULL;
}

void control_job_await(struct control_job *job)
{
    job->due++;
}

bool control_job_back(struct control_job *job)
{
    bool wanted = job->r != NULL;

    job->due--;
    if (!wanted && job->due == 0) {
        LIST_REMOVE(job, next);
        job->free(job);
    }
    return wanted;
}

void control_job_forget(void)
{
    struct control_job *job;

    while ((job = LIST_FIRST(&orphans)) != NULL) {
        LIST_REMOVE(job, next);
        job->free(job);
    }
}

void control_job_fail(struct control_job *job, struct err *e)
{
    control_fail(job->r, e);
}
