/*
 * Vault's and OpenBao's HTTP API as far as every call shares it: a JSON object in, a JSON object or
 * a list of errors out, and what each status means to us.
 *
 * A refusal has to reach people in Vault's own words, because only they say what the role wants;
 * and it has to reach the agent as a code that says whether time will mend it. Both happen in one
 * place, vault_api_read(), which is pure. Around it, vault_api_do() repeats what may pass.
 *
 * JSON holds tokens and secret ids: jansson gets memory that is wiped when it is freed, and bodies
 * are written into wiped buffers. Nothing here may put a body into an error or a log.
 */
#include "vault/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "base/patience.h"
#include "vault/retry.h"
#include "vault/url.h"

enum { WORDS_MAX_BYTES = 500, DEFAULT_TIMEOUT_MS = 10000, CONNECT_MS = 3000, SIGN_MS = 10000 };

#define SEALED "Vault is sealed"

/* --- JSON ------------------------------------------------------------------------------------- */

static void *wiped_malloc(size_t size)
{
    size_t *p = malloc(size + 2 * sizeof *p); /* two words keep the alignment of malloc() */

    if (p == NULL) {
        return NULL;
    }
    p[0] = size;
    return p + 2;
}

static void wiped_free(void *memory)
{
    if (memory != NULL) {
        size_t *p = (size_t *)memory - 2;

        explicit_bzero(memory, p[0]);
        free(p);
    }
}

void vault_api_init(void)
{
    json_set_alloc_funcs(wiped_malloc, wiped_free);
    json_object_seed(0);
}

void vault_json_free(json_t **j)
{
    json_decref(*j);
    *j = NULL;
}

struct err *vault_json_text(const json_t *object, const char *name, const char **ret)
{
    const char *text = json_string_value(json_object_get(object, name));

    if (text == NULL || *text == '\0') {
        return err_new(ERR_PROTOCOL, "Vault's answer has no \"%s\"", name);
    }
    *ret = text;
    return NULL;
}

static int put_json(const char *p, size_t len, void *arg)
{
    buf_put(arg, p, len);
    return 0;
}

void vault_api_answer_deinit(struct vault_api_answer *a)
{
    vault_json_free(&a->root);
}

/* --- what an answer means ----------------------------------------------------------------------- */

/* White space of any kind becomes one space, so that words over several lines stay one clause. */
static void add_words(char *words, const char *text)
{
    size_t len = strlen(words);
    bool gap = len > 0;

    if (gap && len + 2 < WORDS_MAX_BYTES) {
        words[len++] = ';';
    }
    for (; *text != '\0' && len + 2 < WORDS_MAX_BYTES; text++) {
        if (strchr(" \t\r\n", *text) != NULL) {
            gap = len > 0;
            continue;
        }
        if (gap) {
            words[len++] = ' ';
        }
        gap = false;
        words[len++] = *text;
    }
    words[len] = '\0';
}

/* {"errors": ["...", ...]}; some answers carry data and warnings instead, which say nothing. */
static void words_at(const json_t *root, const char *name, char words[WORDS_MAX_BYTES])
{
    const json_t *list = json_object_get(root, name);

    words[0] = '\0';
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text != NULL) {
            add_words(words, text);
        }
    }
}

static void words_of(struct view body, char words[WORDS_MAX_BYTES])
{
    AUTO(vault_json_free) json_t *root = json_loadb((const char *)body.p, body.len, 0, NULL);

    words_at(root, "errors", words);
}

char *vault_api_warnings(const json_t *root)
{
    char words[WORDS_MAX_BYTES];

    words_at(root, "warnings", words);
    return words[0] != '\0' ? text_safe(view_cstr(words)) : NULL;
}

static enum err_code code_of(unsigned status, const char *words)
{
    switch (status) {
    case 400: /* OpenBao 2.7 and Vault have no 404 for a role */
        return strncasecmp(words, "unknown role", 12) == 0 ? ERR_NOT_FOUND : ERR_DENIED;
    case 403:
        return ERR_DENIED;
    case 404:
        return ERR_NOT_FOUND;
    case 405:
        return ERR_UNSUPPORTED;
    case 412: /* Vault Enterprise: this node has not seen the state yet */
    case 429:
        return ERR_BUSY;
    default:
        return ERR_REMOTE;
    }
}

static struct err *refusal(unsigned status, struct view body)
{
    char words[WORDS_MAX_BYTES];
    char name[16];

    words_of(body, words);
    snprintf(name, sizeof name, "HTTP %u", status);
    if (status == 503 && strstr(words, "sealed") != NULL) {
        return err_native(ERR_REMOTE, ERR_DOMAIN_HTTP, status, name, SEALED);
    }
    if (words[0] != '\0') {
        return err_native(code_of(status, words), ERR_DOMAIN_HTTP, status, name, "Vault says: %s",
                          words);
    }
    bool page = body.len > 0 && body.p[0] == '<';

    return err_native(code_of(status, words), ERR_DOMAIN_HTTP, status, name,
                      page ? "the answer is a page for people, with status %u: that is not Vault, "
                             "but perhaps a proxy in front of it"
                           : "Vault answers with status %u and no reason",
                      status);
}

struct err *vault_api_read(unsigned status, struct view body, json_t **ret)
{
    json_error_t why;

    if (status < 200 || status > 299) {
        return refusal(status, body);
    }
    if (body.len == 0) {
        *ret = NULL;
        return NULL;
    }
    json_t *root = json_loadb((const char *)body.p, body.len, JSON_REJECT_DUPLICATES, &why);

    if (!json_is_object(root)) {
        json_decref(root);
        return err_native(ERR_PROTOCOL, ERR_DOMAIN_HTTP, status, NULL,
                          "the answer is not a JSON object: is this the address of a Vault?");
    }
    *ret = root;
    return NULL;
}

bool vault_api_is_status(const struct err *e, unsigned status)
{
    return e != NULL && err_domain(e) == ERR_DOMAIN_HTTP && err_native_code(e) == status;
}

bool vault_api_is_forbidden(const struct err *e)
{
    return vault_api_is_status(e, 403);
}

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

static struct err *redirected(struct err *e, const struct vault_http_answer *a)
{
    AUTO(auto_free) char *where = text_safe(view_cstr(a->location));

    if (a->status < 300 || a->status > 399 || where == NULL) {
        return e;
    }
    return err_add(e, "it redirects to \"%s\", which is not followed: address the active node",
                   where);
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
        return redirected(e, &answer);
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

static bool is_sealed(const struct err *e)
{
    return vault_api_is_status(e, 503) && strstr(err_text(e), SEALED) != NULL;
}

static struct err *repeat(const struct vault_api *api, const struct vault_api_call *call,
                          struct view body, struct vault_api_answer *ret)
{
    for (unsigned attempt = 0;; attempt++) {
        struct outcome o;
        struct err *e = try_round(api, call, body, ret, &o);

        if (e == NULL) {
            return NULL;
        }
        int64_t wait = vault_retry_wait_ms(&(struct vault_try){
            .failure = api->sealed_is_final && is_sealed(e) ? VAULT_FAIL_FINAL
                                                            : failure_of(e, &o, call->once),
            .attempt = attempt,
            .retry_after_ms = o.retry_after_ms,
            .left_ms = mono_left_ms(api->deadline),
            .seed = seed(),
        });

        if (wait < 0) {
            e = err_set_patience(e, (o.retry_after_ms + 999) / 1000); /* our caller has more time */
            return attempt > 0 ? err_add(e, "after %u tries", attempt + 1) : e;
        }
        err_free(&e);
        sleep_ms(wait);
    }
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
