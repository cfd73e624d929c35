#ifndef HF_CONNECT_ATTEMPT_H
#define HF_CONNECT_ATTEMPT_H

#include "connect/ops.h"
#include "connect/wait.h"

/** One connection test on its way through the steps. Never blocks, so one thread can drive many. */
struct connect_attempt;

/** Gets each event; an error (GONE: nobody listens any more) ends the attempt. */
typedef struct err *connect_attempt_event_fn(void *arg, const struct connect_event *event);

/** connect_attempt_new() - @rq is borrowed for its life; INPUT for a host that can be none */
struct err *connect_attempt_new(const struct connect_request *rq,
                                connect_attempt_event_fn *on_event, void *arg,
                                struct connect_attempt **ret) MUST_CHECK;
/**
 * connect_attempt_go() - do all that can be done without waiting
 * @ret: when finished: how it ended (its error: caller owns)
 * A step that fails is a result. Errors are only those of on_event.
 */
struct err *connect_attempt_go(struct connect_attempt *a, struct connect_result *ret,
                               enum connect_progress *ret_progress) MUST_CHECK;
/** connect_attempt_wait() - add what it waits for; w->until becomes sooner if it must */
void connect_attempt_wait(const struct connect_attempt *a, struct connect_wait *w);
void connect_attempt_free(struct connect_attempt **a);

#endif
