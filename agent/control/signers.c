/*
 * Signers, for status. Vault keeps its own account of how it does; of any other kind the
 * certificates tell: one whose last request failed fails, one that gave a certificate works.
 */
#include "ca/ca.h"
#include "control/resources.h"

enum { SKEW_WARN_S = 60 };

static bool find_vault(const struct vault *v, const char *name, struct vault_status *ret)
{
    for (size_t i = 0; v != NULL && i < vault_count(v); i++) {
        vault_status(v, i, ret);
        if (text_eq(ret->name, name)) {
            return true;
        }
    }
    return false;
}

static const char *vault_state(const struct vault_status *s)
{
    switch (s->state) {
    case VAULT_NEVER_USED:
        return "never-used";
    case VAULT_OK:
        return "ok";
    case VAULT_FAILING:
        return "failing";
    }
    return "never-used";
}

static json_t *vault_json(const struct signer *s, const struct vault_status *v)
{
    return json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "name", control_json_text(s->name),
                     "kind", control_json_text(s->kind), "address", control_json_text(v->address),
                     "state", vault_state(v), "last_error", control_fault(v->last_error), "last_ok",
                     control_json_time(v->last_ok), "patience_until",
                     control_json_time(v->patience_until), "skew_s",
                     control_json_int_or_null(v->has_skew, v->skew_s));
}

/* What the certificates of a signer say of it. */
struct account {
    bool used;
    const struct err *failure;
    struct wall last_ok;
};

static void add_certificate(struct account *a, const struct identity_cert *c)
{
    const struct err *failure = identity_cert_error(c);

    a->failure = failure != NULL ? failure : a->failure;
    a->used = a->used || failure != NULL;
    if (identity_cert_current(c) != NULL) {
        struct wall received = identity_cert_received(c);

        a->used = true;
        a->last_ok = received.s > a->last_ok.s ? received : a->last_ok;
    }
}

static struct account account_of(const struct control_deps *d, const struct signer *s)
{
    struct account a = {0};

    for (size_t i = 0; i < identity_count(d->identities); i++) {
        const struct identity *id = identity_at(d->identities, i);

        for (size_t k = 0; k < identity_certs(id); k++) {
            if (identity_cert_want(identity_cert_at(id, k))->signer == s) {
                add_certificate(&a, identity_cert_at(id, k));
            }
        }
    }
    return a;
}

static json_t *other_json(const struct control_deps *d, const struct signer *s)
{
    struct account a = account_of(d, s);
    const char *works = a.used ? "ok" : "never-used";

    return json_pack("{s:o, s:o, s:n, s:s, s:o, s:o, s:n, s:n}", "name", control_json_text(s->name),
                     "kind", control_json_text(s->kind), "address", "state",
                     a.failure != NULL ? "failing" : works, "last_error", control_fault(a.failure),
                     "last_ok", control_json_time(a.last_ok), "patience_until", "skew_s");
}

json_t *control_signers_json(const struct control_deps *d)
{
    json_t *signers = json_array();

    for (size_t i = 0; i < d->signers_n; i++) {
        struct vault_status v;

        if (find_vault(d->vault, d->signers[i]->name, &v)) {
            control_json_add(signers, vault_json(d->signers[i], &v));
        } else {
            control_json_add(signers, other_json(d, d->signers[i]));
        }
    }
    return signers;
}

void control_signer_warnings(const struct control_deps *d, json_t *warnings)
{
    for (size_t i = 0; i < d->signers_n; i++) {
        const struct ca *ca = ca_of(d->signers[i]);

        if (ca != NULL && ca_problem(ca) != NULL) {
            control_warn(warnings, "what %s has revoked is not on the disk: %s",
                         d->signers[i]->name, err_text(ca_problem(ca)));
        }
    }
    for (size_t i = 0; d->vault != NULL && i < vault_count(d->vault); i++) {
        char off[TEXT_DURATION_BYTES];
        char until[WALL_TEXT_BYTES];
        struct vault_status v;

        vault_status(d->vault, i, &v);
        int64_t skew_s = v.skew_s < 0 ? -v.skew_s : v.skew_s;

        if (v.has_skew && skew_s > SKEW_WARN_S) {
            control_warn(warnings, "the clock of %s is %s %s ours", v.name,
                         text_duration_of(skew_s, off), v.skew_s < 0 ? "behind" : "ahead of");
        }
        if (v.patience_until.s != 0) {
            control_warn(warnings, "%s asks to be left alone until %s", v.name,
                         wall_text(v.patience_until, until));
        }
    }
}
