/*
 * Login certificates that do not run out. Every few seconds this looks at what each server's login has,
 * which others have put there; what is due is renewed in the way an enrolling goes, by the login that
 * the present certificate still gives, one renewal a server at a time.
 *
 * It must never be a hot loop: what fails is tried again after a minute, then twice as long each time,
 * an hour or a quarter of the time that is left at most, or when what was away is back. And it never
 * spends a PIN try: a token that is locked is left alone until somebody unlocks it.
 */
#include "enroll/keep.h"

#include <stdlib.h>
#include <sys/queue.h>

enum { RETRY_MAX_MS = 3600 * 1000, WARN_S = 30 * 86400, TTL_STEP_S = 60 };

struct kept {
    LIST_ENTRY(kept) link;
    struct enroll_keep *keep;
    char *name;
    bool seen;             /* in the present look */
    struct enroll *enroll; /* under way */
    struct err *error;     /* why the last renewal failed */
    bool for_token;        /* it did because of the token */
    bool ended;            /* the certificate has, and that was said */
    struct wall failed_at;
    struct mono retry_at;
    int64_t retry_ms, most_ms; /* between two tries, and what it may grow to */
};

struct enroll_keep {
    struct enroll_keep_conf conf;
    struct io_timer *timer;
    LIST_HEAD(, kept) list;
};

static void kept_free(struct kept *s)
{
    LIST_REMOVE(s, link);
    enroll_free(&s->enroll);
    err_free(&s->error);
    free(s->name);
    free(s);
}

static struct kept *find(struct enroll_keep *k, const char *name)
{
    struct kept *s;

    LIST_FOREACH(s, &k->list, link)
    {
        if (text_eq(s->name, name)) {
            return s;
        }
    }
    char *copy = text_copy(name);

    s = copy != NULL ? calloc(1, sizeof *s) : NULL;
    if (s == NULL) {
        free(copy);
        return NULL;
    }
    s->keep = k;
    s->name = copy;
    LIST_INSERT_HEAD(&k->list, s, link);
    return s;
}

static bool is_renewed(const struct vault_conf *c)
{
    return c->pki_mount != NULL && c->pki_role != NULL;
}

/* --- renewing ----------------------------------------------------------------------------------- */

static void on_step(void *arg, const struct enroll_step *step)
{
    const struct kept *s = arg;

    if (step->error == NULL) {
        log_line(LOG_DEBUG, "login certificate of %s: %s: %s", s->name, step->name, step->text);
    }
}

static void on_end(void *arg, struct err *e, const struct enroll_outcome *outcome)
{
    struct kept *s = arg;
    struct enroll_keep *k = s->keep;
    bool is_new = outcome->is_new;
    char until[WALL_TEXT_BYTES];

    if (is_new) { /* it may have failed later, when it was tried: it is on the token all the same */
        log_line(LOG_NOTE, "login certificate of %s: renewed, until %s", s->name,
                 wall_text(outcome->cert->not_after, until));
    }
    if (e != NULL) {
        log_err(LOG_WARN, e, "login certificate of %s", s->name);
        s->for_token = text_eq(outcome->failed, "token") || text_eq(outcome->failed, "key");
        s->failed_at = wall_now();
        s->retry_ms = s->retry_ms == 0               ? ENROLL_KEEP_RETRY_MS
                      : s->retry_ms * 2 < s->most_ms ? s->retry_ms * 2
                                                     : s->most_ms;
        s->retry_at = mono_in(s->retry_ms);
    } else {
        s->retry_ms = 0;
        s->retry_at = mono_in(ENROLL_KEEP_RETRY_MS); /* whatever the new one says */
    }
    err_free(&s->error);
    s->error = e;
    enroll_free(&s->enroll);
    if (is_new && k->conf.on_changed != NULL) {
        k->conf.on_changed(k->conf.arg);
    }
}

/* The same names, and about the same time, as the present one has. */
static struct err *renew(struct kept *s, const struct vault_conf *c, const struct enroll_cert *cert)
{
    const struct enroll_keep_conf *k = &s->keep->conf;
    const struct enroll_conf conf = {
        .remote = k->remote,
        .vault = k->vault,
        .audit = k->audit,
        .server = s->name,
        .subject = {cert->common_name, cert->alt_names},
        .mount = c->pki_mount,
        .role = c->pki_role,
        .ttl_s = (cert->not_after.s - cert->not_before.s) / TTL_STEP_S * TTL_STEP_S,
        .allow_extractable = true, /* that was decided when it was enrolled */
        .renew = true,
        .unattended = true,
    };
    struct err *e = enroll_new(&conf, on_step, on_end, s, &s->enroll);

    if (e == NULL) {
        enroll_start(s->enroll);
    }
    return e;
}

/* --- looking ------------------------------------------------------------------------------------ */

/* What is about to end is tried for more often; what has ended is not, a person is needed then. */
static int64_t most_of(int64_t left_s)
{
    int64_t ms = left_s * 1000 / 4;

    return left_s <= 0 || ms > RETRY_MAX_MS ? RETRY_MAX_MS
           : ms > ENROLL_KEEP_RETRY_MS      ? ms
                                            : ENROLL_KEEP_RETRY_MS;
}

static bool token_is_ready(const struct enroll_keep *k, const struct vault_conf *c)
{
    struct remote_token t;
    size_t i = 0;
    AUTO(err_free) struct err *e = remote_token_find(k->conf.remote, c->client_key, &i);

    if (e == NULL) {
        remote_token_get(k->conf.remote, i, &t);
    }
    return e == NULL && t.state == REMOTE_TOKEN_READY;
}

/* What it failed of is over. A server that answers and refuses is not asked more often for it. */
static bool may_go_now(const struct enroll_keep *k, const struct kept *s,
                       const struct vault_conf *c, const struct vault_status *status)
{
    bool was_away =
        err_is(s->error, ERR_GONE) || err_is(s->error, ERR_TIMEOUT) || err_is(s->error, ERR_BUSY);

    if (s->error == NULL || s->enroll != NULL) {
        return false;
    }
    return s->for_token ? token_is_ready(k, c)
                        : was_away && status->state == VAULT_OK &&
                              status->last_ok.s > s->failed_at.s + ENROLL_KEEP_LOOK_MS / 1000;
}

/* Said once when it happens; enroll_keep_warnings() says it from then on. */
static void see_its_end(struct kept *s, const struct enroll_cert *cert, int64_t *ret_wait_ms)
{
    int64_t left_ms = (cert->not_after.s - wall_now().s) * 1000;
    char until[WALL_TEXT_BYTES];

    if (left_ms > 0) {
        s->ended = false;
        *ret_wait_ms = left_ms < *ret_wait_ms ? left_ms : *ret_wait_ms;
    } else if (!s->ended) {
        s->ended = true;
        log_line(LOG_WARN, "login certificate of %s: ended at %s", s->name,
                 wall_text(cert->not_after, until));
    }
}

static void look_at(struct enroll_keep *k, const struct vault_conf *c,
                    const struct vault_status *status, int64_t *ret_wait_ms)
{
    AUTO(enroll_cert_deinit) struct enroll_cert cert = {0};
    AUTO(err_free) struct err *unreadable = enroll_cert_read_pem(c->client_cert_pem, &cert);
    struct kept *s = unreadable == NULL ? find(k, c->name) : NULL;

    if (s == NULL) {
        return;
    }
    s->seen = true;
    s->most_ms = most_of(cert.not_after.s - wall_now().s);
    see_its_end(s, &cert, ret_wait_ms);
    if (may_go_now(k, s, c, status)) {
        s->retry_at = mono_now();
    }
    int64_t due_ms = (enroll_cert_due(&cert).s - wall_now().s) * 1000;

    if (s->enroll != NULL || !is_renewed(c)) {
        return;
    }
    if (due_ms > 0 || !mono_passed(s->retry_at)) {
        int64_t retry_ms = mono_left_ms(s->retry_at);
        int64_t wait_ms = due_ms > retry_ms ? due_ms : retry_ms;

        *ret_wait_ms = wait_ms < *ret_wait_ms ? wait_ms : *ret_wait_ms;
        return;
    }
    AUTO(err_free) struct err *e = renew(s, c, &cert);

    if (e != NULL) {
        on_end(s, take(&e), &(struct enroll_outcome){0});
    }
}

static void look(void *arg)
{
    struct enroll_keep *k = arg;
    int64_t wait_ms = ENROLL_KEEP_LOOK_MS;
    struct kept *s, *next;

    LIST_FOREACH(s, &k->list, link)
    {
        s->seen = false;
    }
    for (size_t i = 0; i < vault_count(k->conf.vault); i++) {
        struct vault_status status;

        vault_status(k->conf.vault, i, &status);
        const struct vault_conf *c = vault_conf_of(k->conf.vault, status.name);

        if (c != NULL && c->login == VAULT_LOGIN_CERT && c->client_cert_pem != NULL) {
            look_at(k, c, &status, &wait_ms);
        }
    }
    for (s = LIST_FIRST(&k->list); s != NULL; s = next) {
        next = LIST_NEXT(s, link);
        if (!s->seen && s->enroll == NULL) {
            kept_free(s);
        }
    }
    io_timer_set(k->timer, mono_in(wait_ms));
}

/* --- what a person should know ------------------------------------------------------------------ */

static char *warning_of(const struct vault_conf *c, const struct enroll_cert *cert,
                        const struct err *error)
{
    int64_t left_s = cert->not_after.s - wall_now().s;
    int64_t third_s = (cert->not_after.s - cert->not_before.s) / 3;
    char until[WALL_TEXT_BYTES];

    wall_text(cert->not_after, until);
    if (left_s <= 0) {
        return text_fmt("signer %s: its login certificate ended at %s: `holdfast enroll %s` gets "
                        "another",
                        c->name, until, c->name);
    }
    if (error != NULL) {
        return text_fmt("signer %s: its login certificate ends at %s and is not renewed: %s",
                        c->name, until, err_text(error));
    }
    if (!is_renewed(c) && left_s < (third_s < WARN_S ? third_s : WARN_S)) {
        return text_fmt("signer %s: its login certificate ends at %s, and nothing renews it "
                        "(pki-mount and pki-role of its login do): `holdfast enroll %s --renew`",
                        c->name, until, c->name);
    }
    return NULL;
}

void enroll_keep_warnings(const struct enroll_keep *k, void (*say)(void *arg, const char *text),
                          void *arg)
{
    for (size_t i = 0; k != NULL && i < vault_count(k->conf.vault); i++) {
        AUTO(enroll_cert_deinit) struct enroll_cert cert = {0};
        AUTO(auto_free) char *text = NULL;
        struct vault_status status;
        const struct kept *s;

        vault_status(k->conf.vault, i, &status);
        const struct vault_conf *c = vault_conf_of(k->conf.vault, status.name);
        AUTO(err_free) struct err *none = c->client_cert_pem != NULL
                                              ? enroll_cert_read_pem(c->client_cert_pem, &cert)
                                              : err_new(ERR_NOT_FOUND, "no certificate");

        if (none != NULL) {
            continue;
        }
        LIST_FOREACH(s, &k->list, link)
        {
            if (text_eq(s->name, c->name)) {
                break;
            }
        }
        text = warning_of(c, &cert, s != NULL ? s->error : NULL);
        if (text != NULL) {
            say(arg, text);
        }
    }
}

/* --- life --------------------------------------------------------------------------------------- */

struct err *enroll_keep_new(const struct enroll_keep_conf *conf, struct enroll_keep **ret)
{
    AUTO(enroll_keep_free) struct enroll_keep *k = calloc(1, sizeof *k);

    if (k == NULL) {
        return err_nomem();
    }
    LIST_INIT(&k->list);
    k->conf = *conf;
    k->timer = io_timer_new(conf->loop, look, k);
    if (k->timer == NULL) {
        return err_nomem();
    }
    io_timer_set(k->timer, mono_now());
    *ret = take(&k);
    return NULL;
}

void enroll_keep_wake(struct enroll_keep *k)
{
    if (k != NULL) {
        io_timer_set(k->timer, mono_now());
    }
}

void enroll_keep_free(struct enroll_keep **kp)
{
    struct enroll_keep *k = take(kp);

    if (k != NULL) {
        while (!LIST_EMPTY(&k->list)) {
            kept_free(LIST_FIRST(&k->list));
        }
        io_timer_free(&k->timer);
        free(k);
    }
}
