/*
 * Signing: the way of every request. With the token ready, a signature costs one frame in a buffer
 * that is kept, and one call; no list is walked. Otherwise it waits at its slot, until the token is
 * ready, the login has failed, or its time is up.
 *
 * A request that was handed over is never sent again: it may have cost a touch. One that waits in the
 * helper's queue survives a restart, because it names the key, not a number of that life.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

struct sign {
    struct remote *r;
    uint32_t index, generation; /* the handle: generation << 32 | index + 1 */
    uint32_t next_free;         /* index + 1 */
    struct slot *slot;          /* while it waits there */
    TAILQ_ENTRY(sign) next;
    struct module *module; /* while it is with a helper: */
    uint64_t call;
    struct remote_key *key;
    enum scheme scheme;
    struct mono deadline;
    uint64_t flow;
    struct buf data; /* a copy, while it waits */
    remote_sign_fn *on_reply;
    void *arg;
};

enum { SIGNS_MAX = 1 << 20 };

static bool more_signs(struct remote *r)
{
    struct sign **grown =
        r->signs_n < SIGNS_MAX ? reallocarray(r->signs, r->signs_n + 1, sizeof *grown) : NULL;
    struct sign *sign = grown != NULL ? calloc(1, sizeof *sign) : NULL;

    if (grown != NULL) {
        r->signs = grown;
    }
    if (sign == NULL) {
        return false;
    }
    *sign = (struct sign){.r = r, .index = r->signs_n};
    buf_init(&sign->data, 0);
    r->signs[r->signs_n++] = sign;
    r->free_sign = sign->index + 1;
    return true;
}

static struct sign *get_sign(struct remote *r)
{
    if (r->free_sign == 0 && !more_signs(r)) {
        return NULL;
    }
    struct sign *sign = r->signs[r->free_sign - 1];

    r->free_sign = sign->next_free;
    sign->generation++;
    return sign;
}

static void put_sign(struct sign *sign)
{
    if (sign->slot != NULL) {
        TAILQ_REMOVE(&sign->slot->waiting, sign, next);
        sign->slot = NULL;
    }
    remote_key_unref(&sign->key);
    buf_deinit(&sign->data);
    sign->call = 0;
    sign->on_reply = NULL;
    sign->next_free = sign->r->free_sign;
    sign->r->free_sign = sign->index + 1;
}

static void end(struct sign *sign, struct err *e, struct view raw)
{
    remote_sign_fn *on_reply = sign->on_reply;
    void *arg = sign->arg;

    if (e != NULL) {
        const struct token_key *k = &sign->key->k;

        e = err_add(e, "sign with key %s", k->label);
    }
    put_sign(sign);
    on_reply(arg, e, raw);
}

static void learn_from(struct slot *s, const struct remote_key *k, const struct err *e)
{
    if (s == NULL || s->phase != SLOT_READY) {
        return;
    }
    if (err_is(e, ERR_GONE)) {
        s->suspect = true; /* unless its helper died: then it is DOWN by the next round */
        remote_poke(s->r);
    } else if (err_is(e, ERR_PIN) && !k->k.always_authenticate) {
        s->relogin = true;
        remote_poke(s->r);
    }
}

static void on_signed(void *arg, struct err *e, struct rd *reply)
{
    struct sign *sign = arg;
    struct view raw = {NULL, 0};

    if (e == NULL) {
        e = ops_string_get(reply, &raw);
    }
    if (e != NULL) {
        learn_from(sign->key->slot, sign->key, e);
    }
    end(sign, e, raw);
}

/* Return: false when on_reply ran already. */
static bool send_sign(struct sign *sign, struct view data)
{
    struct remote *r = sign->r;
    const struct slot *s = sign->key->slot;

    buf_clear(&r->scratch);
    ops_sign_put(&r->scratch, &(struct ops_sign){s->lane, sign->key->name, sign->scheme, data});
    struct err *e = buf_check(&r->scratch, "a sign request");

    if (e != NULL) {
        end(sign, e, (struct view){NULL, 0});
        return false;
    }
    sign->module = s->module;
    uint64_t call =
        io_helper_call(s->module->helper, &(struct io_call){.op = OPS_SIGN,
                                                            .body = buf_view(&r->scratch),
                                                            .deadline = sign->deadline,
                                                            .flow = sign->flow,
                                                            .lane = s->lane,
                                                            .on_reply = on_signed,
                                                            .arg = sign});

    if (call != 0) {
        sign->call = call;
    }
    return call != 0;
}

static struct err *why_no_sign(const struct remote_key *k, enum scheme scheme, struct view data)
{
    if (k->r == NULL || k->r->ending) {
        return err_new(ERR_GONE, "the agent is shutting down");
    }
    if (k->slot == NULL) {
        return err_new(ERR_GONE, "the key's token is no longer configured");
    }
    if (k->k.why_not != NULL) {
        return err_new(ERR_UNSUPPORTED, "the key cannot be used: %s", k->k.why_not);
    }
    if (!ssh_scheme_fits(scheme, ssh_key_type(k->k.key))) {
        return err_new(ERR_INPUT, "a key of type %s makes no %s signatures",
                       ssh_key_type_word(ssh_key_type(k->k.key)),
                       scheme_name(scheme) != NULL ? scheme_name(scheme) : "such");
    }
    if (data.len == 0 || data.len > TOKEN_SIGN_MAX_BYTES) {
        return err_new(ERR_LIMIT, "%zu bytes to sign, where 1 to %d are allowed", data.len,
                       TOKEN_SIGN_MAX_BYTES);
    }
    if (k->slot->phase == SLOT_ABSENT || k->slot->phase == SLOT_FAILED) {
        return slot_why_not(k->slot);
    }
    if (k->slot->phase == SLOT_READY && !k->present) {
        return err_new(ERR_NOT_FOUND, "the key is no longer on token %s", k->slot->name);
    }
    return NULL;
}

static void set_timer(struct slot *s, struct mono deadline)
{
    if (!io_timer_is_set(s->timer) || deadline.ms < s->first_deadline.ms) {
        s->first_deadline = deadline;
        io_timer_set(s->timer, deadline);
    }
}

static bool wait_at_slot(struct sign *sign, struct slot *s, struct view data)
{
    buf_put(&sign->data, data.p, data.len);
    struct err *e = buf_check(&sign->data, "a sign request");

    if (e != NULL) {
        end(sign, e, (struct view){NULL, 0});
        return false;
    }
    const uint32_t generation = sign->generation;

    sign->slot = s;
    TAILQ_INSERT_TAIL(&s->waiting, sign, next);
    set_timer(s, sign->deadline);
    if (s->phase == SLOT_LOCKED) {
        pin_start(s); /* may fail at once, and then so did we */
    }
    return sign->generation == generation && sign->on_reply != NULL;
}

uint64_t remote_sign_scheme(struct remote *r, struct remote_key *k, enum scheme scheme,
                            struct view data, struct mono deadline, uint64_t flow,
                            remote_sign_fn *on_reply, void *arg)
{
    struct err *e = why_no_sign(k, scheme, data);
    struct sign *sign = e == NULL ? get_sign(r) : NULL;

    if (sign == NULL) {
        e = e != NULL ? e : err_new(ERR_LIMIT, "too many signatures are waiting");
        on_reply(arg, err_add(e, "sign with key %s", k->k.label), (struct view){NULL, 0});
        return 0;
    }
    sign->key = remote_key_ref(k);
    sign->scheme = scheme;
    sign->deadline = deadline;
    sign->flow = flow;
    sign->on_reply = on_reply;
    sign->arg = arg;
    const uint64_t handle = (uint64_t)sign->generation << 32 | (sign->index + 1);
    bool open =
        k->slot->phase == SLOT_READY ? send_sign(sign, data) : wait_at_slot(sign, k->slot, data);

    return open ? handle : 0;
}

uint64_t remote_sign(struct remote *r, struct remote_key *k, enum ssh_alg alg, struct view data,
                     struct mono deadline, uint64_t flow, remote_sign_fn *on_reply, void *arg)
{
    enum scheme scheme;

    if (!ssh_alg_scheme(alg, &scheme)) {
        struct err *e = err_new(ERR_INPUT, "no key makes %s signatures here", ssh_alg_name(alg));

        on_reply(arg, err_add(e, "sign with key %s", k->k.label), (struct view){NULL, 0});
        return 0;
    }
    return remote_sign_scheme(r, k, scheme, data, deadline, flow, on_reply, arg);
}

void remote_cancel(struct remote *r, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    struct sign *sign = index > 0 && index <= r->signs_n ? r->signs[index - 1] : NULL;

    if (sign == NULL || sign->generation != (uint32_t)(handle >> 32) || sign->on_reply == NULL) {
        return;
    }
    if (sign->call != 0 && sign->module->helper != NULL) {
        io_helper_cancel(sign->module->helper, sign->call);
    }
    put_sign(sign);
}

void sign_flush(struct slot *s)
{
    struct sign *sign;

    while (s->phase == SLOT_READY && (sign = TAILQ_FIRST(&s->waiting)) != NULL) {
        struct buf data = sign->data;

        buf_init(&sign->data, 0);
        TAILQ_REMOVE(&s->waiting, sign, next);
        sign->slot = NULL;
        if (sign->key->present) {
            send_sign(sign, buf_view(&data));
        } else {
            end(sign, err_new(ERR_NOT_FOUND, "the key is no longer on token %s", s->name),
                (struct view){NULL, 0});
        }
        buf_deinit(&data);
    }
}

void sign_fail_waiting(struct slot *s, const struct err *why)
{
    AUTO(err_free) struct err *copy = err_copy(why);
    struct sign_list list = TAILQ_HEAD_INITIALIZER(list);
    struct sign *sign;

    TAILQ_CONCAT(&list, &s->waiting, next); /* only those who wait now */
    TAILQ_FOREACH(sign, &list, next)
    {
        sign->slot = NULL;
    }
    while ((sign = TAILQ_FIRST(&list)) != NULL) {
        TAILQ_REMOVE(&list, sign, next);
        end(sign, err_copy(copy), (struct view){NULL, 0});
    }
}

void sign_on_timer(void *arg)
{
    struct slot *s = arg;
    struct sign *sign = TAILQ_FIRST(&s->waiting);

    while (sign != NULL) {
        struct sign *next = TAILQ_NEXT(sign, next);

        if (!mono_passed(sign->deadline)) {
            set_timer(s, sign->deadline);
            sign = next;
        } else {
            end(sign, err_new(ERR_TIMEOUT, "token %s did not become ready in time", s->name),
                (struct view){NULL, 0});
            sign = TAILQ_FIRST(&s->waiting); /* the callback may have changed the list */
        }
    }
}

void sign_deinit(struct remote *r)
{
    for (uint32_t i = 0; i < r->signs_n; i++) {
        buf_deinit(&r->signs[i]->data);
        free(r->signs[i]);
    }
    free(r->signs);
    r->signs = NULL;
    r->signs_n = 0;
}
