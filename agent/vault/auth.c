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
 * Renewing happens on use, and by keep.c's clock only where an interval is configured: else a helper
 * nobody asks owes nobody a token. A token that
 * may not be renewed is used to its end; asking again and again would be the hot loop that other
 * clients are known for.
 */
#include "vault/auth.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { EXPIRY_MARGIN_MS = 5000, TTL_MAX_S = 10 * 365 * 24 * 3600 };

struct vault_auth {
    const struct vault_auth_method *method;
    void *memory;         /* the method's; borrowed */
    pthread_mutex_t lock; /* guards all that follows */
    struct secret *token; /* NULL: not logged in */
    uint64_t generation;
    struct mono got, renew_at, expires_at;
    bool renewable, is_root;
    bool answers_doubt; /* got because its predecessor was refused, and has not worked yet */
};

/* A token as one request uses it. */
struct loan {
    struct secret *token;
    uint64_t generation;
};

static const struct vault_auth_method *const methods[VAULT_LOGINS] = {
    [VAULT_LOGIN_TOKEN] = &vault_auth_token,
    [VAULT_LOGIN_APPROLE] = &vault_auth_approle,
};

struct vault_auth_memory {
    void *of[ARRAY_LEN(methods)];
};

void vault_auth_memory_free(struct vault_auth_memory **mp)
{
    struct vault_auth_memory *m = take(mp);

    for (size_t i = 0; m != NULL && i < ARRAY_LEN(methods); i++) {
        if (m->of[i] != NULL) {
            methods[i]->free_memory(m->of[i]);
        }
    }
    free(m);
}

struct err *vault_auth_memory_new(struct vault_auth_memory **ret)
{
    AUTO(vault_auth_memory_free) struct vault_auth_memory *m = calloc(1, sizeof *m);

    for (size_t i = 0; m != NULL && i < ARRAY_LEN(methods); i++) {
        if (methods[i] != NULL && methods[i]->new_memory != NULL &&
            (m->of[i] = methods[i]->new_memory()) == NULL) {
            return err_nomem();
        }
    }
    *ret = take(&m);
    return *ret != NULL ? NULL : err_nomem();
}

struct err *vault_auth_new(enum vault_login login, struct vault_auth_memory *memory,
                           struct vault_auth **ret)
{
    if (methods[login] == NULL) {
        return err_new(ERR_UNSUPPORTED, "this holdfast-vault cannot log in by %s",
                       vault_login_name(login));
    }
    struct vault_auth *a = calloc(1, sizeof *a);

    if (a == NULL) {
        return err_nomem();
    }
    pthread_mutex_init(&a->lock, NULL);
    a->method = methods[login];
    a->memory = memory->of[login];
    *ret = a;
    return NULL;
}

void vault_auth_free(struct vault_auth **ap)
{
    struct vault_auth *a = take(ap);

    if (a == NULL) {
        return;
    }
    secret_free(&a->token);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

const char *vault_auth_name(const struct vault_auth *a)
{
    return a->method->name;
}

/* --- reading ------------------------------------------------------------------------------------ */

static bool is_printable(const struct secret *s)
{
    struct view v = secret_view(s);

    for (size_t i = 0; i < v.len; i++) {
        if (v.p[i] <= 0x20 || v.p[i] >= 0x7f) {
            return false;
        }
    }
    return v.len > 0;
}

struct err *vault_auth_secret(const char *file, const struct secret *value, struct secret **ret)
{
    AUTO(secret_free) struct secret *s = NULL;
    struct err *e = NULL;

    if (file != NULL) {
        e = secret_from_file(file, &s);
    } else if (value == NULL) {
        e = err_new(ERR_INPUT, "neither a file nor a value is configured");
    } else if ((s = secret_copy(value)) == NULL) {
        e = err_nomem();
    }
    if (e == NULL && !is_printable(s)) {
        e = err_new(ERR_INPUT, "%s is not one line of printable characters without spaces",
                    file != NULL ? file : "the value");
    }
    if (e == NULL) {
        *ret = take(&s);
    }
    return e;
}

static int64_t ttl_of(const json_t *number)
{
    json_int_t ttl = json_integer_value(number);

    return ttl < 0 ? 0 : ttl < TTL_MAX_S ? ttl : TTL_MAX_S;
}

struct err *vault_auth_read_lease(const json_t *root, struct vault_lease *ret)
{
    const json_t *auth = json_object_get(root, "auth");
    const char *text = NULL;
    struct err *e = vault_json_text(auth, "client_token", &text);
    AUTO(secret_free) struct secret *token = NULL;

    if (e == NULL) {
        e = secret_new(view_cstr(text), &token);
    }
    if (e == NULL && !is_printable(token)) {
        e = err_new(ERR_PROTOCOL, "Vault's answer holds a token that cannot be one");
    }
    if (e == NULL) {
        *ret = (struct vault_lease){
            .token = take(&token),
            .ttl_s = ttl_of(json_object_get(auth, "lease_duration")),
            .renewable = json_is_true(json_object_get(auth, "renewable")),
        };
    }
    return e;
}

/* --- the token, under the lock ------------------------------------------------------------------ */

static struct err *lock(struct vault_auth *a, struct mono deadline)
{
    struct timespec until;
    int64_t left = mono_left_ms(deadline);

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += left / 1000;
    until.tv_nsec += left % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_mutex_clocklock(&a->lock, CLOCK_MONOTONIC, &until) == 0
               ? NULL
               : err_new(ERR_TIMEOUT, "waited for another request's login");
}

static void set_times(struct vault_auth *a, int64_t ttl_s)
{
    int64_t margin = ttl_s * 100 < EXPIRY_MARGIN_MS ? ttl_s * 100 : EXPIRY_MARGIN_MS;

    a->got = mono_now();
    a->renew_at.ms = ttl_s > 0 ? a->got.ms + ttl_s * 1000 / 3 * 2 : INT64_MAX;
    a->expires_at.ms = ttl_s > 0 ? a->got.ms + ttl_s * 1000 - margin : INT64_MAX;
}

static struct err *log_in(struct vault_auth *a, const struct vault_api *api)
{
    struct vault_lease lease = {0};
    struct err *e = a->method->login(api, a->memory, &lease);

    if (e != NULL) {
        return err_add(e, "log in with %s", a->method->name);
    }
    secret_free(&a->token);
    a->token = lease.token;
    a->renewable = lease.renewable;
    a->is_root = lease.is_root;
    a->answers_doubt = false;
    a->generation++;
    set_times(a, lease.ttl_s);
    return NULL;
}

/* Never fails: what cannot be renewed is used until it ends. */
static void renew(struct vault_auth *a, const struct vault_api *api)
{
    static const char *const parts[] = {"auth/token/renew-self", NULL};
    AUTO(vault_json_free) json_t *body = json_object();
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct vault_lease lease = {0};
    struct vault_api_call call = {.method = "POST", .token = a->token, .body = body, .once = true};
    AUTO(err_free) struct err *e = vault_api_ask(api, &call, parts, &answer);

    if (e == NULL) {
        e = vault_auth_read_lease(answer.root, &lease);
    }
    if (e == NULL) {
        secret_free(&lease.token); /* it is the same one */
        a->renewable = lease.renewable;
        set_times(a, lease.ttl_s);
    } else if (err_is(e, ERR_DENIED)) {
        a->renewable = false;
    } else {
        a->renew_at.ms = mono_now().ms + mono_left_ms(a->expires_at) / 3;
    }
}

struct err *vault_auth_root_rule(const struct vault_conf *server)
{
    return server->renew_by_interval && server->renew_interval_s > 0
               ? err_new(ERR_INPUT, "with a root token the renewal interval must be 0")
               : NULL;
}

static struct err *lend(const struct vault_auth *a, const struct vault_api *api, struct loan *ret)
{
    struct err *e = a->is_root ? vault_auth_root_rule(api->server) : NULL;

    if (e != NULL) {
        return e;
    }
    ret->token = secret_copy(a->token);
    ret->generation = a->generation;
    return ret->token != NULL ? NULL : err_nomem();
}

static struct err *borrow(struct vault_auth *a, const struct vault_api *api, struct loan *ret)
{
    struct err *e = lock(a, api->deadline);

    if (e != NULL) {
        return e;
    }
    if (a->token != NULL && mono_passed(a->expires_at)) {
        secret_free(&a->token);
    }
    if (a->token == NULL) {
        e = log_in(a, api);
    } else if (a->renewable && !api->server->renew_by_interval && mono_passed(a->renew_at)) {
        renew(a, api);
    }
    if (e == NULL) {
        e = lend(a, api, ret);
    }
    pthread_mutex_unlock(&a->lock);
    return e;
}

static bool is_doubted_enough(const struct vault_auth *a)
{
    return a->answers_doubt && mono_now().ms - a->got.ms < a->method->doubt_ms;
}

/* After a 403: another token than the refused one; without one @ret_other is false. */
static struct err *borrow_other(struct vault_auth *a, const struct vault_api *api,
                                const struct loan *refused, struct loan *ret, bool *ret_other)
{
    struct err *e = lock(a, api->deadline);

    if (e != NULL) {
        return e;
    }
    if (a->generation == refused->generation && !is_doubted_enough(a)) {
        e = log_in(a, api);
        a->answers_doubt = e == NULL;
    }
    *ret_other = e == NULL && a->token != NULL &&
                 !view_eq(secret_view(a->token), secret_view(refused->token));
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
    if (a->token != NULL && a->renewable && !mono_passed(a->expires_at)) {
        renew(a, api);
    }
    pthread_mutex_unlock(&a->lock);
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
