/*
 * The table of servers in holdfast-vault, and the clock that renews tokens by interval.
 *
 * A request holds its server, so a server may be forgotten at any time. The agent sends a server's
 * configuration before the first request that names it, but another worker may be faster with the
 * request than its colleague with the configuration: who finds no server waits for it.
 *
 * The clock is one thread, started with the first server that wants it, with an HTTP client of its
 * own. It renews one server after the other, so a silent Vault delays it: not longer than a request
 * may take.
 */
#include "vault/servers.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#include "vault/ops.h"

enum { KEEP_MS = 10000 };

struct entry {
    struct vault_server server;
    LIST_ENTRY(entry) link; /* on the table's list, while it has a number there */
    uint32_t number;
    unsigned holders; /* the table is one */
    struct mono keep_at;
};

struct vault_servers {
    pthread_mutex_t lock; /* guards all that follows, but not what a held server is */
    pthread_cond_t changed;
    LIST_HEAD(, entry) list;
    struct vault_auth_memory *memory; /* has its own lock */
    pthread_t clock;
    bool has_clock, stopping;
};

/* --- one server --------------------------------------------------------------------------------- */

static void entry_free(struct entry *e)
{
    vault_auth_free(&e->server.auth);
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

    if (e != NULL) {
        entry_free(entry);
        return e;
    }
    *ret = entry;
    return NULL;
}

/* Under the lock. */
static void let_go(struct entry *e)
{
    if (--e->holders == 0) {
        entry_free(e);
    }
}

/* --- the clock ---------------------------------------------------------------------------------- */

static void wait_until(struct vault_servers *s, struct mono until)
{
    struct timespec t = {.tv_sec = until.ms / 1000, .tv_nsec = until.ms % 1000 * 1000000};

    if (until.ms == INT64_MAX) {
        pthread_cond_wait(&s->changed, &s->lock);
    } else {
        pthread_cond_clockwait(&s->changed, &s->lock, CLOCK_MONOTONIC, &t);
    }
}

/* The server whose time has come, held; NULL at the end. */
static struct entry *wait_for_due(struct vault_servers *s)
{
    struct entry *next = NULL;

    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        struct entry *e;

        next = NULL;
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

static void *run_clock(void *arg)
{
    struct vault_servers *s = arg;
    AUTO(vault_http_free) struct vault_http *http = NULL;
    AUTO(err_free) struct err *e = vault_http_new(&http);
    struct entry *entry;

    while (e == NULL && (entry = wait_for_due(s)) != NULL) {
        struct vault_server *server = &entry->server;
        struct vault_api api = {.http = http,
                                .server = &server->conf,
                                .deadline = mono_in(KEEP_MS),
                                .good = &server->good,
                                .ask_fd = IPC_ASK_FD + VAULT_WORKERS};

        vault_auth_keep(server->auth, &api);
        vault_servers_let_go(s, &server);
    }
    return NULL;
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
        let_go(e);
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
    if (keeps(&entry->server.conf) && !s->has_clock) {
        if (pthread_create(&s->clock, NULL, run_clock, s) != 0) {
            return err_nomem();
        }
        s->has_clock = true;
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
        let_go(e);
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
        let_go((struct entry *)held); /* its first member */
        pthread_mutex_unlock(&s->lock);
    }
}
