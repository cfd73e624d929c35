/*
 * Opening a token: is it still the one that was listed, how many sessions may we hold, what can it
 * do. All of it is decided once, here, from CK_TOKEN_INFO and the profile.
 *
 * Three sessions never sign: the anchor that holds the login, the read-write one and libp11's. A
 * token with fewer than four gets `single`: one session, one worker, everything in turn.
 */
#include <stdlib.h>

#include "pkcs11/token/priv.h"

enum { SESSIONS_RESERVED = 3 };

static void plan_sessions(struct token *t)
{
    unsigned long max = t->info.sessions_max;
    unsigned long ours = t->profile.sessions_max;
    unsigned long workers;

    if (ours != 0 && (max == 0 || ours < max)) {
        max = ours;
    }
    t->single = max != 0 && max <= SESSIONS_RESERVED;
    workers = t->single ? 1 : max == 0 ? WORKERS_MAX : max - SESSIONS_RESERVED;
    if (workers > t->module->threads_max) {
        workers = t->module->threads_max;
    }
    t->workers_max = workers < WORKERS_MAX ? (unsigned)workers : WORKERS_MAX;
}

static bool wants_login(const struct token *t)
{
    switch (t->profile.login) {
    case PROFILE_LOGIN_ALWAYS:
        return true;
    case PROFILE_LOGIN_NEVER:
        return false;
    case PROFILE_LOGIN_AUTO:
        break;
    }
    return (t->info.flags & CKF_LOGIN_REQUIRED) != 0;
}

static struct err *start(struct token *t, const struct token_info *info)
{
    CK_SESSION_HANDLE anchor;
    struct err *e = slot_info(t->module, info->slot_id, &t->info);

    if (e == NULL && !info_is_same_token(&t->info, info)) {
        e = err_new(ERR_GONE, "slot %lu now holds a token with serial '%s'", info->slot_id,
                    t->info.serial);
    }
    if (e == NULL) {
        t->login_wanted = wants_login(t);
        plan_sessions(t);
        e = mechanism_read(t);
    }
    return e == NULL ? session_anchor(t, &anchor) : e;
}

struct err *token_open(struct token_module *m, const struct token_info *info,
                       const struct profile_token *profile, struct token **ret)
{
    AUTO(token_close) struct token *t = calloc(1, sizeof *t);

    if (t == NULL) {
        return err_nomem();
    }
    t->module = m;
    t->f = m->f;
    t->profile = *profile;
    pthread_mutex_init(&t->admin, NULL);
    pthread_rwlock_init(&t->table_lock, NULL);
    struct err *e = start(t, info);

    if (e != NULL) {
        return err_add(e, "open token '%s'", info->label);
    }
    *ret = take(&t);
    return NULL;
}

void token_close(struct token **tp)
{
    struct token *t = take(tp);

    if (t == NULL) {
        return;
    }
    session_close_all(t);
    table_deinit(t);
    pthread_rwlock_destroy(&t->table_lock);
    pthread_mutex_destroy(&t->admin);
    free(t);
}

struct err *token_refresh(struct token *t, struct token_info *ret)
{
    struct token_info now;
    struct err *e = slot_info(t->module, t->info.slot_id, &now);

    if (e == NULL && !info_is_same_token(&now, &t->info)) {
        e = err_new(ERR_GONE, "slot %lu now holds a token with serial '%s'", now.slot_id,
                    now.serial);
    }
    if (e != NULL) {
        return err_add(e, "token '%s'", t->info.label);
    }
    *ret = now;
    return NULL;
}

bool token_needs_login(const struct token *t)
{
    return t->login_wanted && !atomic_load(&t->logged_in);
}

unsigned token_workers_max(const struct token *t)
{
    return t->workers_max;
}
