/*
 * When to try again: a pure function, so that a test can walk through every case.
 *
 * The wait doubles from 250 ms to 8 s, and each client takes a share of it between a half and the
 * whole, by its seed: a server that comes back is not met by all its clients at once. A server that
 * names a time gets at least that; one longer than we wait ourselves is for whoever asked us to keep, who
 * can say so meanwhile. A wait that would not leave time for another try is not begun.
 */
#include "vault/retry.h"

enum { FIRST_MS = 250, LONGEST_MS = 8000, LEAST_LEFT_MS = 100 };

static int64_t share_of(int64_t ms, uint32_t seed)
{
    return ms / 2 + (int64_t)(seed % 1000) * (ms - ms / 2) / 999;
}

int64_t vault_retry_wait_ms(const struct vault_try *t)
{
    if (t->failure == VAULT_FAIL_FINAL || t->attempt + 1 >= VAULT_TRIES_MAX) {
        return -1;
    }
    int64_t longest = (int64_t)FIRST_MS << t->attempt;
    int64_t wait = share_of(longest < LONGEST_MS ? longest : LONGEST_MS, t->seed);

    if (t->retry_after_ms > LONGEST_MS) {
        return -1;
    }
    if (t->retry_after_ms > 0) {
        wait = t->retry_after_ms + share_of(FIRST_MS, t->seed);
    }
    return wait + LEAST_LEFT_MS <= t->left_ms ? wait : -1;
}
