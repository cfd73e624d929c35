/*
 * The log of what changes. Parts only keep their state; this compares it with what was said last,
 * under a name each ("token demo"), and says what is new. So nothing is said twice, however often a
 * part reports a change, and every line of the log is an event.
 */
#include "daemon/news.h"

#include <search.h>
#include <stdlib.h>

struct line {
    char *about, *text;
};

struct news {
    void *lines;   /* tsearch() tree of struct line, by about */
    uint64_t seen; /* the last change of an identity */
};

static int by_about(const void *a, const void *b)
{
    return strcmp(((const struct line *)a)->about, ((const struct line *)b)->about);
}

static void line_free(void *p)
{
    struct line *l = p;

    free(l->about);
    free(l->text);
    free(l);
}

struct news *news_new(void)
{
    return calloc(1, sizeof(struct news));
}

void news_free(struct news **np)
{
    struct news *n = take(np);

    if (n != NULL) {
        tdestroy(n->lines, line_free);
        free(n);
    }
}

static struct line *remembered(struct news *n, char *about)
{
    struct line key = {.about = about};
    struct line **found = tfind(&key, &n->lines, by_about);

    return found != NULL ? *found : NULL;
}

/* Say @text (taken) about @about (taken), unless that was the last thing said. */
static void say(struct news *n, enum log_level level, char *about, char *text)
{
    struct line *l = about != NULL && text != NULL ? remembered(n, about) : NULL;

    if (l != NULL && strcmp(l->text, text) == 0) {
        free(about);
        free(text);
        return;
    }
    if (about != NULL && text != NULL) {
        log_line(level, "%s: %s", about, text);
    }
    if (l != NULL) {
        free(l->text);
        l->text = text;
        free(about);
        return;
    }
    l = calloc(1, sizeof *l);
    if (l != NULL) {
        *l = (struct line){about, text};
    }
    if (l == NULL || about == NULL || text == NULL || tsearch(l, &n->lines, by_about) == NULL) {
        free(about);
        free(text);
        free(l);
    }
}

static const char *state_name(enum remote_token_state s)
{
    switch (s) {
    case REMOTE_TOKEN_ABSENT:
        return "absent";
    case REMOTE_TOKEN_UNUSED:
        return "not configured";
    case REMOTE_TOKEN_LOCKED:
        return "locked";
    case REMOTE_TOKEN_READY:
        return "ready";
    case REMOTE_TOKEN_FAILED:
        return "failed";
    }
    return "?";
}

void news_tokens(struct news *n, const struct remote *r)
{
    for (size_t i = 0; i < remote_modules(r); i++) {
        struct remote_module m;

        remote_module_get(r, i, &m);
        if (m.error != NULL) {
            say(n, LOG_WARN, text_fmt("module %s", m.name), text_copy(err_text(m.error)));
        }
    }
    for (size_t i = 0; i < remote_tokens(r); i++) {
        struct remote_token t;

        remote_token_get(r, i, &t);
        if (t.name != NULL) {
            say(n, t.error != NULL ? LOG_WARN : LOG_NOTE, text_fmt("token %s", t.name),
                text_fmt("%s%s%s", state_name(t.state), t.error != NULL ? ": " : "",
                         err_text(t.error)));
        }
    }
}

static void certificate(struct news *n, const struct identity *i, const struct identity_cert *c)
{
    const struct ssh_cert *cert = identity_cert_current(c);
    const struct err *e = identity_cert_error(c);
    const char *signer = identity_cert_want(c)->signer->name;
    char until[WALL_TEXT_BYTES];

    if (cert != NULL) {
        const struct ssh_cert_fields *f = ssh_cert_fields(cert);

        say(n, LOG_NOTE, text_fmt("identity %s, certificate of %s", identity_name(i), signer),
            text_fmt("%s, serial %llu until %s",
                     identity_cert_state(c) == IDENTITY_CERT_EXPIRED ? "expired" : "valid",
                     (unsigned long long)f->serial,
                     f->valid_before == SSH_CERT_FOREVER
                         ? "ever"
                         : wall_text((struct wall){(int64_t)f->valid_before}, until)));
    }
    say(n, e != NULL ? LOG_WARN : LOG_INFO,
        text_fmt("identity %s, request to %s", identity_name(i), signer),
        text_copy(e != NULL ? err_text(e) : "nothing to complain of"));
}

void news_identities(struct news *n, const struct identity_set *s)
{
    uint64_t last = n->seen;

    for (size_t i = 0; i < identity_count(s); i++) {
        const struct identity *id = identity_at(s, i);
        const struct err *problem = identity_problem(id);

        if (identity_change(id) <= n->seen) {
            continue;
        }
        last = last > identity_change(id) ? last : identity_change(id);
        say(n, problem != NULL ? LOG_WARN : LOG_NOTE, text_fmt("identity %s", identity_name(id)),
            text_copy(problem != NULL ? err_text(problem) : "usable"));
        for (size_t k = 0; k < identity_certs(id); k++) {
            certificate(n, id, identity_cert_at(id, k));
        }
    }
    n->seen = last;
}
