/*
 * The table of servers in holdfast-vault, and the clock that renews tokens by interval.
 *
 * A request holds its server, so a server may be forgotten at any time. The agent sends a server's
 * configuration before the first request that names it, but another worker may be faster with the
 * request than its colleague with the configuration: who finds no server waits for it.
 *
 * The clock is one thread, started with the first server that wants it, with an HTTP client of its
 * own. It renews one server after the other, so a silent Vault delays it: not longer than a request
 * may take. It also sees off servers that are forgotten: where the configuration wants no Vault token
 * to outlive its use, the one of a login is revoked before its server goes.
 */
#include "vault/servers.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "vault/memo.h"
#include "vault/ops.h"
#include "vault/pool.h"

enum { KEEP_MS = 10000, REVOKE_EACH_MS = 700, WAIT_MAX_MS = 60 * 1000 };

struct entry {
    struct vault_server server;
    LIST_ENTRY(entry) link; /* on the table's list while it has a number there, or on leaving */
    uint32_t number;
    unsigned holders; /* the table is one; 0: on leaving */
    struct mono keep_at;
    bool seen_off; /* its token is revoked, or that was tried */
};

struct vault_servers {
    pthread_mutex_t lock; /* guards all that follows, but not what a held server is */
    pthread_cond_t changed;
    LIST_HEAD(, entry) list;
    LIST_HEAD(, entry) leaving;       /* forgotten, for the clock to revoke their tokens */
    struct vault_auth_memory *memory; /* has its own lock */
    pthread_t clock;
    bool has_clock, stopping;
};

/* --- one server --------------------------------------------------------------------------------- */

static void entry_free(struct entry *e)
{
    vault_auth_free(&e->server.auth);
    vault_pool_free(&e->server.link.pool);
    vault_memo_free(&e->server.link.memo);
    vault_conf_deinit(&e->server.conf);
    free(e);
}

static bool keeps(const struct vault_conf *c)
{
    return c->renew_by_interval && c->renew_interval_s > 0;
}

static struct err *entry_new(struct vault_servers *s, struct vault_conf *conf, struct entry **ret)
{
    struct entry *entry = calloc(1, sizeof *entry);

    if (entry == NULL) {
        vault_conf_deinit(conf);
        return err_nomem();
    }
    entry->server.conf = *conf;
    *conf = (struct vault_conf){0};
    entry->holders = 1;
    entry->keep_at = keeps(&entry->server.conf)
                         ? mono_in(entry->server.conf.renew_interval_s * 1000)
                         : (struct mono){INT64_MAX};
    struct err *e = vault_auth_new(entry->server.conf.login, s->memory, &entry->server.auth);

    if (e == NULL) {
        e = vault_pool_new(&entry->server.link.pool);
    }
    if (e == NULL) {
        e = vault_memo_new(&entry->server.link.memo);
    }
    if (e != NULL) {
        entry_free(entry);
        return e;
    }
    *ret = entry;
    return NULL;
}

/* --- the clock ---------------------------------------------------------------------------------- */

/* Or a little shorter. What a condition waits on stands still while the machine sleeps, and our clock goes
 * on: so it is asked again each minute. */
static void wait_until(struct vault_servers *s, struct mono until)
{
    int64_t left = mono_left_ms(until);
    struct timespec t = mono_kernel_in(left < WAIT_MAX_MS ? left : WAIT_MAX_MS);

    if (until.ms == INT64_MAX) {
        pthread_cond_wait(&s->changed, &s->lock);
    } else {
        pthread_cond_clockwait(&s->changed, &s->lock, CLOCK_MONOTONIC, &t);
    }
}

/* The server whose time has come, held, or one that leaves; NULL at the end. */
static struct entry *wait_for_due(struct vault_servers *s)
{
    struct entry *next = NULL;

    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        struct entry *e;

        next = LIST_FIRST(&s->leaving);
        if (next != NULL) {
            LIST_REMOVE(next, link);
            break;
        }
        LIST_FOREACH(e, &s->list, link)
        {
            if (next == NULL || e->keep_at.ms < next->keep_at.ms) {
                next = e;
            }
        }
        if (next != NULL && mono_passed(next->keep_at)) {
            next->keep_at = mono_in(next->server.conf.renew_interval_s * 1000);
            next->holders++;
            break;
        }
        wait_until(s, next != NULL ? next->keep_at : (struct mono){INT64_MAX});
        next = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    return next;
}

static struct vault_api api_of(struct entry *e, struct vault_http *http, int ask_fd,
                               struct mono deadline)
{
    return (struct vault_api){.http = http,
                              .server = &e->server.conf,
                              .deadline = deadline,
                              .good = &e->server.good,
                              .link = &e->server.link,
                              .ask_fd = ask_fd};
}

static void *run_clock(void *arg)
{
    struct vault_servers *s = arg;
    AUTO(vault_http_free) struct vault_http *http = NULL;
    AUTO(err_free) struct err *e = vault_http_new(&http);
    struct entry *entry;

    while (e == NULL && (entry = wait_for_due(s)) != NULL) {
        struct vault_server *server = &entry->server;
        struct vault_api api = api_of(entry, http, IPC_ASK_FD + VAULT_WORKERS, mono_in(KEEP_MS));

        if (entry->holders == 0) {
            AUTO(err_free) struct err *lost = vault_auth_revoke(server->auth, &api);

            entry_free(entry);
            continue;
        }
        vault_auth_keep(server->auth, &api);
        vault_servers_let_go(s, &server);
    }
    return NULL;
}

/* Under the lock. */
static bool have_clock(struct vault_servers *s)
{
    if (!s->has_clock && !s->stopping) {
        s->has_clock = pthread_create(&s->clock, NULL, run_clock, s) == 0;
    }
    return s->has_clock;
}

/* Under the lock. */
static void let_go(struct vault_servers *s, struct entry *e)
{
    if (--e->holders > 0) {
        return;
    }
    if (e->server.conf.revoke_on_stop && !e->seen_off && !s->stopping && have_clock(s)) {
        LIST_INSERT_HEAD(&s->leaving, e, link);
        pthread_cond_broadcast(&s->changed);
        return;
    }
    entry_free(e);
}

/* --- the end of tokens ---------------------------------------------------------------------------- */

/* One whose token has to go, held. */
static struct entry *next_to_see_off(struct vault_servers *s)
{
    struct entry *e;

    pthread_mutex_lock(&s->lock);
    e = LIST_FIRST(&s->leaving);
    if (e != NULL) {
        LIST_REMOVE(e, link);
    } else {
        LIST_FOREACH(e, &s->list, link)
        {
            if (e->server.conf.revoke_on_stop && !e->seen_off) {
                break;
            }
        }
    }
    if (e != NULL) {
        e->holders++;
        e->seen_off = true;
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

struct err *vault_servers_revoke(struct vault_servers *s, struct vault_http *http, int ask_fd,
                                 struct mono deadline)
{
    struct err *first = NULL;
    struct entry *entry;

    while (!mono_passed(deadline) && (entry = next_to_see_off(s)) != NULL) {
        struct vault_server *server = &entry->server;
        struct mono until = mono_in(REVOKE_EACH_MS);
        struct vault_api api =
            api_of(entry, http, ask_fd, until.ms < deadline.ms ? until : deadline);
        struct err *e =
            err_add(vault_auth_revoke(server->auth, &api), "vault %s", server->conf.name);

        if (first == NULL) {
            first = take(&e);
        }
        err_free(&e);
        vault_servers_let_go(s, &server);
    }
    return first;
}

/* --- the table ---------------------------------------------------------------------------------- */

struct err *vault_servers_new(struct vault_servers **ret)
{
    struct vault_servers *s = calloc(1, sizeof *s);
    struct err *e = s != NULL ? vault_auth_memory_new(&s->memory) : err_nomem();

    if (e != NULL) {
        free(s);
        return e;
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    LIST_INIT(&s->list);
    LIST_INIT(&s->leaving);
    *ret = s;
    return NULL;
}

void vault_servers_free(struct vault_servers **sp)
{
    struct vault_servers *s = take(sp);

    if (s == NULL) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->has_clock) {
        pthread_join(s->clock, NULL);
    }
    while (!LIST_EMPTY(&s->list)) {
        struct entry *e = LIST_FIRST(&s->list);

        LIST_REMOVE(e, link);
        let_go(s, e);
    }
    while (!LIST_EMPTY(&s->leaving)) {
        struct entry *e = LIST_FIRST(&s->leaving);

        LIST_REMOVE(e, link);
        entry_free(e);
    }
    vault_auth_memory_free(&s->memory);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Under the lock. */
static struct entry *find(struct vault_servers *s, uint32_t number)
{
    struct entry *e;

    LIST_FOREACH(e, &s->list, link)
    {
        if (e->number == number) {
            return e;
        }
    }
    return NULL;
}

static struct err *insert(struct vault_servers *s, struct entry *entry)
{
    if (keeps(&entry->server.conf) && !have_clock(s)) {
        return err_nomem();
    }
    LIST_INSERT_HEAD(&s->list, entry, link);
    pthread_cond_broadcast(&s->changed);
    return NULL;
}

struct err *vault_servers_add(struct vault_servers *s, uint32_t number, struct vault_conf *conf)
{
    struct entry *entry = NULL;
    struct err *e = entry_new(s, conf, &entry);

    if (e != NULL) {
        return e;
    }
    entry->number = number;
    pthread_mutex_lock(&s->lock);
    bool known = find(s, number) != NULL;

    e = known ? NULL : insert(s, entry);
    pthread_mutex_unlock(&s->lock);
    if (known || e != NULL) {
        entry_free(entry);
    }
    return e;
}

void vault_servers_forget(struct vault_servers *s, uint32_t number)
{
    pthread_mutex_lock(&s->lock);
    struct entry *e = find(s, number);

    if (e != NULL) {
        LIST_REMOVE(e, link);
        let_go(s, e);
    }
    pthread_mutex_unlock(&s->lock);
}

struct err *vault_servers_hold(struct vault_servers *s, uint32_t number, struct mono deadline,
                               struct vault_server **ret)
{
    struct mono until = mono_in(VAULT_CONFIGURE_MS);
    struct entry *e;

    until = deadline.ms < until.ms ? deadline : until;
    pthread_mutex_lock(&s->lock);
    while ((e = find(s, number)) == NULL && !mono_passed(until)) {
        wait_until(s, until);
    }
    if (e != NULL) {
        e->holders++;
        *ret = &e->server;
    }
    pthread_mutex_unlock(&s->lock);
    return e != NULL ? NULL : err_new(ERR_BUG, "there is no Vault server number %u", number);
}

struct err *vault_servers_hold_new(struct vault_servers *s, struct vault_conf *conf,
                                   struct vault_server **ret)
{
    struct entry *entry = NULL;
    struct err *e = entry_new(s, conf, &entry);

    if (e == NULL) {
        *ret = &entry->server;
    }
    return e;
}

void vault_servers_let_go(struct vault_servers *s, struct vault_server **server)
{
    struct vault_server *held = take(server);

    if (held != NULL) {
        pthread_mutex_lock(&s->lock);
        let_go(s, (struct entry *)held); /* its first member */
        pthread_mutex_unlock(&s->lock);
    }
}
