/*
 * Vault's and OpenBao's HTTP API as far as every call shares it: which address is asked, and what is
 * done about an answer. answer.c says what that means; here what may pass is repeated, the next node is
 * asked where it may do better, and a server that wants to be left alone is.
 *
 * Bodies hold tokens and secret ids: they are written into wiped buffers. Nothing here may put one into
 * an error or a log.
 */
#include "vault/api.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "base/patience.h"
#include "vault/retry.h"
#include "vault/url.h"

enum {
    DEFAULT_TIMEOUT_MS = 10000,
    CONNECT_MS = 3000,
    SIGN_MS = 10000,
    LEFT_ALONE_MAX_MS = 3600 * 1000
};

/* --- one call ----------------------------------------------------------------------------------- */

struct err *vault_api_request(const struct vault_conf *server, size_t i, const char *path,
                              const char *query, struct buf *url, struct buf *connect_to,
                              struct vault_http_request *ret)
{
    const char *address = vault_conf_address(server, i);
    const char *name = server->server_name;
    struct err *e = name != NULL ? vault_url_named(url, address, name, connect_to)
                                 : vault_url_begin(url, address);

    if (e != NULL) {
        return e;
    }
    buf_put(url, path, strlen(path));
    buf_put(url, "?", query != NULL ? 1 : 0);
    buf_put(url, query, query != NULL ? strlen(query) : 0);
    *ret = (struct vault_http_request){
        .connect_to = name != NULL ? (const char *)connect_to->data : NULL,
        .namespace_ = server->namespace_,
        .ca_bundle = server->ca_bundle,
        .ca_pem = server->ca_pem,
        .cert = vault_client_cert_of(server),
        .ask_fd = -1,
        .proxy = server->proxy,
        .no_proxy = server->no_proxy,
        .connect_timeout_ms = vault_conf_addresses(server) > 1 ? CONNECT_MS : 0,
    };
    if (ret->cert.key != NULL && ret->connect_timeout_ms > 0) {
        ret->connect_timeout_ms += SIGN_MS; /* a token, or a finger on it, takes its time */
    }
    return vault_url_end(url, &ret->url);
}

/* How one try came out. */
struct outcome {
    int64_t retry_after_ms;
    unsigned status;
    bool unsent;
};

static enum vault_failure failure_of(const struct err *e, const struct outcome *o, bool once)
{
    if (err_is(e, ERR_BUSY) && o->unsent) {
        return VAULT_FAIL_LIMITED; /* by what it said before */
    }
    if (err_domain(e) == ERR_DOMAIN_HTTP && !once) {
        if (o->status == 429 || o->status == 412) {
            return VAULT_FAIL_LIMITED;
        }
        return o->status >= 500 && o->status <= 599 ? VAULT_FAIL_SERVER : VAULT_FAIL_FINAL;
    }
    return err_domain(e) == ERR_DOMAIN_CURL && err_is(e, ERR_GONE) && (o->unsent || !once)
               ? VAULT_FAIL_CONNECTION
               : VAULT_FAIL_FINAL;
}

/* May another node of the same cluster answer better, and may it be asked? */
static bool is_better_elsewhere(const struct err *e, const struct outcome *o, bool once)
{
    if (err_domain(e) == ERR_DOMAIN_CURL) {
        return !err_is(e, ERR_INPUT) && (o->unsent || (!once && !err_is(e, ERR_PROTOCOL)));
    }
    bool refused = o->status == 503 || (o->status >= 300 && o->status <= 399); /* not done */

    return err_domain(e) == ERR_DOMAIN_HTTP && (refused || (!once && o->status >= 500));
}

/* How long the "https://host:port" is that a location begins with; 0: it is on the same host. */
static size_t origin_len(const char *location)
{
    const char *host = strstr(location, "://");

    return host != NULL ? (size_t)(host + 3 - location) + strcspn(host + 3, "/?#") : 0;
}

static bool is_configured(const struct vault_conf *server, const char *origin, size_t len)
{
    for (size_t i = 0; i < vault_conf_addresses(server); i++) {
        const char *address = vault_conf_address(server, i);

        if (strncasecmp(address, origin, len) == 0 && strchr("/", address[len]) != NULL) {
            return true;
        }
    }
    return false;
}

/* The next of the addresses gets its turn in any case; a host that is none of them gets nothing. */
static struct err *redirected(struct err *e, const struct vault_conf *server,
                              const struct vault_http_answer *a)
{
    AUTO(auto_free) char *where = text_safe(view_cstr(a->location));

    if (a->status < 300 || a->status > 399 || where == NULL) {
        return e;
    }
    size_t len = origin_len(where);

    if (len == 0 || is_configured(server, where, len)) {
        return err_add(e, "it redirects to \"%s\", which is not followed", where);
    }
    return err_add(
        e,
        "it redirects to \"%s\", which is not followed: where that is a node of the same "
        "cluster, add %.*s to the addresses of this server",
        where, (int)len, where);
}

static void note_skew(struct vault_link *link, const struct vault_http_answer *a)
{
    if (a->has_date) {
        atomic_store(&link->skew_s, a->date.s - wall_now().s);
        atomic_store(&link->has_skew, true);
    }
}

static struct err *try_once(const struct vault_api *api, const struct vault_http_request *request,
                            struct vault_api_answer *ret, struct outcome *o)
{
    AUTO(vault_http_answer_deinit) struct vault_http_answer answer = {0};
    struct err *e = vault_http_do(api->http, request, &answer);

    *o = (struct outcome){answer.retry_after_ms, answer.status, answer.unsent};
    note_skew(api->link, &answer);
    if (e != NULL) {
        return e;
    }
    json_t *root = NULL;

    e = vault_api_read(answer.status, buf_view(&answer.body), &root);
    if (e != NULL) {
        return redirected(e, api->server, &answer);
    }
    if (request->proves_key && !answer.key_signed) {
        json_decref(root);
        return err_new(ERR_DENIED,
                       "the server let us in without a signature by the key %s: that is "
                       "no login by certificate",
                       api->server->client_key);
    }
    *ret = (struct vault_api_answer){
        .root = root,
        .has_skew = answer.has_date,
        .skew_s = answer.has_date ? answer.date.s - wall_now().s : 0,
    };
    return NULL;
}

/* The request to one address, with what time there is. */
static struct err *try_address(const struct vault_api *api, const struct vault_api_call *call,
                               struct view body, size_t i, struct vault_api_answer *ret,
                               struct outcome *o)
{
    AUTO(buf_deinit) struct buf url, connect_to;
    struct vault_http_request request = {0};
    int64_t longest = api->server->request_timeout_ms;
    int64_t left = mono_left_ms(api->deadline);

    buf_init(&url, 0);
    buf_init(&connect_to, 0);
    *o = (struct outcome){.retry_after_ms = -1};
    struct err *e = left > 0 ? vault_api_request(api->server, i, call->path, call->query, &url,
                                                 &connect_to, &request)
                             : err_new(ERR_TIMEOUT, "no time was left to ask Vault");

    if (e != NULL) {
        return e;
    }
    longest = longest > 0 ? longest : DEFAULT_TIMEOUT_MS;
    request.method = call->method;
    request.token = call->token;
    request.body = body;
    request.is_long = call->is_long;
    request.pool = api->link->pool;
    request.ask_fd = api->ask_fd;
    request.proves_key = call->proves_key;
    request.timeout_ms = longest < left ? longest : left;
    e = try_once(api, &request, ret, o);
    if (call->sends != NULL && !(e != NULL && o->unsent)) {
        ++*call->sends;
    }
    return e;
}

/* Each address once, from the last good one on, until one has an answer that counts. */
static struct err *try_round(const struct vault_api *api, const struct vault_api_call *call,
                             struct view body, struct vault_api_answer *ret, struct outcome *o)
{
    size_t n = vault_conf_addresses(api->server);
    unsigned first = atomic_load(api->good);

    for (unsigned i = 0;; i++) {
        unsigned at = (unsigned)((first + i) % n);
        struct err *e = try_address(api, call, body, at, ret, o);

        if (e == NULL || !is_better_elsewhere(e, o, call->once)) {
            if (e == NULL || err_domain(e) == ERR_DOMAIN_HTTP) {
                atomic_store(api->good, at);
            }
            return e;
        }
        if (i + 1 >= n || mono_passed(api->deadline)) {
            return n > 1 ? err_add(e, "none of %zu addresses is of use, the last is %s", n,
                                   vault_conf_address(api->server, at))
                         : e;
        }
        err_free(&e);
    }
}

static struct err *told_before(unsigned status)
{
    char name[16];

    snprintf(name, sizeof name, "HTTP %u", status);
    return err_native(ERR_BUSY, ERR_DOMAIN_HTTP, status, name, "so it said when it was asked last");
}

/* A round, unless the server wants to be left alone, by whomever. */
static struct err *try_if_welcome(const struct vault_api *api, const struct vault_api_call *call,
                                  struct view body, struct vault_api_answer *ret, struct outcome *o)
{
    int64_t left_ms = mono_left_ms((struct mono){atomic_load(&api->link->not_before_ms)});

    if (left_ms > 0) {
        *o = (struct outcome){.retry_after_ms = left_ms, .unsent = true};
        return told_before(atomic_load(&api->link->told_with));
    }
    struct err *e = try_round(api, call, body, ret, o);

    if (e != NULL && o->retry_after_ms > 0 && (o->status == 429 || o->status >= 500)) {
        int64_t ms = o->retry_after_ms < LEFT_ALONE_MAX_MS ? o->retry_after_ms : LEFT_ALONE_MAX_MS;

        atomic_store(&api->link->told_with, o->status);
        atomic_store(&api->link->not_before_ms, mono_in(ms).ms);
    }
    return e;
}

static void sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&t, &t) < 0) {
    }
}

static uint32_t seed(void)
{
    uint32_t s = 0;

    if (getrandom(&s, sizeof s, GRND_NONBLOCK) < 0) {
        s = (uint32_t)mono_now().ms;
    }
    return s;
}

/* Our caller has more time than we. */
static struct err *give_up(struct err *e, const struct outcome *o, unsigned attempt)
{
    char time[TEXT_DURATION_BYTES];
    int64_t patience_s = o->retry_after_ms > 0 ? (o->retry_after_ms + 999) / 1000 : 0;

    if (patience_s > 0) {
        e = err_add(err_set_patience(e, patience_s), "it asks to be left alone for %s",
                    text_duration_of(patience_s, time));
    }
    return attempt > 0 ? err_add(e, "after %u tries", attempt + 1) : e;
}

static struct err *repeat(const struct vault_api *api, const struct vault_api_call *call,
                          struct view body, struct vault_api_answer *ret)
{
    for (unsigned attempt = 0;; attempt++) {
        struct outcome o;
        struct err *e = try_if_welcome(api, call, body, ret, &o);

        if (e == NULL) {
            return NULL;
        }
        int64_t wait = vault_retry_wait_ms(&(struct vault_try){
            .failure = api->sealed_is_final && vault_api_is_sealed(e)
                           ? VAULT_FAIL_FINAL
                           : failure_of(e, &o, call->once),
            .attempt = attempt,
            .retry_after_ms = o.retry_after_ms,
            .left_ms = mono_left_ms(api->deadline),
            .seed = seed(),
        });

        if (wait < 0) {
            return give_up(e, &o, attempt);
        }
        err_free(&e);
        sleep_ms(wait);
    }
}

static int put_json(const char *p, size_t len, void *arg)
{
    buf_put(arg, p, len);
    return 0;
}

struct err *vault_api_do(const struct vault_api *api, const struct vault_api_call *call,
                         struct vault_api_answer *ret)
{
    AUTO(buf_deinit) struct buf body;

    buf_init(&body, VAULT_HTTP_ANSWER_MAX_BYTES);
    body.secret = true;
    if (call->body != NULL && json_dump_callback(call->body, put_json, &body, JSON_COMPACT) < 0) {
        return err_nomem();
    }
    struct err *e = buf_check(&body, "the request's body");

    return e != NULL ? e : repeat(api, call, buf_view(&body), ret);
}

struct err *vault_api_ask(const struct vault_api *api, const struct vault_api_call *call,
                          const char *const parts[], struct vault_api_answer *ret)
{
    AUTO(buf_deinit) struct buf path;
    struct vault_api_call whole = *call;

    buf_init(&path, 0);
    struct err *e = NULL;

    for (; e == NULL && *parts != NULL; parts++) {
        e = vault_url_path(&path, *parts);
    }
    if (e == NULL) {
        e = vault_url_end(&path, &whole.path);
    }
    return e != NULL ? e : vault_api_do(api, &whole, ret);
}
