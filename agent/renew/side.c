/*
 * The two signers that one certificate may have, and whose turn it is. Each has its own count of
 * failures and its own back-off out of schedule.c. The standby is not asked for a certificate before its
 * time: only what the schedule wants anyway, and only while the first one fails without refusing.
 *
 * While the first signer fails, a certificate of the standby does not count for it: so it goes on being
 * asked at its back-off, and its first good answer brings everything back.
 */
#include "base/patience.h"
#include "renew/priv.h"

enum { FIRST, STANDBY };

const struct signer *renew_signer(const struct renew_entry *e)
{
    const struct identity_want_conf *want = identity_cert_want(e->cert);

    return e->at_standby ? want->standby.signer : want->signer;
}

static int64_t seconds_since(struct mono t)
{
    return (mono_now().ms - t.ms) / 1000;
}

static struct wall now_for(const struct renew_entry *e)
{
    struct wall now = wall_now();
    int64_t counted = e->anchor_wall.s + seconds_since(e->anchor_mono);

    return now.s > counted ? now : (struct wall){counted};
}

static struct schedule_input input_of(const struct renew_entry *e, unsigned which)
{
    const struct identity *i = identity_cert_owner(e->cert);
    const struct ssh_cert *current = identity_cert_current(e->cert);
    const struct renew_side *side = &e->side[which];
    uint64_t until = current != NULL ? ssh_cert_fields(current)->valid_before : 0;
    bool counts = which == STANDBY || side->failures == 0 || !identity_cert_is_of_standby(e->cert);
    struct wall now = now_for(e);

    return (struct schedule_input){
        .renewal = identity_renewal_of(i),
        .is_asleep = identity_is_asleep(i),
        .is_in_use = identity_is_in_use(i),
        .is_needed = identity_cert_is_needed(e->cert),
        .has_recovered = side->recovered,
        .has_cert = current != NULL && counts,
        .received = identity_cert_received(e->cert),
        .valid_before = {until < INT64_MAX ? (int64_t)until : INT64_MAX},
        .failures = side->failures,
        .last_error = side->last_error,
        .patience_s = side->patience_s,
        .failed_at = {now.s - seconds_since(side->failed_at)},
        .now = now,
        .seed = e->seed,
    };
}

static int64_t next_ms(const struct renew_entry *e, unsigned which)
{
    const struct schedule_input in = input_of(e, which);
    int64_t s = schedule_next(&in);

    return s < INT64_MAX / 1000 ? s * 1000 : INT64_MAX;
}

/* When the standby's turn begins, whatever the schedule says; INT64_MAX: it does not. */
static int64_t turn_ms(const struct renew_entry *e)
{
    const struct identity_standby_conf *conf = &identity_cert_want(e->cert)->standby;
    const struct renew_side *first = &e->side[FIRST];

    if (conf->signer == NULL || !conf->by_itself || first->failures == 0 ||
        schedule_class_of(first->last_error) == SCHEDULE_REFUSED) {
        return INT64_MAX;
    }
    return mono_left_ms((struct mono){first->failing_since.ms + conf->after_s * 1000});
}

int64_t renew_wait_ms(const struct renew_entry *e, bool *ret_standby)
{
    int64_t first = next_ms(e, FIRST);
    int64_t turn = turn_ms(e);
    int64_t standby = turn < INT64_MAX ? next_ms(e, STANDBY) : INT64_MAX;

    standby = standby > turn ? standby : turn;
    *ret_standby = standby < first;
    return *ret_standby ? standby : first;
}

void renew_side_done(struct renew_entry *e, const struct err *error)
{
    struct renew_side *side = &e->side[e->at_standby ? STANDBY : FIRST];

    if (error == NULL) {
        *side = (struct renew_side){.recovered = side->failures > 0};
        return;
    }
    if (side->failures++ == 0) {
        side->failing_since = mono_now();
    }
    side->last_error = err_code(error);
    side->patience_s = err_patience_s(error);
    side->failed_at = mono_now();
}
