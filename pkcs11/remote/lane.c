/*
 * The opened tokens of holdfast-token, and who may touch them when.
 *
 * Signing enters a lane with a session number of its own; reading the keys anew, closing and deleting
 * take the lane alone, because they change what numbers mean: no signature may run, or begin, with
 * a number from before. One lock serves all lanes; it is held for some instructions only, never over
 * a call into the module.
 *
 * Keys are looked up by name in a small hash table: the name is a digest, so its bytes are the hash.
 */
#include "pkcs11/remote/lane.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBER_NONE = UINT32_MAX };

struct lane_name {
    bool used;
    struct ops_name name;
    uint32_t number;
};

void lanes_init(struct lanes *l)
{
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->left, NULL);
}

void lanes_deinit(struct lanes *l)
{
    for (size_t i = 0; i <= OPS_LANES_MAX; i++) {
        lane_close(&l->lane[i]);
    }
    pthread_cond_destroy(&l->left);
    pthread_mutex_destroy(&l->lock);
}

/* With the lock held. */
static int free_session(const struct lane *lane)
{
    for (unsigned i = 0; i < lane->sessions; i++) {
        if ((lane->busy & (UINT64_C(1) << i)) == 0) {
            return (int)i;
        }
    }
    return -1;
}

struct err *lanes_enter(struct lanes *l, uint32_t number, unsigned *ret_session, struct lane **ret)
{
    struct lane *lane = &l->lane[number];
    int session = -1;

    pthread_mutex_lock(&l->lock);
    while (lane->alone || (lane->token != NULL && (session = free_session(lane)) < 0)) {
        pthread_cond_wait(&l->left, &l->lock);
    }
    bool open = lane->token != NULL;

    if (open) {
        lane->busy |= UINT64_C(1) << session;
    }
    pthread_mutex_unlock(&l->lock);
    if (!open) {
        return err_new(ERR_GONE, "the token is not open");
    }
    *ret_session = (unsigned)session;
    *ret = lane;
    return NULL;
}

void lanes_leave(struct lanes *l, struct lane *lane, unsigned session)
{
    pthread_mutex_lock(&l->lock);
    lane->busy &= ~(UINT64_C(1) << session);
    pthread_cond_broadcast(&l->left);
    pthread_mutex_unlock(&l->lock);
}

struct lane *lanes_take(struct lanes *l, uint32_t number)
{
    struct lane *lane = &l->lane[number];

    pthread_mutex_lock(&l->lock);
    while (lane->alone) {
        pthread_cond_wait(&l->left, &l->lock);
    }
    lane->alone = true;
    while (lane->busy != 0) {
        pthread_cond_wait(&l->left, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return lane;
}

void lanes_give(struct lanes *l, struct lane *lane)
{
    pthread_mutex_lock(&l->lock);
    lane->alone = false;
    pthread_cond_broadcast(&l->left);
    pthread_mutex_unlock(&l->lock);
}

static void forget_keys(struct lane *lane)
{
    token_keys_free(&lane->keys, lane->keys_n);
    lane->keys_n = 0;
    free(lane->names);
    lane->names = NULL;
    lane->names_size = 0;
}

void lane_open(struct lane *lane, struct token *token)
{
    unsigned max = token_workers_max(token);

    lane_close(lane);
    lane->token = token;
    lane->sessions = max < 1 ? 1 : max > LANE_SESSIONS_MAX ? LANE_SESSIONS_MAX : max;
}

void lane_close(struct lane *lane)
{
    forget_keys(lane);
    token_close(&lane->token);
    lane->sessions = 0;
}

/* The entry with this name, or the free one where it belongs. The table is never full. */
static struct lane_name *find(const struct lane *lane, const struct ops_name *name)
{
    size_t at;

    memcpy(&at, name->bytes, sizeof at);
    for (;; at++) {
        struct lane_name *entry = &lane->names[at & (lane->names_size - 1)];

        if (!entry->used || memcmp(&entry->name, name, sizeof *name) == 0) {
            return entry;
        }
    }
}

struct err *lane_set_keys(struct lane *lane, struct token_key *keys, size_t n)
{
    forget_keys(lane);
    lane->keys = keys;
    lane->keys_n = n;
    size_t size = 4;

    while (size < 2 * n + 2) {
        size *= 2;
    }
    lane->names = calloc(size, sizeof *lane->names);
    if (lane->names == NULL) {
        return err_nomem();
    }
    lane->names_size = size;
    for (size_t i = 0; i < n; i++) {
        struct ops_name name =
            ops_name_of(view_of(keys[i].id, keys[i].id_len), ssh_key_blob(keys[i].key));
        struct lane_name *entry = find(lane, &name);

        if (!entry->used) { /* the same key twice: the first serves */
            *entry = (struct lane_name){true, name, keys[i].number};
        }
    }
    return NULL;
}

struct err *lane_find_key(const struct lane *lane, const struct ops_name *name,
                          uint32_t *ret_number)
{
    const struct lane_name *entry = lane->names_size > 0 ? find(lane, name) : NULL;

    if (entry == NULL || !entry->used || entry->number == NUMBER_NONE) {
        return err_new(ERR_NOT_FOUND, "the key is no longer on the token");
    }
    *ret_number = entry->number;
    return NULL;
}

void lane_forget_key(struct lane *lane, const struct ops_name *name)
{
    struct lane_name *entry = lane->names_size > 0 ? find(lane, name) : NULL;

    if (entry != NULL && entry->used) {
        entry->number = NUMBER_NONE;
    }
}

void lanes_count(struct lanes *l, unsigned *ret_open, unsigned *ret_sessions)
{
    *ret_open = 0;
    *ret_sessions = 0;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i <= OPS_LANES_MAX; i++) {
        *ret_open += l->lane[i].token != NULL;
        *ret_sessions += l->lane[i].sessions;
    }
    pthread_mutex_unlock(&l->lock);
}
