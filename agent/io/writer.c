/*
 * Files that the loop does not wait for. A file is written with fsync, which takes as long as the
 * disk likes, so it is a job of a worker; what is added here is that a job that still waits takes
 * newer content for the same path, that a reader sees what is not yet on disk, and that the end
 * waits for all of it.
 *
 * The list of jobs is the loop's alone, and a job stays in it until the worker has handed it back.
 * The lock is for what the thread changes: how far a job is, and how many are not through.
 */
#include "io/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "io/worker.h"

struct job {
    TAILQ_ENTRY(job) next; /* io_writer's jobs, in order */
    struct io_writer *writer;
    char *path;
    bool remove, begun, ended;
    struct buf content;
    mode_t mode;
    struct err *error;
    io_written_fn *on_written; /* NULL: nobody is to be told (any more) */
    void *arg;
};

TAILQ_HEAD(job_list, job);

struct io_writer {
    struct io_worker *worker;
    struct job_list jobs;
    pthread_mutex_t lock;
    pthread_cond_t through;
    size_t open; /* jobs that have not ended */
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

/* On the thread. */
static void work(void *arg)
{
    struct job *j = arg;
    struct io_writer *w = j->writer;

    pthread_mutex_lock(&w->lock);
    j->begun = true; /* its content stays as it is from now on */
    pthread_mutex_unlock(&w->lock);
    j->error = write_file(j);
    pthread_mutex_lock(&w->lock);
    j->ended = true;
    w->open--;
    pthread_cond_signal(&w->through);
    pthread_mutex_unlock(&w->lock);
}

static void tell(struct job *j)
{
    io_written_fn *on_written = j->on_written;

    j->on_written = NULL;
    if (on_written != NULL) {
        on_written(j->arg, j->error);
    }
}

static void on_done(void *arg)
{
    struct job *j = arg;

    TAILQ_REMOVE(&j->writer->jobs, j, next);
    tell(j);
    job_free(&j);
}

struct err *io_writer_new(struct io_loop *l, struct io_writer **ret)
{
    AUTO(io_writer_free) struct io_writer *w = calloc(1, sizeof *w);

    if (w == NULL) {
        return err_nomem();
    }
    TAILQ_INIT(&w->jobs);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->through, NULL);
    struct err *e = io_worker_new(l, &w->worker);

    if (e == NULL) {
        *ret = take(&w);
    }
    return e;
}

static bool has_ended(const struct job *j)
{
    pthread_mutex_lock(&j->writer->lock);
    bool ended = j->ended;

    pthread_mutex_unlock(&j->writer->lock);
    return ended;
}

void io_writer_flush(struct io_writer *w)
{
    struct job *j;

    pthread_mutex_lock(&w->lock);
    while (w->open > 0) {
        pthread_cond_wait(&w->through, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    TAILQ_FOREACH(j, &w->jobs, next) /* it only grows, by those who are told */
    {
        if (has_ended(j)) {
            tell(j);
        }
    }
}

void io_writer_free(struct io_writer **wp)
{
    struct io_writer *w = *wp; /* which those who are told may still use */
    struct job *j;

    if (w == NULL) {
        return;
    }
    io_writer_flush(w);
    io_worker_free(&w->worker);
    while ((j = TAILQ_FIRST(&w->jobs)) != NULL) {
        TAILQ_REMOVE(&w->jobs, j, next);
        job_free(&j);
    }
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->through);
    auto_free(wp);
}

/* The newest job for a path; NULL when there is none. */
static struct job *find_job(const struct io_writer *w, const char *path)
{
    struct job *j;

    TAILQ_FOREACH_REVERSE(j, &w->jobs, job_list, next)
    {
        if (text_eq(j->path, path)) {
            return j;
        }
    }
    return NULL;
}

static struct job *new_job(struct io_writer *w, const char *path)
{
    AUTO(job_free) struct job *j = calloc(1, sizeof *j);

    if (j == NULL) {
        return NULL;
    }
    j->writer = w;
    j->path = text_copy(path);
    return j->path != NULL ? take(&j) : NULL;
}

/* @content is moved. */
static void fill(struct job *j, struct buf *content, mode_t mode, io_written_fn *on_written,
                 void *arg)
{
    buf_deinit(&j->content);
    if (content != NULL) {
        j->content = *content;
        memset(content, 0, sizeof *content);
    }
    j->remove = content == NULL;
    j->mode = mode;
    j->on_written = on_written;
    j->arg = arg;
}

static struct err *put_new(struct io_writer *w, struct job *j)
{
    struct err *e = io_worker_put(w->worker, work, on_done, j);

    if (e == NULL) {
        w->open++;
        TAILQ_INSERT_TAIL(&w->jobs, j, next);
    }
    return e;
}

struct err *io_writer_put(struct io_writer *w, const char *path, struct buf *content, mode_t mode,
                          io_written_fn *on_written, void *arg)
{
    AUTO(job_free) struct job *new = new_job(w, path);
    struct err *e = NULL;

    if (new == NULL) {
        if (content != NULL) {
            buf_deinit(content);
        }
        return err_nomem();
    }
    pthread_mutex_lock(&w->lock); /* keeps the thread from beginning with either */
    struct job *old = find_job(w, path);

    if (old != NULL && !old->begun) {
        fill(old, content, mode, on_written, arg);
    } else {
        fill(new, content, mode, on_written, arg);
        e = put_new(w, new);
        new = e == NULL ? NULL : new;
    }
    pthread_mutex_unlock(&w->lock);
    return e;
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
    const struct job *j = find_job(w, path);

    return j != NULL && !has_ended(j) ? read_job(j, max_bytes, out)
                                      : file_read(path, max_bytes, out);
}
