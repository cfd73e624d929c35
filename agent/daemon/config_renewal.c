/*
 * When certificates are renewed, and who stands by for their signer: the checks of those keys. Idle and
 * wait are for identities that are renewed when used; elsewhere they would do nothing, and whoever
 * writes them there means something else.
 */
#include "daemon/config_check.h"
#include "identity/identity.h"
#include "ssh/ssh.h"

struct err *config_check_renewal(const struct config_place *at, const struct config_identity *i)
{
    enum identity_renewal renewal = IDENTITY_RENEWAL_EAGER;
    int64_t wait_s = 0;

    if (i->renewal != NULL && !identity_renewal_find(i->renewal, &renewal)) {
        return config_wrong(at, "renewal", "'%s' is none of eager, when-used, per-connection",
                            i->renewal);
    }
    if ((i->idle != NULL || i->wait != NULL) && renewal != IDENTITY_RENEWAL_WHEN_USED) {
        return config_wrong(at, i->idle != NULL ? "idle" : "wait",
                            "only with 'renewal: when-used'");
    }
    AUTO(err_free) struct err *why = i->wait != NULL ? text_duration(i->wait, &wait_s) : NULL;

    if (why != NULL || wait_s > CONFIG_WAIT_MAX_S) {
        return config_wrong(at, "wait", "'%s' is not a duration of 0 to %d seconds", i->wait,
                            CONFIG_WAIT_MAX_S);
    }
    return config_check_duration(at, "idle", i->idle);
}

static const struct config_signer *find_signer(const struct config *c, const char *name)
{
    for (unsigned i = 0; i < c->signers_count; i++) {
        if (text_eq(c->signers[i].name, name)) {
            return &c->signers[i];
        }
    }
    return NULL;
}

struct err *config_check_standby(const struct config_place *at, const struct config_certificate *w)
{
    const struct config_standby *s = w->standby;
    const struct config_signer *signer = s != NULL ? find_signer(at->config, s->signer) : NULL;
    AUTO(ssh_key_free) struct ssh_key *ca = NULL;

    if (s == NULL) {
        return NULL;
    }
    if (signer == NULL) {
        return config_wrong(at, "standby.signer", "no signer '%s' under signers", s->signer);
    }
    if (text_eq(s->signer, w->signer)) {
        return config_wrong(at, "standby.signer", "'%s' cannot stand by for itself", s->signer);
    }
    if (signer->vault != NULL && s->mount == NULL) {
        return config_wrong(at, "standby.mount", "missing: the path of Vault's SSH engine");
    }
    AUTO(err_free) struct err *why = s->ca != NULL ? ssh_key_from_line(s->ca, &ca) : NULL;

    if (why != NULL) {
        return config_wrong(at, "standby.ca", "%s", err_text(why));
    }
    return text_eq(s->after, "never") ? NULL : config_check_duration(at, "standby.after", s->after);
}
