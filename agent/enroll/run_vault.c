/*
 * The parts of an enrolling that are the server's: the first login, the certificate, the login by it,
 * and the end of the one-time token.
 *
 * Who it is tried as is a configuration of its own each time, the server's with another login in it,
 * so that nothing here rests on a login that was there before.
 */
#include <stdio.h>
#include <stdlib.h>

#include "enroll/run.h"

/* The server, logged in to with the one-time token. Borrows from @en. */
static struct vault_conf by_one_time(const struct enroll *en)
{
    struct vault_conf c = en->login;

    c.login = VAULT_LOGIN_TOKEN;
    c.token = en->one_time;
    c.token_file = NULL;
    c.token_wrapped = true;
    c.wrapping_path = en->wrapping_path;
    c.renew_by_interval = true; /* and never: it is to end */
    c.renew_interval_s = 0;
    return c;
}

/* The server, logged in to with the certificate that the token has. */
static struct vault_conf by_cert(struct enroll *en)
{
    struct vault_conf c = en->login;

    auto_free(&en->shown_pem);
    en->shown_pem = enroll_cert_full_pem(run_cert(en));
    c.client_public_pem = en->public_pem;
    c.client_problem = en->shown_pem != NULL ? NULL : "out of memory";
    c.client_cert_pem = en->shown_pem;
    return c;
}

/* --- checks ------------------------------------------------------------------------------------- */

static bool is_before_login(const struct vault_step *s)
{
    return s->kind == VAULT_STEP_REACH || s->kind == VAULT_STEP_TLS || s->kind == VAULT_STEP_HEALTH;
}

static void on_access_step(void *arg, const struct vault_step *s)
{
    struct enroll *en = arg;
    const struct enroll_step step = {.name = vault_step_name(s->kind),
                                     .state = s->state,
                                     .text = s->text,
                                     .error = s->error,
                                     .took_ms = s->took_ms};

    if (s->kind == VAULT_STEP_TOKEN && s->state != VAULT_STEP_SKIPPED) {
        snprintf(en->note, sizeof en->note, "%s", s->text);
    }
    en->tried_one_time =
        en->tried_one_time || (!is_before_login(s) && s->state != VAULT_STEP_SKIPPED);
    if (is_before_login(s) && s->state != VAULT_STEP_SKIPPED && !run_say(en, &step)) {
        return; /* it is over */
    }
}

static void on_access(void *arg, struct err *e)
{
    struct enroll *en = arg;

    en->call = 0;
    if (e != NULL) {
        run_fail(en, e);
    } else {
        en->used_one_time = en->tried_one_time = true;
        run_done(en, VAULT_STEP_OK, "the one-time token is unwrapped: %s", en->note);
    }
}

static void check(struct enroll *en, const struct vault_conf *conf, vault_step_fn *on_step,
                  vault_done_fn *on_done)
{
    const struct vault_check q = {.target = {.conf = conf}, .deadline = en->deadline};
    uint64_t call = vault_check(en->conf.vault, &q, on_step, on_done, en);

    if (call != 0) {
        en->call = call;
    }
}

void run_access(struct enroll *en)
{
    struct vault_conf conf;

    if (en->one_time == NULL && en->found.pem != NULL) {
        run_done(en, VAULT_STEP_OK, "the certificate that is there logs in");
        return;
    }
    if (en->one_time == NULL) {
        en->needs_one_time = true;
        run_fail(en, err_new(ERR_INPUT, "the first login needs a one-time token, wrapped"));
        return;
    }
    conf = by_one_time(en);
    check(en, &conf, on_access_step, on_access);
}

static void on_login_step(void *arg, const struct vault_step *s)
{
    struct enroll *en = arg;

    if (s->kind == VAULT_STEP_TOKEN && s->state != VAULT_STEP_SKIPPED) {
        snprintf(en->note, sizeof en->note, "%s", s->text);
    }
}

static void on_login(void *arg, struct err *e)
{
    struct enroll *en = arg;

    en->call = 0;
    if (e != NULL) {
        run_fail(en, e);
    } else {
        run_done(en, VAULT_STEP_OK, "the token's key and certificate log in: %s", en->note);
    }
}

void run_login(struct enroll *en)
{
    struct vault_conf conf = by_cert(en);

    check(en, &conf, on_login_step, on_login);
}

/* --- the certificate ---------------------------------------------------------------------------- */

static void on_issued(void *arg, struct err *e)
{
    struct enroll *en = arg;

    if (e != NULL) {
        run_fail(en, e);
    } else {
        run_done(en, VAULT_STEP_OK, "%s/sign/%s answered", en->mount, en->role);
    }
}

void run_issue(struct enroll *en)
{
    struct vault_conf conf;
    struct vault_target target = {.name = en->server};

    if (en->conf.key == NULL) {
        conf = en->one_time != NULL ? by_one_time(en) : by_cert(en);
        target.conf = &conf;
    }
    enroll_x509_issue(en->x, &target, on_issued, en);
}

void run_prove(struct enroll *en)
{
    struct err *e = enroll_x509_prove(en->x);
    const struct enroll_cert *c = enroll_x509_cert(en->x);
    char until[WALL_TEXT_BYTES];

    if (e != NULL) {
        run_fail(en, e);
    } else {
        run_done(en, VAULT_STEP_OK, "%s, by %s, until %s, is what was asked for", c->subject,
                 c->issuer, wall_text(c->not_after, until));
    }
}

/* --- the end of the one-time token -------------------------------------------------------------- */

static void on_revoked(void *arg, struct err *e)
{
    struct enroll *en = arg;
    AUTO(err_free) struct err *why = e;

    en->call = 0;
    if (e != NULL) {
        run_done(en, VAULT_STEP_WARNING,
                 "the one-time token could not be revoked (%s): it ends by "
                 "itself",
                 err_text(e));
    } else {
        run_done(en, VAULT_STEP_OK, "the one-time token is revoked");
    }
}

void run_revoke(struct enroll *en)
{
    struct vault_conf conf;

    if (en->one_time == NULL) {
        run_done(en, VAULT_STEP_SKIPPED, "there was no one-time token");
        return;
    }
    conf = by_one_time(en);
    uint64_t call = vault_revoke(en->conf.vault, &(struct vault_target){.conf = &conf},
                                 en->deadline, on_revoked, en);

    if (call != 0) {
        en->call = call;
    }
}
