/*
 * The agent's side of all tokens: modules, configured tokens and keys in one place, and the tick.
 *
 * Modules and slots are state machines that move on answers. What follows from a move (a helper
 * that may be called ready, a look for tokens that are missing, the owner's on_change, those who
 * wait until all is settled) is not done inside the move, where a callback could turn things over,
 * but once, in the tick of the loop's next round.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

void remote_poke(struct remote *r)
{
    r->changed = true;
    remote_again(r);
}

void remote_again(struct remote *r)
{
    if (r->tick != NULL && !r->ending) {
        io_timer_set(r->tick, mono_now());
    }
}

static bool is_settled(const struct remote *r)
{
    for (size_t i = 0; i < r->modules_n; i++) {
        const struct module *m = &r->modules[i];

        if (!m->answered || (!m->failed && (!m->up || m->poll != 0))) {
            return false;
        }
    }
    for (size_t i = 0; i < r->slots_n; i++) {
        if (slot_is_moving(r->slots[i]) || r->slots[i]->suspect) {
            return false;
        }
    }
    for (size_t i = 0; i < r->idle_n; i++) {
        if (r->idle[i]->close && r->idle[i]->module->up) {
            return false;
        }
    }
    return true;
}

static void settled_end(struct settled *w, struct err *e)
{
    remote_done_fn *on_done = w->on_done;
    void *arg = w->arg;

    TAILQ_REMOVE(&w->r->settled, w, next);
    io_timer_free(&w->timer);
    free(w);
    on_done(arg, e);
}

static void on_settled_late(void *arg)
{
    settled_end(arg, err_new(ERR_TIMEOUT, "the tokens did not answer in time"));
}

void remote_when_settled(struct remote *r, struct mono deadline, remote_done_fn *on_done, void *arg)
{
    if (is_settled(r)) {
        on_done(arg, NULL);
        return;
    }
    struct settled *w = calloc(1, sizeof *w);

    if (w == NULL) {
        on_done(arg, err_nomem());
        return;
    }
    *w = (struct settled){.r = r, .on_done = on_done, .arg = arg};
    w->timer = io_timer_new(r->loop, on_settled_late, w);
    if (w->timer == NULL) {
        free(w);
        on_done(arg, err_nomem());
        return;
    }
    io_timer_set(w->timer, deadline);
    TAILQ_INSERT_TAIL(&r->settled, w, next);
}

/* Is there something that a look at the readers could mend? */
static bool wants_poll(const struct remote *r)
{
    for (size_t i = 0; i < r->modules_n; i++) {
        if (r->modules[i].failed) {
            return true;
        }
    }
    for (size_t i = 0; i < r->slots_n; i++) {
        if (r->slots[i]->phase == SLOT_ABSENT || r->slots[i]->phase == SLOT_FAILED) {
            return true;
        }
    }
    return false;
}

static void on_poll(void *arg)
{
    struct remote *r = arg;

    for (size_t i = 0; i < r->modules_n; i++) {
        struct module *m = &r->modules[i];

        if (!m->failed || mono_passed(m->retry_at)) {
            module_look(m);
        }
    }
    remote_again(r);
}

static void on_tick(void *arg)
{
    struct remote *r = arg;

    for (size_t i = 0; i < r->slots_n;) {
        if (!change_check(r->slots[i])) { /* else the next one is in its place */
            slot_check(r->slots[i++]);
        }
    }
    for (size_t i = 0; i < r->idle_n; i++) {
        slot_check(r->idle[i]); /* its lane may be to be closed */
    }
    for (size_t i = 0; i < r->modules_n; i++) {
        module_check(&r->modules[i]);
    }
    if (r->started && !io_timer_is_set(r->poll) && wants_poll(r)) {
        io_timer_set(r->poll, mono_in(POLL_MS));
    }
    bool changed = r->changed;

    r->changed = false;
    if (changed && r->on_change != NULL) {
        r->on_change(r->arg);
    }
    while (is_settled(r) && !TAILQ_EMPTY(&r->settled)) {
        settled_end(TAILQ_FIRST(&r->settled), NULL);
    }
}

static struct err *copy_conf(struct remote *r, const struct remote_conf *conf)
{
    r->profiles = conf->profiles;
    r->helper_path = text_copy(conf->helper_path);
    r->state_dir = text_copy(conf->state_dir);
    r->modules = calloc(conf->modules_n + 1, sizeof *r->modules);
    if (r->helper_path == NULL || r->modules == NULL ||
        (r->state_dir == NULL && conf->state_dir != NULL)) {
        return err_nomem();
    }
    if (conf->tokens_n > OPS_LANES_MAX) {
        return err_new(ERR_LIMIT, "more than %d tokens are configured", OPS_LANES_MAX);
    }
    struct err *e = NULL;

    for (size_t i = 0; e == NULL && i < conf->modules_n; i++) {
        r->modules_n++;
        e = module_init(&r->modules[i], r, &conf->modules[i]);
    }
    for (size_t i = 0; e == NULL && i < conf->tokens_n; i++) {
        e = change_add(r, &conf->tokens[i]);
    }
    return e;
}

struct err *remote_new(struct io_loop *l, const struct remote_conf *conf,
                       remote_change_fn *on_change, void *arg, struct remote **ret)
{
    AUTO(remote_free) struct remote *r = calloc(1, sizeof *r);

    if (r == NULL) {
        return err_nomem();
    }
    r->loop = l;
    r->on_change = on_change;
    r->arg = arg;
    TAILQ_INIT(&r->settled);
    buf_init(&r->scratch, IPC_FRAME_MAX_BYTES);
    r->tick = io_timer_new(l, on_tick, r);
    r->poll = io_timer_new(l, on_poll, r);
    struct err *e = r->tick == NULL || r->poll == NULL ? err_nomem() : copy_conf(r, conf);

    if (e == NULL) {
        e = io_writer_new(l, &r->writer);
    }
    if (e == NULL) {
        *ret = take(&r);
    }
    return e;
}

void remote_start(struct remote *r)
{
    r->started = true;
    for (size_t i = 0; i < r->modules_n; i++) {
        module_look(&r->modules[i]);
    }
    remote_poke(r);
}

void remote_free(struct remote **rp)
{
    struct remote *r = take(rp);

    if (r == NULL) {
        return;
    }
    r->ending = true;
    for (size_t i = 0; i < r->modules_n; i++) {
        module_deinit(&r->modules[i]); /* calls in flight end here, so slots must still be there */
    }
    io_writer_free(&r->writer);
    for (size_t i = 0; i < r->slots_n; i++) {
        slot_free(&r->slots[i]);
    }
    for (size_t i = 0; i < r->idle_n; i++) {
        slot_free(&r->idle[i]);
    }
    while (!TAILQ_EMPTY(&r->settled)) {
        settled_end(TAILQ_FIRST(&r->settled), err_new(ERR_GONE, "the agent is shutting down"));
    }
    key_forget_remote(r);
    sign_deinit(r);
    io_timer_free(&r->tick);
    io_timer_free(&r->poll);
    buf_deinit(&r->scratch);
    free(r->modules);
    free(r->slots);
    free(r->idle);
    free(r->helper_path);
    free(r->state_dir);
    free(r);
}
