#ifndef HF_IO_CONN_H
#define HF_IO_CONN_H

#include "io/loop.h"

/** A connection of frames with a 4-byte big-endian length, as the SSH agent protocol has. */
struct io_conn;

struct io_conn_ops {
    /** one whole frame without its length; valid during the call */
    void (*on_frame)(void *arg, struct view frame);
    /** the peer left, broke the limits, or was too slow: @why is NULL for a plain end. The
     * connection is freed right after the call; nothing may be sent any more */
    void (*on_close)(void *arg, const struct err *why);
};

struct io_conn_limits {
    size_t frame_max_bytes;    /* a longer one closes the connection */
    size_t out_max_bytes;      /* reading stops while more than this waits to be written */
    unsigned frames_per_round; /* a bounded share of work per connection and round */
    unsigned pending_max;      /* frames handed over and not yet answered: reading stops there */
    int64_t slow_ms;           /* half a frame, or output that waits, for so long without progress:
                                  TIMEOUT; 0: 60 s */
};

/** io_conn_new() - @fd is taken. An idle connection costs no buffer memory (they are given back
 * when empty), so that ten thousand are cheap */
struct err *io_conn_new(struct io_loop *l, int fd, const struct io_conn_limits *limits,
                        const struct io_conn_ops *ops, void *arg, struct io_conn **ret) MUST_CHECK;
/** io_conn_send() - one frame (its length is added); answers one pending frame. Written at once
 * where the socket takes it, else queued. A failure closes the connection, later, by on_close */
void io_conn_send(struct io_conn *c, struct view frame);
/** io_conn_free() - free without on_close; also inside its own callbacks */
void io_conn_free(struct io_conn **c);

#endif
