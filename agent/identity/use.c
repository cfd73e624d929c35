/*
 * Whether an identity is in use, for those that are renewed only then. One that was not listed and did
 * not sign for its time sleeps: no clock asks for its certificates. The next list wakes it, and may wait
 * a moment for what comes; so each certificate knows whether there is anything to wait for.
 *
 * Whatever the mode, a certificate that somebody looked for and did not find is needed: back-off is
 * long for those that nobody misses, and short for this one (see renew/schedule.c). It is needed until
 * the next request begins, so that one use makes one request.
 *
 * Waking changes nothing of what is held: it must not make anybody build a list anew.
 */
#include "identity/priv.h"

static const char *const renewals[] = {
    [IDENTITY_RENEWAL_EAGER] = "eager",
    [IDENTITY_RENEWAL_WHEN_USED] = "when-used",
    [IDENTITY_RENEWAL_PER_CONNECTION] = "per-connection",
};

const char *identity_renewal_name(enum identity_renewal r)
{
    return renewals[r];
}

bool identity_renewal_find(const char *word, enum identity_renewal *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(renewals); i++) {
        if (text_eq(word, renewals[i])) {
            *ret = (enum identity_renewal)i;
            return true;
        }
    }
    return false;
}

enum identity_renewal identity_renewal_of(const struct identity *i)
{
    return i->renewal;
}

int64_t identity_wait_ms(const struct identity *i)
{
    return i->wait_ms;
}

static bool is_live(const struct identity_cert *c, struct wall now)
{
    return c->current != NULL && identity_cert_is_live(c->current, now);
}

/* Have renew/ look, without any change of what is held. */
static void wake(struct identity *i)
{
    i->change = ++i->set->changes;
    io_timer_set(i->set->notify, mono_now());
}

bool identity_is_in_use(const struct identity *i)
{
    return i->used && mono_now().ms - i->used_at.ms < i->idle_s * 1000;
}

bool identity_is_asleep(const struct identity *i)
{
    return i->renewal == IDENTITY_RENEWAL_WHEN_USED && !identity_is_in_use(i);
}

/* Something is missing that nobody has called for yet. */
static bool is_missed(const struct identity_cert *c, struct wall now)
{
    return c->owner->renewal != IDENTITY_RENEWAL_PER_CONNECTION && !c->asked && !c->needed &&
           !is_live(c, now);
}

static bool need(struct identity *i, struct wall now)
{
    bool wakes = false;

    for (size_t k = 0; k < i->certs_n; k++) {
        if (is_missed(i->certs[k], now)) {
            i->certs[k]->needed = wakes = true;
        }
    }
    return wakes;
}

void identity_needed(struct identity *i)
{
    if (need(i, wall_now())) {
        wake(i);
    }
}

void identity_used(struct identity *i)
{
    bool wakes = identity_is_asleep(i);
    struct wall now = wall_now();

    i->used = true;
    i->used_at = mono_now();
    wakes |= need(i, now);
    for (size_t k = 0; i->renewal == IDENTITY_RENEWAL_WHEN_USED && k < i->certs_n; k++) {
        struct identity_cert *c = i->certs[k];

        if (!c->asked && !c->woken && !is_live(c, now)) {
            c->woken = wakes = true;
        }
    }
    if (wakes) {
        wake(i);
    }
}

bool identity_is_missed(const struct identity *i)
{
    bool missed = false;

    for (size_t k = 0; k < i->certs_n; k++) {
        missed |= is_missed(i->certs[k], wall_now());
    }
    return missed;
}

bool identity_cert_is_needed(const struct identity_cert *c)
{
    return c->needed && !is_live(c, wall_now());
}

bool identity_set_has_sleepers(const struct identity_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->identities[i]->renewal == IDENTITY_RENEWAL_WHEN_USED) {
            return true;
        }
    }
    return false;
}

bool identity_is_coming(const struct identity *i)
{
    struct wall now = wall_now();

    for (size_t k = 0; k < i->certs_n; k++) {
        const struct identity_cert *c = i->certs[k];

        if ((c->asked || c->woken) && !is_live(c, now)) {
            return true;
        }
    }
    return false;
}

void identity_cert_asks(struct identity_cert *c, bool standby)
{
    c->asks_standby = standby && c->want.standby.signer != NULL;
}

bool identity_cert_is_of_standby(const struct identity_cert *c)
{
    return c->current != NULL && c->is_of_standby;
}

void identity_cert_rests(struct identity_cert *c)
{
    if (c->woken && !c->gone) {
        c->woken = false;
        wake(c->owner);
    }
}
