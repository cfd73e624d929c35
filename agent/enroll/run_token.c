/*
 * The parts of an enrolling that are the token's: unlock it, find or make the login key, look for a
 * certificate, sign the request, store what came.
 */
#include <stdlib.h>

#include "enroll/run.h"

enum { SETTLE_MS = 20 * 1000 };

/* --- token -------------------------------------------------------------------------------------- */

static const char *name_of(const struct remote_token *t)
{
    return t->name != NULL ? t->name : t->id.label != NULL ? t->id.label : t->uri;
}

static void on_unlocked(void *arg, struct err *e)
{
    struct enroll *en = arg;

    if (!run_back(en)) {
        err_free(&e);
    } else if (e != NULL) {
        run_fail(en, e);
    } else {
        run_done(en, VAULT_STEP_OK, "unlocked with the configured PIN");
    }
}

/* Nothing moves any more, or it takes too long. */
static void on_settled(void *arg, struct err *settled)
{
    struct enroll *en = arg;
    struct remote_token t;

    err_free(&settled);
    if (!run_back(en)) {
        return;
    }
    struct err *e = remote_token_find(en->conf.remote, en->key_uri, &en->token);

    if (e != NULL) {
        run_fail(en, err_add(e, "the token of the login key"));
        return;
    }
    remote_token_get(en->conf.remote, en->token, &t);
    switch (t.state) {
    case REMOTE_TOKEN_READY:
        run_done(en, VAULT_STEP_OK, "%s is unlocked", name_of(&t));
        return;
    case REMOTE_TOKEN_LOCKED:
        if (en->conf.unattended || t.pin_refused) { /* one that was refused costs a try each time */
            e = err_new(ERR_PIN, "token %s is locked%s", name_of(&t),
                        t.pin_refused ? ", and it refused the configured PIN" : "");
            break;
        }
        run_await(en);
        remote_unlock(en->conf.remote, en->token, NULL, false, on_unlocked, en);
        return;
    case REMOTE_TOKEN_ABSENT:
        e = err_new(ERR_GONE, "token %s is not present", name_of(&t));
        break;
    case REMOTE_TOKEN_UNUSED:
        e = err_new(ERR_INPUT, "token %s is not named under tokens: in holdfast.yaml", name_of(&t));
        break;
    case REMOTE_TOKEN_FAILED:
        e = err_add(err_copy(t.error), "token %s", name_of(&t));
        break;
    }
    run_fail(en, e != NULL ? e : err_new(ERR_GONE, "token %s cannot be used", name_of(&t)));
}

void run_token(struct enroll *en)
{
    run_await(en);
    remote_when_settled(en->conf.remote, mono_in(SETTLE_MS), on_settled, en);
}

/* --- key ---------------------------------------------------------------------------------------- */

static struct err *may_use(const struct enroll *en, const struct remote_key *key)
{
    struct remote_key_info info;

    remote_key_info_get(key, &info);
    if (!en->conf.allow_extractable && (info.extractable || !info.sensitive)) {
        return err_new(ERR_DENIED,
                       "key %s could be taken out of the token (it is %s): make another, or say "
                       "--allow-extractable",
                       info.label, info.extractable ? "extractable" : "not sensitive");
    }
    return NULL;
}

static void take_key(struct enroll *en, struct remote_key *key, const char *what)
{
    char fingerprint[SSH_FINGERPRINT_BYTES];
    const struct ssh_key *public = remote_key_public(key);
    struct remote_key_info info;
    struct err *e = may_use(en, key);

    remote_key_info_get(key, &info);
    en->key = remote_key_ref(key);
    en->public_pem = enroll_public_pem(public);
    if (e == NULL && en->public_pem == NULL) {
        e = err_nomem();
    }
    if (e != NULL) {
        run_fail(en, e);
        return;
    }
    run_done(en, info.local ? VAULT_STEP_OK : VAULT_STEP_WARNING, "%s %s (%s, %s)%s", info.label,
             what, ssh_key_type_word(ssh_key_type(public)),
             ssh_key_fingerprint(public, fingerprint),
             info.local ? "" : "; it was made off the token: copies may exist");
}

static void on_made(void *arg, struct err *e, struct remote_key *key)
{
    struct enroll *en = arg;
    struct remote_key *named = NULL;

    if (!run_back(en)) {
        err_free(&e);
        return;
    }
    if (e == NULL) {
        e = err_add(remote_key_find(en->conf.remote, en->key_uri, &named),
                    "a key was made, but the login's key: does not name it");
    }
    if (e == NULL && named != key) {
        e = err_new(ERR_EXISTS, "a key was made, but the login's key: names another");
    }
    if (e != NULL) {
        run_fail(en, e);
    } else {
        take_key(en, key, "was made");
    }
}

static struct err *make_key(struct enroll *en)
{
    AUTO(p11_uri_free) struct p11_uri *uri = NULL;
    struct err *e = p11_uri_parse(en->key_uri, &uri);

    if (e != NULL) {
        return e;
    }
    const char *label = p11_uri_object(uri);
    const struct remote_key_spec spec = {
        .type = en->conf.key_type,
        .bits = en->conf.key_bits,
        .label = label != NULL ? label : "holdfast-login",
        .id = p11_uri_id(uri),
    };

    run_await(en);
    remote_generate(en->conf.remote, en->token, &spec, on_made, en);
    return NULL;
}

void run_key(struct enroll *en)
{
    struct remote_key *key = NULL;
    struct err *e = remote_key_find(en->conf.remote, en->key_uri, &key);

    if (e == NULL) {
        take_key(en, key, "is there");
        return;
    }
    if (err_is(e, ERR_NOT_FOUND) && !en->conf.unattended) {
        err_free(&e);
        e = make_key(en); /* en may be gone, but not with an error */
    }
    if (e != NULL) {
        run_fail(en, e);
    }
}

/* --- look --------------------------------------------------------------------------------------- */

static void on_certs(void *arg, struct err *e, const struct remote_cert *certs, size_t n)
{
    struct enroll *en = arg;
    AUTO(err_free) struct err *none = NULL;
    char until[WALL_TEXT_BYTES];

    if (!run_back(en)) {
        err_free(&e);
        return;
    }
    if (e == NULL) {
        none = enroll_cert_choose(certs, n, remote_key_public(en->key), wall_now(), &en->found);
        e = none == NULL || err_is(none, ERR_NOT_FOUND) || err_is(none, ERR_CERT) ? NULL
                                                                                  : take(&none);
    }
    bool there = en->found.pem != NULL && text_eq(en->found.common_name, en->common_name);

    en->issuing = en->conf.renew || !there;
    if (e != NULL) {
        run_fail(en, e);
    } else if (en->found.pem == NULL) {
        run_done(en, VAULT_STEP_OK, "%s", err_text(none));
    } else {
        wall_text(en->found.not_after, until);
        run_done(en, VAULT_STEP_OK, "a certificate of %s for %s, until %s, is on the token%s",
                 en->found.issuer, en->found.subject, until,
                 !en->issuing ? ": it stays (--renew gets another)"
                 : !there     ? "; it has another name"
                              : "; it is renewed");
    }
}

void run_look(struct enroll *en)
{
    run_await(en);
    remote_certs(en->conf.remote, en->token, on_certs, en);
}

/* --- request and store -------------------------------------------------------------------------- */

static void on_requested(void *arg, struct err *e)
{
    struct enroll *en = arg;

    if (e != NULL) {
        run_fail(en, e);
    } else {
        run_done(en, VAULT_STEP_OK, "the token signed a certificate request for %s",
                 en->common_name);
    }
}

void run_request(struct enroll *en)
{
    const struct enroll_x509_conf conf = {
        .remote = en->conf.remote,
        .vault = en->conf.vault,
        .key = en->key,
        .subject = en->conf.subject,
        .mount = en->mount,
        .role = en->role,
        .ttl_s = en->conf.ttl_s,
        .ca_pem = en->ca_pem,
        .deadline = en->deadline,
    };
    struct err *e = enroll_x509_new(&conf, &en->x);

    if (e != NULL) {
        run_fail(en, e);
    } else {
        enroll_x509_request(en->x, on_requested, en);
    }
}

static void on_stored(void *arg, struct err *e)
{
    struct enroll *en = arg;

    en->stored = e == NULL;
    if (e != NULL) {
        run_fail(en, e);
    } else {
        run_done(en, VAULT_STEP_OK, "the certificate is on the token");
    }
}

void run_store(struct enroll *en)
{
    enroll_x509_store(en->x, on_stored, en);
}
