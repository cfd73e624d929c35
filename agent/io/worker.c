/*
 * A thread that runs jobs for the loop. The loop leaves a function and its argument in a list; the
 * thread calls it and moves the job to another list; an eventfd tells the loop that there is
 * something in it. Neither side looks into the argument, so nothing in it needs a lock as long as
 * the loop leaves it alone until it is told.
 */
#include "io/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/internal.h"

struct job {
    STAILQ_ENTRY(job) next; /* waiting, then ended */
    void (*work)(void *arg);
    void (*on_done)(void *arg);
    void *arg;
};

STAILQ_HEAD(job_list, job);

struct io_worker {
    struct event ended_event;
    int ended_fd;
    bool watched;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t wake;
    bool stop;
    struct job_list waiting, ended;
};

/* With the lock held, but for the work itself. */
static void do_job(struct io_worker *w, struct job *j)
{
    const uint64_t one = 1;

    STAILQ_REMOVE_HEAD(&w->waiting, next);
    pthread_mutex_unlock(&w->lock);
    j->work(j->arg);
    pthread_mutex_lock(&w->lock);
    STAILQ_INSERT_TAIL(&w->ended, j, next);
    if (write(w->ended_fd, &one, sizeof one) < 0) {
        /* cannot be: the counter has room for more ones than there can be jobs */
        log_line(LOG_ERROR, "the loop was not told that a job has ended");
    }
}

static void *run(void *arg)
{
    struct io_worker *w = arg;
    struct job *j;

    pthread_mutex_lock(&w->lock);
    while ((j = STAILQ_FIRST(&w->waiting)) != NULL || !w->stop) {
        if (j != NULL) {
            do_job(w, j);
        } else {
            pthread_cond_wait(&w->wake, &w->lock);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* One job a turn, so that a callback may put more, or free the worker with those that are left. */
static void on_ended(evutil_socket_t fd, short what, void *arg)
{
    struct io_worker *w = arg;
    uint64_t n;

    (void)what;
    pthread_mutex_lock(&w->lock);
    struct job *j = STAILQ_FIRST(&w->ended);

    if (j != NULL) {
        STAILQ_REMOVE_HEAD(&w->ended, next);
    }
    if (STAILQ_EMPTY(&w->ended) && read((int)fd, &n, sizeof n) < 0) {
        log_line(LOG_DEBUG, "a job's end was told twice");
    }
    pthread_mutex_unlock(&w->lock);
    if (j != NULL) {
        struct job own = *j;

        free(j);
        if (own.on_done != NULL) {
            own.on_done(own.arg);
        }
    }
}

/* Signals belong to the loop's thread. */
static struct err *start_thread(struct io_worker *w)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&w->thread, NULL, run, w);

    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->started = rc == 0;
    return rc == 0 ? NULL : err_sys(rc, "start a worker thread");
}

struct err *io_worker_new(struct io_loop *l, struct io_worker **ret)
{
    AUTO(io_worker_free) struct io_worker *w = calloc(1, sizeof *w);

    if (w == NULL) {
        return err_nomem();
    }
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    STAILQ_INIT(&w->waiting);
    STAILQ_INIT(&w->ended);
    w->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->ended_fd < 0) {
        return err_sys(errno, "eventfd");
    }
    event_assign(&w->ended_event, l->base, w->ended_fd, EV_READ | EV_PERSIST, on_ended, w);
    struct err *e = io_event_add(&w->ended_event);

    w->watched = e == NULL;
    e = e == NULL ? start_thread(w) : e;
    if (e == NULL) {
        *ret = take(&w);
    }
    return e;
}

void io_worker_free(struct io_worker **wp)
{
    struct io_worker *w = take(wp);
    struct job *j;

    if (w == NULL) {
        return;
    }
    if (w->started) {
        pthread_mutex_lock(&w->lock);
        w->stop = true;
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    while ((j = STAILQ_FIRST(&w->ended)) != NULL) {
        STAILQ_REMOVE_HEAD(&w->ended, next);
        free(j);
    }
    if (w->watched) {
        event_del(&w->ended_event);
    }
    auto_close(&w->ended_fd);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    free(w);
}

struct err *io_worker_put(struct io_worker *w, void (*work)(void *arg), void (*on_done)(void *arg),
                          void *arg)
{
    struct job *j = malloc(sizeof *j);

    if (j == NULL) {
        return err_nomem();
    }
    *j = (struct job){.work = work, .on_done = on_done, .arg = arg};
    pthread_mutex_lock(&w->lock);
    STAILQ_INSERT_TAIL(&w->waiting, j, next);
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}
