/*
 * A machine's way from nothing to a login by a key on its token, one part after the other; the parts
 * are in run_token.c and run_vault.c, this file is the order they go in.
 *
 * The one thing that cannot be repeated is unwrapping the one-time token, so it comes behind all that
 * can fail without it. What came before is found done when it is run again.
 *
 * Callbacks may free an enrolling at any time. Whoever calls one back looks afterwards whether it is
 * still there, which is what run_say() and run_back() are for.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "enroll/run.h"

static const struct enroll_part enrolling[] = {
    {"token", run_token, false},    {"key", run_key, false},      {"look", run_look, false},
    {"request", run_request, true}, {"access", run_access, true}, {"issue", run_issue, true},
    {"prove", run_prove, true},     {"store", run_store, true},   {"login", run_login, false},
    {"revoke", run_revoke, true},
};
static const struct enroll_part certifying[] = {
    {"request", run_request, true},
    {"issue", run_issue, true},
    {"prove", run_prove, true},
    {"store", run_store, true},
};

static void en_free(struct enroll *en)
{
    free(en->server);
    free(en->key_uri);
    free(en->common_name);
    text_list_free(&en->alt_names);
    free(en->mount);
    free(en->role);
    free(en->ca_pem);
    free(en->wrapping_path);
    secret_free(&en->one_time);
    vault_conf_deinit(&en->login);
    remote_key_unref(&en->key);
    free(en->public_pem);
    enroll_cert_deinit(&en->found);
    free(en->shown_pem);
    free(en);
}

static void free_unless_due(struct enroll *en)
{
    if (en->gone && en->due == 0) {
        en_free(en);
    }
}

void enroll_free(struct enroll **enp)
{
    struct enroll *en = take(enp);

    if (en != NULL) {
        vault_cancel(en->conf.vault, en->call);
        enroll_x509_free(&en->x);
        en->gone = true;
        free_unless_due(en);
    }
}

void run_await(struct enroll *en)
{
    en->due++;
}

bool run_back(struct enroll *en)
{
    bool wanted = !en->gone;

    en->due--;
    free_unless_due(en);
    return wanted;
}

/* --- beginning ---------------------------------------------------------------------------------- */

/* The server's own configuration: for enrolling it has to be one that the certificate is for. */
static struct err *take_login(struct enroll *en)
{
    const struct vault_conf *login = vault_conf_of(en->conf.vault, en->conf.server);

    if (login == NULL) {
        return err_new(ERR_INPUT, "no signer is called \"%s\", or it is no Vault", en->conf.server);
    }
    if (en->conf.key == NULL && (login->login != VAULT_LOGIN_CERT || login->client_key == NULL)) {
        return err_new(ERR_INPUT,
                       "signer %s logs in with %s: to enroll for it, give it login: "
                       "{method: cert, key: \"pkcs11:...;object=holdfast-login\"} first",
                       en->conf.server, vault_login_name(login->login));
    }
    return vault_conf_copy(login, &en->login);
}

static struct err *copy_conf(struct enroll *en, const struct enroll_conf *from)
{
    en->server = text_copy(from->server);
    en->key_uri = text_copy(en->login.client_key);
    en->common_name = text_copy(from->subject.common_name);
    en->mount = text_copy(from->mount);
    en->role = text_copy(from->role);
    en->ca_pem = text_copy(from->ca_pem);
    en->wrapping_path = text_copy(from->wrapping_path);
    en->one_time = from->one_time != NULL ? secret_copy(from->one_time) : NULL;
    en->key = from->key != NULL ? remote_key_ref(from->key) : NULL;
    if (en->server == NULL || en->common_name == NULL || en->mount == NULL || en->role == NULL) {
        return err_new(ERR_INPUT,
                       "a common name, and the mount and a role of a PKI engine are needed");
    }
    if ((from->one_time != NULL && en->one_time == NULL) ||
        (from->ca_pem != NULL && en->ca_pem == NULL)) {
        return err_nomem();
    }
    struct err *e = enroll_names_full(from->subject.alt_names, &en->alt_names);

    en->conf.subject = (struct enroll_subject){en->common_name, en->alt_names};
    return e;
}

struct err *enroll_new(const struct enroll_conf *conf, enroll_step_fn *on_step,
                       enroll_end_fn *on_end, void *arg, struct enroll **ret)
{
    AUTO(enroll_free) struct enroll *en = calloc(1, sizeof *en);

    if (en == NULL) {
        return err_nomem();
    }
    en->conf = *conf;
    en->on_step = on_step;
    en->on_end = on_end;
    en->arg = arg;
    en->deadline = mono_in(ENROLL_MS);
    en->issuing = conf->key != NULL;
    en->parts = conf->key != NULL ? certifying : enrolling;
    en->parts_n = conf->key != NULL ? ARRAY_LEN(certifying) : ARRAY_LEN(enrolling);
    struct err *e = take_login(en);

    if (e == NULL) {
        e = copy_conf(en, conf);
    }
    if (e == NULL) {
        *ret = take(&en);
    }
    return e;
}

/* --- going on ----------------------------------------------------------------------------------- */

const struct enroll_cert *run_cert(const struct enroll *en)
{
    return en->stored ? enroll_x509_cert(en->x) : en->found.pem != NULL ? &en->found : NULL;
}

bool run_say(struct enroll *en, const struct enroll_step *step)
{
    run_await(en);
    en->on_step(en->arg, step);
    return run_back(en);
}

/* For the first step, where no more is known than why. */
static const char *token_hint(enum err_code why)
{
    switch (why) {
    case ERR_NOT_FOUND:
    case ERR_GONE:
        return "plug the token in (holdfast token list shows those that are there)";
    case ERR_PIN:
    case ERR_PIN_LOCKED:
        return "unlock the token (holdfast token unlock)";
    default:
        return "mend what failed";
    }
}

/* What helps, where the error alone does not say it. */
static void hint(const struct enroll *en, const char *step, enum err_code why, char *out,
                 size_t size)
{
    if (en->needs_one_time) {
        snprintf(out, size,
                 "have a one-time token made (vault token create -policy=... "
                 "-wrap-ttl=10m), and run the same command with it");
    } else if (text_eq(step, "token")) {
        snprintf(out, size, "%s, and run the same command again", token_hint(why));
    } else if (en->used_one_time && run_cert(en) == NULL) {
        snprintf(out, size,
                 "the one-time token is unwrapped, and kept in the memory of holdfast-vault alone: "
                 "mend what failed and run the same command with the same token, while the agent "
                 "runs; after that, with a new one");
    } else if (text_eq(step, "login")) {
        snprintf(out, size,
                 "the certificate is on the token: have Vault's cert method trust its "
                 "CA, and run the same command again; no one-time token is needed");
    } else {
        snprintf(out, size,
                 "mend what failed and run the same command again: it goes on where it "
                 "stopped%s",
                 en->one_time != NULL && !en->tried_one_time
                     ? ", and the one-time token is still unused"
                     : "");
    }
}

static void end(struct enroll *en, struct err *e)
{
    const char *failed = e != NULL ? en->parts[en->at].name : NULL;
    char next[ENROLL_TEXT_BYTES];
    struct enroll_outcome outcome = {
        .failed = failed,
        .cert = run_cert(en),
        .is_new = en->stored,
        .needs_one_time = en->needs_one_time,
    };

    if (failed != NULL) {
        hint(en, failed, err_code(e), next, sizeof next);
        outcome.next = next;
    }
    run_await(en);
    en->on_end(en->arg, e, &outcome);
    if (!run_back(en)) {
        return;
    }
    en->on_step = NULL; /* nothing comes any more */
}

static void note_audit(const struct enroll *en)
{
    const struct enroll_cert *c = run_cert(en);
    char fingerprint[SSH_FINGERPRINT_BYTES], until[WALL_TEXT_BYTES];

    if (!en->stored) {
        return;
    }
    const struct audit_fact facts[] = {
        {"server", en->server},
        {"key", ssh_key_fingerprint(remote_key_public(en->key), fingerprint)},
        {"subject", c->subject},
        {"issuer", c->issuer},
        {"serial", c->serial},
        {"valid_before", wall_text(c->not_after, until)},
        {NULL, NULL},
    };

    audit_note(en->conf.audit, en->conf.key != NULL ? "certified" : "enrolled", facts);
}

static void go_on(struct enroll *en)
{
    while (en->at < en->parts_n && en->parts[en->at].when_issuing && !en->issuing) {
        en->at++;
    }
    if (en->at == en->parts_n) {
        note_audit(en);
        end(en, NULL);
        return;
    }
    en->begun = mono_now();
    en->parts[en->at].start(en);
}

void enroll_start(struct enroll *en)
{
    go_on(en);
}

void run_done(struct enroll *en, enum vault_step_state state, const char *fmt, ...)
{
    char text[ENROLL_TEXT_BYTES];
    const struct enroll_step step = {
        .name = en->parts[en->at].name,
        .state = state,
        .text = text,
        .took_ms = mono_now().ms - en->begun.ms,
    };
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (run_say(en, &step)) {
        en->at++;
        go_on(en);
    }
}

void run_fail(struct enroll *en, struct err *e)
{
    const struct enroll_step step = {
        .name = en->parts[en->at].name,
        .state = VAULT_STEP_FAILED,
        .text = err_text(e),
        .error = e,
        .took_ms = mono_now().ms - en->begun.ms,
    };

    if (run_say(en, &step)) {
        end(en, e);
    } else {
        err_free(&e);
    }
}
