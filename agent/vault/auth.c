/*
 * Being logged in to one server. Workers share one token: the first that needs a new one gets it
 * while the others wait for the lock, so that a hundred renewals at once are one login.
 *
 * A token has a generation. A 403 may mean that the token is no good any more, or that its policy
 * says no; the API does not tell them apart. So a token that was refused is replaced once: who finds
 * that the generation has moved on uses the newer token, who does not logs in. A token that was got
 * for that reason and is refused as well is not doubted again (see vault_auth_do()); without that
 * rule every request that policy refuses would cost a login.
 *
 * Renewing happens on use, and by the clock of servers.c only where an interval is configured: else a
 * helper nobody asks owes nobody a token. A token that may not be renewed, or that was renewed for
 * less time than before because its end is near, is replaced while it still works; where that fails
 * it is used to its end. Asking again and again would be the hot loop that other clients are known
 * for: pace.c bounds it.
 */
#include "vault/auth.h"

#include <pthread.h>
#include <stdlib.h>

#include "vault/pace.h"

enum { EXPIRY_MARGIN_MS = 5000, AGAIN_MS = 1000 };

struct vault_auth {
    const struct vault_auth_method *method;
    void *memory;             /* the method's; borrowed */
    pthread_mutex_t lock;     /* guards all that follows */
    struct vault_lease lease; /* without a token: not logged in */
    uint64_t generation;
    struct mono got, act_at, expires_at; /* act: renew it, or replace it */
    int64_t whole_s;                     /* its time when it was new */
    int64_t uses_left;
    bool is_final;      /* renewing is refused, or gives less than before */
    bool answers_doubt; /* got because its predecessor was refused, and has not worked yet */
    struct vault_pace pace;
    uint64_t stamp;     /* of the files that were read last */
    struct err *failed; /* the last login, while it is not tried again */
};

/* A token as one request uses it. */
struct loan {
    struct secret *token;
    uint64_t generation;
};

struct err *vault_auth_new(enum vault_login login, struct vault_auth_memory *memory,
                           struct vault_auth **ret)
{
    if (vault_auth_method(login) == NULL) {
        return err_new(ERR_UNSUPPORTED, "this holdfast-vault cannot log in by %s",
                       vault_login_name(login));
    }
    struct vault_auth *a = calloc(1, sizeof *a);

    if (a == NULL) {
        return err_nomem();
    }
    pthread_mutex_init(&a->lock, NULL);
    a->method = vault_auth_method(login);
    a->memory = vault_auth_memory_of(memory, login);
    *ret = a;
    return NULL;
}

void vault_auth_free(struct vault_auth **ap)
{
    struct vault_auth *a = take(ap);

    if (a == NULL) {
        return;
    }
    vault_lease_deinit(&a->lease);
    err_free(&a->failed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

const char *vault_auth_name(const struct vault_auth *a)
{
    return a->method->name;
}

char *vault_auth_warnings(struct vault_auth *a)
{
    pthread_mutex_lock(&a->lock);
    char *warnings = text_copy(a->lease.warnings);

    pthread_mutex_unlock(&a->lock);
    return warnings;
}

bool vault_auth_is_ours(struct vault_auth *a)
{
    pthread_mutex_lock(&a->lock);
    bool ours = a->lease.token != NULL && a->lease.is_ours;

    pthread_mutex_unlock(&a->lock);
    return ours;
}

/* --- logging in, under the lock ------------------------------------------------------------------ */

static struct err *lock(struct vault_auth *a, struct mono deadline)
{
    struct timespec until = mono_kernel_in(mono_left_ms(deadline));

    return pthread_mutex_clocklock(&a->lock, CLOCK_MONOTONIC, &until) == 0
               ? NULL
               : err_new(ERR_TIMEOUT, "waited for another request's login");
}

/* Renewing is left to the clock where there is an interval; what it cannot do is done near the end. */
static void set_times(struct vault_auth *a, const struct vault_conf *server)
{
    int64_t ttl_ms = a->lease.ttl_s * 1000;
    int64_t margin = ttl_ms / 10 < EXPIRY_MARGIN_MS ? ttl_ms / 10 : EXPIRY_MARGIN_MS;
    bool by_clock = server->renew_by_interval && server->renew_interval_s > 0;

    a->got = mono_now();
    a->act_at.ms =
        ttl_ms > 0 ? a->got.ms + (by_clock ? ttl_ms / 10 * 8 : ttl_ms / 3 * 2) : INT64_MAX;
    a->expires_at.ms = ttl_ms > 0 ? a->got.ms + ttl_ms - margin : INT64_MAX;
}

/* A refusal has not to do with the network. */
static bool is_refusal(const struct err *e)
{
    return err_is(e, ERR_DENIED) || err_is(e, ERR_NOT_FOUND) || err_is(e, ERR_UNSUPPORTED);
}

/* Did anybody hear of it? Else it costs nobody anything to try again. */
static bool was_heard(const struct err *e)
{
    return e == NULL || err_domain(e) == ERR_DOMAIN_HTTP || err_is(e, ERR_TIMEOUT) ||
           err_is(e, ERR_PROTOCOL) || err_is(e, ERR_DENIED);
}

static struct err *may_log_in(struct vault_auth *a, uint64_t stamp)
{
    if (stamp != a->stamp) {
        vault_pace_forgive(&a->pace);
    }
    int64_t wait_ms = vault_pace_wait_ms(&a->pace, mono_now());

    if (wait_ms == 0) {
        return NULL;
    }
    struct err *e =
        a->failed != NULL ? err_copy(a->failed) : err_new(ERR_BUSY, "logged in too often of late");

    return err_add(e, "not tried again for %lld s", (long long)(wait_ms + 999) / 1000);
}

static void note_login(struct vault_auth *a, uint64_t stamp, const struct err *e)
{
    a->stamp = stamp;
    err_free(&a->failed);
    a->failed = err_copy(e);
    if (was_heard(e)) {
        vault_pace_tried(&a->pace, mono_now(), is_refusal(e));
    }
}

static void take_lease(struct vault_auth *a, const struct vault_conf *server,
                       const struct vault_lease *lease)
{
    bool same =
        a->lease.token != NULL && view_eq(secret_view(a->lease.token), secret_view(lease->token));

    vault_lease_deinit(&a->lease);
    a->lease = *lease;
    a->uses_left = lease->uses;
    a->answers_doubt = false;
    a->generation++;
    if (!same) {
        a->is_final = false;
        a->whole_s = lease->ttl_s;
    }
    set_times(a, server);
}

static struct err *log_in(struct vault_auth *a, const struct vault_api *api)
{
    struct vault_lease lease = {0};
    uint64_t stamp = vault_auth_stamp(api->server);
    struct err *e = may_log_in(a, stamp);

    if (e == NULL) {
        e = a->method->login(api, a->memory, &lease);
        note_login(a, stamp, e);
    }
    if (e != NULL) {
        return err_add(e, "log in with %s", a->method->name);
    }
    take_lease(a, api->server, &lease);
    return NULL;
}

/* --- keeping what there is, under the lock -------------------------------------------------------- */

static bool can_be_renewed(const struct vault_auth *a)
{
    return a->lease.renewable && !a->is_final;
}

/* Not at once: a part of what is left. */
static void act_later(struct vault_auth *a)
{
    int64_t wait = mono_left_ms(a->expires_at) / 3;

    a->act_at = mono_in(wait > AGAIN_MS ? wait : AGAIN_MS);
}

static void take_renewal(struct vault_auth *a, const struct vault_conf *server,
                         const struct vault_lease *lease)
{
    a->lease.ttl_s = lease->ttl_s;
    a->lease.renewable = lease->renewable;
    a->is_final = lease->ttl_s > 0 && lease->ttl_s < a->whole_s - a->whole_s / 10 - 1; /* rounded */
    set_times(a, server);
}

/* A new one while the old one works. One that came as a value is there for good. */
static void replace(struct vault_auth *a, const struct vault_api *api)
{
    if (!a->lease.is_ours && api->server->token != NULL) {
        a->act_at.ms = INT64_MAX;
        return;
    }
    AUTO(err_free) struct err *e = log_in(a, api);

    if (e != NULL) {
        act_later(a);
    }
}

/* Never fails: what cannot be renewed is used until it ends. */
static void renew(struct vault_auth *a, const struct vault_api *api)
{
    static const char *const parts[] = {"auth/token/renew-self", NULL};
    AUTO(vault_json_free) json_t *body = json_object();
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct vault_lease lease = {0};
    struct vault_api_call call = {
        .method = "POST", .token = a->lease.token, .body = body, .once = true};
    AUTO(err_free) struct err *e = vault_api_ask(api, &call, parts, &answer);

    a->uses_left -= a->uses_left > 0;
    if (e == NULL) {
        e = vault_auth_read_lease(answer.root, &lease);
    }
    if (e == NULL) {
        take_renewal(a, api->server, &lease);
        vault_lease_deinit(&lease); /* it is the same one */
        return;
    }
    a->is_final = err_is(e, ERR_DENIED);
    if (a->is_final) {
        replace(a, api);
    } else {
        act_later(a);
    }
}

static void tend(struct vault_auth *a, const struct vault_api *api)
{
    if (can_be_renewed(a) && !api->server->renew_by_interval) {
        renew(a, api);
    } else {
        replace(a, api);
    }
}

struct err *vault_auth_root_rule(const struct vault_conf *server)
{
    return server->renew_by_interval && server->renew_interval_s > 0
               ? err_new(ERR_INPUT, "with a root token the renewal interval must be 0")
               : NULL;
}

static struct err *lend(struct vault_auth *a, const struct vault_api *api, struct loan *ret)
{
    struct err *e = a->lease.is_root ? vault_auth_root_rule(api->server) : NULL;

    if (e != NULL) {
        return e;
    }
    ret->token = secret_copy(a->lease.token);
    ret->generation = a->generation;
    a->uses_left -= a->uses_left > 0;
    return ret->token != NULL ? NULL : err_nomem();
}

static bool is_used_up(const struct vault_auth *a)
{
    return mono_passed(a->expires_at) || (a->lease.uses > 0 && a->uses_left == 0);
}

static struct err *borrow(struct vault_auth *a, const struct vault_api *api, struct loan *ret)
{
    struct err *e = lock(a, api->deadline);

    if (e != NULL) {
        return e;
    }
    if (a->lease.token != NULL && is_used_up(a)) {
        secret_free(&a->lease.token);
    }
    if (a->lease.token == NULL) {
        e = log_in(a, api);
    } else if (mono_passed(a->act_at)) {
        tend(a, api);
    }
    if (e == NULL) {
        e = lend(a, api, ret);
    }
    pthread_mutex_unlock(&a->lock);
    return e;
}

static bool may_doubt(struct vault_auth *a, const struct vault_api *api)
{
    AUTO(err_free) struct err *not_now = may_log_in(a, vault_auth_stamp(api->server));
    bool doubted = a->answers_doubt && mono_now().ms - a->got.ms < a->method->doubt_ms;

    return not_now == NULL && !doubted;
}

/* After a 403: another token than the refused one; without one @ret_other is false. */
static struct err *borrow_other(struct vault_auth *a, const struct vault_api *api,
                                const struct loan *refused, struct loan *ret, bool *ret_other)
{
    struct err *e = lock(a, api->deadline);

    if (e != NULL) {
        return e;
    }
    if (a->generation == refused->generation && may_doubt(a, api)) {
        e = log_in(a, api);
        a->answers_doubt = e == NULL;
    }
    *ret_other = e == NULL && a->lease.token != NULL &&
                 !view_eq(secret_view(a->lease.token), secret_view(refused->token));
    if (*ret_other) {
        e = lend(a, api, ret);
    }
    pthread_mutex_unlock(&a->lock);
    return e;
}

struct err *vault_auth_log_in(struct vault_auth *a, const struct vault_api *api)
{
    struct loan loan = {0};
    struct err *e = borrow(a, api, &loan);

    secret_free(&loan.token);
    return e;
}

void vault_auth_keep(struct vault_auth *a, const struct vault_api *api)
{
    AUTO(err_free) struct err *e = lock(a, api->deadline);

    if (e != NULL) {
        return; /* somebody logs in just now */
    }
    if (a->lease.token != NULL && can_be_renewed(a) && !is_used_up(a)) {
        renew(a, api);
    } else if (a->lease.token != NULL && mono_passed(a->act_at)) {
        replace(a, api);
    }
    pthread_mutex_unlock(&a->lock);
}

struct err *vault_auth_revoke(struct vault_auth *a, const struct vault_api *api)
{
    static const char *const parts[] = {"auth/token/revoke-self", NULL};
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct err *e = lock(a, api->deadline);

    if (e != NULL) {
        return e;
    }
    if (a->lease.token != NULL && a->lease.is_ours && !a->lease.is_batch) {
        struct vault_api_call call = {.method = "POST", .token = a->lease.token, .once = true};

        e = err_add(vault_api_ask(api, &call, parts, &answer), "revoke the Vault token");
        secret_free(&a->lease.token);
    }
    pthread_mutex_unlock(&a->lock);
    return e;
}

static void note_it_works(struct vault_auth *a, uint64_t generation)
{
    pthread_mutex_lock(&a->lock);
    if (a->generation == generation) {
        a->answers_doubt = false;
    }
    pthread_mutex_unlock(&a->lock);
}

/* --- calls -------------------------------------------------------------------------------------- */

static struct err *call_with(struct vault_auth *a, const struct vault_api *api,
                             const struct vault_api_call *call, const char *const parts[],
                             const struct loan *loan, struct vault_api_answer *ret)
{
    struct vault_api_call with_token = *call;

    with_token.token = loan->token;
    struct err *e = parts != NULL ? vault_api_ask(api, &with_token, parts, ret)
                                  : vault_api_do(api, &with_token, ret);

    if (e == NULL) {
        note_it_works(a, loan->generation);
    }
    return e;
}

struct err *vault_auth_do(struct vault_auth *a, const struct vault_api *api,
                          const struct vault_api_call *call, const char *const parts[],
                          struct vault_api_answer *ret)
{
    struct loan first = {0}, second = {0};
    bool other = false;
    struct err *e = borrow(a, api, &first);

    if (e == NULL) {
        e = call_with(a, api, call, parts, &first, ret);
    }
    if (first.token != NULL && vault_api_is_forbidden(e) && !call->may_be_refused) {
        struct err *login = borrow_other(a, api, &first, &second, &other);

        if (login != NULL) {
            err_free(&e);
            e = err_add(login, "the token was refused (HTTP 403)");
        } else if (other) {
            err_free(&e);
            e = call_with(a, api, call, parts, &second, ret);
        }
    }
    secret_free(&first.token);
    secret_free(&second.token);
    return e;
}
