/*
 * A worker's libcurl handles. libcurl keeps the connections of a handle open and takes one up again
 * for the same host and the same CA certificates. It does not know of client certificates that it did
 * not load itself. So connections that show one have a handle for it, and when the certificate or
 * the key of a server is replaced, the old handle goes with all its connections and sessions: nothing
 * of the old certificate can be used for the new.
 *
 * Servers without one share a handle. Handles are few: the one unused for longest makes room.
 */
#include "vault/pool.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <sys/queue.h>

enum { HANDLES_MAX = VAULT_SERVERS_MAX };

struct handle {
    TAILQ_ENTRY(handle) link; /* on the pool's list, the last used first */
    CURL *curl;
    char *server, *key, *cert_pem; /* server NULL: shows nothing */
};

struct vault_pool {
    TAILQ_HEAD(handle_list, handle) list;
    unsigned n;
};

static void handle_free(struct handle **hp)
{
    struct handle *h = take(hp);

    if (h != NULL) {
        curl_easy_cleanup(h->curl);
        free(h->server);
        free(h->key);
        free(h->cert_pem);
        free(h);
    }
}

static void drop(struct vault_pool *p, struct handle *h)
{
    TAILQ_REMOVE(&p->list, h, link);
    p->n--;
    handle_free(&h);
}

struct err *vault_pool_new(struct vault_pool **ret)
{
    struct vault_pool *p = calloc(1, sizeof *p);

    if (p == NULL) {
        return err_nomem();
    }
    TAILQ_INIT(&p->list);
    *ret = p;
    return NULL;
}

void vault_pool_free(struct vault_pool **pp)
{
    struct vault_pool *p = take(pp);

    while (p != NULL && !TAILQ_EMPTY(&p->list)) {
        drop(p, TAILQ_FIRST(&p->list));
    }
    free(p);
}

static struct handle *find(const struct vault_pool *p, const char *server)
{
    struct handle *h;

    TAILQ_FOREACH(h, &p->list, link)
    {
        if (text_eq(h->server, server) || (h->server == NULL && server == NULL)) {
            return h;
        }
    }
    return NULL;
}

static struct err *add(struct vault_pool *p, const struct vault_client_cert *c, struct handle **ret)
{
    AUTO(handle_free) struct handle *h = calloc(1, sizeof *h);

    if (h == NULL || (h->curl = curl_easy_init()) == NULL) {
        return err_nomem();
    }
    if (c->key != NULL) {
        h->server = text_copy(c->server);
        h->key = text_copy(c->key);
        h->cert_pem = text_copy(c->cert_pem);
        if (h->server == NULL || h->key == NULL || h->cert_pem == NULL) {
            return err_nomem();
        }
    }
    if (p->n >= HANDLES_MAX) {
        drop(p, TAILQ_LAST(&p->list, handle_list));
    }
    *ret = take(&h);
    TAILQ_INSERT_HEAD(&p->list, *ret, link);
    p->n++;
    return NULL;
}

struct err *vault_pool_get(struct vault_pool *p, const struct vault_client_cert *c, void **ret_curl)
{
    struct handle *h = find(p, c->key != NULL ? c->server : NULL);
    struct err *e = NULL;

    if (h != NULL && c->key != NULL &&
        !(text_eq(h->key, c->key) && text_eq(h->cert_pem, c->cert_pem))) {
        drop(p, h);
        h = NULL;
    }
    if (h == NULL) {
        e = add(p, c, &h);
    } else {
        TAILQ_REMOVE(&p->list, h, link);
        TAILQ_INSERT_HEAD(&p->list, h, link);
    }
    if (e == NULL) {
        *ret_curl = h->curl;
    }
    return e;
}
