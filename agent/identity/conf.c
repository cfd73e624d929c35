/*
 * What an identity was configured to be: checked once, then copied deeply, so that the daemon may
 * drop its configuration tree. Certificates without principals are refused here, before anybody is
 * asked for one: servers treat them as dead, and older ones as good for every account.
 */
#include <stdlib.h>

#include "identity/priv.h"

static struct err *check_want(const struct identity_want_conf *w)
{
    if (w->signer == NULL) {
        return err_new(ERR_INPUT, "a certificate without a signer");
    }
    if (w->request.principals == NULL || w->request.principals[0] == NULL) {
        return err_new(ERR_INPUT, "the certificate of '%s' names no principals", w->signer->name);
    }
    for (char *const *p = w->request.principals; *p != NULL; p++) {
        if (**p == '\0') {
            return err_new(ERR_INPUT, "the certificate of '%s' has an empty principal",
                           w->signer->name);
        }
    }
    if (w->request.ttl_s < 0) {
        return err_new(ERR_INPUT, "the certificate of '%s' has a negative lifetime",
                       w->signer->name);
    }
    if (w->standby.signer == w->signer) {
        return err_new(ERR_INPUT, "'%s' cannot stand by for itself", w->signer->name);
    }
    return NULL;
}

struct err *identity_conf_check(const struct identity_conf *conf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!text_name_ok(conf[i].name)) {
            return err_new(ERR_INPUT, "'%s' is no name for an identity",
                           conf[i].name != NULL ? conf[i].name : "");
        }
        for (size_t k = 0; k < i; k++) {
            if (text_eq(conf[i].name, conf[k].name)) {
                return err_new(ERR_INPUT, "two identities are named '%s'", conf[i].name);
            }
        }
        for (size_t k = 0; k < conf[i].wants_n; k++) {
            struct err *e = check_want(&conf[i].wants[k]);

            if (e != NULL) {
                return err_add(e, "identity '%s'", conf[i].name);
            }
        }
    }
    return NULL;
}

static bool copy_options(const struct ssh_cert_option *from, const struct ssh_cert_option **ret)
{
    struct ssh_cert_option *list = NULL;
    struct err *e = ssh_cert_options_copy(from, &list);

    *ret = list;
    if (e != NULL) {
        err_free(&e);
        return false;
    }
    return true;
}

static bool copy_text(const char *from, const char **ret)
{
    *ret = text_copy(from);
    return from == NULL || *ret != NULL;
}

static bool copy_want(struct identity_want_conf *to, const struct identity_want_conf *from)
{
    const struct signer_request *r = &from->request;
    const struct identity_standby_conf *s = &from->standby;

    *to = (struct identity_want_conf){
        .signer = from->signer,
        .standby = {.signer = s->signer,
                    .ca = s->ca != NULL ? ssh_key_copy(s->ca) : NULL,
                    .by_itself = s->by_itself,
                    .after_s = s->after_s},
        .ca = from->ca != NULL ? ssh_key_copy(from->ca) : NULL,
        .request = {.kind = r->kind, .ttl_s = r->ttl_s, .role_may_choose = r->role_may_choose},
    };
    to->request.principals = text_list_copy(r->principals);
    return to->request.principals != NULL && copy_text(s->mount, &to->standby.mount) &&
           copy_text(s->role, &to->standby.role) && copy_text(r->mount, &to->request.mount) &&
           copy_text(r->role, &to->request.role) &&
           copy_text(r->issuer_ref, &to->request.issuer_ref) && copy_text(from->file, &to->file) &&
           copy_text(r->key_id, &to->request.key_id) &&
           copy_options(r->critical, &to->request.critical) &&
           copy_options(r->extensions, &to->request.extensions);
}

void identity_want_deinit(struct identity_want_conf *w)
{
    struct signer_request *r = &w->request;
    char **principals = (char **)r->principals;
    struct ssh_cert_option *critical = (struct ssh_cert_option *)r->critical;
    struct ssh_cert_option *extensions = (struct ssh_cert_option *)r->extensions;
    struct ssh_key *ca = (struct ssh_key *)w->ca;
    struct ssh_key *standby_ca = (struct ssh_key *)w->standby.ca;

    ssh_key_free(&ca);
    ssh_key_free(&standby_ca);
    free((char *)w->standby.mount);
    free((char *)w->standby.role);
    text_list_free(&principals);
    free((char *)r->mount);
    free((char *)r->role);
    free((char *)r->issuer_ref);
    free((char *)w->file);
    free((char *)r->key_id);
    ssh_cert_options_free(&critical);
    ssh_cert_options_free(&extensions);
    *w = (struct identity_want_conf){0};
}

static struct err *cert_new(struct identity *i, const struct identity_want_conf *want,
                            struct identity_cert **ret)
{
    AUTO(identity_cert_unref) struct identity_cert *c = calloc(1, sizeof *c);
    const char *role = want->request.role;

    if (c == NULL) {
        return err_nomem();
    }
    c->refs = 1;
    c->owner = i;
    c->comment = text_fmt("%s (certificate of %s%s%s)", i->name, want->signer->name,
                          role != NULL ? "/" : "", role != NULL ? role : "");
    if (!copy_want(&c->want, want) || c->comment == NULL) {
        return err_nomem();
    }
    *ret = take(&c);
    return NULL;
}

static int64_t idle_of(const struct identity_conf *conf)
{
    return conf->idle_s > 0 ? conf->idle_s : IDENTITY_IDLE_S;
}

static int64_t wait_of(const struct identity_conf *conf)
{
    return conf->wait_ms == 0 ? IDENTITY_WAIT_MS : conf->wait_ms > 0 ? conf->wait_ms : 0;
}

struct err *identity_conf_init(struct identity *i, const struct identity_conf *conf)
{
    i->name = i->name != NULL ? i->name : text_copy(conf->name);
    i->key_uri = text_copy(conf->key_uri != NULL ? conf->key_uri : "");
    i->offer = conf->offer;
    i->allow_extractable = conf->allow_extractable;
    i->renewal = conf->renewal;
    i->idle_s = idle_of(conf);
    i->wait_ms = wait_of(conf);
    i->scope = text_copy(conf->scope != NULL ? conf->scope : "");
    i->tags = text_list_copy(conf->tags);
    i->expected = conf->expected != NULL ? ssh_key_copy(conf->expected) : NULL;
    i->certs = calloc(conf->wants_n + 1, sizeof *i->certs);
    if (i->name == NULL || i->key_uri == NULL || i->scope == NULL || i->certs == NULL ||
        (i->tags == NULL && conf->tags != NULL)) {
        return err_nomem();
    }
    for (size_t k = 0; k < conf->wants_n; k++) {
        struct err *e = cert_new(i, &conf->wants[k], &i->certs[k]);

        if (e != NULL) {
            return e;
        }
        i->certs_n++;
    }
    return NULL;
}

void identity_conf_deinit(struct identity *i)
{
    for (size_t k = 0; k < i->certs_n; k++) {
        i->certs[k]->gone = true;
        identity_cert_unref(&i->certs[k]);
    }
    auto_free(&i->certs);
    i->certs_n = 0;
    auto_free(&i->key_uri);
    auto_free(&i->scope);
    text_list_free(&i->tags);
    ssh_key_free(&i->expected);
}

void identity_want_put(struct buf *b, const struct identity_want_conf *w)
{
    size_t begun = buf_begin_string(b);

    buf_put_cstr(b, w->signer->name);
    buf_put_u8(b, (uint8_t)w->request.kind);
    buf_put_cstr(b, w->request.mount);
    buf_put_cstr(b, w->request.role);
    buf_put_cstr(b, w->request.issuer_ref);
    buf_end_string(b, begun);
}

bool identity_want_has_ca_of(const struct identity_want_conf *a, const struct identity_want_conf *b)
{
    AUTO(buf_deinit) struct buf x, y;

    buf_init(&x, 0);
    buf_init(&y, 0);
    identity_want_put(&x, a);
    identity_want_put(&y, b);
    return view_eq(buf_view(&x), buf_view(&y));
}

void identity_standby_put(struct buf *b, const struct identity_want_conf *w)
{
    const struct identity_standby_conf *s = &w->standby;
    size_t begun = buf_begin_string(b);

    if (s->signer != NULL) {
        buf_put_cstr(b, "standby");
        buf_put_cstr(b, s->signer->name);
        buf_put_u8(b, (uint8_t)w->request.kind);
        buf_put_cstr(b, s->mount);
        buf_put_cstr(b, s->role);
    }
    buf_end_string(b, begun);
}

bool identity_standby_has_ca_of(const struct identity_want_conf *a,
                                const struct identity_want_conf *b)
{
    AUTO(buf_deinit) struct buf x, y;

    buf_init(&x, 0);
    buf_init(&y, 0);
    identity_standby_put(&x, a);
    identity_standby_put(&y, b);
    return a->standby.signer != NULL && view_eq(buf_view(&x), buf_view(&y));
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same_list(char *const *a, char *const *b)
{
    size_t n = text_list_len(a);

    for (size_t i = 0; n == text_list_len(b) && i < n; i++) {
        if (strcmp(a[i], b[i]) != 0) {
            return false;
        }
    }
    return n == text_list_len(b);
}

/* None, and an empty list, are two things: with the first the role decides. */
static bool is_same_options(const struct ssh_cert_option *a, const struct ssh_cert_option *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    for (; a->name != NULL && b->name != NULL; a++, b++) {
        if (!text_eq(a->name, b->name) || !text_eq(a->value, b->value)) {
            return false;
        }
    }
    return a->name == NULL && b->name == NULL;
}

static bool is_same_key(const struct ssh_key *a, const struct ssh_key *b)
{
    return a == NULL || b == NULL ? a == b : ssh_key_eq(a, b);
}

static bool is_same_standby(const struct identity_standby_conf *a,
                            const struct identity_standby_conf *b)
{
    return a->signer == b->signer && is_same_text(a->mount, b->mount) &&
           is_same_text(a->role, b->role) && is_same_key(a->ca, b->ca) &&
           a->by_itself == b->by_itself && a->after_s == b->after_s;
}

bool identity_want_is(const struct identity_want_conf *a, const struct identity_want_conf *b)
{
    const struct signer_request *x = &a->request, *y = &b->request;

    return a->signer == b->signer && is_same_standby(&a->standby, &b->standby) &&
           is_same_key(a->ca, b->ca) && x->kind == y->kind && x->ttl_s == y->ttl_s &&
           is_same_text(x->mount, y->mount) && is_same_text(x->role, y->role) &&
           is_same_text(x->issuer_ref, y->issuer_ref) && is_same_text(x->key_id, y->key_id) &&
           is_same_text(a->file, b->file) && is_same_list(x->principals, y->principals) &&
           is_same_options(x->critical, y->critical) && x->role_may_choose == y->role_may_choose &&
           is_same_options(x->extensions, y->extensions);
}

static bool is_same_renewal(const struct identity *i, const struct identity_conf *conf)
{
    return i->renewal == conf->renewal && i->wait_ms == wait_of(conf) && i->idle_s == idle_of(conf);
}

bool identity_conf_is(const struct identity *i, const struct identity_conf *conf)
{
    bool same = is_same_renewal(i, conf) &&
                text_eq(i->key_uri, conf->key_uri != NULL ? conf->key_uri : "") &&
                i->offer == conf->offer && i->allow_extractable == conf->allow_extractable &&
                text_eq(i->scope, conf->scope != NULL ? conf->scope : "") &&
                is_same_list(i->tags, conf->tags) && is_same_key(i->expected, conf->expected) &&
                i->certs_n == conf->wants_n;

    for (size_t k = 0; same && k < i->certs_n; k++) {
        same = identity_want_is(&i->certs[k]->want, &conf->wants[k]);
    }
    return same;
}
