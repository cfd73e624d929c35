#ifndef HF_IO_LOOP_H
#define HF_IO_LOOP_H

#include "base/base.h"

/** The one event loop of holdfast-agent. All of io/ is called on its thread only. */
struct io_loop;
struct event_base;

/** io_loop_new() - also ignores SIGPIPE and resets SIGCHLD; NOMEM, or what libevent says */
struct err *io_loop_new(struct io_loop **ret) MUST_CHECK;
void io_loop_free(struct io_loop **l);
/** io_loop_run() - until io_loop_stop() */
struct err *io_loop_run(struct io_loop *l) MUST_CHECK;
void io_loop_stop(struct io_loop *l);
/** io_loop_base() - libevent's base, for control/ (evhttp) and daemon/ (signals) */
struct event_base *io_loop_base(struct io_loop *l);

/** A timer; fires at most once per io_timer_set(). */
struct io_timer;
struct io_timer *io_timer_new(struct io_loop *l, void (*on_fire)(void *arg), void *arg);
void io_timer_free(struct io_timer **t);
/** io_timer_set() - (re)arm; a time that has passed fires in the next round */
void io_timer_set(struct io_timer *t, struct mono at);
void io_timer_clear(struct io_timer *t);
bool io_timer_is_set(const struct io_timer *t);

#endif
