#ifndef HF_VAULT_PACE_H
#define HF_VAULT_PACE_H

#include "base/base.h"

/* A burst of logins may be needed (tokens that are revoked, one after the other); for good there is
 * not more than one in this time. So no minute sees more than VAULT_PACE_BURST + 6. */
enum { VAULT_PACE_BURST = 6, VAULT_PACE_EVERY_MS = 10 * 1000, VAULT_PACE_LONGEST_MS = 60 * 1000 };

/** How often one server is logged in to. Zeros: never yet. */
struct vault_pace {
    struct mono spent_until; /* each login moves it on by VAULT_PACE_EVERY_MS */
    struct mono not_before;  /* after a refusal */
    unsigned refused;        /* in a row */
};

/** vault_pace_wait_ms() - how long until a login may be tried; 0: now */
int64_t vault_pace_wait_ms(const struct vault_pace *p, struct mono now);
/** vault_pace_tried() - count a login that reached a server; after one that was refused the next has
 * to wait: 1 s, then twice as long each time, VAULT_PACE_LONGEST_MS at most */
void vault_pace_tried(struct vault_pace *p, struct mono now, bool refused);
/** vault_pace_forgive() - what was refused is not what will be tried next: refusals do not count */
void vault_pace_forgive(struct vault_pace *p);

#endif
