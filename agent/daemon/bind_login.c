/*
 * Login keys: for each Vault server whose login is cert or token-key, what holdfast-vault has to know of
 * the key: its public half, its certificate, or why there is none. bind_login_sign.c signs for it.
 *
 * The servers are vault/'s; here is only what was found for them, by name. What is found is put into the
 * server's configuration, which costs it its Vault token: so nothing is put that is not new, and what
 * was found stays while the token is away.
 */
#include "daemon/bind_login.h"

#include <stdlib.h>

#include "daemon/bind_login_impl.h"
#include "enroll/enroll.h"

/* --- who logs in with a key --------------------------------------------------------------------- */

static void login_free(struct login *l)
{
    LIST_REMOVE(l, link);
    free(l->name);
    free(l->key_uri);
    free(l->cert_pem);
    free(l->problem);
    free(l->public_pem);
    free(l->told);
    free(l->issuer);
    free(l->subject);
    free(l->audience);
    ssh_key_free(&l->key);
    free(l);
}

struct login *login_find(const struct bind_login *b, const char *name)
{
    struct login *l;

    LIST_FOREACH(l, &b->logins, link)
    {
        if (text_eq(l->name, name)) {
            return l;
        }
    }
    return NULL;
}

static bool uses_key(const struct vault_conf *c)
{
    return c != NULL && c->client_key != NULL &&
           (c->login == VAULT_LOGIN_CERT || c->login == VAULT_LOGIN_TOKEN_KEY);
}

static bool is_over(const struct bind_login *b, const struct login *l)
{
    const struct vault_conf *c = vault_conf_of(b->deps.vault, l->name);

    if (l->until.ms != 0) {
        return mono_passed(l->until);
    }
    return !uses_key(c) || c->login != l->how || !text_eq(c->client_key, l->key_uri);
}

static void forget_others(struct bind_login *b)
{
    struct login *l = LIST_FIRST(&b->logins);

    while (l != NULL) {
        struct login *next = LIST_NEXT(l, link);

        if (is_over(b, l)) {
            login_free(l);
        }
        l = next;
    }
}

/* NULL, without memory: it is looked for again with the next change. */
static struct login *add(struct bind_login *b, const struct vault_conf *c, const char *name)
{
    struct login *l = calloc(1, sizeof *l);

    if (l == NULL) {
        return NULL;
    }
    LIST_INSERT_HEAD(&b->logins, l, link);
    l->how = c->login;
    l->name = text_copy(name);
    l->key_uri = text_copy(c->client_key);
    if (l->name == NULL || l->key_uri == NULL) {
        login_free(l);
        return NULL;
    }
    return l;
}

static void find_logins(struct bind_login *b)
{
    forget_others(b);
    for (size_t i = 0; i < vault_count(b->deps.vault); i++) {
        struct vault_status s;

        vault_status(b->deps.vault, i, &s);
        const struct vault_conf *c = vault_conf_of(b->deps.vault, s.name);

        if (uses_key(c) && login_find(b, c->name) == NULL) {
            add(b, c, c->name);
        }
    }
}

/* --- what is known of the key ------------------------------------------------------------------- */

/* The SSH identity that has the same key, unless they may be one. */
static const char *identity_with(const struct bind_login *b, const struct login *l,
                                 const struct ssh_key *key)
{
    const struct vault_conf *c = vault_conf_of(b->deps.vault, l->name);
    bool may_be_one = c != NULL ? c->client_key_shared : l->is_shared;
    size_t n = b->deps.identities != NULL && !may_be_one ? identity_count(b->deps.identities) : 0;

    for (size_t i = 0; i < n; i++) {
        const struct identity *identity = identity_at(b->deps.identities, i);

        if (identity_public(identity) != NULL && ssh_key_eq(identity_public(identity), key)) {
            return identity_name(identity);
        }
    }
    return NULL;
}

struct err *login_why_shared(const struct bind_login *b, const struct login *l,
                             const struct ssh_key *key)
{
    const char *identity = identity_with(b, l, key);

    return identity != NULL
               ? err_new(ERR_DENIED,
                         "the login key %s is SSH identity %s's too: make a key of its own for the "
                         "login of %s, or say share-with-ssh there",
                         l->key_uri, identity, l->name)
               : NULL;
}

/* NULL is like NULL. */
static bool same(const char *a, const char *b)
{
    return a == NULL ? b == NULL : text_eq(a, b);
}

/* Put what is known, if the server does not know it yet. */
static void publish(const struct bind_login *b, const struct login *l, const char *public_pem,
                    const struct err *problem)
{
    const struct vault_conf *now = vault_conf_of(b->deps.vault, l->name);
    const char *cert_pem = problem == NULL ? l->cert_pem : NULL;
    const char *text = problem != NULL ? err_text(problem) : NULL;
    bool passes = err_is(problem, ERR_GONE) || err_is(problem, ERR_PIN);

    if (now == NULL ||
        (now->client_problem_passes == passes && same(now->client_public_pem, public_pem) &&
         same(now->client_problem, text) && same(now->client_cert_pem, cert_pem))) {
        return;
    }
    struct vault_conf next = *now;
    bool is_news = now->client_public_pem == NULL && public_pem != NULL;

    next.client_public_pem = public_pem;
    next.client_problem = text;
    next.client_problem_passes = passes;
    next.client_cert_pem = cert_pem;
    AUTO(err_free) struct err *e = vault_put(b->deps.vault, &next, NULL);

    if (e != NULL || problem != NULL) {
        log_err(LOG_WARN, e != NULL ? e : problem, "login of %s", l->name);
    } else if (is_news && b->deps.on_ready != NULL) {
        b->deps.on_ready(b->deps.arg, l->name);
    }
}

/* The key is there: the rest of what a login needs decides. BUSY while it is being read. */
static struct err *known(const struct bind_login *b, const struct login *l, char **ret_pem)
{
    struct err *e = login_why_shared(b, l, l->key);

    if (e == NULL && l->how == VAULT_LOGIN_CERT && l->cert_pem == NULL) {
        e = l->problem != NULL
                ? err_new(ERR_NOT_FOUND, "%s", l->problem)
                : err_new(ERR_BUSY, "login key %s: its certificate is being read", l->key_uri);
    }
    if (e == NULL) {
        *ret_pem = enroll_public_pem(l->key);
        e = *ret_pem != NULL ? NULL : err_nomem();
    }
    return e;
}

static void tell(const struct bind_login *b, const struct login *l)
{
    AUTO(auto_free) char *pem = NULL;
    AUTO(err_free) struct err *e = known(b, l, &pem);

    if (!err_is(e, ERR_BUSY)) {
        publish(b, l, pem, e);
    }
}

/* --- its certificate ---------------------------------------------------------------------------- */

static void read_certs(struct bind_login *b, struct login *l);

static void take_certs(struct login *l, struct err *failed, const struct remote_cert *certs,
                       size_t n)
{
    AUTO(err_free) struct err *e = failed;
    AUTO(enroll_cert_deinit) struct enroll_cert cert = {0};

    if (e != NULL && l->cert_pem != NULL) {
        return; /* what was read before holds until the token can be read again */
    }
    if (e == NULL) {
        e = enroll_cert_choose(certs, n, l->key, wall_now(), &cert);
    }
    free(l->cert_pem);
    free(l->problem);
    l->cert_pem = e == NULL ? enroll_cert_full_pem(&cert) : NULL;
    l->problem = err_is(e, ERR_NOT_FOUND)
                     ? text_fmt("login key %s: %s (holdfast enroll %s gets one)", l->key_uri,
                                err_text(e), l->name)
                 : e != NULL ? text_fmt("login key %s: %s", l->key_uri, err_text(e))
                             : NULL;
}

static void on_certs(void *arg, struct err *e, const struct remote_cert *certs, size_t n)
{
    struct reading *r = arg;
    struct bind_login *b = r->b;
    struct login *l = b != NULL ? login_find(b, r->name) : NULL;

    if (b != NULL) {
        LIST_REMOVE(r, link);
    }
    free(r->name);
    free(r);
    if (l == NULL || l->key == NULL) {
        err_free(&e);
        return;
    }
    l->reading = false;
    take_certs(l, e, certs, n);
    tell(b, l);
    if (l->again) {
        read_certs(b, l);
    }
}

static struct err *start_reading(struct bind_login *b, struct login *l, size_t *ret_token,
                                 struct reading **ret)
{
    struct remote_key *k = NULL;
    struct remote_key_info info;
    struct err *e = remote_key_find(b->deps.remote, l->key_uri, &k);

    if (e != NULL) {
        return e;
    }
    remote_key_info_get(k, &info);
    e = remote_token_find(b->deps.remote, info.token_serial, ret_token);
    if (e != NULL) {
        return e;
    }
    struct reading *r = calloc(1, sizeof *r);
    char *name = text_copy(l->name);

    if (r == NULL || name == NULL) {
        free(r);
        free(name);
        return err_nomem();
    }
    *r = (struct reading){.b = b, .name = name};
    LIST_INSERT_HEAD(&b->readings, r, link);
    *ret = r;
    return NULL;
}

static void read_certs(struct bind_login *b, struct login *l)
{
    struct reading *r = NULL;
    size_t token = 0;

    l->again = l->reading;
    if (l->reading) {
        return;
    }
    struct err *e = start_reading(b, l, &token, &r);

    if (e != NULL) { /* its token has just gone, and brings another look when it is back */
        err_free(&e);
        return;
    }
    l->reading = true;
    remote_certs(b->deps.remote, token, on_certs, r);
}

/* --- looking ------------------------------------------------------------------------------------ */

/* The key as it is on the token now; what was found before stays while it cannot be seen. */
static struct err *find_key(const struct bind_login *b, struct login *l)
{
    struct remote_key *k = NULL;
    AUTO(err_free) struct err *e = remote_key_find(b->deps.remote, l->key_uri, &k);

    if (l->key == NULL && l->how == VAULT_LOGIN_CERT && err_is(e, ERR_NOT_FOUND)) {
        return err_new(ERR_NOT_FOUND, "%s (holdfast enroll makes one)", err_text(e));
    }
    if (e != NULL) {
        return l->key == NULL ? take(&e) : NULL;
    }
    if (l->key == NULL || !ssh_key_eq(l->key, remote_key_public(k))) {
        ssh_key_free(&l->key);
        l->key = ssh_key_copy(remote_key_public(k));
        auto_free(&l->cert_pem);
        auto_free(&l->problem);
    }
    return NULL;
}

static void look_at(struct bind_login *b, struct login *l, bool anew)
{
    AUTO(err_free) struct err *e = find_key(b, l);

    if (e != NULL) {
        publish(b, l, NULL, e);
        return;
    }
    tell(b, l);
    bool is_unread = l->cert_pem == NULL && l->problem == NULL && !l->reading;

    if (l->how == VAULT_LOGIN_CERT && (anew || is_unread)) {
        read_certs(b, l);
    }
}

static void look(struct bind_login *b, bool anew)
{
    struct login *l;

    find_logins(b);
    LIST_FOREACH(l, &b->logins, link)
    {
        look_at(b, l, anew);
    }
}

void bind_login_look(struct bind_login *b)
{
    look(b, false);
}

void bind_login_tokens(struct bind_login *b)
{
    look(b, true);
}

/* --- configurations that are tried out ---------------------------------------------------------- */

static struct policy_claims claims_of(const struct vault_conf *c)
{
    return (struct policy_claims){c->jwt_issuer != NULL ? c->jwt_issuer : VAULT_JWT_ISSUER,
                                  c->jwt_subject, c->jwt_audience};
}

struct policy_claims login_claims(const struct bind_login *b, const struct login *l)
{
    const struct vault_conf *c = vault_conf_of(b->deps.vault, l->name);

    return c != NULL ? claims_of(c) : (struct policy_claims){l->issuer, l->subject, l->audience};
}

static bool says_the_same(struct policy_claims a, struct policy_claims b)
{
    return same(a.issuer, b.issuer) && same(a.subject, b.subject) && same(a.audience, b.audience);
}

/* Who logs in like this: a server that is put, or a trial. */
static struct login *like(const struct bind_login *b, const struct vault_conf *conf, bool is_trial)
{
    struct login *l;

    LIST_FOREACH(l, &b->logins, link)
    {
        if ((l->until.ms != 0) == is_trial && l->how == conf->login &&
            text_eq(l->key_uri, conf->client_key) &&
            says_the_same(login_claims(b, l), claims_of(conf))) {
            return l;
        }
    }
    return NULL;
}

/* A trial has a name that no server has: it must not come between one and its key. */
static struct login *trial_of(struct bind_login *b, const struct vault_conf *conf)
{
    struct login *l = like(b, conf, true);

    if (l == NULL) {
        AUTO(auto_free) char *name = text_fmt("%s (trial %u)", conf->name, ++b->trials);
        struct policy_claims says = claims_of(conf);

        l = add(b, conf, name);
        if (l != NULL) { /* a text that is missing for want of memory is one that no JWT has */
            l->issuer = text_copy(says.issuer);
            l->subject = text_copy(says.subject);
            l->audience = text_copy(says.audience);
        }
    }
    if (l != NULL) {
        l->until = mono_in(BIND_LOGIN_TRIAL_MS);
        l->is_shared = conf->client_key_shared;
    }
    return l;
}

bool bind_login_fill(struct bind_login *b, struct vault_conf *conf)
{
    find_logins(b);
    const struct login *put = uses_key(conf) ? like(b, conf, false) : NULL;

    if (put != NULL) {
        const struct vault_conf *twin = vault_conf_of(b->deps.vault, put->name);

        conf->name = twin->name;
        conf->client_public_pem = twin->client_public_pem;
        conf->client_problem = twin->client_problem;
        conf->client_problem_passes = twin->client_problem_passes;
        conf->client_cert_pem = twin->client_cert_pem;
        return put->reading && twin->client_cert_pem == NULL;
    }
    struct login *l = uses_key(conf) ? trial_of(b, conf) : NULL;

    if (l == NULL) {
        return false;
    }
    AUTO(err_free) struct err *e = find_key(b, l);

    auto_free(&l->public_pem);
    auto_free(&l->told);
    if (e == NULL) {
        look_at(b, l, false); /* may read certificates */
        e = known(b, l, &l->public_pem);
    }
    l->told = e != NULL ? text_copy(err_text(e)) : NULL;
    conf->name = l->name;
    conf->client_public_pem = l->public_pem;
    conf->client_problem = l->told;
    conf->client_problem_passes = e != NULL;
    conf->client_cert_pem = e == NULL ? l->cert_pem : NULL;
    return l->reading && l->cert_pem == NULL;
}

/* --- life --------------------------------------------------------------------------------------- */

struct err *bind_login_new(const struct bind_login_deps *deps, struct bind_login **ret)
{
    struct bind_login *b = calloc(1, sizeof *b);

    if (b == NULL) {
        return err_nomem();
    }
    b->deps = *deps;
    LIST_INIT(&b->logins);
    LIST_INIT(&b->readings);
    LIST_INIT(&b->signings);
    vault_on_question(deps->vault, login_on_question, b);
    *ret = b;
    return NULL;
}

void bind_login_free(struct bind_login **bp)
{
    struct bind_login *b = take(bp);
    struct reading *r;

    if (b == NULL) {
        return;
    }
    vault_on_question(b->deps.vault, NULL, NULL);
    login_give_up(b);
    while ((r = LIST_FIRST(&b->readings)) != NULL) {
        LIST_REMOVE(r, link);
        r->b = NULL;
    }
    while (!LIST_EMPTY(&b->logins)) {
        login_free(LIST_FIRST(&b->logins));
    }
    free(b);
}
