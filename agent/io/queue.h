#ifndef HF_IO_QUEUE_H
#define HF_IO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* For the files of io/ only: a fair queue, pure code. */

/** In front of what is queued. */
struct io_queue_item {
    TAILQ_ENTRY(io_queue_item) next; /* io_queue_flow's list */
    struct io_queue_flow *flow;      /* NULL: not queued */
    uint64_t flow_id;
    uint32_t lane_id;
};

/**
 * Lanes with room take turns; in a lane, flows whose oldest item is for it take turns; in a flow,
 * items go in order. An item that was popped keeps its lane busy until io_queue_done(). Lane 0 is
 * never full.
 */
struct io_queue;

/** io_queue_new() - NULL when out of memory; @lane_max as for io_queue_limit() */
struct io_queue *io_queue_new(unsigned max, unsigned lane_max);
/** io_queue_free() - items are not freed: they must have been taken out before */
void io_queue_free(struct io_queue **q);
/** io_queue_limit() - how many items may be busy, in all and per lane (at least 1 each) */
void io_queue_limit(struct io_queue *q, unsigned max, unsigned lane_max);
/** io_queue_push() - @item (borrowed until popped or removed) with flow_id and lane_id set;
 * false when out of memory */
bool io_queue_push(struct io_queue *q, struct io_queue_item *item);
/** io_queue_peek() - the item that io_queue_pop() would take; NULL when none may go now */
struct io_queue_item *io_queue_peek(struct io_queue *q);
/** io_queue_pop() - take it out and mark its lane busy */
struct io_queue_item *io_queue_pop(struct io_queue *q);
/** io_queue_done() - an item of this lane that was popped is no longer busy */
void io_queue_done(struct io_queue *q, uint32_t lane_id);
/** io_queue_remove() - a queued item leaves without having been popped */
void io_queue_remove(struct io_queue *q, struct io_queue_item *item);
/** io_queue_any() - some queued item, whether it may go or not; NULL when empty */
struct io_queue_item *io_queue_any(struct io_queue *q);
unsigned io_queue_len(const struct io_queue *q);
unsigned io_queue_busy(const struct io_queue *q);

#endif
