/*
 * The connections to one server. libcurl keeps those of a handle open, so the handle that was used
 * last is the one to use next, by whichever worker: requests that come one after the other are then
 * one TLS handshake, and with a client certificate one signature. Requests at the same time have a
 * handle each. A thread has a handle alone from take to give; libcurl wants no more than that.
 *
 * A pool lives as long as one edition of a server's configuration. libcurl would go on using a
 * connection, or resume its session, when the client certificate has been replaced, for it does not
 * know of certificates that it did not load itself; so with the edition all of that goes.
 *
 * The asker is the handle's, because the connections and their keys are: it asks at the socket of the
 * thread that has the handle now.
 */
#include "vault/pool.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

struct entry {
    struct vault_handle handle;
    SLIST_ENTRY(entry) link; /* on the pool's list while nobody has it */
};

struct vault_pool {
    pthread_mutex_t lock;     /* guards the list */
    SLIST_HEAD(, entry) idle; /* the last used first; as many as there are threads at most */
};

static struct err *ask_agent(void *arg, const struct vault_question *q, struct mono deadline,
                             struct buf *sig)
{
    const struct vault_handle *h = arg;

    return vault_ask_signature(h->ask_fd, q, deadline, sig);
}

static struct err *entry_new(struct entry **ret)
{
    struct entry *e = calloc(1, sizeof *e);

    if (e == NULL || (e->handle.curl = curl_easy_init()) == NULL) {
        free(e);
        return err_nomem();
    }
    e->handle.ask_fd = -1;
    e->handle.asker = (struct vault_asker){.ask = ask_agent, .arg = &e->handle};
    *ret = e;
    return NULL;
}

struct err *vault_pool_new(struct vault_pool **ret)
{
    struct vault_pool *p = calloc(1, sizeof *p);

    if (p == NULL) {
        return err_nomem();
    }
    pthread_mutex_init(&p->lock, NULL);
    SLIST_INIT(&p->idle);
    *ret = p;
    return NULL;
}

void vault_pool_free(struct vault_pool **pp)
{
    struct vault_pool *p = take(pp);
    struct entry *e;

    if (p == NULL) {
        return;
    }
    while ((e = SLIST_FIRST(&p->idle)) != NULL) {
        SLIST_REMOVE_HEAD(&p->idle, link);
        curl_easy_cleanup(e->handle.curl); /* before the asker of its connections' keys */
        vault_asker_deinit(&e->handle.asker);
        free(e);
    }
    pthread_mutex_destroy(&p->lock);
    free(p);
}

struct err *vault_pool_take(struct vault_pool *p, struct vault_handle **ret)
{
    struct err *e = NULL;

    pthread_mutex_lock(&p->lock);
    struct entry *entry = SLIST_FIRST(&p->idle);

    if (entry != NULL) {
        SLIST_REMOVE_HEAD(&p->idle, link);
    }
    pthread_mutex_unlock(&p->lock);
    if (entry == NULL) {
        e = entry_new(&entry);
    }
    if (e == NULL) {
        *ret = &entry->handle;
    }
    return e;
}

void vault_pool_give(struct vault_pool *p, struct vault_handle **h)
{
    struct entry *entry = take(h); /* the handle is its first member */

    if (entry != NULL) {
        pthread_mutex_lock(&p->lock);
        SLIST_INSERT_HEAD(&p->idle, entry, link);
        pthread_mutex_unlock(&p->lock);
    }
}
