/*
 * The set of all identities: binds each configured URI to the key that a token has under it,
 * watches the clock for certificates that expire, and tells the rest of the agent, once per round,
 * that something changed.
 *
 * A key that is away keeps its identity listed, with the last public half that was seen; a key that
 * is another one than before loses its certificates at once. Nothing here waits for a token.
 */
#include <stdlib.h>

#include "identity/priv.h"

void identity_warn(struct identity *i, enum identity_warning_kind kind, struct err *e)
{
    err_free(&i->warning[kind]);
    i->warning[kind] = e;
}

/* In how many seconds the first certificate of @i expires; @max_s at most. */
static int64_t seconds_left(const struct identity *i, int64_t max_s)
{
    struct wall now = wall_now();

    for (size_t k = 0; k < i->certs_n; k++) {
        const struct ssh_cert *c = i->certs[k]->current;
        int64_t left = c != NULL ? identity_cert_until(c) - now.s : 0;

        max_s = left > 0 && left < max_s ? left : max_s;
    }
    return max_s;
}

/* Every certificate is looked at when the next one expires, and at least once a minute: the wall
 * clock may step. */
static void arm(struct identity_set *s)
{
    int64_t wait_s = IDENTITY_RECHECK_S;

    for (size_t i = 0; i < s->n; i++) {
        wait_s = seconds_left(s->identities[i], wait_s);
    }
    s->next = mono_in(wait_s * 1000);
    io_timer_set(s->expiry, s->next);
}

void identity_changed(struct identity *i)
{
    struct identity_set *s = i->set;
    struct mono next = mono_in(seconds_left(i, IDENTITY_RECHECK_S) * 1000);

    i->change = ++s->changes;
    identity_view_stale(s->view);
    io_timer_set(s->notify, mono_now());
    if (next.ms < s->next.ms) {
        s->next = next;
        io_timer_set(s->expiry, next);
    }
}

static void on_notify(void *arg)
{
    struct identity_set *s = arg;

    if (s->on_change != NULL) {
        s->on_change(s->arg);
    }
    for (struct identity_watch *w = s->watches, *next; w != NULL; w = next) {
        next = w->next;
        w->on_change(w->arg);
    }
}

void identity_set_watch(struct identity_set *s, struct identity_watch *w)
{
    w->next = s->watches;
    s->watches = w;
}

void identity_set_unwatch(struct identity_set *s, struct identity_watch *w)
{
    struct identity_watch **at = &s->watches;

    while (*at != NULL && *at != w) {
        at = &(*at)->next;
    }
    if (*at == w) {
        *at = w->next;
    }
}

static void on_expiry(void *arg)
{
    struct identity_set *s = arg;
    struct wall now = wall_now();

    for (size_t i = 0; i < s->n; i++) {
        struct identity *id = s->identities[i];

        for (size_t k = 0; k < id->certs_n; k++) {
            if (identity_cert_sweep(id->certs[k], now)) {
                identity_changed(id);
            }
        }
    }
    identity_view_stale(s->view);
    arm(s);
}

static void hold(struct identity *i, struct remote_key *key)
{
    const struct ssh_key *public = remote_key_public(key);

    if (key != i->key) {
        remote_key_unref(&i->key);
        i->key = remote_key_ref(key);
        identity_changed(i);
    }
    if (i->public != NULL && ssh_key_eq(i->public, public)) {
        return;
    }
    struct ssh_key *old = i->public;

    i->public = ssh_key_copy(public);
    for (size_t k = 0; old != NULL && k < i->certs_n; k++) {
        identity_cert_lose(i->certs[k], old);
    }
    ssh_key_free(&old);
    identity_changed(i);
    identity_cache_save(i);
}

/* Why a key that was found cannot be used, NULL when it can. */
static struct err *problem_of(const struct identity *i)
{
    struct remote_key_info info;

    remote_key_info_get(i->key, &info);
    if (info.why_not != NULL || !remote_key_usable(i->key)) {
        return err_new(ERR_GONE, "key %s: %s", i->key_uri,
                       info.why_not != NULL ? info.why_not : "its token is not ready");
    }
    return i->certs_n > 0 ? identity_cert_may_request(i->certs[0]) : NULL;
}

static void warn_of_key(struct identity *i)
{
    struct remote_key_info info;

    remote_key_info_get(i->key, &info);
    identity_warn(i, IDENTITY_WARN_KEY,
                  info.local ? NULL
                             : err_new(ERR_DENIED,
                                       "the key of %s was not made on the token: copies may exist",
                                       i->name));
}

static struct err *check_expected(const struct identity *i, const struct remote_key *key)
{
    char is[SSH_FINGERPRINT_BYTES], not_it[SSH_FINGERPRINT_BYTES];

    if (i->expected == NULL || ssh_key_eq(i->expected, remote_key_public(key))) {
        return NULL;
    }
    return err_new(ERR_INPUT, "key %s is %s, and not %s as its public key says", i->key_uri,
                   ssh_key_fingerprint(remote_key_public(key), is),
                   ssh_key_fingerprint(i->expected, not_it));
}

void identity_resolve(struct identity *i)
{
    struct remote_key *key = NULL;
    struct err *e = remote_key_find(i->set->remote, i->key_uri, &key);

    if (e == NULL) {
        e = check_expected(i, key);
    }

    if (e == NULL) {
        hold(i, key);
        warn_of_key(i);
        e = problem_of(i);
    }
    if (!text_eq(err_text(e), err_text(i->problem))) {
        identity_changed(i);
    }
    err_free(&i->problem);
    i->problem = e;
}

void identity_set_refresh(struct identity_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        identity_resolve(s->identities[i]);
    }
}

void identity_set_look(struct identity_set *s)
{
    io_timer_set(s->expiry, mono_now());
}

/* The identity that once had this name, or a new one; NULL: no memory. */
static struct identity *get_empty(struct identity_set *s, const char *name)
{
    for (size_t i = 0; i < s->all_n; i++) {
        if (s->all[i]->removed && text_eq(s->all[i]->name, name)) {
            return s->all[i];
        }
    }
    struct identity **all = reallocarray(s->all, s->all_n + 1, sizeof *all);

    s->all = all != NULL ? all : s->all;
    struct identity *i = all != NULL ? calloc(1, sizeof *i) : NULL;

    if (i != NULL) {
        *i = (struct identity){.set = s, .removed = true, .name = text_copy(name)};
        s->all[s->all_n++] = i;
    }
    return i != NULL && i->name != NULL ? i : NULL;
}

struct err *identity_set_add(struct identity_set *s, const struct identity_conf *conf)
{
    struct identity **more = reallocarray(s->identities, s->n + 1, sizeof *more);
    struct identity *i = more != NULL ? get_empty(s, conf->name) : NULL;

    s->identities = more != NULL ? more : s->identities;
    if (i == NULL) {
        return err_nomem();
    }
    struct err *e = identity_conf_init(i, conf);

    if (e != NULL) {
        identity_deinit(i);
        return e;
    }
    i->removed = false;
    i->change = ++s->changes;
    s->identities[s->n++] = i;
    s->edition++;
    return NULL;
}

struct err *identity_set_new(struct io_loop *l, struct remote *remote,
                             const struct identity_conf *conf, size_t n, const char *cache_dir,
                             void (*on_change)(void *arg), void *arg, struct identity_set **ret)
{
    struct err *e = identity_conf_check(conf, n);
    AUTO(identity_set_free) struct identity_set *s = NULL;

    if (e == NULL) {
        e = file_make_folder(cache_dir, 0700);
    }
    if (e != NULL) {
        return e;
    }
    s = calloc(1, sizeof *s);
    if (s == NULL) {
        return err_nomem();
    }
    *s = (struct identity_set){.remote = remote, .on_change = on_change, .arg = arg};
    s->cache_dir = text_copy(cache_dir);
    s->view = identity_view_new();
    s->notify = io_timer_new(l, on_notify, s);
    s->expiry = io_timer_new(l, on_expiry, s);
    if (s->cache_dir == NULL || s->view == NULL || s->notify == NULL || s->expiry == NULL) {
        return err_nomem();
    }
    e = io_writer_new(l, &s->writer);
    for (size_t i = 0; e == NULL && i < n; i++) {
        e = identity_set_add(s, &conf[i]);
    }
    if (e != NULL) {
        return e;
    }
    for (size_t i = 0; i < n; i++) {
        identity_cache_load(s->identities[i]);
    }
    identity_set_refresh(s);
    arm(s);
    *ret = take(&s);
    return NULL;
}

void identity_deinit(struct identity *i)
{
    identity_conf_deinit(i);
    remote_key_unref(&i->key);
    ssh_key_free(&i->public);
    err_free(&i->problem);
    for (size_t k = 0; k < IDENTITY_WARNINGS; k++) {
        err_free(&i->warning[k]);
    }
    i->removed = true;
}

void identity_set_free(struct identity_set **sp)
{
    struct identity_set *s = take(sp);

    if (s == NULL) {
        return;
    }
    io_writer_free(&s->writer); /* it tells identities how their last write ended */
    for (size_t i = 0; i < s->all_n; i++) {
        identity_deinit(s->all[i]);
        free(s->all[i]->name);
        free(s->all[i]);
    }
    free(s->all);
    free(s->identities);
    free(s->cache_dir);
    identity_view_free(&s->view);
    io_timer_free(&s->notify);
    io_timer_free(&s->expiry);
    free(s);
}

size_t identity_count(const struct identity_set *s)
{
    return s->n;
}

struct identity *identity_at(const struct identity_set *s, size_t i)
{
    return s->identities[i];
}

struct identity *identity_find(const struct identity_set *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (text_eq(s->identities[i]->name, name)) {
            return s->identities[i];
        }
    }
    return NULL;
}

uint64_t identity_set_edition(const struct identity_set *s)
{
    return s->edition;
}
