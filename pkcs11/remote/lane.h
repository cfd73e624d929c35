#ifndef HF_PKCS11_REMOTE_LANE_H
#define HF_PKCS11_REMOTE_LANE_H

#include <pthread.h>

#include "pkcs11/remote/ops.h"

/* For holdfast-token only: its opened tokens. A lane's sessions are numbered; a worker that enters
 * gets the lowest free number, so that sessions are reused before another one is opened. */

enum { LANE_SESSIONS_MAX = 64 };

struct lane_name;
struct lane {
    struct token *token; /* NULL: not open */
    unsigned sessions;
    uint64_t busy;          /* a bit per session in use */
    bool alone;             /* one worker has the lane to itself */
    struct token_key *keys; /* as token_keys() gave them */
    size_t keys_n;
    struct lane_name *names; /* hash table from a key's name to its number */
    size_t names_size;       /* a power of two, or 0 */
};

struct lanes {
    pthread_mutex_t lock; /* guards busy, alone and token of all lanes */
    pthread_cond_t left;  /* somebody left */
    struct lane lane[OPS_LANES_MAX + 1];
};

/** lanes_init() - nothing is open; @l is zeroed memory. lanes_deinit() - closes all tokens; no
 * worker may be left */
void lanes_init(struct lanes *l);
void lanes_deinit(struct lanes *l);

/**
 * lanes_enter() - take a session of an open token; blocks until one is free
 * @number: 1..OPS_LANES_MAX
 * Errors: GONE when the lane is not open
 */
struct err *lanes_enter(struct lanes *l, uint32_t number, unsigned *ret_session, struct lane **ret)
    MUST_CHECK;
void lanes_leave(struct lanes *l, struct lane *lane, unsigned session);
/** lanes_take() - have a lane, open or not, to oneself; blocks until all others left */
struct lane *lanes_take(struct lanes *l, uint32_t number);
void lanes_give(struct lanes *l, struct lane *lane);

/** lane_open() - a lane that was taken; @token is taken. What it held before is closed */
void lane_open(struct lane *lane, struct token *token);
void lane_close(struct lane *lane);
/** lane_set_keys() - @keys is taken, also on failure; the lane must have been taken */
struct err *lane_set_keys(struct lane *lane, struct token_key *keys, size_t n) MUST_CHECK;
/** lane_find_key() - the number of a key. NOT_FOUND; the caller has entered */
struct err *lane_find_key(const struct lane *lane, const struct ops_name *name,
                          uint32_t *ret_number) MUST_CHECK;
/** lane_forget_key() - it was deleted; the lane must have been taken */
void lane_forget_key(struct lane *lane, const struct ops_name *name);
/** lanes_count() - how many are open, and how many sessions they have in all */
void lanes_count(struct lanes *l, unsigned *ret_open, unsigned *ret_sessions);

#endif
