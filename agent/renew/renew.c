/*
 * The renewal clock: one timer over all certificates. A tick starts what is due, as far as
 * RENEW_IN_FLIGHT_MAX allows, most urgent first: what somebody misses, then what ends soonest, then what
 * nobody misses. It sets the timer for what is due next; whatever happens in between
 * only asks for a tick. So nothing can make it ask faster than schedule.c says, and a certificate
 * has one request under way at most.
 *
 * Certificates are wall time, and that may be set. A step ahead is noticed within a minute. A step
 * back must not put off a renewal: time that has passed since an anchor, on the monotonic clock,
 * counts, whatever the wall clock says. Deadlines and back-off are monotonic altogether. That clock goes
 * on while the machine sleeps, and io/ has the loop woken when it comes back (see io_step_new()): so
 * what fell due meanwhile is asked for at once.
 */
#include <stdlib.h>

#include "renew/priv.h"

enum { RECHECK_MS = 60 * 1000, GRACE_MS = 5 * 1000 };

void renew_anchor(struct renew_entry *e)
{
    struct wall now = wall_now(), received = identity_cert_received(e->cert);

    e->anchor_wall = received.s > now.s ? received : now;
    e->anchor_mono = mono_now();
}

/* When to look again at the latest: the wall clock may step. */
static int64_t wait_ms(const struct renew_entry *e, bool *ret_standby)
{
    int64_t ms = renew_wait_ms(e, ret_standby);

    ms = ms < RECHECK_MS ? ms : RECHECK_MS;
    return ms > mono_left_ms(e->not_before) ? ms : mono_left_ms(e->not_before);
}

static void poke(struct renew *r)
{
    io_timer_set(r->timer, mono_now());
}

void renew_look_soon(struct renew_entry *e)
{
    e->look_again = (struct mono){0};
    poke(e->owner);
}

/* @error is borrowed; NULL: it went well. */
static void finish(struct renew_entry *e, const struct err *error)
{
    e->in_flight = false;
    e->handle = 0;
    e->is_due = false;
    e->owner->in_flight--;
    renew_side_done(e, error);
    if (error == NULL) {
        renew_anchor(e);
    }
    renew_look_soon(e);
    renew_joins_done(e, error);
}

/* Clocks that disagree are the likeliest reason for a certificate that is not valid here. */
static struct err *explain(struct renew_entry *e, struct err *error,
                           const struct signer_answer *answer)
{
    if (error == NULL || !answer->has_skew || llabs(answer->skew_s) < SKEW_TOLD_S) {
        return error;
    }
    error = err_add(error, "its clock is %lld s %s ours", llabs(answer->skew_s),
                    answer->skew_s > 0 ? "ahead of" : "behind");
    identity_cert_failed(e->cert, err_copy(error));
    return error;
}

static void note_received(const struct renew_entry *e, const struct signer_answer *answer)
{
    const struct ssh_cert_fields *f = ssh_cert_fields(identity_cert_current(e->cert));
    char until[WALL_TEXT_BYTES];
    AUTO(auto_free) char *serial = text_fmt("%llu", (unsigned long long)f->serial);
    int64_t end = f->valid_before < INT64_MAX ? (int64_t)f->valid_before : INT64_MAX;

    audit_note(e->owner->audit, "certificate-received",
               (const struct audit_fact[]){
                   {"identity", identity_name(identity_cert_owner(e->cert))},
                   {"signer", renew_signer(e)->name},
                   {"serial", serial},
                   {"key_id", f->key_id},
                   {"valid_before", end < INT64_MAX ? wall_text((struct wall){end}, until) : NULL},
                   {"request_id", answer->request_id[0] != '\0' ? answer->request_id : NULL},
                   {NULL, NULL},
               });
}

/* In seconds of wall time. */
static int64_t end_of(const struct renew_entry *e)
{
    const struct ssh_cert *c = identity_cert_current(e->cert);
    uint64_t until = c != NULL ? ssh_cert_fields(c)->valid_before : 0;

    return until < INT64_MAX ? (int64_t)until : INT64_MAX;
}

/* The certificate that now has a successor had ended: say why that came late. */
static void tell_gap(const struct renew_entry *e, bool had_one, int64_t left_s)
{
    const struct renew_side *side = &e->side[e->at_standby];

    if (had_one && left_s <= 0 &&
        identity_renewal_of(identity_cert_owner(e->cert)) == IDENTITY_RENEWAL_EAGER) {
        log_line(
            LOG_NOTE,
            "%s had no valid certificate for %lld s: its request was due %lld ms and sent %lld "
            "ms before the answer, after %u failures",
            identity_name(identity_cert_owner(e->cert)), -(long long)left_s,
            -(long long)mono_left_ms(e->due_since), -(long long)mono_left_ms(e->asked_at),
            side->failures);
    }
}

static void on_reply(void *arg, struct err *failed, const struct signer_answer *answer)
{
    struct renew_entry *e = arg;
    AUTO(err_free) struct err *error = failed;
    bool had_one = identity_cert_current(e->cert) != NULL;
    int64_t left_s = end_of(e) - wall_now().s;

    if (error != NULL) {
        identity_cert_failed(e->cert, err_copy(error));
    } else {
        error = explain(e, identity_cert_answer(e->cert, answer->cert_line, answer->role_chose),
                        answer);
        if (error == NULL) {
            tell_gap(e, had_one, left_s);
            note_received(e, answer);
        }
    }
    finish(e, error);
}

static void request(struct renew_entry *e, bool standby)
{
    const struct identity_want_conf *want = identity_cert_want(e->cert);
    struct signer_request q = want->request;
    const struct mono deadline = mono_in(RENEW_DEADLINE_S * 1000);

    q.key = identity_public(identity_cert_owner(e->cert));
    if (standby) {
        q.mount = want->standby.mount;
        q.role = want->standby.role;
        q.issuer_ref = NULL;
    }
    e->at_standby = standby;
    const struct signer *signer = renew_signer(e);

    e->in_flight = true;
    e->asked_at = mono_now();
    e->owner->in_flight++;
    e->give_up = (struct mono){deadline.ms + GRACE_MS};
    identity_cert_asks(e->cert, standby);
    identity_cert_requested(e->cert);
    uint64_t handle = signer->ops->sign(signer->self, &q, deadline, on_reply, e);

    if (handle != 0) { /* else the answer was here already */
        e->handle = handle;
    }
}

/* A signer that forgot its own deadline. */
static void give_up(struct renew_entry *e)
{
    const struct signer *signer = renew_signer(e);
    AUTO(err_free) struct err *error =
        err_new(ERR_TIMEOUT, "'%s' did not answer within %d s", signer->name, RENEW_DEADLINE_S);

    if (e->handle != 0) {
        signer->ops->cancel(signer->self, e->handle);
    }
    identity_cert_failed(e->cert, err_copy(error));
    finish(e, error);
}

void renew_withdraw(struct renew_entry *e)
{
    const struct signer *signer = renew_signer(e);

    if (e->handle != 0) {
        signer->ops->cancel(signer->self, e->handle);
    }
    e->owner->in_flight -= e->in_flight;
    e->in_flight = e->is_due = false;
    e->handle = 0;
}

/* The less, the sooner. */
static int64_t urgency(const struct renew_entry *e)
{
    int64_t end = end_of(e);

    return identity_cert_is_needed(e->cert) ? 0 : end > wall_now().s ? end : INT64_MAX;
}

/* Give it up, note that it is due, or leave it; returns when to look again, in ms. */
static int64_t judge(struct renew_entry *e)
{
    if (e->in_flight) {
        if (mono_passed(e->give_up)) {
            give_up(e);
            return 0;
        }
        return mono_left_ms(e->give_up);
    }
    bool standby = e->forced_standby;
    int64_t wait = e->forced || standby ? 0 : wait_ms(e, &standby);

    if (wait > 0) {
        e->is_due = false;
        identity_cert_rests(e->cert);
        return wait;
    }
    AUTO(err_free) struct err *why = identity_cert_may_request(e->cert);

    if (why != NULL) {
        e->forced = e->forced_standby = e->is_due = false;
        identity_cert_rests(e->cert);
        renew_joins_done(e, why);
    } else if (!e->is_due) {
        e->is_due = true;
        e->due_since = mono_now();
    }
    e->urgency = urgency(e);
    e->due_standby = standby;
    return RECHECK_MS;
}

/* Many ticks are for a few entries: one that rests costs nothing. Whatever ends a request has it looked
 * at again, and so does whatever happens to its identity. */
static struct mono look_at(struct renew_entry *e, struct mono now)
{
    uint64_t change = identity_change(identity_cert_owner(e->cert));

    if (e->seen != change || e->look_again.ms <= now.ms) {
        e->seen = change;
        e->look_again = mono_in(judge(e));
    }
    return e->look_again;
}

/* NULL: nothing is due that could be asked for now. */
static struct renew_entry *most_urgent(const struct renew *r)
{
    struct renew_entry *best = NULL;
    int64_t least = INT64_MAX;

    /* Of those that are alike another one comes first each time: so those that fail do not keep out
     * the rest. */
    for (size_t i = 0; r->in_flight < RENEW_IN_FLIGHT_MAX && i < r->n; i++) {
        struct renew_entry *e = r->entries[(r->first + i) % r->n];

        if (e->is_due && !e->in_flight && (best == NULL || e->urgency < least)) {
            best = e;
            least = e->urgency;
        }
    }
    return best;
}

static struct mono first_of(struct mono a, struct mono b)
{
    return a.ms < b.ms ? a : b;
}

/* Returns when the first of them is to be given up, @until at the latest. */
static struct mono start_due(struct renew *r, struct mono until)
{
    for (struct renew_entry *e = most_urgent(r); e != NULL; e = most_urgent(r)) {
        e->forced = e->forced_standby = false;
        request(e, e->due_standby);
        until = e->in_flight ? first_of(e->give_up, until) : until;
    }
    return until;
}

static void follow(struct renew *r)
{
    AUTO(err_free) struct err *e = NULL;

    if (r->edition == identity_set_edition(r->identities)) {
        return;
    }
    renew_drop_gone(r);
    e = renew_add_missing(r, false);
    if (e != NULL) {
        log_err(LOG_WARN, e, "a certificate is not renewed yet");
    } else {
        r->edition = identity_set_edition(r->identities);
    }
}

static void on_tick(void *arg)
{
    struct renew *r = arg;
    struct mono now = mono_now(), next = mono_in(RECHECK_MS);

    follow(r);
    for (size_t i = 0; i < r->n; i++) {
        next = first_of(look_at(r->entries[i], now), next);
    }
    next = start_due(r, next);
    r->first += RENEW_IN_FLIGHT_MAX;
    if (!io_timer_is_set(r->timer)) { /* else something happened meanwhile: at once */
        io_timer_set(r->timer, next);
    }
}

struct err *renew_new(struct io_loop *l, struct identity_set *identities, uint64_t seed,
                      struct audit *audit, struct renew **ret)
{
    AUTO(renew_free) struct renew *r = calloc(1, sizeof *r);

    if (r == NULL) {
        return err_nomem();
    }
    r->identities = identities;
    r->audit = audit;
    r->seed = seed;
    r->timer = io_timer_new(l, on_tick, r);
    struct err *e = r->timer != NULL ? renew_add_missing(r, true) : err_nomem();

    if (e == NULL) {
        r->edition = identity_set_edition(identities);
        poke(r);
        *ret = take(&r);
    }
    return e;
}

void renew_free(struct renew **rp)
{
    struct renew *r = take(rp);

    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->n; i++) {
        renew_entry_free(&r->entries[i], "the agent is ending");
    }
    io_timer_free(&r->timer);
    free(r->entries);
    free(r);
}

void renew_reconsider(struct renew *r)
{
    follow(r);
    poke(r);
}

void renew_look(struct renew *r)
{
    for (size_t i = 0; i < r->n; i++) {
        r->entries[i]->look_again = (struct mono){0};
    }
    renew_reconsider(r);
}

struct renew_entry *renew_entry_of(const struct renew *r, const struct identity_cert *c)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->entries[i]->cert == c) {
            return r->entries[i];
        }
    }
    return NULL;
}

struct wall renew_due(const struct renew *r, const struct identity_cert *c)
{
    const struct renew_entry *e = renew_entry_of(r, c);
    AUTO(err_free) struct err *why = e != NULL ? identity_cert_may_request(c) : NULL;

    if (e == NULL || e->in_flight || why != NULL) {
        return (struct wall){0};
    }
    bool standby = false;
    int64_t ms = renew_wait_ms(e, &standby);

    return (struct wall){ms < INT64_MAX ? wall_now().s + (ms + 999) / 1000 : 0};
}
