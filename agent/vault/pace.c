/*
 * How often a server is logged in to: pure, so that a test can walk through hours of it.
 *
 * Two things bound it. A login that was refused will be refused again, and where it is a password a
 * few more lock the account: so the wait doubles, until a secret's file changes (auth.c sees that and
 * forgives). And whatever the reason, no more than a burst, then one every ten seconds: a token that
 * is revoked as soon as it is made would otherwise cost as many logins as there are requests.
 */
#include "vault/pace.h"

enum { FIRST_MS = 1000, DOUBLINGS_MAX = 6 };

int64_t vault_pace_wait_ms(const struct vault_pace *p, struct mono now)
{
    int64_t burst = (VAULT_PACE_BURST - 1) * VAULT_PACE_EVERY_MS;
    int64_t wait = p->spent_until.ms - burst - now.ms;

    if (wait < p->not_before.ms - now.ms) {
        wait = p->not_before.ms - now.ms;
    }
    return wait > 0 ? wait : 0;
}

void vault_pace_tried(struct vault_pace *p, struct mono now, bool refused)
{
    if (p->spent_until.ms < now.ms) {
        p->spent_until = now;
    }
    p->spent_until.ms += VAULT_PACE_EVERY_MS;
    if (!refused) {
        vault_pace_forgive(p);
        return;
    }
    int64_t wait = (int64_t)FIRST_MS << (p->refused < DOUBLINGS_MAX ? p->refused : DOUBLINGS_MAX);

    p->not_before.ms = now.ms + (wait < VAULT_PACE_LONGEST_MS ? wait : VAULT_PACE_LONGEST_MS);
    p->refused++;
}

void vault_pace_forgive(struct vault_pace *p)
{
    p->refused = 0;
    p->not_before.ms = 0;
}
