/*
 * From the configuration's identities to identity/. The arrays made here only live until
 * identity_set_new() has copied them.
 */
#include <stdlib.h>

#include "daemon/parts.h"

/* What one certificate of the configuration needs while it is handed over. */
struct want {
    char **principals;
    struct ssh_cert_option *critical, *extensions;
    struct ssh_key *ca, *standby_ca;
};

static void want_deinit(struct want *w)
{
    text_list_free(&w->principals);
    ssh_cert_options_free(&w->critical);
    ssh_cert_options_free(&w->extensions);
    ssh_key_free(&w->ca);
    ssh_key_free(&w->standby_ca);
}

static struct err *copy_list(char **from, unsigned n, char ***ret)
{
    for (unsigned i = 0; i < n; i++) {
        if (!text_list_add(ret, from[i])) {
            return err_nomem();
        }
    }
    return NULL;
}

static const struct signer *find_signer(const struct parts_signers *signers, const char *name)
{
    for (size_t i = 0; i < signers->n; i++) {
        if (strcmp(signers->all[i]->name, name) == 0) {
            return signers->all[i];
        }
    }
    return NULL; /* config_check() saw to it */
}

static struct err *fill_standby(const struct config_standby *from,
                                const struct parts_signers *signers, struct want *w,
                                struct identity_standby_conf *to)
{
    struct err *e = from->ca != NULL ? ssh_key_from_line(from->ca, &w->standby_ca) : NULL;
    bool by_itself = from->after != NULL && !text_eq(from->after, "never");
    int64_t after_s = 0;

    if (e == NULL && by_itself) {
        e = text_duration(from->after, &after_s);
    }
    *to = (struct identity_standby_conf){
        .signer = find_signer(signers, from->signer),
        .mount = from->mount,
        .role = from->role,
        .ca = w->standby_ca,
        .by_itself = by_itself,
        .after_s = after_s,
    };
    return e;
}

static struct err *fill_want(const struct config_certificate *from,
                             const struct parts_signers *signers, struct want *w,
                             struct identity_want_conf *to)
{
    struct err *e = copy_list(from->principals, from->principals_count, &w->principals);
    enum ssh_cert_kind kind = from->type == CONFIG_CERTIFICATE_HOST ? SSH_CERT_HOST : SSH_CERT_USER;
    bool role_may_choose = false;
    int64_t ttl_s = 0;

    if (e == NULL) {
        e = parts_options(from->critical_options, from->critical_options_count, &w->critical);
    }
    if (e == NULL) {
        e = parts_extensions(from->extensions, from->extensions_count, kind, &w->extensions,
                             &role_may_choose);
    }
    if (e == NULL && from->ca != NULL) {
        e = ssh_key_from_line(from->ca, &w->ca);
    }
    if (e == NULL && from->ttl != NULL) {
        e = text_duration(from->ttl, &ttl_s);
    }
    if (e == NULL && from->standby != NULL) {
        e = fill_standby(from->standby, signers, w, &to->standby);
    }
    if (e == NULL) {
        to->signer = find_signer(signers, from->signer);
        to->ca = w->ca;
        to->file = from->file;
        to->request = (struct signer_request){
            .kind = kind,
            .mount = from->mount,
            .role = from->role,
            .issuer_ref = from->issuer,
            .principals = w->principals,
            .ttl_s = ttl_s,
            .key_id = from->key_id,
            .critical = w->critical,
            .extensions = w->extensions,
            .role_may_choose = role_may_choose,
        };
    }
    return e;
}

static enum identity_offer offer_of(const struct config_identity *i)
{
    return i->offer == CONFIG_OFFER_BOTH  ? IDENTITY_OFFER_BOTH
           : i->offer == CONFIG_OFFER_KEY ? IDENTITY_OFFER_KEY
                                          : IDENTITY_OFFER_CERTIFICATE;
}

/* config_check() read these texts before. */
static struct err *fill_renewal(const struct config_identity *from, struct identity_conf *to)
{
    int64_t wait_s = 0;
    struct err *e = from->idle != NULL ? text_duration(from->idle, &to->idle_s) : NULL;

    if (from->renewal != NULL) {
        identity_renewal_find(from->renewal, &to->renewal);
    }
    if (e == NULL && from->wait != NULL) {
        e = text_duration(from->wait, &wait_s);
        to->wait_ms = wait_s > 0 ? wait_s * 1000 : -1;
    }
    return e;
}

static unsigned count_wants(const struct config *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->identities_count; i++) {
        n += c->identities[i].certificates_count;
    }
    return n;
}

struct err *parts_identities(const struct config *c, struct io_loop *l, struct remote *remote,
                             const struct parts_signers *signers, void (*on_change)(void *arg),
                             void *arg, struct identity_set **ret)
{
    unsigned wants_n = count_wants(c);
    AUTO(auto_free) struct identity_conf *conf = calloc(c->identities_count + 1, sizeof *conf);
    AUTO(auto_free) struct identity_want_conf *wants = calloc(wants_n + 1, sizeof *wants);
    AUTO(auto_free) struct want *parts = calloc(wants_n + 1, sizeof *parts);
    AUTO(auto_free) char *cache = text_fmt("%s/certificates", c->agent.state);
    struct err *e = NULL;
    unsigned at = 0;

    if (conf == NULL || wants == NULL || parts == NULL || cache == NULL) {
        return err_nomem();
    }
    for (unsigned i = 0; e == NULL && i < c->identities_count; i++) {
        const struct config_identity *from = &c->identities[i];

        conf[i] = (struct identity_conf){
            .name = from->name,
            .key_uri = from->key,
            .offer = offer_of(from),
            .allow_extractable = from->allow_extractable,
            .wants = &wants[at],
            .wants_n = from->certificates_count,
        };
        e = fill_renewal(from, &conf[i]);
        for (unsigned k = 0; e == NULL && k < from->certificates_count; k++, at++) {
            e = fill_want(&from->certificates[k], signers, &parts[at], &wants[at]);
        }
    }
    if (e == NULL) {
        e = identity_set_new(l, remote, conf, c->identities_count, cache, on_change, arg, ret);
    }
    for (unsigned i = 0; i < wants_n; i++) {
        want_deinit(&parts[i]);
    }
    return e;
}
