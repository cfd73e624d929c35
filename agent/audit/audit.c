/*
 * Notes come on the loop and wait a moment in one buffer; a thread takes all that wait at once, so that
 * a burst costs few fsyncs. Lines are numbered and chained only there, under the file's lock (trail.c).
 *
 * What could not be written goes back to the front of the buffer and is tried again with the next
 * note: a full disk delays the trail, it does not thin it out. The loop never waits for the disk.
 */
#include "audit/audit.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "audit/trail.h"

enum { TAIL_BYTES = 4 * 1024 * 1024, GATHER_MS = 20 };

/* A write, or a reader. */
struct job {
    LIST_ENTRY(job) next; /* audit's open jobs: whoever is not told is freed with it */
    struct audit *audit;
    struct err *error;
    struct buf lines;
    size_t n;
    uint64_t verified;
    audit_lines_fn *on_lines;
    audit_verified_fn *on_verified;
    void *arg;
};

LIST_HEAD(job_list, job);

struct audit {
    struct io_worker *worker;
    struct io_timer *gathered;
    struct job_list open;
    char *path;
    bool busy;         /* a write is with the thread */
    struct err *error; /* of the last write */
    pthread_mutex_t lock;
    struct buf waiting; /* lines without number; guarded by the lock */
};

static void job_free(struct job **jp)
{
    struct job *j = take(jp);

    if (j != NULL) {
        err_free(&j->error);
        buf_deinit(&j->lines);
        free(j);
    }
}

/* --- writing ------------------------------------------------------------------------------------ */

/* On the thread. */
static struct err *write_all(struct audit *a)
{
    AUTO(buf_deinit) struct buf lines;
    struct err *e = NULL;
    bool lost = false;

    pthread_mutex_lock(&a->lock);
    lines = a->waiting;
    buf_init(&a->waiting, AUDIT_FILE_BYTES);
    pthread_mutex_unlock(&a->lock);
    if (lines.len == 0) {
        return NULL;
    }
    e = audit_trail_append(a->path, buf_view(&lines));
    if (e != NULL) {
        pthread_mutex_lock(&a->lock);
        buf_put(&lines, a->waiting.data, a->waiting.len);
        lost = lines.failed;
        lines.failed = false;
        buf_deinit(&a->waiting);
        a->waiting = lines;
        buf_init(&lines, 0);
        pthread_mutex_unlock(&a->lock);
    }
    if (lost) {
        log_line(LOG_ERROR, "the audit trail could not be written for too long: lines are lost");
    }
    return e;
}

static void work_write(void *arg)
{
    struct job *j = arg;

    j->error = write_all(j->audit);
}

static struct err *put_job(struct audit *a, const struct job *what, void (*work)(void *arg),
                           void (*on_done)(void *arg))
{
    AUTO(job_free) struct job *j = malloc(sizeof *j);

    if (j == NULL) {
        return err_nomem();
    }
    *j = *what;
    j->audit = a;
    buf_init(&j->lines, TAIL_BYTES);
    struct err *e = io_worker_put(a->worker, work, on_done, j);

    if (e == NULL) {
        LIST_INSERT_HEAD(&a->open, j, next);
        take(&j);
    }
    return e;
}

static bool has_waiting(struct audit *a)
{
    pthread_mutex_lock(&a->lock);
    bool has = a->waiting.len > 0;

    pthread_mutex_unlock(&a->lock);
    return has;
}

static void on_written(void *arg)
{
    AUTO(job_free) struct job *j = arg;
    struct audit *a = j->audit;

    LIST_REMOVE(j, next);
    a->busy = false;
    if (j->error != NULL && a->error == NULL) {
        log_err(LOG_ERROR, j->error, "the audit trail cannot be written; its lines wait");
    } else if (j->error == NULL && a->error != NULL) {
        log_line(LOG_NOTE, "the audit trail is written again");
    }
    err_free(&a->error);
    a->error = take(&j->error);
    if (a->error == NULL && has_waiting(a)) {
        io_timer_set(a->gathered, mono_in(GATHER_MS));
    }
}

static void on_gathered(void *arg)
{
    struct audit *a = arg;

    if (!a->busy && has_waiting(a)) {
        AUTO(err_free) struct err *e = put_job(a, &(struct job){0}, work_write, on_written);

        a->busy = e == NULL; /* else it goes with the next note */
    }
}

static json_t *make_line(const char *event, const struct audit_fact *facts)
{
    char time[WALL_TEXT_BYTES];
    json_t *line = json_pack("{s:s, s:s}", "time", wall_text(wall_now(), time), "event", event);

    for (; facts != NULL && facts->name != NULL; facts++) {
        size_t len = facts->value != NULL ? strlen(facts->value) : 0;
        AUTO(auto_free) char *text = text_safe(
            view_of(facts->value, len < AUDIT_FACT_MAX_BYTES ? len : AUDIT_FACT_MAX_BYTES));

        if (facts->value != NULL && text != NULL) {
            json_object_set_new(
                line, facts->name,
                json_sprintf("%s%s", text, len > AUDIT_FACT_MAX_BYTES ? "..." : ""));
        }
    }
    return line;
}

void audit_note(struct audit *a, const char *event, const struct audit_fact *facts)
{
    json_t *line = a != NULL ? make_line(event, facts) : NULL;
    AUTO(auto_free) char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;

    json_decref(line);
    if (text == NULL) {
        if (a != NULL) {
            log_line(LOG_ERROR, "out of memory: no line in the audit trail for %s", event);
        }
        return;
    }
    pthread_mutex_lock(&a->lock);
    size_t before = a->waiting.len;

    buf_put(&a->waiting, text, strlen(text));
    buf_put_u8(&a->waiting, '\n');
    bool lost = a->waiting.failed;

    if (lost) {
        a->waiting.len = before;
        a->waiting.failed = false;
    }
    pthread_mutex_unlock(&a->lock);
    if (lost) {
        log_line(LOG_ERROR, "the audit trail could not be written for too long: lost %s", text);
    }
    if (!io_timer_is_set(a->gathered)) {
        io_timer_set(a->gathered, mono_in(GATHER_MS));
    }
}

const struct err *audit_error(const struct audit *a)
{
    return a != NULL ? a->error : NULL;
}

/* --- reading ------------------------------------------------------------------------------------ */

static void work_tail(void *arg)
{
    struct job *j = arg;

    err_free(&j->error);
    j->error = write_all(j->audit);
    if (j->error == NULL) {
        j->error = audit_trail_tail(j->audit->path, j->n, &j->lines);
    }
}

static void on_tail(void *arg)
{
    AUTO(job_free) struct job *j = arg;

    LIST_REMOVE(j, next);
    j->on_lines(j->arg, take(&j->error), buf_view(&j->lines));
}

void audit_tail(struct audit *a, size_t n, audit_lines_fn *on_done, void *arg)
{
    struct job j = {.n = n < AUDIT_TAIL_MAX ? n : AUDIT_TAIL_MAX, .on_lines = on_done, .arg = arg};
    struct err *e = put_job(a, &j, work_tail, on_tail);

    if (e != NULL) {
        on_done(arg, e, view_of(NULL, 0));
    }
}

static void work_verify(void *arg)
{
    struct job *j = arg;

    j->error = write_all(j->audit);
    if (j->error == NULL) {
        j->error = audit_trail_verify(j->audit->path, &j->verified);
    }
}

static void on_verify(void *arg)
{
    AUTO(job_free) struct job *j = arg;

    LIST_REMOVE(j, next);
    j->on_verified(j->arg, take(&j->error), j->verified);
}

void audit_verify(struct audit *a, audit_verified_fn *on_done, void *arg)
{
    struct err *e =
        put_job(a, &(struct job){.on_verified = on_done, .arg = arg}, work_verify, on_verify);

    if (e != NULL) {
        on_done(arg, e, 0);
    }
}

/* --- life --------------------------------------------------------------------------------------- */

struct err *audit_new(struct io_loop *l, const char *path, struct audit **ret)
{
    AUTO(audit_free) struct audit *a = calloc(1, sizeof *a);

    if (a == NULL) {
        return err_nomem();
    }
    LIST_INIT(&a->open);
    pthread_mutex_init(&a->lock, NULL);
    buf_init(&a->waiting, AUDIT_FILE_BYTES);
    a->path = text_copy(path);
    a->gathered = io_timer_new(l, on_gathered, a);
    struct err *e =
        a->path != NULL && a->gathered != NULL ? io_worker_new(l, &a->worker) : err_nomem();

    if (e == NULL) {
        *ret = take(&a);
    }
    return e;
}

void audit_free(struct audit **ap)
{
    struct audit *a = take(ap);

    if (a == NULL) {
        return;
    }
    if (a->worker != NULL) {
        io_worker_free(&a->worker);
        AUTO(err_free) struct err *e = write_all(a);

        if (e != NULL) {
            log_err(LOG_ERROR, e, "the last lines of the audit trail are lost");
        }
    }
    while (!LIST_EMPTY(&a->open)) {
        struct job *j = LIST_FIRST(&a->open);

        LIST_REMOVE(j, next);
        job_free(&j);
    }
    err_free(&a->error);
    io_timer_free(&a->gathered);
    buf_deinit(&a->waiting);
    pthread_mutex_destroy(&a->lock);
    free(a->path);
    free(a);
}
