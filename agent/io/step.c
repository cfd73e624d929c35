/*
 * Time that jumps: somebody sets the clock, or the machine sleeps and wakes up. A timer of the kernel on
 * the wall clock that is never due, but cancelled when that clock jumps, tells of both (a resume sets
 * the wall clock, too). Without it, timers of this folder look at their clock once a minute.
 *
 * Spec: timerfd_create(2), TFD_TIMER_CANCEL_ON_SET: a read fails with ECANCELED
 */
#include "io/step.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { FAR_S = INT32_MAX };

struct io_step {
    int fd;
    struct event *event;
    void (*on_step)(void *arg);
    void *arg;
};

static bool arm(const struct io_step *s)
{
    struct itimerspec far = {.it_value = {.tv_sec = (time_t)FAR_S * 2}};

    return timerfd_settime(s->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) == 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct io_step *s = arg;
    uint64_t times = 0;

    (void)what;
    if (read((int)fd, &times, sizeof times) < 0 && errno == EAGAIN) {
        return;
    }
    if (!arm(s)) {
        event_del(s->event);
    }
    s->on_step(s->arg);
}

struct io_step *io_step_new(struct io_loop *l, void (*on_step)(void *arg), void *arg)
{
    AUTO(io_step_free) struct io_step *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return NULL;
    }
    *s = (struct io_step){.on_step = on_step, .arg = arg};
    s->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (s->fd < 0 || !arm(s)) {
        return NULL;
    }
    s->event = event_new(io_loop_base(l), s->fd, EV_READ | EV_PERSIST, on_readable, s);
    if (s->event == NULL || event_add(s->event, NULL) != 0) {
        return NULL;
    }
    return take(&s);
}

void io_step_free(struct io_step **sp)
{
    struct io_step *s = take(sp);

    if (s == NULL) {
        return;
    }
    if (s->event != NULL) {
        event_free(s->event);
    }
    auto_close(&s->fd);
    free(s);
}

int io_step_fd(const struct io_step *s)
{
    return s->fd;
}
