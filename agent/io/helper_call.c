/*
 * The calls of a helper: from the queue into the socket, from the socket to their callbacks.
 *
 * A call has a slot in a table; the slot's number is its id on the wire, so an answer finds its
 * call without a search. A slot is not given to another call before the helper has answered or
 * died, even when the caller has lost interest: no answer can reach the wrong callback.
 *
 * A call that is past its deadline stays in the list of those sent until the helper answers, and
 * keeps its lane busy. Only the oldest of them says whether the helper hangs (see helper.h).
 *
 * Callbacks may do anything with the helper. So a call is taken out of every list before its
 * callback runs, calls that fail together are first moved aside, and handing over (pump) never
 * calls back.
 */
#include <stdlib.h>
#include <string.h>

#include "io/helper_impl.h"

enum { CALLS_MAX = 1 << 20, SLOTS_AT_FIRST = 64 };

static bool more_slots(struct io_helper *h)
{
    uint32_t n = h->slots > 0 ? h->slots * 2 : SLOTS_AT_FIRST;
    struct io_call_slot *slot = n <= CALLS_MAX ? realloc(h->slot, n * sizeof *slot) : NULL;

    if (slot == NULL) {
        return false;
    }
    for (uint32_t i = h->slots; i < n; i++) {
        slot[i] = (struct io_call_slot){.next_free = i + 1 < n ? i + 2 : 0};
    }
    h->free_slot = h->slots + 1;
    h->slot = slot;
    h->slots = n;
    return true;
}

static struct err *get_slot(struct io_open_call *c)
{
    struct io_helper *h = c->helper;

    if (h->free_slot == 0 && !more_slots(h)) {
        return err_new(ERR_LIMIT, "helper %s: %u requests are waiting already", h->name, h->slots);
    }
    uint32_t id = h->free_slot;

    h->free_slot = h->slot[id - 1].next_free;
    h->slot[id - 1].call = c;
    c->handle = (uint64_t)++h->calls << 32 | id;
    return NULL;
}

static uint32_t id_of(const struct io_open_call *c)
{
    return (uint32_t)c->handle;
}

static struct io_open_call *find_id(const struct io_helper *h, uint32_t id)
{
    return id > 0 && id <= h->slots ? h->slot[id - 1].call : NULL;
}

/* The end of a call that is in no list any more: the callback is the last thing. */
static void finish(struct io_open_call *c, struct err *e, struct rd *reply)
{
    struct io_helper *h = c->helper;
    io_reply_fn *on_reply = c->cancelled ? NULL : c->on_reply;
    void *arg = c->arg;
    struct io_call_slot *slot = &h->slot[id_of(c) - 1];

    *slot = (struct io_call_slot){.next_free = h->free_slot};
    h->free_slot = id_of(c);
    io_timer_deinit(&c->deadline);
    buf_deinit(&c->frame);
    free(c);
    if (on_reply != NULL) {
        on_reply(arg, e, reply);
    } else {
        err_free(&e);
    }
}

/* The clock of the grace runs for a late call that is the oldest. */
static void watch_oldest(struct io_helper *h)
{
    const struct io_open_call *oldest = TAILQ_FIRST(&h->sent);

    if (oldest != NULL && oldest->late) {
        io_timer_set(&h->hung, (struct mono){h->oldest_since.ms + IO_HELPER_GRACE_MS});
    } else if (io_timer_is_set(&h->hung)) {
        io_timer_clear(&h->hung);
    }
}

static void unlink_sent(struct io_open_call *c)
{
    struct io_helper *h = c->helper;
    bool was_oldest = TAILQ_FIRST(&h->sent) == c;

    TAILQ_REMOVE(&h->sent, c, list);
    h->sent_n--;
    if (!c->setup) {
        io_queue_done(h->queue, c->item.lane_id);
    }
    if (was_oldest) {
        h->oldest_since = mono_now();
        watch_oldest(h);
    }
}

static void unlink_call(struct io_open_call *c)
{
    struct io_helper *h = c->helper;

    switch (c->state) {
    case CALL_SETUP:
        TAILQ_REMOVE(&h->setup, c, list);
        break;
    case CALL_QUEUED:
        io_queue_remove(h->queue, &c->item);
        break;
    case CALL_SENT:
        unlink_sent(c);
        break;
    case CALL_FAILED:
        TAILQ_REMOVE(&h->failed, c, list);
        break;
    }
}

/* Out of its list, to be called back with @e (taken). */
static void set_aside(struct io_open_call *c, struct err *e)
{
    unlink_call(c);
    c->state = CALL_FAILED;
    c->e = e;
    TAILQ_INSERT_TAIL(&c->helper->failed, c, list);
}

static struct err *waited_in_vain(const struct io_helper *h)
{
    if (h->state == HELPER_UP) {
        return err_new(ERR_TIMEOUT, "helper %s is busy: the request waited in vain", h->name);
    }
    return err_new(ERR_TIMEOUT, "helper %s is down%s%s", h->name, h->last_error != NULL ? ": " : "",
                   err_text(h->last_error));
}

static bool is_hung(const struct io_helper *h)
{
    const struct io_open_call *oldest = TAILQ_FIRST(&h->sent);

    return h->state == HELPER_UP && oldest != NULL && oldest->late &&
           mono_passed((struct mono){h->oldest_since.ms + IO_HELPER_GRACE_MS});
}

void io_helper_on_hung(void *helper)
{
    struct io_helper *h = helper;

    if (is_hung(h)) {
        io_helper_end(h, err_new(ERR_GONE, "it did not answer a request in time"), true);
    }
}

/* The caller is told now, and the helper may have the request for as long as it gets on. */
static void late(struct io_open_call *c)
{
    struct io_helper *h = c->helper;

    c->late = true;
    if (is_hung(h)) {
        set_aside(c,
                  err_new(ERR_TIMEOUT, "helper %s did not answer in time and was killed", h->name));
        io_helper_end(h, err_new(ERR_GONE, "it did not answer a request in time"), true);
        return;
    }
    watch_oldest(h);
    if (!c->cancelled) {
        c->cancelled = true;
        c->on_reply(c->arg, err_new(ERR_TIMEOUT, "helper %s did not answer in time", h->name),
                    NULL);
    }
}

static void on_deadline(void *arg)
{
    struct io_open_call *c = arg;
    struct io_helper *h = c->helper;

    io_helper_enter(h);
    if (c->state == CALL_SENT && h->state == HELPER_UP) {
        late(c);
    } else {
        struct err *e = c->state == CALL_FAILED ? take(&c->e) : waited_in_vain(h);

        unlink_call(c);
        finish(c, e, NULL);
    }
    io_helper_leave(h);
}

static struct io_open_call *next_call(struct io_helper *h)
{
    if (!TAILQ_EMPTY(&h->setup)) {
        return TAILQ_FIRST(&h->setup);
    }
    return h->ready ? (struct io_open_call *)io_queue_peek(h->queue) : NULL;
}

static void sent(struct io_open_call *c)
{
    struct io_helper *h = c->helper;

    if (c->setup) {
        TAILQ_REMOVE(&h->setup, c, list);
    } else {
        io_queue_pop(h->queue);
    }
    c->state = CALL_SENT;
    if (TAILQ_EMPTY(&h->sent)) {
        h->oldest_since = mono_now();
    }
    TAILQ_INSERT_TAIL(&h->sent, c, list);
    h->sent_n++;
    buf_deinit(&c->frame);
}

void io_helper_give_up_on(struct io_helper *h, struct err *e)
{
    err_free(&h->last_error);
    h->last_error = err_add(e, "helper %s", h->name);
    io_process_kill(h->process); /* its exit fails the calls */
}

void io_helper_pump(struct io_helper *h)
{
    struct io_open_call *c;

    while (h->fd >= 0 && !h->blocked && (c = next_call(h)) != NULL) {
        enum ipc_result result;

        if (mono_passed(c->deadline.at)) {
            set_aside(c, waited_in_vain(h)); /* its timer is due, and calls back */
            continue;
        }
        struct err *e = ipc_send(h->fd, buf_view(&c->frame), false, &result);

        if (e != NULL) {
            io_helper_give_up_on(h, e);
            return;
        }
        switch (result) {
        case IPC_DONE:
            sent(c);
            break;
        case IPC_WOULD_BLOCK:
            h->blocked = event_add(&h->writable, NULL) == 0;
            return;
        case IPC_EOF:
            return; /* reading meets it too, and then the reason is looked for */
        }
    }
}

static void complete(struct io_open_call *c, struct err *e, struct rd *reply)
{
    struct io_helper *h = c->helper;

    unlink_call(c);
    h->last_used = mono_now();
    io_helper_pump(h);
    finish(c, e, reply);
}

static struct err *take_event(struct io_helper *h, struct ipc_frame *f)
{
    struct io_open_call *c = find_id(h, f->id);

    if (c == NULL || c->state != CALL_SENT) {
        return err_new(ERR_PROTOCOL, "an event of request %u, which is not with it", f->id);
    }
    if (c->on_event != NULL && !c->cancelled) {
        c->on_event(c->arg, &f->body);
    }
    return NULL;
}

static struct err *take_frame(struct io_helper *h)
{
    struct ipc_frame f;
    struct err *e = ipc_frame_read(buf_view(&h->in), &f);

    if (e != NULL) {
        return e;
    }
    if (f.op == IPC_REPLY_EVENT) {
        return take_event(h, &f);
    }
    struct io_open_call *c = find_id(h, f.id);

    if (c == NULL || c->state != CALL_SENT || f.op < IPC_OP_REPLY_FIRST || f.op > IPC_REPLY_EVENT) {
        return err_new(ERR_PROTOCOL, "an answer to request %u that nobody made (kind %u)", f.id,
                       f.op);
    }
    if (f.op == IPC_REPLY_OK) {
        complete(c, NULL, &f.body);
    } else {
        complete(c, err_get(&f.body), NULL);
    }
    return NULL;
}

bool io_helper_receive(struct io_helper *h, unsigned max)
{
    enum ipc_result result = IPC_DONE;

    for (unsigned i = 0; i < max && h->fd >= 0; i++) {
        struct err *e = ipc_recv(h->fd, &h->in, false, &result);

        if (e == NULL && result != IPC_DONE) {
            break;
        }
        if (e == NULL) {
            e = take_frame(h);
            explicit_bzero(h->in.data, h->in.len);
            h->in.len = 0;
        }
        if (e != NULL) {
            io_helper_end(h, e, true);
            return false;
        }
    }
    return result == IPC_EOF && h->fd >= 0;
}

void io_helper_fail_calls(struct io_helper *h, const struct err *why, bool queued)
{
    struct io_open_call *c;

    while ((c = TAILQ_FIRST(&h->sent)) != NULL || (c = TAILQ_FIRST(&h->setup)) != NULL) {
        set_aside(c, err_copy(why));
    }
    while (queued && (c = (struct io_open_call *)io_queue_any(h->queue)) != NULL) {
        set_aside(c, err_copy(why));
    }
    while ((c = TAILQ_FIRST(&h->failed)) != NULL) {
        TAILQ_REMOVE(&h->failed, c, list);
        finish(c, take(&c->e), NULL);
    }
}

bool io_helper_has_calls(const struct io_helper *h)
{
    return h->sent_n > 0 || !TAILQ_EMPTY(&h->setup) || io_queue_len(h->queue) > 0;
}

static struct err *enqueue(struct io_open_call *c)
{
    struct io_helper *h = c->helper;

    if (!c->setup) {
        c->state = CALL_QUEUED;
        return io_queue_push(h->queue, &c->item) ? NULL : err_nomem();
    }
    if (h->state != HELPER_UP) {
        return err_new(ERR_GONE, "helper %s went down during its set-up", h->name);
    }
    c->state = CALL_SETUP;
    TAILQ_INSERT_TAIL(&h->setup, c, list);
    return NULL;
}

static struct err *open_call(struct io_helper *h, const struct io_call *call,
                             struct io_open_call **ret)
{
    struct io_open_call *c = calloc(1, sizeof *c);

    if (c == NULL) {
        return err_nomem();
    }
    c->helper = h;
    struct err *e = get_slot(c);

    if (e != NULL) {
        free(c);
        return e;
    }
    c->setup = call->setup;
    c->item.flow_id = call->flow;
    c->item.lane_id = call->lane;
    c->on_event = call->on_event;
    c->on_reply = call->on_reply;
    c->arg = call->arg;
    io_timer_init(&c->deadline, h->loop, on_deadline, c);
    buf_init(&c->frame, IPC_MESSAGE_MAX_BYTES);
    c->frame.secret = call->secret;
    e = ipc_frame_make(&c->frame, id_of(c), call->op, call->body);
    if (e == NULL) {
        e = enqueue(c);
    }
    if (e != NULL) {
        c->cancelled = true; /* the caller's callback is io_helper_call()'s to run */
        finish(c, NULL, NULL);
        return e;
    }
    io_timer_set(&c->deadline, call->deadline);
    *ret = c;
    return NULL;
}

uint64_t io_helper_call(struct io_helper *h, const struct io_call *call)
{
    struct io_open_call *c = NULL;
    struct err *e =
        h->doomed ? err_new(ERR_GONE, "helper %s is shut down", h->name) : open_call(h, call, &c);

    if (e != NULL) {
        call->on_reply(call->arg, e, NULL);
        return 0;
    }
    uint64_t handle = c->handle;

    h->last_used = mono_now();
    io_helper_pump(h);
    io_helper_want_start(h);
    return handle;
}

void io_helper_cancel(struct io_helper *h, uint64_t handle)
{
    struct io_open_call *c = find_id(h, (uint32_t)handle);

    if (c == NULL || c->handle != handle) {
        return;
    }
    c->cancelled = true;
    if (c->state == CALL_QUEUED || c->state == CALL_SETUP) {
        unlink_call(c);
        finish(c, NULL, NULL);
    }
}
