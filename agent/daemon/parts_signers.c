/*
 * From the configuration's signers to vault/ and ca/: one holdfast-vault for all Vault servers, one
 * built-in signer for each CA key. The order is that of the configuration.
 */
#include <stdlib.h>

#include "ca/ca.h"
#include "control/control.h"
#include "daemon/parts.h"

/* What a configuration for vault/ owns beside what it borrows. */
struct owned {
    struct secret *token;
    char **addresses;
};

static void put_login(const struct config_login *l, struct vault_conf *to)
{
    vault_login_find(l->method, &to->login); /* config_login.c has seen to it that there is one */
    to->login_mount = l->mount;
    to->role = l->role;
    to->token_file = l->token_file;
    to->token_wrapped = l->token_wrapped;
    to->role_id_file = l->role_id_file;
    to->secret_id_file = l->secret_id_file;
    to->secret_id_wrapped = l->secret_id_wrapped;
    to->wrapping_path = l->wrapping_path;
    to->jwt_file = l->jwt_file;
    to->user = l->user;
    to->password_file = l->password_file;
    to->client_key = l->key;
    to->client_key_shared = l->share_with_ssh;
    to->pki_mount = l->pki_mount;
    to->pki_role = l->pki_role;
    to->jwt_audience = l->audience;
    to->jwt_issuer = l->issuer;
    to->jwt_subject = l->subject;
    to->revoke_on_stop = l->revoke_on_stop;
}

static struct err *vault_conf(const struct config_signer *from, struct vault_conf *to,
                              struct owned *ret)
{
    const struct config_vault *v = from->vault;
    const struct config_login *l = &v->login;
    int64_t timeout_s = 0;
    struct err *e = text_duration(v->timeout, &timeout_s);

    if (e == NULL && l->token_environment != NULL) {
        e = secret_from_env(l->token_environment, &ret->token);
    }
    for (unsigned i = 0; e == NULL && i < v->addresses_count; i++) {
        e = text_list_add(&ret->addresses, v->addresses[i]) ? NULL : err_nomem();
    }
    *to = (struct vault_conf){
        .name = from->name,
        .address = v->address,
        .addresses = ret->addresses,
        .server_name = v->server_name,
        .namespace_ = v->namespace_,
        .ca_bundle = v->ca_bundle,
        .token = ret->token,
        .proxy = v->proxy,
        .no_proxy = v->no_proxy,
        .request_timeout_ms = timeout_s * 1000,
    };
    put_login(l, to);
    control_vault_defaults(to);
    return err_add(e, "signer %s", from->name);
}

static struct err *make_vault(const struct config *c, struct io_loop *l, const char *helper,
                              size_t n, struct parts_signers *s, struct signer **ret)
{
    AUTO(auto_free) struct vault_conf *conf = calloc(n + 1, sizeof *conf);
    AUTO(auto_free) struct owned *owned = calloc(n + 1, sizeof *owned);
    struct err *e = conf == NULL || owned == NULL ? err_nomem() : NULL;
    size_t at = 0;

    for (unsigned i = 0; e == NULL && i < c->signers_count; i++) {
        if (c->signers[i].vault != NULL) {
            e = vault_conf(&c->signers[i], &conf[at], &owned[at]);
            at++;
        }
    }
    if (e == NULL) {
        e = vault_new(l, helper, conf, n, &s->vault, ret);
    }
    for (size_t i = 0; owned != NULL && i < n; i++) {
        secret_free(&owned[i].token);
        text_list_free(&owned[i].addresses);
    }
    return e;
}

static void roles_free(struct ca_role *roles, size_t n)
{
    for (size_t i = 0; roles != NULL && i < n; i++) {
        text_list_free((char ***)&roles[i].principals);
        ssh_cert_options_free((struct ssh_cert_option **)&roles[i].extensions);
    }
    free(roles);
}

static struct err *fill_role(const struct config_ca_role *from, struct ca_role *to)
{
    char **principals = NULL;
    struct ssh_cert_option *extensions = NULL;
    struct err *e = NULL;

    to->name = from->name;
    for (unsigned i = 0; e == NULL && i < from->principals_count; i++) {
        e = text_list_add(&principals, from->principals[i]) ? NULL : err_nomem();
    }
    for (unsigned i = 0; e == NULL && i < from->extensions_count; i++) {
        e = ssh_cert_options_add(&extensions, view_cstr(from->extensions[i]), view_cstr(""));
    }
    to->principals = principals;
    to->extensions = extensions;
    if (e == NULL && from->ttl != NULL) {
        e = text_duration(from->ttl, &to->ttl_s);
    }
    if (e == NULL && from->max_ttl != NULL) {
        e = text_duration(from->max_ttl, &to->max_ttl_s);
    }
    return e;
}

static struct err *make_ca(const struct config_signer *from, struct io_loop *l,
                           struct remote *remote, const char *state, struct audit *audit,
                           struct signer *ret)
{
    const struct config_ca *ca = from->ca;
    struct ca_role *roles = calloc(ca->roles_count + 1, sizeof *roles);
    struct err *e = roles == NULL ? err_nomem() : NULL;

    for (unsigned i = 0; e == NULL && i < ca->roles_count; i++) {
        e = fill_role(&ca->roles[i], &roles[i]);
    }
    if (e == NULL) {
        struct ca_conf conf = {.name = from->name,
                               .key_uri = ca->key,
                               .roles = roles,
                               .roles_n = ca->roles_count,
                               .krl = ca->krl,
                               .audit = audit};

        e = ca_new(l, remote, &conf, state, ret);
    }
    roles_free(roles, ca->roles_count);
    return err_add(e, "signer %s", from->name);
}

static size_t count_vaults(const struct config *c)
{
    size_t n = 0;

    for (unsigned i = 0; i < c->signers_count; i++) {
        n += c->signers[i].vault != NULL;
    }
    return n;
}

struct err *parts_signers_new(const struct config *c, struct io_loop *l,
                              const struct parts_paths *paths, struct remote *remote,
                              struct audit *audit, struct parts_signers *ret)
{
    size_t vaults_n = count_vaults(c);
    struct signer *vaults = NULL;
    struct err *e = NULL;

    ret->all = calloc(c->signers_count + 1, sizeof *ret->all);
    ret->cas = calloc(c->signers_count - vaults_n + 1, sizeof *ret->cas);
    if (ret->all == NULL || ret->cas == NULL) {
        return err_nomem();
    }
    if (vaults_n > 0 || !c->registry.disabled) {
        e = make_vault(c, l, paths->vault_helper, vaults_n, ret, &vaults);
    }
    for (unsigned i = 0; e == NULL && i < c->signers_count; i++) {
        if (c->signers[i].vault != NULL) {
            ret->all[i] = vaults++;
        } else {
            e = make_ca(&c->signers[i], l, remote, c->agent.state, audit, &ret->cas[ret->cas_n]);
            ret->all[i] = &ret->cas[ret->cas_n++];
        }
        ret->n = i + 1;
    }
    return e;
}

void parts_signers_deinit(struct parts_signers *s)
{
    for (size_t i = 0; i < s->cas_n; i++) {
        if (s->cas[i].ops != NULL) {
            s->cas[i].ops->free(s->cas[i].self);
        }
    }
    vault_free(&s->vault);
    auto_free(&s->cas);
    s->cas_n = 0; /* tokens go after it, and the last they say is heard */
    auto_free(&s->all);
}
