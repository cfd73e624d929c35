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

    *to = (struct identity_want_conf){
        .signer = from->signer,
        .ca = from->ca != NULL ? ssh_key_copy(from->ca) : NULL,
        .request = {.kind = r->kind, .ttl_s = r->ttl_s},
    };
    to->request.principals = text_list_copy(r->principals);
    return to->request.principals != NULL && copy_text(r->mount, &to->request.mount) &&
           copy_text(r->role, &to->request.role) &&
           copy_text(r->issuer_ref, &to->request.issuer_ref) &&
           copy_text(r->key_id, &to->request.key_id) &&
           copy_options(r->critical, &to->request.critical) &&
           copy_options(r->extensions, &to->request.extensions);
}

static void want_deinit(struct identity_want_conf *w)
{
    struct signer_request *r = &w->request;
    char **principals = (char **)r->principals;
    struct ssh_cert_option *critical = (struct ssh_cert_option *)r->critical;
    struct ssh_cert_option *extensions = (struct ssh_cert_option *)r->extensions;
    struct ssh_key *ca = (struct ssh_key *)w->ca;

    ssh_key_free(&ca);
    text_list_free(&principals);
    free((char *)r->mount);
    free((char *)r->role);
    free((char *)r->issuer_ref);
    free((char *)r->key_id);
    ssh_cert_options_free(&critical);
    ssh_cert_options_free(&extensions);
    *w = (struct identity_want_conf){0};
}

static struct err *cert_init(struct identity_cert *c, struct identity *i,
                             const struct identity_want_conf *want)
{
    const char *role = want->request.role;

    c->owner = i;
    c->comment = text_fmt("%s (certificate of %s%s%s)", i->name, want->signer->name,
                          role != NULL ? "/" : "", role != NULL ? role : "");
    return copy_want(&c->want, want) && c->comment != NULL ? NULL : err_nomem();
}

struct err *identity_conf_init(struct identity *i, const struct identity_conf *conf)
{
    i->name = text_copy(conf->name);
    i->key_uri = text_copy(conf->key_uri != NULL ? conf->key_uri : "");
    i->offer = conf->offer;
    i->allow_extractable = conf->allow_extractable;
    i->certs = calloc(conf->wants_n + 1, sizeof *i->certs);
    if (i->name == NULL || i->key_uri == NULL || i->certs == NULL) {
        return err_nomem();
    }
    for (size_t k = 0; k < conf->wants_n; k++) {
        i->certs_n++;
        struct err *e = cert_init(&i->certs[k], i, &conf->wants[k]);

        if (e != NULL) {
            return e;
        }
    }
    return NULL;
}

void identity_conf_deinit(struct identity *i)
{
    for (size_t k = 0; k < i->certs_n; k++) {
        want_deinit(&i->certs[k].want);
        auto_free(&i->certs[k].comment);
    }
    auto_free(&i->certs);
    i->certs_n = 0;
    auto_free(&i->name);
    auto_free(&i->key_uri);
}
