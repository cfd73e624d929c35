/*
 * The fair queue: order in a flow, turns between flows and lanes, bounds, and a long random walk
 * against a model that is too simple to be wrong.
 */
#include "io/queue.h"

#include "io/support.h"

struct thing {
    struct io_queue_item item; /* first */
    unsigned number;
    bool queued;
};

static struct io_queue *q;
static struct thing things[4096];

static struct thing *push(unsigned number, uint64_t flow, uint32_t lane)
{
    struct thing *t = &things[number];

    *t = (struct thing){.number = number, .item = {.flow_id = flow, .lane_id = lane}};
    assert_true(io_queue_push(q, &t->item));
    t->queued = true;
    return t;
}

/* -1: none may go */
static int pop(void)
{
    const struct io_queue_item *peeked = io_queue_peek(q);
    struct io_queue_item *item = io_queue_pop(q);

    assert_ptr_equal(item, peeked);
    if (item == NULL) {
        return -1;
    }
    ((struct thing *)item)->queued = false;
    return (int)((struct thing *)item)->number;
}

static int set_up(void **state)
{
    (void)state;
    q = io_queue_new(1000, 1000);
    return q != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct io_queue_item *item;

    (void)state;
    while ((item = io_queue_any(q)) != NULL) {
        io_queue_remove(q, item);
    }
    assert_int_equal(io_queue_len(q), 0);
    io_queue_free(&q);
    return 0;
}

static void test_one_flow_in_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        push(i, 7, i % 3);
    }
    for (int i = 0; i < 50; i++) {
        assert_int_equal(pop(), i);
    }
    assert_int_equal(pop(), -1);
    assert_int_equal(io_queue_busy(q), 50);
}

static void test_flows_take_turns(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        push(i, 1, 5); /* a flood */
    }
    push(100, 2, 5);
    push(101, 3, 5);
    push(102, 2, 5);
    assert_int_equal(pop(), 0);
    assert_int_equal(pop(), 100);
    assert_int_equal(pop(), 101);
    assert_int_equal(pop(), 1);
    assert_int_equal(pop(), 102);
    assert_int_equal(pop(), 2);
    assert_int_equal(pop(), 3);
}

static void test_a_slow_lane_holds_up_only_itself(void **state)
{
    (void)state;
    io_queue_limit(q, 100, 2);
    for (unsigned i = 0; i < 10; i++) {
        push(i, i, 1); /* slot 1 never answers */
    }
    assert_int_equal(pop(), 0);
    assert_int_equal(pop(), 1);
    assert_int_equal(pop(), -1);
    push(20, 20, 2);
    push(21, 3, 2); /* a flow that waits for slot 1 with its oldest: in order */
    assert_int_equal(pop(), 20);
    assert_int_equal(pop(), -1);
    io_queue_done(q, 1);
    assert_int_equal(pop(), 2);
    io_queue_done(q, 1);
    assert_int_equal(pop(), 3);
    assert_int_equal(pop(), 21);
    assert_int_equal(pop(), -1);
    assert_int_equal(io_queue_busy(q), 4);
}

static void test_lane_zero_is_never_full(void **state)
{
    (void)state;
    io_queue_limit(q, 3, 1);
    for (unsigned i = 0; i < 5; i++) {
        push(i, i, 0);
    }
    assert_int_equal(pop(), 0);
    assert_int_equal(pop(), 1);
    assert_int_equal(pop(), 2);
    assert_int_equal(pop(), -1); /* but the whole is */
    io_queue_done(q, 0);
    assert_int_equal(pop(), 3);
}

static void test_limits_can_be_raised_and_lowered(void **state)
{
    (void)state;
    io_queue_limit(q, 100, 1);
    for (unsigned i = 0; i < 6; i++) {
        push(i, i, 9);
    }
    assert_int_equal(pop(), 0);
    assert_int_equal(pop(), -1);
    io_queue_limit(q, 100, 3);
    assert_int_equal(pop(), 1);
    assert_int_equal(pop(), 2);
    io_queue_limit(q, 100, 0); /* counts as 1 */
    io_queue_done(q, 9);
    io_queue_done(q, 9);
    assert_int_equal(pop(), -1);
    io_queue_done(q, 9);
    assert_int_equal(pop(), 3);
}

static void test_remove(void **state)
{
    (void)state;
    push(0, 1, 1);
    struct thing *oldest = push(1, 2, 1);
    struct thing *middle = push(2, 2, 2);

    push(3, 2, 3);
    struct thing *only = push(4, 3, 1);

    io_queue_remove(q, &middle->item);
    io_queue_remove(q, &oldest->item);
    io_queue_remove(q, &only->item);
    assert_int_equal(io_queue_len(q), 2);
    assert_int_equal(pop() + pop(), 3);
    assert_int_equal(pop(), -1);
}

/* --- the random walk --- */

enum { FLOWS = 5, LANES = 4, MAX = 6, LANE_MAX = 2, STEPS = 20000 };

static uint32_t seed = 12345;

static unsigned any_of(unsigned n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 16) % n;
}

static unsigned lane_busy[LANES], busy;

/* May the oldest of any flow go? Items of a flow have growing numbers, modulo the table. */
static bool model_allows_any(unsigned first, unsigned last)
{
    bool seen[FLOWS] = {false};

    for (unsigned n = first; busy < MAX && n < last; n++) {
        const struct thing *t = &things[n % ARRAY_LEN(things)];

        if (t->queued && !seen[t->item.flow_id]) {
            seen[t->item.flow_id] = true;
            if (t->item.lane_id == 0 || lane_busy[t->item.lane_id] < LANE_MAX) {
                return true;
            }
        }
    }
    return false;
}

static void walk_pop(unsigned first, unsigned last)
{
    bool allowed = model_allows_any(first, last);
    int n = pop();

    assert_int_equal(n >= 0, allowed);
    if (n < 0) {
        return;
    }
    const struct thing *t = &things[n];

    for (unsigned i = first; i < last; i++) { /* nothing older of its flow is left behind */
        const struct thing *other = &things[i % ARRAY_LEN(things)];

        if (other == t) {
            break;
        }
        assert_false(other->queued && other->item.flow_id == t->item.flow_id);
    }
    lane_busy[t->item.lane_id]++;
    busy++;
    assert_true(t->item.lane_id == 0 || lane_busy[t->item.lane_id] <= LANE_MAX);
    assert_true(busy <= MAX);
}

static void walk_done(void)
{
    uint32_t lane = any_of(LANES);

    if (lane_busy[lane] > 0) {
        lane_busy[lane]--;
        busy--;
        io_queue_done(q, lane);
    }
}

static void test_random_walk(void **state)
{
    unsigned first = 0, last = 0;

    (void)state;
    io_queue_limit(q, MAX, LANE_MAX);
    for (unsigned step = 0; step < STEPS; step++) {
        while (first < last && !things[first % ARRAY_LEN(things)].queued) {
            first++;
        }
        switch (any_of(4)) {
        case 0:
            if (last - first < 60) {
                push(last % ARRAY_LEN(things), any_of(FLOWS), any_of(LANES));
                last++;
            }
            break;
        case 1:
            walk_pop(first, last);
            break;
        case 2:
            walk_done();
            break;
        default:
            if (any_of(8) == 0 && first < last) {
                things[first % ARRAY_LEN(things)].queued = false;
                io_queue_remove(q, &things[first % ARRAY_LEN(things)].item);
            }
        }
        assert_int_equal(io_queue_busy(q), busy);
    }
    assert_true(last > 1000);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_one_flow_in_order),
        CASE(test_flows_take_turns),
        CASE(test_a_slow_lane_holds_up_only_itself),
        CASE(test_lane_zero_is_never_full),
        CASE(test_limits_can_be_raised_and_lowered),
        CASE(test_remove),
        CASE(test_random_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
