#ifndef HF_CONNECT_WAIT_H
#define HF_CONNECT_WAIT_H

#include <assert.h>
#include <poll.h>

#include "base/base.h"

/** What a piece of non-blocking work says of itself: call again later, or done. */
enum connect_progress { CONNECT_AGAIN, CONNECT_FINISHED };

enum { CONNECT_WAIT_MAX = 4 };

/** What must happen before it is worth calling again. */
struct connect_wait {
    struct pollfd fds[CONNECT_WAIT_MAX];
    nfds_t count;
    struct mono until;
};

/** connect_wait_add() - also wait for @events on @fd */
static inline void connect_wait_add(struct connect_wait *w, int fd, short events)
{
    assert(w->count < CONNECT_WAIT_MAX);
    w->fds[w->count++] = (struct pollfd){.fd = fd, .events = events};
}

/** connect_wait_sooner() - the earlier of two times */
static inline struct mono connect_wait_sooner(struct mono a, struct mono b)
{
    return a.ms < b.ms ? a : b;
}

#endif
