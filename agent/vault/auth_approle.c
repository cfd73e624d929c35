/*
 * Log in as an AppRole: a role id, which is a name more than a secret, and a secret id.
 *
 * A secret id may come wrapped: the file then holds a token that can be exchanged for it once. Who
 * unwraps it first has it, so an exchange that fails because it has been done is an alarm, and the
 * text says so. Before the exchange the token is looked up: it must have been made by the AppRole's
 * own path, or else it holds what somebody wants us to use. The secret id then lives in memory only,
 * and a wrapping token seen before is not exchanged again, by whichever server (Spec: Vault, response
 * wrapping): a configuration may be tested, put and replaced, and its one token serves them all.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "vault/auth.h"

enum { EXCHANGES_MAX = 2 * VAULT_SERVERS_MAX };

/* A wrapping token that was exchanged, and what it gave. */
struct exchange {
    SLIST_ENTRY(exchange) link;
    struct secret *wrapping_token, *secret_id;
};

SLIST_HEAD(exchange_list, exchange);

struct memory {
    pthread_mutex_t lock; /* guards the list */
    struct exchange_list list;
};

static void free_exchange(struct exchange *x)
{
    secret_free(&x->wrapping_token);
    secret_free(&x->secret_id);
    free(x);
}

static void *new_memory(void)
{
    struct memory *m = calloc(1, sizeof *m);

    if (m != NULL) {
        pthread_mutex_init(&m->lock, NULL);
    }
    return m;
}

static void free_memory(void *p)
{
    struct memory *m = p;

    while (!SLIST_EMPTY(&m->list)) {
        struct exchange *x = SLIST_FIRST(&m->list);

        SLIST_REMOVE_HEAD(&m->list, link);
        free_exchange(x);
    }
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* The secret id that a wrapping token gave (a copy); NULL when it is new. */
static struct secret *recall(struct memory *m, const struct secret *wrapping_token)
{
    struct secret *found = NULL;
    const struct exchange *x;

    pthread_mutex_lock(&m->lock);
    SLIST_FOREACH(x, &m->list, link)
    {
        if (view_eq(secret_view(x->wrapping_token), secret_view(wrapping_token))) {
            found = secret_copy(x->secret_id);
            break;
        }
    }
    pthread_mutex_unlock(&m->lock);
    return found;
}

/* Both are taken. The oldest goes when there are too many. */
static bool remember(struct memory *m, struct secret *wrapping_token, struct secret *secret_id)
{
    struct exchange *x = calloc(1, sizeof *x);
    struct exchange *last = x;
    unsigned n = 0;

    if (x == NULL) {
        secret_free(&wrapping_token);
        secret_free(&secret_id);
        return false;
    }
    x->wrapping_token = wrapping_token;
    x->secret_id = secret_id;
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

static struct err *post(const struct vault_api *api, const char *const parts[], const json_t *body,
                        const struct secret *token, bool once, struct vault_api_answer *ret)
{
    struct vault_api_call call = {.method = "POST", .body = body, .token = token, .once = once};

    return vault_api_ask(api, &call, parts, ret);
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t len = strlen(text);

    return len >= strlen(suffix) && strcmp(text + len - strlen(suffix), suffix) == 0;
}

static struct err *check_path(const struct vault_conf *server, const char *path)
{
    AUTO(auto_free) char *safe = text_safe(view_cstr(path));
    AUTO(auto_free) char *prefix = text_fmt("auth/%s/role/", server->login_mount);
    const char *wanted = server->wrapping_path;

    if (prefix == NULL || safe == NULL) {
        return err_nomem();
    }
    if (wanted != NULL ? text_eq(path, wanted)
                       : has_prefix(path, prefix) && has_suffix(path, "/secret-id")) {
        return NULL;
    }
    return err_new(ERR_DENIED,
                   "%s holds a token that was made by \"%s\", not by %s%s: it may have been "
                   "swapped, and it was not unwrapped",
                   server->secret_id_file, safe, wanted != NULL ? wanted : prefix,
                   wanted != NULL ? "" : "<role>/secret-id");
}

/* Vault answers 400 to both a token that was used and one that is too old. */
static struct err *explain_used(struct err *e, const struct vault_conf *server)
{
    if (!err_is(e, ERR_DENIED)) {
        return e;
    }
    return err_add(e,
                   "the wrapped secret id in %s has expired or has been unwrapped already; if that "
                   "was not you, somebody else has the secret id. A new one is needed",
                   server->secret_id_file);
}

static struct err *check_wrapping(const struct vault_api *api, const struct secret *wrapping_token)
{
    static const char *const parts[] = {"sys/wrapping/lookup", NULL};
    AUTO(vault_json_free) json_t *body = json_pack("{s:s}", "token", secret_text(wrapping_token));
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    const char *path = NULL;

    if (body == NULL) {
        return err_nomem();
    }
    struct err *e = post(api, parts, body, NULL, false, &answer);

    if (e != NULL) {
        return explain_used(e, api->server);
    }
    e = vault_json_text(json_object_get(answer.root, "data"), "creation_path", &path);
    return e != NULL ? e : check_path(api->server, path);
}

static struct err *unwrap(const struct vault_api *api, const struct secret *wrapping_token,
                          struct secret **ret)
{
    static const char *const parts[] = {"sys/wrapping/unwrap", NULL};
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    const char *text = NULL;
    struct err *e = check_wrapping(api, wrapping_token);

    if (e != NULL) {
        return e;
    }
    e = post(api, parts, NULL, wrapping_token, true, &answer);
    if (e != NULL) {
        return explain_used(e, api->server);
    }
    e = vault_json_text(json_object_get(answer.root, "data"), "secret_id", &text);
    return e != NULL ? e : secret_new(view_cstr(text), ret);
}

static struct err *wrapped_secret_id(const struct vault_api *api, struct memory *m,
                                     struct secret **ret)
{
    AUTO(secret_free) struct secret *wrapping_token = NULL;
    AUTO(secret_free) struct secret *fresh = NULL;
    struct err *e = vault_auth_secret(api->server->secret_id_file, NULL, &wrapping_token);

    if (e != NULL || (*ret = recall(m, wrapping_token)) != NULL) {
        return e;
    }
    e = unwrap(api, wrapping_token, &fresh);
    if (e != NULL) {
        return e;
    }
    *ret = secret_copy(fresh);
    bool kept = remember(m, take(&wrapping_token), take(&fresh));

    return kept && *ret != NULL ? NULL : err_nomem();
}

static struct err *read_role_id(const struct vault_conf *server, char **ret)
{
    AUTO(buf_deinit) struct buf text;

    if (server->role_id_file == NULL) {
        return err_new(ERR_INPUT, "no role id file is configured");
    }
    buf_init(&text, 0);
    struct err *e = file_read(server->role_id_file, 4096, &text);
    struct view v = buf_view(&text);

    while (v.len > 0 && strchr(" \r\n", v.p[v.len - 1]) != NULL) {
        v.len--;
    }
    if (e == NULL && (v.len == 0 || view_has_nul(v))) {
        e = err_new(ERR_INPUT, "%s holds no role id", server->role_id_file);
    }
    if (e == NULL && (*ret = view_dup(v)) == NULL) {
        e = err_nomem();
    }
    return e;
}

static struct err *login(const struct vault_api *api, void *memory, struct vault_lease *ret)
{
    const struct vault_conf *server = api->server;
    const char *const parts[] = {"auth", server->login_mount, "login", NULL};
    AUTO(auto_free) char *role_id = NULL;
    AUTO(secret_free) struct secret *secret_id = NULL;
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct err *e = read_role_id(server, &role_id);

    if (e == NULL) {
        e = server->secret_id_wrapped ? wrapped_secret_id(api, memory, &secret_id)
                                      : vault_auth_secret(server->secret_id_file, NULL, &secret_id);
    }
    if (e != NULL) {
        return e;
    }
    AUTO(vault_json_free) json_t *body =
        json_pack("{s:s, s:s}", "role_id", role_id, "secret_id", secret_text(secret_id));

    if (body == NULL) {
        return err_new(ERR_INPUT, "the role id or the secret id is not UTF-8 text");
    }
    e = post(api, parts, body, NULL, false, &answer);
    return e != NULL ? e : vault_auth_read_lease(answer.root, ret);
}

const struct vault_auth_method vault_auth_approle = {
    .name = "AppRole",
    .doubt_ms = 60 * 1000,
    .new_memory = new_memory,
    .free_memory = free_memory,
    .login = login,
};
