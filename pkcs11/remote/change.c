/*
 * Tokens that come, change and go while the agent runs.
 *
 * PINs rule the order: while one is being fetched or is with the token, what is configured stays as it
 * is, and the change waits for the tick that finds it over. A change is no new insertion, so sources
 * that stay are not tried again. A source that was tried and did not log in is remembered as refused
 * when its token goes, because nobody will know any more once the same comes back.
 *
 * A slot that is emptied keeps its lane and stays: calls under way may still name it.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

static struct slot *find(const struct remote *r, const char *name)
{
    for (size_t i = 0; i < r->slots_n; i++) {
        if (text_eq(r->slots[i]->name, name)) {
            return r->slots[i];
        }
    }
    return NULL;
}

/* An empty slot, out of the idle ones or new; NULL when out of memory. Its lane is closed. */
static struct slot *get_slot(struct remote *r)
{
    for (size_t i = 0; i < r->idle_n; i++) {
        struct slot *s = r->idle[i];

        if (!s->close) {
            s->module = NULL;
            memset(&s->info, 0, sizeof s->info);
            r->idle[i] = r->idle[--r->idle_n];
            return s;
        }
    }
    return slot_new(r, (uint32_t)(r->slots_n + r->idle_n) + 1);
}

/* Room for one more in both lists, so that a slot can always change over. */
static bool make_room(struct remote *r)
{
    size_t n = r->slots_n + r->idle_n + 1;
    struct slot **slots = reallocarray(r->slots, n, sizeof *slots);

    r->slots = slots != NULL ? slots : r->slots;
    struct slot **idle = reallocarray(r->idle, n, sizeof *idle);

    r->idle = idle != NULL ? idle : r->idle;
    return slots != NULL && idle != NULL;
}

static struct err *add(struct remote *r, struct slot_conf *conf, unsigned born)
{
    if (r->slots_n >= OPS_LANES_MAX) {
        return err_new(ERR_LIMIT, "more than %d tokens are configured", OPS_LANES_MAX);
    }
    struct slot *s = make_room(r) ? get_slot(r) : NULL;

    if (s == NULL) {
        return err_nomem();
    }
    if (s->lane > OPS_LANES_MAX) {
        slot_free(&s);
        return err_new(ERR_BUSY, "the lanes of tokens that were removed are not closed yet");
    }
    s->born = born;
    slot_conf_swap(s, conf);
    r->slots[r->slots_n++] = s;
    return NULL;
}

struct err *change_add(struct remote *r, const struct remote_token_conf *conf)
{
    AUTO(slot_conf_free) struct slot_conf *c = NULL;
    struct err *e = slot_conf_new(conf, &c);

    return e != NULL ? e : add(r, c, 0);
}

/* What failed because of what was configured may be right now. */
static void match_anew(struct remote *r)
{
    if (!r->started || r->ending) {
        return;
    }
    for (size_t i = 0; i < r->slots_n; i++) {
        if (r->slots[i]->phase == SLOT_FAILED) {
            r->slots[i]->retry_at = mono_now();
        }
    }
    match_tokens(r);
    remote_poke(r);
}

static void forget_present(struct slot *s)
{
    for (size_t i = 0; i < s->r->modules_n; i++) {
        struct module *m = &s->r->modules[i];

        for (size_t k = 0; k < m->present_n; k++) {
            if (m->present[k].slot == s) {
                m->present[k].slot = NULL;
            }
        }
    }
}

static bool is_pin_at_work(const struct slot *s)
{
    return s->phase == SLOT_LOGIN || (s->phase == SLOT_PIN && !s->leaving);
}

static void apply(struct slot *s)
{
    AUTO(slot_conf_free) struct slot_conf *conf = take(&s->next);

    slot_conf_swap(s, conf);
    if (s->phase != SLOT_ABSENT && !slot_is_named(s, s->uri)) {
        forget_present(s);
        slot_set_absent(s);
        slot_set_error(s, NULL);
    }
    if (s->phase == SLOT_LOCKED) {
        pin_start(s); /* with those sources that were not tried */
    }
    match_anew(s->r);
}

static void leave(struct slot *s)
{
    struct remote *r = s->r;
    AUTO(slot_conf_deinit) struct slot_conf conf = {0};
    size_t at = 0;

    for (size_t i = 0; s->module != NULL && i < s->sources_n; i++) {
        if (s->sources[i].tried) {
            refusal_add(s, &s->sources[i], NULL);
        }
    }
    forget_present(s);
    if (s->phase != SLOT_ABSENT) {
        slot_set_absent(s);
    }
    key_disown(s);
    pin_deinit(s);
    slot_set_error(s, NULL);
    slot_conf_free(&s->next);
    slot_forget_profile(s);
    slot_conf_swap(s, &conf);
    s->leaving = false;
    s->stayed = false;
    s->pin_refused = false;
    s->failures = 0;
    while (r->slots[at] != s) {
        at++;
    }
    r->slots_n--;
    memmove(&r->slots[at], &r->slots[at + 1], (r->slots_n - at) * sizeof *r->slots);
    r->idle[r->idle_n++] = s;
    match_anew(r);
}

bool change_check(struct slot *s)
{
    if ((!s->leaving && s->next == NULL) || is_pin_at_work(s)) {
        return false;
    }
    if (s->leaving) {
        leave(s);
        return true;
    }
    apply(s);
    return false;
}

struct err *remote_token_put(struct remote *r, const struct remote_token_conf *conf)
{
    AUTO(slot_conf_free) struct slot_conf *c = NULL;
    struct err *e = slot_conf_new(conf, &c);
    struct slot *s = e == NULL ? find(r, conf->name) : NULL;

    if (e != NULL) {
        return e;
    }
    if (s == NULL) {
        e = add(r, c, ++r->births);
        if (e == NULL) {
            match_anew(r);
        }
        return err_add(e, "token %s", conf->name);
    }
    s->leaving = false;
    slot_conf_free(&s->next);
    if (!slot_conf_is(s, c)) {
        s->next = take(&c);
        change_check(s);
    }
    return NULL;
}

void remote_token_remove(struct remote *r, const char *name)
{
    struct slot *s = find(r, name);

    if (s != NULL) {
        s->leaving = true;
        change_check(s);
    }
}
