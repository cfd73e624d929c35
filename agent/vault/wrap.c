/*
 * Response wrapping: a token that can be exchanged once, for a secret id or for another token.
 *
 * Who exchanges it first has what it holds, so an exchange that fails because it has been done is an
 * alarm, and the text says so. Before the exchange the token is looked up: it must have been made by
 * a path that the method expects, or else it holds what somebody wants us to use. What comes out
 * lives in memory only, and a wrapping token seen before is not exchanged again, by whichever server:
 * a configuration may be tested, put and replaced, and its one token serves them all.
 * Spec: Vault and OpenBao, response wrapping, "Response wrapping token validation"
 */
#include "vault/wrap.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

enum { EXCHANGES_MAX = 2 * VAULT_SERVERS_MAX };

/* A wrapping token that was exchanged, and what it gave. */
struct exchange {
    SLIST_ENTRY(exchange) link;
    struct secret *wrapping_token, *held;
};

SLIST_HEAD(exchange_list, exchange);

struct vault_wrap_memory {
    pthread_mutex_t exchanging; /* one at a time: two servers may have the same token */
    pthread_mutex_t lock;       /* guards the list */
    struct exchange_list list;
};

static void free_exchange(struct exchange *x)
{
    secret_free(&x->wrapping_token);
    secret_free(&x->held);
    free(x);
}

void *vault_wrap_memory_new(void)
{
    struct vault_wrap_memory *m = calloc(1, sizeof *m);

    if (m != NULL) {
        pthread_mutex_init(&m->exchanging, NULL);
        pthread_mutex_init(&m->lock, NULL);
    }
    return m;
}

void vault_wrap_memory_free(void *memory)
{
    struct vault_wrap_memory *m = memory;

    while (!SLIST_EMPTY(&m->list)) {
        struct exchange *x = SLIST_FIRST(&m->list);

        SLIST_REMOVE_HEAD(&m->list, link);
        free_exchange(x);
    }
    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->exchanging);
    free(m);
}

/* What a wrapping token gave (a copy); NULL when it is new. */
static struct secret *recall(struct vault_wrap_memory *m, const struct secret *wrapping_token)
{
    struct secret *found = NULL;
    const struct exchange *x;

    pthread_mutex_lock(&m->lock);
    SLIST_FOREACH(x, &m->list, link)
    {
        if (view_eq(secret_view(x->wrapping_token), secret_view(wrapping_token))) {
            found = secret_copy(x->held);
            break;
        }
    }
    pthread_mutex_unlock(&m->lock);
    return found;
}

/* Both are taken. The oldest goes when there are too many. */
static bool remember(struct vault_wrap_memory *m, struct secret *wrapping_token,
                     struct secret *held)
{
    struct exchange *x = calloc(1, sizeof *x);
    struct exchange *last = x;
    unsigned n = 0;

    if (x == NULL || wrapping_token == NULL || held == NULL) {
        secret_free(&wrapping_token);
        secret_free(&held);
        free(x);
        return false;
    }
    x->wrapping_token = wrapping_token;
    x->held = held;
    pthread_mutex_lock(&m->lock);
    SLIST_INSERT_HEAD(&m->list, x, link);
    SLIST_FOREACH(x, &m->list, link)
    {
        last = x;
        n++;
    }
    if (n > EXCHANGES_MAX) {
        SLIST_REMOVE(&m->list, last, exchange, link);
        free_exchange(last);
    }
    pthread_mutex_unlock(&m->lock);
    return true;
}

static const char *name_of(const struct vault_wrapped *w)
{
    return w->file != NULL ? w->file : "the value";
}

/* Vault answers 400 to both a token that was used and one that is too old. */
static struct err *explain_used(struct err *e, const struct vault_wrapped *w)
{
    if (!err_is(e, ERR_DENIED)) {
        return e;
    }
    return err_add(e,
                   "the wrapped %s in %s has expired or has been unwrapped already; if that was "
                   "not you, somebody else has the %s. A new one is needed",
                   w->what, name_of(w), w->what);
}

static struct err *check_path(const struct vault_conf *server, const struct vault_wrapped *w,
                              const char *path)
{
    AUTO(auto_free) char *safe = text_safe(view_cstr(path));

    if (w->is_made_well(server, path)) {
        return NULL;
    }
    return err_new(ERR_DENIED,
                   "%s holds a token that was made by \"%s\", not by %s: it may have been swapped, "
                   "and it was not unwrapped",
                   name_of(w), safe != NULL ? safe : "", w->made_by);
}

static struct err *look_up(const struct vault_api *api, const struct vault_wrapped *w,
                           const struct secret *wrapping_token)
{
    static const char *const parts[] = {"sys/wrapping/lookup", NULL};
    AUTO(vault_json_free) json_t *body = json_pack("{s:s}", "token", secret_text(wrapping_token));
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    const char *path = NULL;

    if (body == NULL) {
        return err_nomem();
    }
    struct err *e = vault_api_ask(api, &(struct vault_api_call){.method = "POST", .body = body},
                                  parts, &answer);

    if (e != NULL) {
        return explain_used(e, w);
    }
    e = vault_json_text(json_object_get(answer.root, "data"), "creation_path", &path);
    return e != NULL ? e : check_path(api->server, w, path);
}

static struct err *exchange(const struct vault_api *api, const struct vault_wrapped *w,
                            const struct secret *wrapping_token, struct vault_api_answer *answer,
                            struct secret **ret)
{
    static const char *const parts[] = {"sys/wrapping/unwrap", NULL};
    struct vault_api_call call = {.method = "POST", .token = wrapping_token, .once = true};
    const char *text = NULL;
    struct err *e = look_up(api, w, wrapping_token);

    if (e != NULL) {
        return e;
    }
    e = vault_api_ask(api, &call, parts, answer);
    if (e != NULL) {
        return explain_used(e, w);
    }
    e = w->find(answer->root, &text);
    return e != NULL ? e : secret_new(view_cstr(text), ret);
}

/* With nobody else at it: what another server has exchanged meanwhile is there. */
static struct err *exchange_once(const struct vault_api *api, struct vault_wrap_memory *m,
                                 const struct vault_wrapped *w, const struct secret *wrapping_token,
                                 struct vault_api_answer *answer, struct secret **ret)
{
    AUTO(secret_free) struct secret *held = recall(m, wrapping_token);
    bool known = held != NULL;
    struct err *e = known ? NULL : exchange(api, w, wrapping_token, answer, &held);

    if (e == NULL && !known && !remember(m, secret_copy(wrapping_token), secret_copy(held))) {
        e = err_nomem();
    }
    if (e == NULL) {
        *ret = take(&held);
    }
    return e;
}

struct err *vault_wrap_open(const struct vault_api *api, void *memory,
                            const struct vault_wrapped *w, const struct secret *wrapping_token,
                            struct vault_api_answer *answer, struct secret **ret)
{
    struct vault_wrap_memory *m = memory;
    struct timespec until = mono_kernel_in(mono_left_ms(api->deadline));

    if (pthread_mutex_clocklock(&m->exchanging, CLOCK_MONOTONIC, &until) != 0) {
        return err_new(ERR_TIMEOUT, "waited for another wrapped %s", w->what);
    }
    struct err *e = exchange_once(api, m, w, wrapping_token, answer, ret);

    pthread_mutex_unlock(&m->exchanging);
    return e;
}
