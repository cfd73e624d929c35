#ifndef HF_IO_INTERNAL_H
#define HF_IO_INTERNAL_H

/* For the files of io/ only: what a loop and a timer are made of. */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>

#include "io/loop.h"

enum { IO_SCRATCH_BYTES = 64 * 1024 };

struct io_conn;
struct io_process;
TAILQ_HEAD(io_conn_list, io_conn);
LIST_HEAD(io_process_list, io_process);

struct io_timer {
    struct event event;
    struct mono at;
    bool set;
    void (*on_fire)(void *arg);
    void *arg;
};

struct io_loop {
    struct event_base *base;
    uint8_t *scratch; /* [IO_SCRATCH_BYTES]: where connections read into, wiped after each read */
    struct io_timer again;          /* has the next round serve those in: */
    struct io_conn_list again_list; /* connections with work left over (conn.c) */
    struct io_process_list orphans; /* killed, not yet reaped, of no interest (process.c) */
};

/** io_timer_init(), io_timer_deinit() - a timer inside another struct */
void io_timer_init(struct io_timer *t, struct io_loop *l, void (*on_fire)(void *arg), void *arg);
void io_timer_deinit(struct io_timer *t);

/** io_event_add() - event_add() without a timeout; LIMIT when epoll has no room (ENOSPC), NOMEM */
struct err *io_event_add(struct event *e) MUST_CHECK;

/** io_conn_again() - serve each connection of the again list once (conn.c) */
void io_conn_again(void *loop);

#endif
