/*
 * A job outlives its request where another part still owes it a callback. It must never touch the
 * request after that has ended, nor be freed while a callback is due: two facts, both kept here.
 */
#include "control/job.h"

static void free_unless_due(struct control_job *job)
{
    if (job->r == NULL && job->due == 0) {
        job->free(job);
    }
}

static void on_end(void *arg)
{
    struct control_job *job = arg;

    job->r = NULL;
    if (job->stop != NULL) {
        job->stop(job);
    }
    free_unless_due(job);
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
    free_unless_due(job);
    return wanted;
}

void control_job_fail(struct control_job *job, struct err *e)
{
    control_fail(job->r, e);
}
