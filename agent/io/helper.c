/*
 * The life of a helper: started when somebody calls, ready when its owner has set it up, ended by
 * idleness, by order, for hanging or by its own fault; started again after a back-off.
 *
 *   DOWN --start--> UP --(hang up | end of stream)--> ENDING --exit--> DOWN
 *
 * A process that ends itself is asked why (waitpid) before its calls fail, so that every caller
 * learns the reason. One that we end is told by closing its socket and killed when it does not
 * listen; a new one waits for its exit, because two helpers on one token would be in each other's
 * way.
 *
 * What was with the helper fails with it. What was still queued waits for the next life, unless
 * this one never became ready: then the next is no better, and callers want to know now.
 */
#include "io/helper.h"

#include <stdlib.h>
#include <string.h>

#include "io/helper_impl.h"

enum {
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 30 * 1000,
    GOOD_LIFE_MS = 60 * 1000, /* ready for so long: the next failure is the first again */
    DOUBT_MS = 500,           /* from the end of one socket to being ended */
    PATIENCE_MS = 2 * 1000,   /* from closing the socket to SIGKILL */
    KILL_WAIT_MS = 1 * 1000,
    FRAMES_PER_ROUND = 32,
    FRAMES_ALL = 1 << 20, /* more than a socket holds */
};

static void destroy(struct io_helper *h)
{
    io_timer_deinit(&h->start);
    io_timer_deinit(&h->patience);
    io_timer_deinit(&h->doubt);
    io_timer_deinit(&h->idle);
    io_timer_deinit(&h->hung);
    io_queue_free(&h->queue);
    buf_deinit(&h->in);
    err_free(&h->last_error);
    text_list_free(&h->argv);
    text_list_free(&h->env);
    free(h->name);
    free(h->slot);
    free(h->question);
    free(h);
}

void io_helper_enter(struct io_helper *h)
{
    h->depth++;
}

void io_helper_leave(struct io_helper *h)
{
    h->depth--;
    if (h->depth == 0 && h->doomed) {
        destroy(h);
    }
}

static void hang_up(struct io_helper *h)
{
    if (h->fd >= 0) {
        event_del(&h->readable);
        event_del(&h->writable);
        ipc_close(&h->fd);
    }
    io_helper_questions_close(h);
    h->blocked = false;
    h->state = HELPER_ENDING;
    io_timer_clear(&h->idle);
    io_timer_clear(&h->hung);
    io_timer_clear(&h->doubt);
    io_timer_set(&h->patience, mono_in(PATIENCE_MS));
}

static void back_off(struct io_helper *h)
{
    if (h->ready && mono_now().ms - h->ready_since.ms >= GOOD_LIFE_MS) {
        h->failures = 0;
    }
    int64_t ms = (int64_t)BACKOFF_FIRST_MS << (h->failures < 16 ? h->failures : 16);

    h->failures++;
    h->not_before = mono_in(ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS);
}

/* One life is over, or did not begin. */
static void report(struct io_helper *h, const char *what, struct err *why)
{
    AUTO(err_free) struct err *cause = why;
    AUTO(err_free) struct err *gone = NULL;

    if (err_code(cause) == ERR_GONE) {
        gone = err_add(take(&cause), "helper %s %s", h->name, what);
    } else {
        gone = err_new(ERR_GONE, "helper %s %s: %s", h->name, what, err_text(cause));
    }
    h->reported = true;
    err_free(&h->last_error);
    h->last_error = err_copy(gone);
    io_helper_fail_calls(h, gone, !h->ready);
    if (h->conf.on_down != NULL && !h->doomed) {
        h->conf.on_down(h->conf.arg, gone);
    }
}

void io_helper_end(struct io_helper *h, struct err *why, bool kill)
{
    io_helper_enter(h);
    if (kill || !h->ready) {
        back_off(h);
    }
    hang_up(h);
    if (kill) {
        io_process_kill(h->process);
    }
    report(h, "was ended", why);
    io_helper_leave(h);
}

static void on_exit_of(void *arg, int status)
{
    struct io_helper *h = arg;

    io_helper_enter(h);
    if (h->fd >= 0) {
        io_helper_receive(h, FRAMES_ALL); /* its last answers */
    }
    bool clean = status == 0 && h->ready && h->sent_n == 0;

    hang_up(h);
    io_timer_clear(&h->patience);
    io_process_free(&h->process);
    h->state = HELPER_DOWN;
    if (!h->reported && !clean) {
        back_off(h);
        report(h, "died", io_process_reason(status));
    }
    if (!h->doomed && io_helper_has_calls(h)) {
        io_helper_want_start(h);
    }
    io_helper_leave(h);
}

/* Not more than is expected: the call that says "nothing more" would cost as much as an answer. */
static unsigned frames_of_round(const struct io_helper *h)
{
    if (h->sent_n == 0) {
        return 1;
    }
    return h->sent_n < FRAMES_PER_ROUND ? h->sent_n : FRAMES_PER_ROUND;
}

/* A process that ends closes all it has, in no order that could be told: its exit is waited for a
 * moment. One that closed this alone is out of step. */
void io_helper_questions_ended(struct io_helper *h)
{
    if (h->state == HELPER_UP && !io_timer_is_set(&h->doubt)) {
        io_timer_set(&h->doubt, mono_in(DOUBT_MS));
    }
}

static void on_doubt(void *arg)
{
    struct io_helper *h = arg;

    io_helper_end(h, err_new(ERR_PROTOCOL, "it closed a socket for questions"), true);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct io_helper *h = arg;

    (void)fd;
    (void)what;
    io_helper_enter(h);
    if (io_helper_receive(h, frames_of_round(h))) {
        hang_up(h); /* its exit says why */
    }
    io_helper_leave(h);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct io_helper *h = arg;

    (void)fd;
    (void)what;
    h->blocked = false;
    io_helper_pump(h);
}

static void on_impatience(void *arg)
{
    struct io_helper *h = arg;

    io_process_kill(h->process);
}

static void on_idle(void *arg)
{
    struct io_helper *h = arg;
    struct mono due = {h->last_used.ms + h->conf.idle_exit_ms};

    if (io_helper_has_calls(h)) {
        due = mono_in(h->conf.idle_exit_ms);
    }
    if (!mono_passed(due)) {
        io_timer_set(&h->idle, due);
        return;
    }
    h->reported = true;
    hang_up(h);
}

static struct err *spawn(struct io_helper *h, int theirs, const int *questions)
{
    static char *const no_env[] = {NULL};
    const struct io_process_conf conf = {
        .argv = h->argv,
        .env = h->env != NULL ? h->env : no_env,
        .fd = theirs,
        .as_fd = IPC_HELPER_FD,
        .more = questions,
        .more_n = h->conf.questions,
        .on_exit = on_exit_of,
        .arg = h,
    };

    return io_process_new(h->loop, &conf, &h->process);
}

static struct err *launch(struct io_helper *h)
{
    int questions[IO_HELPER_QUESTIONS_MAX];
    AUTO(ipc_close) int theirs = -1;
    int fd[2];
    struct err *e = ipc_pair(fd);

    if (e != NULL) {
        return e;
    }
    h->fd = fd[0];
    theirs = fd[1];
    memset(questions, 0xff, sizeof questions); /* -1 */
    e = io_helper_questions_open(h, questions);
    if (e == NULL) {
        e = spawn(h, theirs, questions);
    }
    for (unsigned i = 0; i < h->conf.questions; i++) {
        ipc_close(&questions[i]);
    }
    if (e != NULL) {
        io_helper_questions_close(h);
        ipc_close(&h->fd);
        return e;
    }
    event_assign(&h->readable, h->loop->base, h->fd, EV_READ | EV_PERSIST, on_readable, h);
    event_assign(&h->writable, h->loop->base, h->fd, EV_WRITE, on_writable, h);
    h->state = HELPER_UP;
    h->starts++;
    h->since = wall_now();
    return io_event_add(&h->readable);
}

static void on_start(void *arg)
{
    struct io_helper *h = arg;

    if (h->state != HELPER_DOWN) {
        return;
    }
    io_helper_enter(h);
    h->ready = false;
    h->reported = false;
    struct err *e = launch(h);

    if (e != NULL && h->state == HELPER_UP) {
        io_helper_end(h, e, true);
    } else if (e != NULL) {
        back_off(h);
        report(h, "did not start", e);
    } else if (h->conf.on_up != NULL) {
        h->conf.on_up(h->conf.arg);
    } else {
        io_helper_ready(h);
    }
    io_helper_leave(h);
}

void io_helper_want_start(struct io_helper *h)
{
    if (h->state == HELPER_DOWN && !io_timer_is_set(&h->start)) {
        io_timer_set(&h->start, h->not_before);
    }
}

static bool copy_conf(struct io_helper *h, const struct io_helper_conf *conf)
{
    h->conf = *conf;
    h->name = text_copy(conf->name);
    h->argv = text_list_copy((char *const *)conf->argv);
    h->env = text_list_copy((char *const *)conf->env); /* NULL for an empty one */
    h->conf.name = NULL;
    h->conf.argv = NULL;
    h->conf.env = NULL;
    bool has_env = conf->env != NULL && conf->env[0] != NULL;

    return h->name != NULL && h->argv != NULL && (h->env != NULL || !has_env);
}

struct err *io_helper_new(struct io_loop *l, const struct io_helper_conf *conf,
                          struct io_helper **ret)
{
    struct io_helper *h = calloc(1, sizeof *h);

    if (h == NULL) {
        return err_nomem();
    }
    h->loop = l;
    h->fd = -1;
    TAILQ_INIT(&h->setup);
    TAILQ_INIT(&h->sent);
    TAILQ_INIT(&h->failed);
    buf_init(&h->in, IPC_MESSAGE_MAX_BYTES);
    h->in.secret = true;
    io_timer_init(&h->start, l, on_start, h);
    io_timer_init(&h->patience, l, on_impatience, h);
    io_timer_init(&h->doubt, l, on_doubt, h);
    io_timer_init(&h->idle, l, on_idle, h);
    io_timer_init(&h->hung, l, io_helper_on_hung, h);
    h->queue = io_queue_new(conf->outstanding_max, conf->lane_outstanding_max);
    struct err *e = h->queue == NULL || !copy_conf(h, conf) ? err_nomem() : NULL;

    if (e == NULL) {
        e = io_helper_questions_new(h);
    }
    if (e != NULL) {
        destroy(h);
        return e;
    }
    *ret = h;
    return NULL;
}

static void end_for_good(struct io_helper *h)
{
    hang_up(h);
    if (!h->conf.expendable && !io_process_wait(h->process, PATIENCE_MS)) {
        io_process_kill(h->process);
        io_process_wait(h->process, KILL_WAIT_MS);
    }
    io_process_free(&h->process);
    h->state = HELPER_DOWN;
}

void io_helper_free(struct io_helper **hp)
{
    struct io_helper *h = take(hp);

    if (h == NULL || h->doomed) {
        return;
    }
    AUTO(err_free) struct err *why = err_new(ERR_GONE, "helper %s is shut down", h->name);

    io_helper_enter(h);
    h->doomed = true;
    io_timer_clear(&h->start);
    if (h->process != NULL) {
        end_for_good(h);
    }
    io_helper_fail_calls(h, why, true);
    io_timer_clear(&h->patience);
    io_timer_clear(&h->doubt);
    io_helper_leave(h);
}

void io_helper_ready(struct io_helper *h)
{
    if (h->state != HELPER_UP || h->ready) {
        return;
    }
    h->ready = true;
    h->ready_since = mono_now();
    if (h->conf.idle_exit_ms > 0) {
        h->last_used = h->ready_since;
        io_timer_set(&h->idle, mono_in(h->conf.idle_exit_ms));
    }
    io_helper_pump(h);
}

void io_helper_limits(struct io_helper *h, unsigned outstanding_max, unsigned lane_max)
{
    io_queue_limit(h->queue, outstanding_max, lane_max);
    io_helper_pump(h);
}

void io_helper_restart(struct io_helper *h, const struct err *why)
{
    if (h->state == HELPER_UP) {
        io_helper_end(h, why != NULL ? err_copy(why) : err_new(ERR_GONE, "by order"), false);
    }
}

void io_helper_status(const struct io_helper *h, struct io_helper_status *ret)
{
    *ret = (struct io_helper_status){
        .running = h->state == HELPER_UP,
        .ready = h->state == HELPER_UP && h->ready,
        .pid = h->process != NULL ? io_process_pid(h->process) : 0,
        .since = {h->state == HELPER_UP ? h->since.s : 0},
        .restarts = h->starts > 0 ? h->starts - 1 : 0,
        .queued = io_queue_len(h->queue),
        .outstanding = h->sent_n,
        .last_error = h->last_error,
    };
}
