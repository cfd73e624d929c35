/*
 * The state machine of one configured token:
 *
 *   ABSENT -> OPENING -> (PIN -> LOGIN) -> KEYS -> READY
 *                          `-> LOCKED -> PIN ...
 *
 * DOWN from anywhere when the helper dies, ABSENT when the token is no longer listed, FAILED when a
 * step failed for another reason than a PIN: then a later look at the readers begins anew, with a
 * pause that grows. At most one request of the machine is in flight (call); it is cancelled when
 * the machine is moved by something else, so that no answer arrives in a state it was not meant for.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

struct slot *slot_new(struct remote *r, uint32_t lane)
{
    AUTO(slot_free) struct slot *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return NULL;
    }
    s->r = r;
    s->lane = lane;
    TAILQ_INIT(&s->waiting);
    TAILQ_INIT(&s->asked);
    TAILQ_INIT(&s->listing);
    s->timer = io_timer_new(r->loop, sign_on_timer, s);
    return s->timer != NULL ? take(&s) : NULL;
}

bool slot_is_named(const struct slot *s, const struct p11_uri *uri)
{
    const struct p11_token_id id = {s->info.label, s->info.manufacturer, s->info.model,
                                    s->info.serial};

    return s->module != NULL && p11_uri_matches_token(uri, &id, s->info.slot_id);
}

void slot_forget_profile(struct slot *s)
{
    if (s->matched) {
        profile_why_deinit(&s->why);
        s->matched = false;
    }
}

void slot_free(struct slot **sp)
{
    AUTO(slot_conf_deinit) struct slot_conf conf = {0};
    struct slot *s = take(sp);

    if (s == NULL) {
        return;
    }
    AUTO(err_free) struct err *why = err_new(ERR_GONE, "the agent is shutting down");

    s->phase = SLOT_ABSENT;
    listing_stop(s, why);
    pin_stop(s, why);
    sign_fail_waiting(s, why);
    key_drop_all(s);
    pin_deinit(s);
    slot_conf_swap(s, &conf);
    slot_conf_free(&s->next);
    slot_forget_profile(s);
    io_timer_free(&s->timer);
    err_free(&s->error);
    free(s);
}

void slot_set_error(struct slot *s, struct err *e)
{
    err_free(&s->error);
    s->error = e;
}

void slot_call(struct slot *s, const struct slot_request *q, uint64_t *handle)
{
    struct err *e = buf_check(q->body, "a request to a token");

    if (e == NULL && (s->module == NULL || !s->module->up)) {
        e = err_new(ERR_GONE, "token %s: its helper is down", s->name);
    }
    if (e != NULL) {
        q->on_reply(q->arg, e, NULL);
        return;
    }
    uint64_t made =
        io_helper_call(s->module->helper, &(struct io_call){.op = (uint8_t)q->op,
                                                            .body = buf_view(q->body),
                                                            .deadline = mono_in(q->timeout_ms),
                                                            .flow = UINT64_MAX - s->lane,
                                                            .lane = s->lane,
                                                            .setup = !s->module->ready,
                                                            .secret = q->op == OPS_LOGIN,
                                                            .on_reply = q->on_reply,
                                                            .arg = q->arg});

    if (made != 0 && handle != NULL) {
        *handle = made;
    }
}

static void cancel_call(struct slot *s)
{
    if (s->call != 0 && s->module->helper != NULL) {
        io_helper_cancel(s->module->helper, s->call);
    }
    s->call = 0;
}

bool slot_is_moving(const struct slot *s)
{
    switch (s->phase) {
    case SLOT_DOWN:
    case SLOT_OPENING:
    case SLOT_LOGIN:
    case SLOT_KEYS:
        return true;
    case SLOT_PIN:
        return !s->typed; /* a person may take their time */
    case SLOT_ABSENT:
    case SLOT_READY:
    case SLOT_LOCKED:
    case SLOT_FAILED:
        return false;
    }
    return false;
}

/* Whatever is under way ends; waiting signatures stay. */
static void halt(struct slot *s, enum slot_phase next, const struct err *why)
{
    cancel_call(s);
    s->phase = next;
    s->suspect = false;
    s->relogin = false;
    listing_stop(s, why);
    pin_stop(s, why);
    remote_poke(s->r);
}

void slot_set_absent(struct slot *s)
{
    AUTO(err_free) struct err *why = err_new(ERR_GONE, "token %s is not present", s->name);

    s->close = s->phase != SLOT_ABSENT && s->phase != SLOT_DOWN;
    halt(s, SLOT_ABSENT, why);
    sign_fail_waiting(s, why);
    key_drop_all(s);
}

void slot_set_down(struct slot *s, const struct err *why)
{
    s->close = false; /* the new helper has no lane open */
    if (s->phase == SLOT_FAILED) {
        return;
    }
    halt(s, SLOT_DOWN, why);
    slot_set_error(s, err_copy(why));
}

void slot_fail(struct slot *s, struct err *e, bool retry)
{
    int64_t pause = POLL_MS;

    for (unsigned i = 0; i < s->failures && pause < RETRY_MAX_MS; i++) {
        pause *= 2;
    }
    s->failures++;
    s->retry_at = retry ? mono_in(pause) : (struct mono){INT64_MAX};
    s->close = s->close || (s->phase != SLOT_ABSENT && s->phase != SLOT_DOWN);
    slot_set_error(s, e);
    halt(s, SLOT_FAILED, e);
    sign_fail_waiting(s, s->error);
}

void slot_set_ready(struct slot *s)
{
    remote_done_fn *on_unlocked = s->on_unlocked;

    s->phase = SLOT_READY;
    s->failures = 0;
    s->on_unlocked = NULL;
    slot_set_error(s, NULL);
    sign_flush(s);
    remote_poke(s->r);
    if (on_unlocked != NULL) {
        on_unlocked(s->unlock_arg, NULL);
    }
}

void slot_set_locked(struct slot *s, struct err *e)
{
    remote_done_fn *on_unlocked = s->on_unlocked;

    s->phase = SLOT_LOCKED;
    s->on_unlocked = NULL;
    if (e != NULL) {
        slot_set_error(s, e);
    }
    keycache_show(s);
    sign_fail_waiting(s, s->error);
    remote_poke(s->r);
    if (on_unlocked != NULL) {
        on_unlocked(s->unlock_arg, err_copy(s->error));
    }
}

void slot_logged_in(struct slot *s)
{
    s->phase = SLOT_KEYS;
    listing_start(s, NULL);
}

static void on_opened(void *arg, struct err *e, struct rd *reply)
{
    struct slot *s = arg;
    struct ops_opened opened = {0};

    s->call = 0;
    if (e == NULL) {
        e = ops_opened_get(reply, &opened);
    }
    if (e != NULL) {
        slot_fail(s, err_add(e, "open token %s", s->name), true);
        return;
    }
    s->sessions = opened.sessions;
    module_limits(s->module, opened.workers);
    if (opened.needs_login) {
        pin_start(s);
    } else {
        slot_logged_in(s);
    }
}

static struct err *match_profile(struct slot *s)
{
    const struct token_library_info *library = &s->module->library.info;
    const struct profile_facts facts = {
        .module_path = s->module->path,
        .library_manufacturer = library->manufacturer,
        .library_description = library->description,
        .library_major = library->major,
        .library_minor = library->minor,
        .token = {s->info.label, s->info.manufacturer, s->info.model, s->info.serial},
        .hardware_major = s->info.hardware_major,
        .hardware_minor = s->info.hardware_minor,
        .firmware_major = s->info.firmware_major,
        .firmware_minor = s->info.firmware_minor,
    };

    slot_forget_profile(s);
    struct err *e = profile_match_token(s->r->profiles, &facts, &s->profile, &s->why);

    s->matched = e == NULL;
    return e;
}

void slot_open(struct slot *s, struct module *m, const struct token_info *info)
{
    AUTO(buf_deinit) struct buf body;
    bool is_new = (s->phase == SLOT_ABSENT && !s->stayed) || !text_eq(s->info.serial, info->serial);

    buf_init(&body, 0);
    if (is_new) {
        key_drop_all(s);
    }
    s->module = m;
    s->info = *info;
    s->close = false; /* opening closes what was open in the lane */
    if (is_new) {
        pin_new_insertion(s);
    }
    struct err *e = match_profile(s);

    if (e != NULL) {
        slot_fail(s, err_add(e, "token %s", s->name), false);
        return;
    }
    s->phase = SLOT_OPENING;
    ops_open_put(&body, &(struct ops_open){s->lane, s->info, s->profile});
    slot_call(s, &(struct slot_request){OPS_OPEN, &body, LIST_MS, on_opened, s}, &s->call);
    remote_poke(s->r);
}

void slot_check(struct slot *s)
{
    bool usable = s->module != NULL && s->module->ready &&
                  (s->phase == SLOT_READY || s->phase == SLOT_LOCKED);

    if (usable && s->suspect) {
        struct module *m = s->module;

        slot_set_absent(s); /* what is listed again will be opened again */
        s->stayed = true;
        module_look(m);
    } else if (usable && s->relogin && s->phase == SLOT_READY) {
        s->relogin = false;
        pin_start(s);
    } else if (s->close && s->module != NULL && s->module->ready) {
        module_look(s->module);
    }
}
