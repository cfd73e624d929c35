#ifndef HF_IO_HELPER_H
#define HF_IO_HELPER_H

#include "io/loop.h"
#include "ipc/ipc.h"

/**
 * A helper program: started with exec on demand, watched, restarted with back-off, and spoken to
 * in frames. The agent keeps the queue: fair between flows (connections), bounded per lane (slots),
 * and at most outstanding_max requests are with the helper at a time.
 *
 * A call ends at its deadline, whatever the helper does. One that is not with the helper by then is
 * never handed over; the late answer to one that is, is dropped. Being late is no crime of the
 * helper, for the request may have been handed over just before. It hangs, and is killed and
 * restarted, when the oldest request it has is past its deadline and has been the oldest for
 * IO_HELPER_GRACE_MS: workers take requests in order, so a worker has had it for all that time.
 *
 * When a helper ends by its own fault, what it had fails with GONE and the reason ("helper X died:
 * killed by signal 11 (Segmentation fault)"). What was still queued waits for the next life, unless
 * this one never became ready: then it fails too. Back-off: 100 ms, doubling to 30 s; 60 s of ready
 * life reset it. Every callback comes from the loop, but on_reply when io_helper_call() returns 0
 * and what io_helper_free() and io_helper_restart() fail; each may call any io_helper_ function,
 * io_helper_free() included.
 */
struct io_helper;

enum { IO_HELPER_GRACE_MS = 5 * 1000, IO_HELPER_QUESTIONS_MAX = IPC_WORKERS_MAX + 1 };

/** Takes the answer. @e is taken by the callee, and then @reply is NULL. */
typedef void io_reply_fn(void *arg, struct err *e, struct rd *reply);
/** Sees an event on the way to the answer. */
typedef void io_event_fn(void *arg, struct rd *event);

struct io_helper_conf {
    const char *name;         /* for logs: "holdfast-token softhsm" (copied) */
    const char *const *argv;  /* argv[0] is the absolute path of the program (copied) */
    const char *const *env;   /* the whole environment, "A=b" (copied); nothing else is inherited */
    unsigned outstanding_max; /* start value, see io_helper_limits() */
    unsigned lane_outstanding_max; /* start value */
    int64_t idle_exit_ms;          /* stop it after so long without a request; 0: never */
    bool expendable;               /* io_helper_free() kills it and does not wait */
    /** it runs (again): send set-up calls with .setup, then io_helper_ready() */
    void (*on_up)(void *arg);
    /** it died, hung and was killed, was restarted, or could not start; what was with it has
     * failed by then. Not called when it ends for idleness or is freed */
    void (*on_down)(void *arg, const struct err *why);
    unsigned questions; /* how many sockets it has to ask us (see ipc/ask.h); 0: none */
    /** it asks: io_helper_answer() is called once for @question, here or later; NULL: every question
     * is refused. @body is borrowed during the call */
    void (*on_question)(void *arg, uint64_t question, uint8_t op, struct rd *body);
    void *arg;
};

struct io_call {
    uint8_t op;
    struct view body;      /* copied */
    struct mono deadline;  /* the call fails with TIMEOUT then */
    uint64_t flow;         /* fairness: calls of one flow go in order, flows take turns */
    uint32_t lane;         /* what it keeps busy: 0 nothing special, else a slot */
    bool setup;            /* part of on_up: before all queued calls, and not counted against the
                              limits; fails with GONE while it is down */
    bool secret;           /* the body is wiped after sending */
    io_event_fn *on_event; /* may be NULL */
    io_reply_fn *on_reply;
    void *arg;
};

/** io_helper_new() - nothing is started before the first call; @conf is copied. NOMEM */
struct err *io_helper_new(struct io_loop *l, const struct io_helper_conf *conf,
                          struct io_helper **ret) MUST_CHECK;
/** io_helper_free() - closes the socket, waits (blocking) up to 2 s for the exit, then kills;
 * callbacks of open calls run with GONE */
void io_helper_free(struct io_helper **h);
/**
 * io_helper_call() - queue one request; starts the helper when it is down
 * Return: a handle for io_helper_cancel(); 0 when on_reply was already called with an error
 * While the helper is in its back-off, calls wait for it (up to their deadline).
 */
uint64_t io_helper_call(struct io_helper *h, const struct io_call *call);
/** io_helper_cancel() - the callback will not run; a request already handed over runs to its end */
void io_helper_cancel(struct io_helper *h, uint64_t handle);
/** io_helper_ready() - set-up is complete: queued calls flow */
void io_helper_ready(struct io_helper *h);
/** io_helper_limits() - how many requests may be with the helper, in all and per lane */
void io_helper_limits(struct io_helper *h, unsigned outstanding_max, unsigned lane_max);
/** io_helper_restart() - close its socket (SIGKILL after 2 s) and start anew when next needed; @why
 * (borrowed, may be NULL) goes to on_down and, as GONE, to the calls that were with it. Before it
 * was ready (set-up failed) the queued calls fail too and the back-off counts it. No-op while it is
 * down */
void io_helper_restart(struct io_helper *h, const struct err *why);

/**
 * io_helper_answer() - answer a question
 * @e:    taken; NULL: the answer is
 * @body: this (copied)
 * A question ends with its helper, and with the next one of the same socket: its answer is then
 * dropped here. A handle is never used again.
 */
void io_helper_answer(struct io_helper *h, uint64_t question, struct err *e, struct view body);

struct io_helper_status {
    bool running, ready;
    pid_t pid;         /* 0 when there is none */
    struct wall since; /* it runs since then; 0: it does not */
    unsigned restarts; /* since the agent started */
    unsigned queued, outstanding;
    const struct err *last_error; /* why it ended last; borrowed, NULL when it never did */
};
void io_helper_status(const struct io_helper *h, struct io_helper_status *ret);

#endif
