/*
 * The one event loop of the agent, and timers on the project's own clock.
 *
 * libevent counts CLOCK_MONOTONIC, which stands still while the machine sleeps; base/ counts on. So
 * a timer never sleeps longer than WAKE_MAX_MS at a time and asks base/ whether it is due. It also
 * asks because libevent works with the time at which the round began, and may be early by that.
 */
#include "io/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "io/internal.h"
#include "io/process.h"

enum { WAKE_MAX_MS = 60 * 1000 };

struct err *io_event_add(struct event *e)
{
    if (event_add(e, NULL) == 0) {
        return NULL;
    }
    return errno == ENOSPC ? err_new(ERR_LIMIT, "epoll has no room for another descriptor")
                           : err_nomem();
}

static void arm(struct io_timer *t)
{
    int64_t ms = mono_left_ms(t->at);

    ms = ms > WAKE_MAX_MS ? WAKE_MAX_MS : ms;
    const struct timeval in = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    t->set = event_add(&t->event, &in) == 0;
    if (!t->set) {
        log_line(LOG_ERROR, "out of memory: a timer was lost");
    }
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct io_timer *t = arg;

    (void)fd;
    (void)what;
    if (!mono_passed(t->at)) {
        arm(t);
        return;
    }
    t->set = false;
    t->on_fire(t->arg);
}

void io_timer_init(struct io_timer *t, struct io_loop *l, void (*on_fire)(void *arg), void *arg)
{
    *t = (struct io_timer){.on_fire = on_fire, .arg = arg};
    event_assign(&t->event, l->base, -1, 0, on_timeout, t);
}

void io_timer_deinit(struct io_timer *t)
{
    if (t->on_fire != NULL) {
        event_del(&t->event);
    }
}

struct io_timer *io_timer_new(struct io_loop *l, void (*on_fire)(void *arg), void *arg)
{
    struct io_timer *t = malloc(sizeof *t);

    if (t != NULL) {
        io_timer_init(t, l, on_fire, arg);
    }
    return t;
}

void io_timer_free(struct io_timer **tp)
{
    struct io_timer *t = take(tp);

    if (t != NULL) {
        io_timer_deinit(t);
        free(t);
    }
}

void io_timer_set(struct io_timer *t, struct mono at)
{
    t->at = at;
    arm(t);
}

void io_timer_clear(struct io_timer *t)
{
    event_del(&t->event);
    t->set = false;
}

bool io_timer_is_set(const struct io_timer *t)
{
    return t->set;
}

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config != NULL && event_config_require_features(config, EV_FEATURE_O1) == 0) {
        base = event_base_new_with_config(config);
    }
    if (config != NULL) {
        event_config_free(config);
    }
    return base;
}

struct err *io_loop_new(struct io_loop **ret)
{
    AUTO(io_loop_free) struct io_loop *l = calloc(1, sizeof *l);

    if (l == NULL) {
        return err_nomem();
    }
    TAILQ_INIT(&l->again_list);
    LIST_INIT(&l->orphans);
    l->scratch = malloc(IO_SCRATCH_BYTES);
    l->base = new_base();
    if (l->base == NULL || l->scratch == NULL) {
        return err_new(ERR_UNSUPPORTED, "no event loop: no epoll, or no memory");
    }
    io_timer_init(&l->again, l, io_conn_again, l);
    signal(SIGPIPE, SIG_IGN); /* evhttp writes without MSG_NOSIGNAL */
    signal(SIGCHLD, SIG_DFL); /* were it ignored, the kernel would lose exit statuses */
    *ret = take(&l);
    return NULL;
}

void io_loop_free(struct io_loop **lp)
{
    struct io_loop *l = take(lp);

    if (l == NULL) {
        return;
    }
    io_process_reap_orphans(l);
    io_timer_deinit(&l->again);
    if (l->base != NULL) {
        event_base_free(l->base);
    }
    free(l->scratch);
    free(l);
}

struct err *io_loop_run(struct io_loop *l)
{
    if (event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0) {
        return err_sys(errno, "the event loop");
    }
    return NULL;
}

void io_loop_stop(struct io_loop *l)
{
    event_base_loopbreak(l->base);
}

struct event_base *io_loop_base(struct io_loop *l)
{
    return l->base;
}
