#ifndef HF_VAULT_RETRY_H
#define HF_VAULT_RETRY_H

#include <stdint.h>

/** How an HTTP request came out, as far as repeating it goes. */
enum vault_failure {
    VAULT_FAIL_FINAL,      /* it will say the same again */
    VAULT_FAIL_CONNECTION, /* nobody took the request */
    VAULT_FAIL_SERVER,     /* 5xx: sealed, standby, broken */
    VAULT_FAIL_LIMITED,    /* 429: too many requests */
};

struct vault_try {
    enum vault_failure failure;
    unsigned attempt;       /* 0 for the first */
    int64_t retry_after_ms; /* what the server asked for; below 0: nothing */
    int64_t left_ms;        /* until the request's deadline */
    uint32_t seed;          /* spreads clients that failed at the same moment */
};

enum { VAULT_TRIES_MAX = 5 };

/** vault_retry_wait_ms() - how long to wait before the next try; below 0: give up */
int64_t vault_retry_wait_ms(const struct vault_try *t);

#endif
