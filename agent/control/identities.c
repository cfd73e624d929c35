/*
 * Identities: what each is, which certificates it has and wants, and "renew now". All of it is read
 * from identity/ and renew/ when asked; nothing is kept here. A certificate's line is public.
 */
#include "control/resources.h"

enum { RENEW_MS = 35 * 1000 }; /* a little more than renew/ waits for a signer */

static const char *offer_name(enum identity_offer o)
{
    static const char *const names[] = {
        [IDENTITY_OFFER_CERTIFICATE] = "certificate",
        [IDENTITY_OFFER_BOTH] = "both",
        [IDENTITY_OFFER_KEY] = "key",
    };

    return names[o];
}

static json_t *options_of(const struct ssh_cert_option *o)
{
    json_t *options = json_object();

    for (; o != NULL && o->name != NULL; o++) {
        json_object_set_new(options, o->name, control_json_text(o->value));
    }
    return options;
}

static struct wall wall_of(uint64_t s)
{
    return (struct wall){s > INT64_MAX ? INT64_MAX : (int64_t)s};
}

static json_t *end_of(uint64_t valid_before)
{
    return valid_before == SSH_CERT_FOREVER ? json_null()
                                            : control_json_time(wall_of(valid_before));
}

static json_t *held_json(const struct ssh_cert *c)
{
    const struct ssh_cert_fields *f = ssh_cert_fields(c);
    char ca[SSH_FINGERPRINT_BYTES];
    AUTO(auto_free) char *serial = text_fmt("%llu", (unsigned long long)f->serial);
    AUTO(auto_free) char *line = ssh_cert_line(c, f->key_id);

    return json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "type",
                     ssh_cert_type_name(c), "serial", control_json_text(serial), "key_id",
                     control_json_text(f->key_id), "principals", control_json_texts(f->principals),
                     "ca", ssh_key_fingerprint(ssh_cert_ca(c), ca), "critical_options",
                     options_of(f->critical), "extensions", options_of(f->extensions),
                     "valid_after", control_json_time(wall_of(f->valid_after)), "valid_before",
                     end_of(f->valid_before), "seconds_left",
                     control_json_int_or_null(f->valid_before != SSH_CERT_FOREVER,
                                              wall_of(f->valid_before).s - wall_now().s),
                     "line", control_json_text(line));
}

static json_t *none_json(const struct signer_request *asked)
{
    return json_pack("{s:n, s:n, s:n, s:o, s:n, s:n, s:n, s:n, s:n, s:n, s:n}", "type", "serial",
                     "key_id", "principals", control_json_texts(asked->principals), "ca",
                     "critical_options", "extensions", "valid_after", "valid_before",
                     "seconds_left", "line");
}

static json_t *certificate_json(const struct control_deps *d, const struct identity_cert *c)
{
    const struct identity_want_conf *want = identity_cert_want(c);
    const struct ssh_cert *held = identity_cert_current(c);
    const struct signer *standby = want->standby.signer;
    json_t *v = json_pack(
        "{s:o, s:o, s:b, s:s, s:o, s:o, s:s, s:o, s:o}", "signer",
        control_json_text(want->signer->name), "standby",
        control_json_text(standby != NULL ? standby->name : NULL), "of_standby",
        identity_cert_is_of_standby(c), "kind",
        want->request.kind == SSH_CERT_HOST ? "host" : "user", "mount",
        control_json_text(want->request.mount), "role", control_json_text(want->request.role),
        "state", identity_cert_state_name(identity_cert_state(c)), "renew_at",
        control_json_time(renew_due(d->renew, c)), "error", control_fault(identity_cert_error(c)));

    return control_json_join(v, held != NULL ? held_json(held) : none_json(&want->request));
}

static json_t *certificates_of(const struct control_deps *d, const struct identity *i)
{
    json_t *certificates = json_array();

    for (size_t k = 0; k < identity_certs(i); k++) {
        control_json_add(certificates, certificate_json(d, identity_cert_at(i, k)));
    }
    return certificates;
}

static json_t *warnings_of(const struct identity *i)
{
    json_t *warnings = json_array();
    const struct err *w;

    for (size_t k = 0; (w = identity_warning(i, k)) != NULL; k++) {
        control_json_add(warnings, control_json_text(err_text(w)));
    }
    return warnings;
}

static json_t *identity_json(const struct control_deps *d, const struct identity *i)
{
    const struct ssh_key *public = identity_public(i);
    char fingerprint[SSH_FINGERPRINT_BYTES];
    AUTO(auto_free) char *line = public != NULL ? ssh_key_line(public, identity_name(i)) : NULL;

    return json_pack(
        "{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
        control_json_text(identity_name(i)), "offer", offer_name(identity_offer_of(i)), "renewal",
        identity_renewal_name(identity_renewal_of(i)), "key_uri",
        control_json_text(identity_key_uri(i)), "fingerprint",
        control_json_text(public != NULL ? ssh_key_fingerprint(public, fingerprint) : NULL),
        "public", control_json_text(line), "problem", control_fault(identity_problem(i)),
        "warnings", warnings_of(i), "certificates", certificates_of(d, i));
}

json_t *control_identities_json(const struct control_deps *d)
{
    json_t *identities = json_array();

    for (size_t i = 0; i < identity_count(d->identities); i++) {
        control_json_add(identities, identity_json(d, identity_at(d->identities, i)));
    }
    return identities;
}

struct err *control_identities_list(struct control_request *r)
{
    control_answer(r, 200,
                   json_pack("{s:o}", "identities", control_identities_json(control_deps_of(r))));
    return NULL;
}

static struct err *find(struct control_request *r, struct identity **ret)
{
    const char *name = control_param(r, "identity");

    *ret = identity_find(control_deps_of(r)->identities, name);
    return *ret != NULL ? NULL : err_new(ERR_NOT_FOUND, "no identity %s is configured", name);
}

struct err *control_identity_get(struct control_request *r)
{
    struct identity *i;
    struct err *e = find(r, &i);

    if (e == NULL) {
        control_answer(r, 200, identity_json(control_deps_of(r), i));
    }
    return e;
}

static void on_renewed(void *arg, struct err *e)
{
    struct control_request *r = arg;
    struct identity *i;

    if (!control_resume(r)) {
        err_free(&e);
        return;
    }
    if (e == NULL) {
        e = find(r, &i);
    }
    if (e != NULL) {
        control_fail(r, e);
    } else {
        control_answer(r, 200, identity_json(control_deps_of(r), i));
    }
}

const char *const control_identity_renew_query[] = {"standby", NULL};

struct err *control_identity_renew(struct control_request *r)
{
    AUTO(auto_free) char *what = text_fmt("renew %s", control_param(r, "identity"));
    struct identity *i;
    bool standby = false;
    struct err *e = control_query_flag(r, "standby", &standby);

    if (e == NULL) {
        e = find(r, &i);
    }
    if (e == NULL) {
        e = control_wait(r, RENEW_MS, what, NULL, NULL);
    }
    if (e == NULL && standby) {
        renew_standby(control_deps_of(r)->renew, i, on_renewed, r);
    } else if (e == NULL) {
        renew_now(control_deps_of(r)->renew, i, on_renewed, r);
    }
    return e;
}

/* What a person should do something about: the signer fails, and time runs out or has run out. */
static void warn_of(const struct identity_cert *c, const char *name, json_t *warnings)
{
    const struct ssh_cert *held = identity_cert_current(c);
    const struct err *failure = identity_cert_error(c);
    const struct identity_want_conf *want = identity_cert_want(c);
    const char *signer =
        (identity_cert_is_of_standby(c) ? want->standby.signer : want->signer)->name;
    char left[TEXT_DURATION_BYTES];
    char end[WALL_TEXT_BYTES];

    if (failure == NULL) {
        return;
    }
    int64_t end_s = held != NULL ? wall_of(ssh_cert_fields(held)->valid_before).s : 0;
    int64_t left_s = end_s - wall_now().s;

    if (left_s <= 0) {
        control_warn(warnings, "identity %s has no valid certificate of %s: %s", name, signer,
                     err_text(failure));
    } else if (left_s < (end_s - identity_cert_received(c).s) / 3) {
        control_warn(warnings,
                     "identity %s: its certificate of %s ends in %s, at %s, and no new one comes: "
                     "%s",
                     name, signer, text_duration_of(left_s, left),
                     wall_text((struct wall){end_s}, end), err_text(failure));
    }
}

void control_identity_warnings(const struct control_deps *d, json_t *warnings)
{
    for (size_t i = 0; i < identity_count(d->identities); i++) {
        const struct identity *id = identity_at(d->identities, i);
        const struct err *w;

        for (size_t k = 0; (w = identity_warning(id, k)) != NULL; k++) {
            control_warn(warnings, "identity %s: %s", identity_name(id), err_text(w));
        }
        for (size_t k = 0; k < identity_certs(id); k++) {
            warn_of(identity_cert_at(id, k), identity_name(id), warnings);
        }
    }
}
