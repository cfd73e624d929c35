/*
 * The checks that need more than one key: each is a small function that names the place as a path
 * ("identities[0].certificates[1]"), which also finds the line in the file.
 */
#include "daemon/config_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "pkcs11/module/module.h"
#include "ssh/ssh.h"

struct err *config_check_uri(const struct config_place *at, const char *key, const char *uri)
{
    AUTO(p11_uri_free) struct p11_uri *parsed = NULL;
    AUTO(err_free) struct err *e = p11_uri_parse(uri, &parsed);

    return e != NULL ? config_wrong(at, key, "%s", err_text(e)) : NULL;
}

struct err *config_check_duration(const struct config_place *at, const char *key, const char *text)
{
    int64_t s = 0;
    AUTO(err_free) struct err *e = text != NULL ? text_duration(text, &s) : NULL;

    if (e != NULL) {
        return config_wrong(at, key, "%s", err_text(e));
    }
    return text != NULL && s == 0 ? config_wrong(at, key, "must be longer than 0") : NULL;
}

static struct err *check_agent(struct config_place *at)
{
    enum log_level level;

    snprintf(at->path, sizeof at->path, "agent");
    if (!log_level_find(at->config->agent.log, &level)) {
        return config_wrong(at, "log", "'%s' is none of error, warn, note, info, debug",
                            at->config->agent.log);
    }
    return NULL;
}

static struct err *check_modules(struct config_place *at)
{
    const struct config *c = at->config;

    for (unsigned i = 0; i < c->modules_count; i++) {
        const struct config_module *m = &c->modules[i];

        snprintf(at->path, sizeof at->path, "modules[%u]", i);
        struct err *e = config_check_name(at, m->name);

        if (e != NULL) {
            return e;
        }
        if (m->path[0] != '/') {
            return config_wrong(at, "path", "'%s' must be an absolute path", m->path);
        }
        for (unsigned k = 0; k < i; k++) {
            if (strcmp(c->modules[k].name, m->name) == 0) {
                return config_wrong(at, "name", "'%s' is also modules[%u]", m->name, k);
            }
        }
    }
    return NULL;
}

static struct err *check_pin(const struct config_place *at, const struct config_pin *pin)
{
    int n = (pin->file != NULL) + (pin->environment != NULL) + (pin->credential != NULL) +
            (pin->command_count > 0) + pin->askpass;

    if (n != 1) {
        return config_wrong(at, "pin",
                            "each source has exactly one of file, environment, credential, "
                            "command, askpass");
    }
    if (pin->file != NULL && pin->file[0] != '/') {
        return config_wrong(at, "pin",
                            "file must be the absolute path of a file that holds the PIN; the "
                            "PIN itself does not belong here");
    }
    if (pin->credential != NULL && strchr(pin->credential, '/') != NULL) {
        return config_wrong(at, "pin", "credential '%s' is a name, not a path", pin->credential);
    }
    return NULL;
}

static struct err *check_tokens(struct config_place *at)
{
    const struct config *c = at->config;

    for (unsigned i = 0; i < c->tokens_count; i++) {
        const struct config_token *t = &c->tokens[i];

        snprintf(at->path, sizeof at->path, "tokens[%u]", i);
        struct err *e = config_check_name(at, t->name);

        if (e == NULL) {
            e = config_check_uri(at, "uri", t->uri);
        }
        for (unsigned k = 0; e == NULL && k < t->pin_count; k++) {
            e = check_pin(at, &t->pin[k]);
        }
        for (unsigned k = 0; e == NULL && k < i; k++) {
            if (strcmp(c->tokens[k].name, t->name) == 0) {
                e = config_wrong(at, "name", "'%s' is also tokens[%u]", t->name, k);
            }
        }
        if (e != NULL) {
            return e;
        }
    }
    return NULL;
}

static struct err *check_ca(struct config_place *at, const struct config_ca *ca)
{
    struct err *e = config_check_uri(at, "ca.key", ca->key);

    if (e == NULL && ca->krl != NULL && ca->krl[0] != '/') {
        e = config_wrong(at, "ca.krl", "'%s' must be an absolute path", ca->krl);
    }
    if (e == NULL && ca->roles_count == 0) {
        e = config_wrong(at, "ca", "needs roles: at least one, with name and principals");
    }
    for (unsigned i = 0; e == NULL && i < ca->roles_count; i++) {
        const struct config_ca_role *r = &ca->roles[i];

        if (r->principals_count == 0) {
            e = config_wrong(at, "ca.roles",
                             "role '%s' needs principals: who it may certify; \"*\" is "
                             "anyone",
                             r->name);
        }
        if (e == NULL) {
            e = config_check_duration(at, "ca.roles", r->ttl);
        }
        if (e == NULL) {
            e = config_check_duration(at, "ca.roles", r->max_ttl);
        }
    }
    return e;
}

static struct err *check_signers(struct config_place *at)
{
    const struct config *c = at->config;

    for (unsigned i = 0; i < c->signers_count; i++) {
        const struct config_signer *s = &c->signers[i];

        snprintf(at->path, sizeof at->path, "signers[%u]", i);
        struct err *e = config_check_name(at, s->name);

        if (e == NULL && (s->vault != NULL) == (s->ca != NULL)) {
            e = config_wrong(at, "", "needs exactly one of vault and ca");
        }
        for (unsigned k = 0; e == NULL && k < i; k++) {
            if (strcmp(c->signers[k].name, s->name) == 0) {
                e = config_wrong(at, "name", "'%s' is also signers[%u]", s->name, k);
            }
        }
        if (e == NULL) {
            e = s->vault != NULL ? config_check_vault(at, s->vault) : check_ca(at, s->ca);
        }
        if (e != NULL) {
            return e;
        }
    }
    return NULL;
}

static const struct config_signer *find_signer(const struct config *c, const char *name)
{
    for (unsigned i = 0; i < c->signers_count; i++) {
        if (strcmp(c->signers[i].name, name) == 0) {
            return &c->signers[i];
        }
    }
    return NULL;
}

static struct err *check_principals(struct config_place *at, const struct config_certificate *w)
{
    if (w->principals_count == 0) {
        return config_wrong(at, "principals",
                            "missing: name the accounts this certificate is for; a "
                            "certificate without principals is refused everywhere");
    }
    for (unsigned i = 0; i < w->principals_count; i++) {
        if (strpbrk(w->principals[i], ", \t*?") != NULL) {
            return config_wrong(at, "principals",
                                "'%s': no comma, blank or wildcard in a principal",
                                w->principals[i]);
        }
    }
    return NULL;
}

static struct err *check_extensions(struct config_place *at, const struct config_certificate *w)
{
    for (unsigned i = 0; w->extensions_count > 1 && i < w->extensions_count; i++) {
        if (text_eq(w->extensions[i], "role")) {
            return config_wrong(at, "extensions",
                                "'role' means what the role gives by itself: nothing can stand "
                                "beside it");
        }
    }
    return NULL;
}

static struct err *check_certificate(struct config_place *at, const struct config_certificate *w)
{
    const struct config_signer *s = find_signer(at->config, w->signer);
    AUTO(ssh_key_free) struct ssh_key *ca = NULL;
    AUTO(err_free) struct err *ca_err = w->ca != NULL ? ssh_key_from_line(w->ca, &ca) : NULL;

    if (s == NULL) {
        return config_wrong(at, "signer", "no signer '%s' under signers", w->signer);
    }
    if (s->vault != NULL && w->mount == NULL) {
        return config_wrong(at, "mount",
                            "missing: the path of Vault's SSH engine, as ssh-client-signer");
    }
    if (ca_err != NULL) {
        return config_wrong(at, "ca", "%s", err_text(ca_err));
    }
    if (w->file != NULL && w->file[0] != '/') {
        return config_wrong(at, "file", "'%s' must be an absolute path", w->file);
    }
    struct err *e = check_principals(at, w);

    if (e == NULL) {
        e = check_extensions(at, w);
    }
    if (e == NULL) {
        e = config_check_standby(at, w);
    }
    return e != NULL ? e : config_check_duration(at, "ttl", w->ttl);
}

static struct err *check_identity(struct config_place *at, unsigned i)
{
    const struct config *c = at->config;
    const struct config_identity *id = &c->identities[i];

    snprintf(at->path, sizeof at->path, "identities[%u]", i);
    struct err *e = config_check_name(at, id->name);

    if (e == NULL) {
        e = config_check_uri(at, "key", id->key);
    }
    if (e == NULL) {
        e = config_check_renewal(at, id);
    }
    for (unsigned k = 0; e == NULL && k < i; k++) {
        if (strcmp(c->identities[k].name, id->name) == 0) {
            e = config_wrong(at, "name", "'%s' is also identities[%u]", id->name, k);
        }
    }
    if (e == NULL && id->certificates_count == 0 && id->offer != CONFIG_OFFER_KEY) {
        e = config_wrong(at, "certificates", "missing: say what to have signed, or 'offer: key'");
    }
    for (unsigned k = 0; e == NULL && k < id->certificates_count; k++) {
        snprintf(at->path, sizeof at->path, "identities[%u].certificates[%u]", i, k);
        e = check_certificate(at, &id->certificates[k]);
    }
    return e;
}

struct err *config_check(struct config *c, struct view text)
{
    struct config_place at = {.config = c, .text = text};
    struct err *(*const parts[])(struct config_place *) = {
        check_agent,          check_modules,         check_tokens,       check_signers,
        config_check_sockets, config_check_registry, config_check_grants};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct err *e = parts[i](&at);

        if (e != NULL) {
            return e;
        }
    }
    for (unsigned i = 0; i < c->identities_count; i++) {
        struct err *e = check_identity(&at, i);

        if (e != NULL) {
            return e;
        }
    }
    return NULL;
}
