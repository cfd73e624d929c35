/*
 * The thread that puts cache files on disk. A file is written with fsync, which may take as long as
 * the disk likes, so the loop only leaves the content here: one slot an identity, and what is newer
 * replaces what still waits. The thread sees bytes and paths, never an identity.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "identity/priv.h"

struct slot {
    char *path;
    struct buf content;
    bool waits, written;
    struct err *error;
};

struct identity_writer {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    struct slot *slots;
    size_t n;
};

static struct slot *find_work(struct identity_writer *w)
{
    for (size_t i = 0; i < w->n; i++) {
        if (w->slots[i].waits) {
            return &w->slots[i];
        }
    }
    return NULL;
}

/* With the lock held, but for the writing itself. */
static void write_one(struct identity_writer *w, struct slot *s)
{
    AUTO(buf_deinit) struct buf content = s->content;
    AUTO(auto_free) char *path = take(&s->path);

    s->waits = false;
    memset(&s->content, 0, sizeof s->content);
    pthread_mutex_unlock(&w->lock);
    struct err *e = file_replace(path, buf_view(&content), 0600);

    pthread_mutex_lock(&w->lock);
    err_free(&s->error);
    s->error = e;
    s->written = true;
}

static void *run(void *arg)
{
    struct identity_writer *w = arg;
    struct slot *s;

    pthread_mutex_lock(&w->lock);
    while ((s = find_work(w)) != NULL || !w->stop) {
        if (s != NULL) {
            write_one(w, s);
        } else {
            pthread_cond_wait(&w->wake, &w->lock);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* Signals belong to the loop's thread. */
static struct err *start(struct identity_writer *w)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&w->thread, NULL, run, w);

    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->started = rc == 0;
    return rc == 0 ? NULL : err_sys(rc, "start the thread that writes the cache");
}

struct err *identity_writer_new(size_t n, struct identity_writer **ret)
{
    AUTO(identity_writer_free) struct identity_writer *w = calloc(1, sizeof *w);

    if (w == NULL) {
        return err_nomem();
    }
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    w->slots = calloc(n + 1, sizeof *w->slots);
    w->n = n;
    struct err *e = w->slots != NULL ? start(w) : err_nomem();

    if (e == NULL) {
        *ret = take(&w);
    }
    return e;
}

void identity_writer_free(struct identity_writer **wp)
{
    struct identity_writer *w = take(wp);

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
    for (size_t i = 0; w->slots != NULL && i < w->n; i++) {
        buf_deinit(&w->slots[i].content);
        free(w->slots[i].path);
        err_free(&w->slots[i].error);
    }
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    free(w->slots);
    free(w);
}

void identity_writer_put(struct identity_writer *w, size_t slot, const char *path,
                         struct buf *content)
{
    struct slot *s = &w->slots[slot];
    char *copy = text_copy(path);

    pthread_mutex_lock(&w->lock);
    if (copy != NULL) {
        free(s->path);
        s->path = copy;
        buf_deinit(&s->content);
        s->content = *content;
        memset(content, 0, sizeof *content);
        s->waits = true;
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->lock);
}

bool identity_writer_result(struct identity_writer *w, size_t slot, struct err **ret_e)
{
    struct slot *s = &w->slots[slot];

    pthread_mutex_lock(&w->lock);
    bool written = s->written;

    s->written = false;
    *ret_e = take(&s->error);
    pthread_mutex_unlock(&w->lock);
    return written;
}
