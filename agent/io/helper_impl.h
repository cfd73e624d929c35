#ifndef HF_IO_HELPER_IMPL_H
#define HF_IO_HELPER_IMPL_H

/* What helper.c (the life of a helper) and helper_call.c (its calls) share. */
#include "io/helper.h"
#include "io/internal.h"
#include "io/process.h"
#include "io/queue.h"

enum io_call_state {
    CALL_SETUP,  /* waits in setup */
    CALL_QUEUED, /* waits in the queue */
    CALL_SENT,   /* with the helper */
    CALL_FAILED, /* in failed: its callback is about to run, or does when its timer fires */
};

struct io_open_call {
    struct io_queue_item item;
    TAILQ_ENTRY(io_open_call) list; /* io_helper's setup, sent or failed */
    struct io_helper *helper;
    enum io_call_state state;
    bool setup, cancelled; /* cancelled: nobody is to be called back */
    bool late;             /* sent, and past its deadline */
    uint64_t handle;       /* number of the call << 32 | id on the wire */
    struct buf frame;
    struct io_timer deadline;
    struct err *e; /* CALL_FAILED */
    io_event_fn *on_event;
    io_reply_fn *on_reply;
    void *arg;
};
TAILQ_HEAD(io_open_call_list, io_open_call);

struct io_call_slot {
    struct io_open_call *call;
    uint32_t next_free;
};

/** A socket on which one thread of the helper asks. */
struct io_question {
    struct io_helper *helper;
    int fd; /* -1: the helper is down */
    struct event readable, writable;
    uint32_t id;       /* on the wire */
    uint64_t open;     /* the handle of the question that is to be answered; 0: none */
    struct buf answer; /* what the socket did not take yet */
};

enum io_helper_state {
    HELPER_DOWN,   /* no process */
    HELPER_UP,     /* process and socket */
    HELPER_ENDING, /* process without socket: its exit is awaited */
};

struct io_helper {
    struct io_loop *loop;
    struct io_helper_conf conf; /* name, argv and env are the copies below */
    char *name;
    char **argv, **env;

    enum io_helper_state state;
    bool ready;    /* in this life */
    bool reported; /* the end of this life needs no further report */
    int fd;
    struct event readable, writable;
    bool blocked; /* the socket is full; writable is awaited */
    struct io_process *process;
    struct io_timer start, patience, doubt, idle, hung;
    struct mono not_before, ready_since, last_used;
    struct mono oldest_since; /* the first of sent is the first */
    unsigned failures;        /* in a row */
    unsigned starts;
    struct wall since; /* of the last one */
    struct err *last_error;

    struct io_queue *queue;
    struct io_open_call_list setup, sent, failed;
    unsigned sent_n;
    struct io_call_slot *slot; /* wire id - 1 is the index */
    uint32_t slots, free_slot; /* free_slot: index + 1, 0 none */
    uint32_t calls;            /* ever made */
    struct buf in;

    struct io_question *question; /* conf.questions of them */
    uint64_t asked;               /* ever */

    unsigned depth; /* of our own callbacks on the stack */
    bool doomed;    /* freed inside one of them */
};

/** io_helper_enter(), io_helper_leave() - around everything the loop calls: the helper outlives it */
void io_helper_enter(struct io_helper *h);
void io_helper_leave(struct io_helper *h);
/** io_helper_want_start() - start it when the back-off allows, if it is down */
void io_helper_want_start(struct io_helper *h);
/** io_helper_end() - take the socket away and fail the calls; @why is taken. @kill: at once */
void io_helper_end(struct io_helper *h, struct err *why, bool kill);

/** io_helper_questions_ended() - the helper closed a socket for questions: that is its end */
void io_helper_questions_ended(struct io_helper *h);
/** io_helper_give_up_on() - @e is taken; the helper is killed, and its exit fails the calls */
void io_helper_give_up_on(struct io_helper *h, struct err *e);

/** io_helper_questions_new() - memory for them; BUG, NOMEM */
struct err *io_helper_questions_new(struct io_helper *h) MUST_CHECK;
/** io_helper_questions_open() - a new life; @ret_theirs: the helper's ends, -1 before, which the
 * caller closes, after an error as well */
struct err *io_helper_questions_open(struct io_helper *h, int *ret_theirs) MUST_CHECK;
/** io_helper_questions_close() - and open questions are forgotten */
void io_helper_questions_close(struct io_helper *h);

/** io_helper_on_hung() - the timer that waits out the grace of the oldest request */
void io_helper_on_hung(void *helper);
/** io_helper_pump() - hand over what may go; calls nobody back */
void io_helper_pump(struct io_helper *h);
/** io_helper_receive() - take up to @max frames; true at the end of the stream */
bool io_helper_receive(struct io_helper *h, unsigned max);
/** io_helper_fail_calls() - those with the helper, and those @queued too; callbacks run */
void io_helper_fail_calls(struct io_helper *h, const struct err *why, bool queued);
bool io_helper_has_calls(const struct io_helper *h);

#endif
