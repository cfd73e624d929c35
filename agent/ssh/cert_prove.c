/*
 * Is a certificate that was just issued what was asked for? A working certificate is replaced only
 * by one that passes here. Each check is one function that names both sides, because whoever reads
 * the message has to find out which of two systems is set up wrongly. The signature comes last: it is
 * the only check that costs something.
 *
 * It must never repair or ignore: a certificate with more rights than were asked for is as wrong as
 * one with fewer days.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ssh/cert_priv.h"

enum { TTL_SLACK_S = 60 };

static const char *time_text(uint64_t s, char out[WALL_TEXT_BYTES])
{
    if (s > INT64_MAX) {
        static const char forever[] = "forever";

        return memcpy(out, forever, sizeof forever);
    }
    return wall_text((struct wall){(int64_t)s}, out);
}

/* @now plus @delta, kept within what a certificate can express. */
static uint64_t moment(struct wall now, int64_t delta)
{
    int64_t from = now.s > 0 ? now.s : 0;

    if (delta > INT64_MAX - from) {
        return INT64_MAX;
    }
    return from + delta > 0 ? (uint64_t)(from + delta) : 0;
}

static struct err *prove_kind(const struct ssh_cert *c, const struct ssh_cert_wanted *w)
{
    static const char *const word[] = {[SSH_CERT_USER] = "user", [SSH_CERT_HOST] = "host"};

    if (c->fields.kind == w->kind) {
        return NULL;
    }
    return err_new(ERR_CERT, "it is a %s certificate, a %s certificate was asked for",
                   word[c->fields.kind], word[w->kind]);
}

static struct err *prove_keys(const struct ssh_cert *c, const struct ssh_cert_wanted *w)
{
    char is[SSH_FINGERPRINT_BYTES], wanted[SSH_FINGERPRINT_BYTES];

    if (!ssh_key_eq(c->key, w->key)) {
        return err_new(ERR_CERT, "it certifies key %s, not %s", ssh_key_fingerprint(c->key, is),
                       ssh_key_fingerprint(w->key, wanted));
    }
    if (w->ca != NULL && !ssh_key_eq(c->ca, w->ca)) {
        return err_new(ERR_CERT, "it comes from CA %s, not %s", ssh_key_fingerprint(c->ca, is),
                       ssh_key_fingerprint(w->ca, wanted));
    }
    return NULL;
}

static bool has_all(char *const *list, char *const *of)
{
    for (size_t i = 0; of != NULL && of[i] != NULL; i++) {
        if (!text_list_has(list, of[i])) {
            return false;
        }
    }
    return true;
}

static char *joined(char *const *list)
{
    char *all = strdup("");

    for (size_t i = 0; all != NULL && list != NULL && list[i] != NULL; i++) {
        char *longer = text_fmt("%s%s%s", all, i > 0 ? "," : "", list[i]);

        free(all);
        all = longer;
    }
    return all;
}

static struct err *prove_principals(const struct ssh_cert *c, const struct ssh_cert_wanted *w)
{
    char *const *has = c->fields.principals;

    if (has != NULL && has_all(has, w->principals) && has_all(w->principals, has)) {
        return NULL;
    }
    AUTO(auto_free) char *is = joined(has);
    AUTO(auto_free) char *wanted = joined(w->principals);

    if (is == NULL || wanted == NULL) {
        return err_nomem();
    }
    return err_new(ERR_CERT, "its principals are '%s', '%s' were asked for", is, wanted);
}

static struct err *prove_window(const struct ssh_cert *c, const struct ssh_cert_wanted *w,
                                struct wall now)
{
    uint64_t after = c->fields.valid_after;
    uint64_t before = c->fields.valid_before;
    char is[WALL_TEXT_BYTES], limit[WALL_TEXT_BYTES];

    if (after >= before) {
        return err_new(ERR_CERT, "it is never valid: from %s until %s", time_text(after, is),
                       time_text(before, limit));
    }
    if (after > moment(now, w->max_future_s)) {
        return err_new(ERR_CERT,
                       "it is valid from %s; no later than %s was expected: do the clocks "
                       "agree?",
                       time_text(after, is), time_text(moment(now, w->max_future_s), limit));
    }
    if (before < moment(now, w->min_left_s)) {
        return err_new(ERR_CERT, "it is valid until %s; at least until %s was expected",
                       time_text(before, is), time_text(moment(now, w->min_left_s), limit));
    }
    if (w->max_ttl_s != 0 && before > moment(now, w->max_ttl_s) + TTL_SLACK_S) {
        return err_new(ERR_CERT, "it is valid until %s; at most until %s was asked for",
                       time_text(before, is), time_text(moment(now, w->max_ttl_s), limit));
    }
    return NULL;
}

static char *names_of(const struct ssh_cert_option *list)
{
    AUTO(text_list_free) char **names = NULL;

    for (; list != NULL && list->name != NULL; list++) {
        if (!text_list_add(&names, list->name)) {
            return NULL;
        }
    }
    return joined(names);
}

static struct err *not_asked_for(const char *what, const char *name,
                                 const struct ssh_cert_option *wanted)
{
    AUTO(auto_free) char *names = names_of(wanted);

    return err_new(ERR_CERT, "it has the %s '%s'; asked for were '%s'", what, name,
                   names != NULL ? names : "?");
}

/* A role may bind a certificate with options of its own (@wanted NULL), but where options were asked
 * for, one that is missing would allow more than was asked for. */
static struct err *prove_critical(const struct ssh_cert *c, const struct ssh_cert_option *wanted)
{
    const struct ssh_cert_option *o;

    for (o = c->fields.critical; wanted != NULL && o != NULL && o->name != NULL; o++) {
        const struct ssh_cert_option *same = ssh_cert_options_find(wanted, o->name);

        if (same == NULL) {
            return not_asked_for("critical option", o->name, wanted);
        }
        if (strcmp(same->value != NULL ? same->value : "", o->value) != 0) {
            return err_new(ERR_CERT, "its critical option %s is '%s', '%s' was asked for", o->name,
                           o->value, same->value != NULL ? same->value : "");
        }
    }
    for (o = wanted; o != NULL && o->name != NULL; o++) {
        if (ssh_cert_options_find(c->fields.critical, o->name) == NULL) {
            return err_new(ERR_CERT, "its critical option %s is missing, '%s' was asked for",
                           o->name, o->value != NULL ? o->value : "");
        }
    }
    return NULL;
}

static struct err *prove_options(const struct ssh_cert *c, const struct ssh_cert_wanted *w)
{
    const struct ssh_cert_option *o;
    struct err *e = prove_critical(c, w->critical);

    if (e != NULL) {
        return e;
    }
    for (o = c->fields.extensions; w->extensions != NULL && o != NULL && o->name != NULL; o++) {
        if (ssh_cert_options_find(w->extensions, o->name) == NULL) {
            return not_asked_for("extension", o->name, w->extensions);
        }
    }
    return NULL;
}

struct err *ssh_cert_prove(const struct ssh_cert *c, const struct ssh_cert_wanted *w,
                           struct wall now)
{
    struct err *e = prove_kind(c, w);

    if (e == NULL) {
        e = prove_keys(c, w);
    }
    if (e == NULL) {
        e = prove_principals(c, w);
    }
    if (e == NULL) {
        e = prove_window(c, w, now);
    }
    if (e == NULL) {
        e = prove_options(c, w);
    }
    if (e == NULL) {
        e = ssh_cert_verify(c);
    }
    return err_add(e, "certificate %llu '%s'", (unsigned long long)c->fields.serial,
                   c->fields.key_id);
}
