/*
 * The thread that puts files on disk. A file is written with fsync, which takes as long as the disk
 * likes, so the loop only leaves the content here. The thread sees bytes and paths, never what they
 * mean, and never calls anybody: how a write ended goes back to the loop through a list, and an
 * eventfd says that there is something in it.
 *
 * The loop's side owns every job but the one in hand, and even that one it may read: the thread
 * changes nothing in a job but its error.
 */
#include "io/writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/internal.h"

struct job {
    TAILQ_ENTRY(job) next; /* waiting, then ended */
    char *path;
    bool remove;
    struct buf content;
    mode_t mode;
    struct err *error;
    io_written_fn *on_written;
    void *arg;
};

TAILQ_HEAD(job_list, job);

struct io_writer {
    struct event ended_event;
    int ended_fd;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t wake, idle;
    bool stop;
    struct job_list waiting, ended;
    struct job *in_hand;
};

static void job_free(struct job **jp)
{
    struct job *j = take(jp);

    if (j != NULL) {
        buf_deinit(&j->content);
        err_free(&j->error);
        free(j->path);
        free(j);
    }
}

static struct err *write_file(const struct job *j)
{
    if (!j->remove) {
        return file_replace(j->path, buf_view(&j->content), j->mode);
    }
    return unlink(j->path) == 0 || errno == ENOENT ? NULL : err_sys(errno, "remove %s", j->path);
}

/* With the lock held, but for the writing itself. */
static void do_job(struct io_writer *w, struct job *j)
{
    const uint64_t one = 1;

    TAILQ_REMOVE(&w->waiting, j, next);
    w->in_hand = j;
    pthread_mutex_unlock(&w->lock);
    struct err *e = write_file(j);

    pthread_mutex_lock(&w->lock);
    j->error = e;
    w->in_hand = NULL;
    TAILQ_INSERT_TAIL(&w->ended, j, next);
    if (write(w->ended_fd, &one, sizeof one) < 0) {
        /* cannot be: the counter has room for more ones than there can be jobs */
        log_line(LOG_ERROR, "the loop was not told that a file was written");
    }
}

static void *run(void *arg)
{
    struct io_writer *w = arg;
    struct job *j;

    pthread_mutex_lock(&w->lock);
    while ((j = TAILQ_FIRST(&w->waiting)) != NULL || !w->stop) {
        if (j != NULL) {
            do_job(w, j);
        } else {
            pthread_cond_signal(&w->idle);
            pthread_cond_wait(&w->wake, &w->lock);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* On the loop, without the lock: callbacks may put more. */
static void tell(struct io_writer *w)
{
    struct job_list ended = TAILQ_HEAD_INITIALIZER(ended);
    struct job *j;

    pthread_mutex_lock(&w->lock);
    TAILQ_CONCAT(&ended, &w->ended, next);
    pthread_mutex_unlock(&w->lock);
    while ((j = TAILQ_FIRST(&ended)) != NULL) {
        TAILQ_REMOVE(&ended, j, next);
        if (j->on_written != NULL) {
            j->on_written(j->arg, j->error);
        }
        job_free(&j);
    }
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
    uint64_t n;

    (void)what;
    if (read((int)fd, &n, sizeof n) > 0) {
        tell(arg);
    }
}

/* Signals belong to the loop's thread. */
static struct err *start_thread(struct io_writer *w)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&w->thread, NULL, run, w);

    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->started = rc == 0;
    return rc == 0 ? NULL : err_sys(rc, "start the thread that writes files");
}

struct err *io_writer_new(struct io_loop *l, struct io_writer **ret)
{
    AUTO(io_writer_free) struct io_writer *w = calloc(1, sizeof *w);

    if (w == NULL) {
        return err_nomem();
    }
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    pthread_cond_init(&w->idle, NULL);
    TAILQ_INIT(&w->waiting);
    TAILQ_INIT(&w->ended);
    w->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    event_assign(&w->ended_event, l->base, w->ended_fd, EV_READ | EV_PERSIST, on_ended, w);
    struct err *e = w->ended_fd < 0 ? err_sys(errno, "eventfd") : io_event_add(&w->ended_event);

    if (e == NULL) {
        e = start_thread(w);
    }
    if (e == NULL) {
        *ret = take(&w);
    }
    return e;
}

void io_writer_flush(struct io_writer *w)
{
    pthread_mutex_lock(&w->lock);
    while (w->in_hand != NULL || !TAILQ_EMPTY(&w->waiting)) {
        pthread_cond_wait(&w->idle, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    tell(w);
}

void io_writer_free(struct io_writer **wp)
{
    struct io_writer *w = *wp; /* which those who are told may still use */
    struct job *j;

    if (w == NULL) {
        return;
    }
    if (w->started) {
        io_writer_flush(w);
        pthread_mutex_lock(&w->lock);
        w->stop = true;
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    while ((j = TAILQ_FIRST(&w->ended)) != NULL) { /* put by those who were told just now */
        TAILQ_REMOVE(&w->ended, j, next);
        job_free(&j);
    }
    if (w->ended_fd >= 0) {
        event_del(&w->ended_event);
    }
    auto_close(&w->ended_fd);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->idle);
    auto_free(wp);
}

static struct job *find_waiting(const struct io_writer *w, const char *path)
{
    struct job *j;

    TAILQ_FOREACH(j, &w->waiting, next)
    {
        if (text_eq(j->path, path)) {
            return j;
        }
    }
    return NULL;
}

static struct job *new_job(const char *path, struct buf *content, mode_t mode)
{
    AUTO(job_free) struct job *j = calloc(1, sizeof *j);

    if (j == NULL) {
        return NULL;
    }
    j->path = text_copy(path);
    j->remove = content == NULL;
    j->mode = mode;
    if (content != NULL) {
        j->content = *content;
        memset(content, 0, sizeof *content);
    }
    return j->path != NULL ? take(&j) : NULL;
}

struct err *io_writer_put(struct io_writer *w, const char *path, struct buf *content, mode_t mode,
                          io_written_fn *on_written, void *arg)
{
    struct job *j = new_job(path, content, mode);

    if (j == NULL) {
        if (content != NULL) {
            buf_deinit(content);
        }
        return err_nomem();
    }
    j->on_written = on_written;
    j->arg = arg;
    pthread_mutex_lock(&w->lock);
    struct job *old = find_waiting(w, path);

    if (old != NULL) {
        TAILQ_INSERT_BEFORE(old, j, next);
        TAILQ_REMOVE(&w->waiting, old, next);
    } else {
        TAILQ_INSERT_TAIL(&w->waiting, j, next);
    }
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    job_free(&old);
    return NULL;
}

static struct err *read_job(const struct job *j, size_t max_bytes, struct buf *out)
{
    if (j->remove) {
        return err_new(ERR_NOT_FOUND, "%s is being removed", j->path);
    }
    if (j->content.len > max_bytes) {
        return err_new(ERR_LIMIT, "%s is larger than %zu bytes", j->path, max_bytes);
    }
    buf_put(out, j->content.data, j->content.len);
    return buf_check(out, j->path);
}

struct err *io_writer_read(struct io_writer *w, const char *path, size_t max_bytes, struct buf *out)
{
    struct err *e = NULL;

    pthread_mutex_lock(&w->lock);
    const struct job *j = find_waiting(w, path);

    if (j == NULL && w->in_hand != NULL && text_eq(w->in_hand->path, path)) {
        j = w->in_hand;
    }
    if (j != NULL) {
        e = read_job(j, max_bytes, out);
    }
    pthread_mutex_unlock(&w->lock);
    return j != NULL ? e : file_read(path, max_bytes, out);
}
