/*
 * Name to addresses. getaddrinfo() blocks for as long as name servers please, so it runs on a
 * thread of its own, and whoever gives up first leaves the job to the other: the thread must never
 * hold up an attempt, nor touch one that is gone.
 */
#include "connect/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct connect_resolve {
    char *host;
    char port[8];
    int result, errnum; /* written by the thread before it signals */
    struct addrinfo *list;
    int ready_fd;
    atomic_int holders; /* the attempt and the thread */
};

static void release(struct connect_resolve *r)
{
    if (atomic_fetch_sub(&r->holders, 1) > 1) {
        return;
    }
    if (r->list) {
        freeaddrinfo(r->list);
    }
    auto_close(&r->ready_fd);
    free(r->host);
    free(r);
}

void connect_resolve_free(struct connect_resolve **resolve)
{
    struct connect_resolve *r = take(resolve);

    if (r) {
        release(r);
    }
}

static void *look_up(void *arg)
{
    struct connect_resolve *r = arg;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    uint64_t one = 1;

    r->result = getaddrinfo(r->host, r->port, &hints, &r->list);
    r->errnum = errno;
    if (write(r->ready_fd, &one, sizeof one) < 0) {
        /* cannot be: the counter of an eventfd takes a first 1; the attempt's deadline stands */
        r->errnum = errno;
    }
    release(r);
    return NULL;
}

struct err *connect_resolve_new(const char *host, unsigned port, struct connect_resolve **ret)
{
    AUTO(connect_resolve_free) struct connect_resolve *r = calloc(1, sizeof *r);
    pthread_t thread;
    int rc;

    if (!r) {
        return err_nomem();
    }
    atomic_init(&r->holders, 1);
    snprintf(r->port, sizeof r->port, "%u", port & 0xffff);
    r->host = text_copy(host);
    r->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!r->host || r->ready_fd < 0) {
        return err_sys(r->host ? errno : ENOMEM, "resolve %s", host);
    }
    atomic_fetch_add(&r->holders, 1);
    rc = pthread_create(&thread, NULL, look_up, r);
    if (rc != 0) {
        atomic_fetch_sub(&r->holders, 1);
        return err_sys(rc, "start a thread to resolve %s", host);
    }
    pthread_detach(thread);
    *ret = take(&r);
    return NULL;
}

static struct err *lookup_error(const struct connect_resolve *r)
{
    switch (r->result) {
    case EAI_SYSTEM:
        return err_sys(r->errnum, "resolve %s", r->host);
    case EAI_MEMORY:
        return err_nomem();
    case EAI_AGAIN:
        return err_new(ERR_BUSY, "resolve %s: %s", r->host, gai_strerror(r->result));
    default:
        return err_new(ERR_NOT_FOUND, "resolve %s: %s", r->host, gai_strerror(r->result));
    }
}

static void add_address(struct connect_addresses *all, const struct addrinfo *ai)
{
    struct connect_address *a = &all->list[all->count];

    if (ai->ai_addrlen > sizeof a->addr ||
        getnameinfo(ai->ai_addr, ai->ai_addrlen, a->text, sizeof a->text, NULL, 0,
                    NI_NUMERICHOST) != 0) {
        return;
    }
    memcpy(&a->addr, ai->ai_addr, ai->ai_addrlen);
    a->len = ai->ai_addrlen;
    all->count++;
}

struct err *connect_resolve_go(struct connect_resolve *r, struct connect_addresses *ret,
                               enum connect_progress *ret_progress)
{
    uint64_t ready;

    if (read(r->ready_fd, &ready, sizeof ready) < 0) {
        *ret_progress = CONNECT_AGAIN;
        return errno == EAGAIN || errno == EINTR ? NULL : err_sys(errno, "resolve %s", r->host);
    }
    if (r->result != 0) {
        return lookup_error(r);
    }
    ret->count = 0;
    for (const struct addrinfo *ai = r->list; ai && ret->count < CONNECT_ADDRESSES_MAX;
         ai = ai->ai_next) {
        add_address(ret, ai);
    }
    *ret_progress = CONNECT_FINISHED;
    return ret->count ? NULL : err_new(ERR_NOT_FOUND, "%s has no address", r->host);
}

void connect_resolve_wait(const struct connect_resolve *r, struct connect_wait *w)
{
    connect_wait_add(w, r->ready_fd, POLLIN);
}
