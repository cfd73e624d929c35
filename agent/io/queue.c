/*
 * The queue in front of a helper. What has been handed to the helper can be neither recalled nor
 * reordered, so fairness and bounds live here.
 *
 * Two rings, one in the other: the outer holds the lanes (slots) that have work and room, each lane
 * holds the flows (connections) whose oldest item is for it. Popping takes the first lane's first
 * flow's first item, and each goes to the end of its ring. A full lane leaves the outer ring until
 * something of it is done, so a slow slot costs the others nothing, and nothing is ever searched.
 *
 * Flows exist while they have items; lanes stay, for there are only as many as slots. Both are found
 * through hash tables.
 */
#include "io/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { FLOW_BUCKETS = 1024, LANE_BUCKETS = 64, SPARE_FLOWS_MAX = 256 };

TAILQ_HEAD(item_list, io_queue_item);

struct io_queue_flow {
    uint64_t id;
    struct item_list items;          /* never empty */
    struct lane *lane;               /* of the oldest item */
    TAILQ_ENTRY(io_queue_flow) ring; /* lane's flows */
    LIST_ENTRY(io_queue_flow) hash;
};
TAILQ_HEAD(flow_list, io_queue_flow);
LIST_HEAD(flow_bucket, io_queue_flow);

struct lane {
    uint32_t id;
    unsigned busy;
    struct flow_list flows;
    bool in_ring;
    TAILQ_ENTRY(lane) ring; /* io_queue's lanes */
    LIST_ENTRY(lane) hash;
};
TAILQ_HEAD(lane_list, lane);
LIST_HEAD(lane_bucket, lane);

struct io_queue {
    unsigned max, lane_max;
    unsigned len, busy;
    struct lane_list lanes; /* with work and room */
    struct flow_bucket flow[FLOW_BUCKETS];
    struct lane_bucket lane[LANE_BUCKETS];
    struct flow_bucket spare; /* flows that ended, kept for the next */
    unsigned spares;
};

static struct flow_bucket *flow_bucket(struct io_queue *q, uint64_t id)
{
    return &q->flow[(id * 0x9e3779b97f4a7c15ULL) >> 54]; /* the ten highest bits */
}

static struct lane_bucket *lane_bucket(struct io_queue *q, uint32_t id)
{
    return &q->lane[id % LANE_BUCKETS];
}

static struct lane *find_lane(struct io_queue *q, uint32_t id)
{
    struct lane *lane;

    LIST_FOREACH(lane, lane_bucket(q, id), hash)
    {
        if (lane->id == id) {
            return lane;
        }
    }
    return NULL;
}

static struct lane *get_lane(struct io_queue *q, uint32_t id)
{
    struct lane *lane = find_lane(q, id);

    if (lane == NULL) {
        lane = calloc(1, sizeof *lane);
        if (lane != NULL) {
            lane->id = id;
            TAILQ_INIT(&lane->flows);
            LIST_INSERT_HEAD(lane_bucket(q, id), lane, hash);
        }
    }
    return lane;
}

static bool has_room(const struct io_queue *q, const struct lane *lane)
{
    return lane->id == 0 || lane->busy < q->lane_max;
}

/* After any change: the lane is in the ring exactly when it has work and room. */
static void settle(struct io_queue *q, struct lane *lane)
{
    bool belongs = !TAILQ_EMPTY(&lane->flows) && has_room(q, lane);

    if (belongs && !lane->in_ring) {
        TAILQ_INSERT_TAIL(&q->lanes, lane, ring);
    } else if (!belongs && lane->in_ring) {
        TAILQ_REMOVE(&q->lanes, lane, ring);
    }
    lane->in_ring = belongs;
}

static struct io_queue_flow *find_flow(struct io_queue *q, uint64_t id)
{
    struct io_queue_flow *flow;

    LIST_FOREACH(flow, flow_bucket(q, id), hash)
    {
        if (flow->id == id) {
            return flow;
        }
    }
    return NULL;
}

static struct io_queue_flow *new_flow(struct io_queue *q, uint64_t id, struct lane *lane)
{
    struct io_queue_flow *flow = LIST_FIRST(&q->spare);

    if (flow != NULL) {
        LIST_REMOVE(flow, hash);
        q->spares--;
    } else {
        flow = malloc(sizeof *flow);
        if (flow == NULL) {
            return NULL;
        }
    }
    *flow = (struct io_queue_flow){.id = id, .lane = lane};
    TAILQ_INIT(&flow->items);
    LIST_INSERT_HEAD(flow_bucket(q, id), flow, hash);
    TAILQ_INSERT_TAIL(&lane->flows, flow, ring);
    return flow;
}

static void end_flow(struct io_queue *q, struct io_queue_flow *flow)
{
    LIST_REMOVE(flow, hash);
    if (q->spares < SPARE_FLOWS_MAX) {
        LIST_INSERT_HEAD(&q->spare, flow, hash);
        q->spares++;
    } else {
        free(flow);
    }
}

struct io_queue *io_queue_new(unsigned max, unsigned lane_max)
{
    struct io_queue *q = calloc(1, sizeof *q);

    if (q != NULL) {
        TAILQ_INIT(&q->lanes);
        io_queue_limit(q, max, lane_max);
    }
    return q;
}

void io_queue_free(struct io_queue **qp)
{
    struct io_queue *q = take(qp);
    struct io_queue_flow *flow;
    struct lane *lane;

    if (q == NULL) {
        return;
    }
    for (size_t i = 0; i < LANE_BUCKETS; i++) {
        while ((lane = LIST_FIRST(&q->lane[i])) != NULL) {
            LIST_REMOVE(lane, hash);
            free(lane);
        }
    }
    while ((flow = LIST_FIRST(&q->spare)) != NULL) {
        LIST_REMOVE(flow, hash);
        free(flow);
    }
    free(q);
}

void io_queue_limit(struct io_queue *q, unsigned max, unsigned lane_max)
{
    struct lane *lane;

    q->max = max > 0 ? max : 1;
    q->lane_max = lane_max > 0 ? lane_max : 1;
    for (size_t i = 0; i < LANE_BUCKETS; i++) {
        LIST_FOREACH(lane, &q->lane[i], hash)
        {
            settle(q, lane);
        }
    }
}

bool io_queue_push(struct io_queue *q, struct io_queue_item *item)
{
    struct lane *lane = get_lane(q, item->lane_id);
    struct io_queue_flow *flow = find_flow(q, item->flow_id);

    if (flow == NULL) {
        flow = lane != NULL ? new_flow(q, item->flow_id, lane) : NULL;
        if (flow == NULL) {
            return false;
        }
        settle(q, lane);
    } else if (lane == NULL) {
        return false;
    }
    TAILQ_INSERT_TAIL(&flow->items, item, next);
    item->flow = flow;
    q->len++;
    return true;
}

struct io_queue_item *io_queue_peek(struct io_queue *q)
{
    const struct lane *lane = TAILQ_FIRST(&q->lanes);

    if (lane == NULL || q->busy >= q->max) {
        return NULL;
    }
    return TAILQ_FIRST(&TAILQ_FIRST(&lane->flows)->items);
}

/* Take an item out of its flow. When it was the oldest, the flow goes to the end of the ring of
 * its next item's lane, or ends. */
static void take_out(struct io_queue *q, struct io_queue_item *item)
{
    struct io_queue_flow *flow = item->flow;
    struct lane *lane = flow->lane;
    bool oldest = TAILQ_FIRST(&flow->items) == item;

    TAILQ_REMOVE(&flow->items, item, next);
    item->flow = NULL;
    q->len--;
    if (!oldest) {
        return;
    }
    TAILQ_REMOVE(&lane->flows, flow, ring);
    struct io_queue_item *next = TAILQ_FIRST(&flow->items);

    if (next == NULL) {
        end_flow(q, flow);
    } else {
        flow->lane = find_lane(q, next->lane_id); /* made when the item was pushed */
        TAILQ_INSERT_TAIL(&flow->lane->flows, flow, ring);
        settle(q, flow->lane);
    }
    settle(q, lane);
}

struct io_queue_item *io_queue_pop(struct io_queue *q)
{
    struct io_queue_item *item = io_queue_peek(q);

    if (item == NULL) {
        return NULL;
    }
    struct lane *lane = item->flow->lane;

    TAILQ_REMOVE(&q->lanes, lane, ring); /* to the end, if it still belongs there */
    lane->in_ring = false;
    lane->busy++;
    q->busy++;
    take_out(q, item);
    return item;
}

void io_queue_done(struct io_queue *q, uint32_t lane_id)
{
    struct lane *lane = find_lane(q, lane_id);

    lane->busy--;
    q->busy--;
    settle(q, lane);
}

void io_queue_remove(struct io_queue *q, struct io_queue_item *item)
{
    take_out(q, item);
}

struct io_queue_item *io_queue_any(struct io_queue *q)
{
    for (size_t i = 0; q->len > 0 && i < FLOW_BUCKETS; i++) {
        struct io_queue_flow *flow = LIST_FIRST(&q->flow[i]);

        if (flow != NULL) {
            return TAILQ_FIRST(&flow->items);
        }
    }
    return NULL;
}

unsigned io_queue_len(const struct io_queue *q)
{
    return q->len;
}

unsigned io_queue_busy(const struct io_queue *q)
{
    return q->busy;
}
