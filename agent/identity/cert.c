/*
 * One certificate of an identity: its state, and the one step that matters, from what a signer sent
 * to what the agent offers. A working certificate leaves only after its successor was proven; then the
 * newest wins, also where it expires earlier, for a role's lifetime may have been shortened. The one
 * it replaces stays signable until it expires, because clients that listed a moment ago will still
 * name it.
 *
 * Every change of state goes through the table below. An expired certificate is kept, to be shown
 * and to be taken back where the wall clock had only stepped; it is neither listed nor signed with.
 */
#include <stdlib.h>

#include "identity/priv.h"

enum { MAX_FUTURE_S = 30, MIN_LEFT_S = 5 };

enum event { REQUEST, PROVEN, FAILED, DENIED, EXPIRE, REVIVE, KEY_CHANGED, EVENTS };

#define S(word) IDENTITY_CERT_##word

static const enum identity_cert_state next[][EVENTS] = {
    /* [state]     = REQUEST, PROVEN, FAILED, DENIED, EXPIRE, REVIVE, KEY_CHANGED */
    [S(WANTED)] = {S(REQUESTED), S(ACTIVE), S(WANTED), S(REFUSED), S(WANTED), S(ACTIVE), S(WANTED)},
    [S(REQUESTED)] = {S(REQUESTED), S(ACTIVE), S(WANTED), S(REFUSED), S(REQUESTED), S(RENEWING),
                      S(REQUESTED)},
    [S(ACTIVE)] = {S(RENEWING), S(ACTIVE), S(ACTIVE), S(ACTIVE), S(EXPIRED), S(ACTIVE), S(LOST)},
    [S(RENEWING)] = {S(RENEWING), S(ACTIVE), S(ACTIVE), S(ACTIVE), S(EXPIRED), S(RENEWING),
                     S(LOST)},
    [S(EXPIRED)] = {S(EXPIRED), S(ACTIVE), S(EXPIRED), S(REFUSED), S(EXPIRED), S(ACTIVE), S(LOST)},
    [S(REFUSED)] = {S(REQUESTED), S(ACTIVE), S(WANTED), S(REFUSED), S(REFUSED), S(ACTIVE), S(LOST)},
    [S(LOST)] = {S(REQUESTED), S(ACTIVE), S(LOST), S(REFUSED), S(LOST), S(ACTIVE), S(LOST)},
};

static void step(struct identity_cert *c, enum event event)
{
    c->state = next[c->state][event];
}

const char *identity_cert_state_name(enum identity_cert_state s)
{
    static const char *const names[] = {
        [S(WANTED)] = "wanted",     [S(REQUESTED)] = "requested", [S(ACTIVE)] = "active",
        [S(RENEWING)] = "renewing", [S(EXPIRED)] = "expired",     [S(REFUSED)] = "refused",
        [S(LOST)] = "lost",
    };

    return names[s];
}

static void show(struct identity_cert *c, struct err *e)
{
    err_free(&c->error);
    c->error = e;
}

int64_t identity_cert_until(const struct ssh_cert *c)
{
    uint64_t until = ssh_cert_fields(c)->valid_before;

    return until > INT64_MAX ? INT64_MAX : (int64_t)until;
}

bool identity_cert_is_live(const struct ssh_cert *c, struct wall now)
{
    return now.s < identity_cert_until(c);
}

static bool has_live(const struct identity_cert *c, struct wall now)
{
    return c->current != NULL && identity_cert_is_live(c->current, now);
}

/* A lifetime of a few seconds must still be accepted, one that is nearly over must not. */
static int64_t min_left_s(int64_t ttl_s)
{
    int64_t quarter = ttl_s / 4 > 1 ? ttl_s / 4 : 1;

    return ttl_s == 0 || quarter > MIN_LEFT_S ? (ttl_s == 0 ? 1 : MIN_LEFT_S) : quarter;
}

/* The CA that has to have signed it; NULL: any. */
static const struct ssh_key *ca_of(const struct identity_cert *c, bool standby)
{
    const struct ssh_key *named = standby ? c->want.standby.ca : c->want.ca;

    return named != NULL ? named : standby ? c->standby_pinned : c->pinned;
}

/* What is held of a certificate beside its bytes. */
struct origin {
    bool standby, role_chose;
};

/* What other identities know the CA of @cert as; a thousand of them mostly have one. NULL: nobody does */
static const struct ssh_key *known_ca(const struct identity_set *s, const struct ssh_cert *cert)
{
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < s->identities[i]->certs_n; k++) {
            const struct ssh_key *ca = s->identities[i]->certs[k]->pinned;

            if (ca != NULL && ssh_key_eq(ca, ssh_cert_ca(cert))) {
                return ca;
            }
        }
    }
    return NULL;
}

static void share_keys(const struct identity_cert *c, struct ssh_cert *cert, bool standby)
{
    const struct ssh_key *ca = ca_of(c, standby);

    ssh_cert_share(cert, c->owner->public, ca != NULL ? ca : known_ca(c->owner->set, cert));
}

static struct err *prove(const struct identity_cert *c, const struct ssh_cert *cert,
                         struct origin from, int64_t min_left, struct wall now)
{
    const struct signer_request *r = &c->want.request;

    if (c->owner->public == NULL) {
        return err_new(ERR_CERT, "the key of %s is not known", c->owner->name);
    }
    return ssh_cert_prove(
        cert,
        &(struct ssh_cert_wanted){
            .key = c->owner->public,
            .kind = r->kind,
            .principals = r->principals,
            .ca = ca_of(c, from.standby),
            .critical = r->critical,
            .extensions = r->role_may_choose && from.role_chose ? NULL : r->extensions,
            .max_future_s = MAX_FUTURE_S,
            .min_left_s = min_left,
            .max_ttl_s = r->ttl_s,
        },
        now);
}

/* A line may come with newlines around it. */
static struct err *parse(struct view line, struct ssh_cert **ret)
{
    AUTO(auto_free) char *text = NULL;

    while (line.len > 0 && (line.p[line.len - 1] == '\n' || line.p[line.len - 1] == '\r')) {
        line.len--;
    }
    if (line.len == 0 || view_has_nul(line)) {
        return err_new(ERR_PROTOCOL, "no certificate in it");
    }
    text = view_dup(line);
    return text != NULL ? ssh_cert_from_line(text, ret) : err_nomem();
}

static void retire(struct identity_cert *c, struct wall now)
{
    if (!has_live(c, now)) {
        ssh_cert_free(&c->current);
        return;
    }
    ssh_cert_free(&c->previous[IDENTITY_PREVIOUS_MAX - 1]);
    for (size_t p = IDENTITY_PREVIOUS_MAX - 1; p > 0; p--) {
        c->previous[p] = take(&c->previous[p - 1]);
    }
    c->previous[0] = take(&c->current);
}

static void pin(struct identity_cert *c)
{
    struct ssh_key **pinned = c->is_of_standby ? &c->standby_pinned : &c->pinned;

    if (ca_of(c, c->is_of_standby) == NULL) {
        *pinned = ssh_key_copy(ssh_cert_ca(c->current));
    }
}

/* Told once, and shown for as long as it is so. */
static void tell_excess(struct identity_cert *c)
{
    const struct signer_request *r = &c->want.request;
    const struct ssh_cert_option *o = ssh_cert_fields(c->current)->extensions;
    AUTO(text_list_free) char **beyond = NULL;
    bool is_new = c->excess == NULL;

    err_free(&c->excess);
    for (; r->role_may_choose && o != NULL && o->name != NULL; o++) {
        if (ssh_cert_options_find(r->extensions, o->name) == NULL &&
            !text_list_add(&beyond, o->name)) {
            return;
        }
    }
    AUTO(auto_free) char *names = beyond != NULL ? text_list_join(beyond, ", ") : NULL;

    if (names == NULL) {
        return;
    }
    c->excess =
        err_new(ERR_CERT,
                "its certificate of '%s' has %s, which nobody asked for: its role gives its "
                "own extensions and lets nobody choose",
                (c->is_of_standby ? c->want.standby.signer : c->want.signer)->name, names);
    if (is_new) {
        log_err(LOG_NOTE, c->excess, "%s", c->owner->name);
    }
}

/* Moves a proven @cert in. */
static void swap(struct identity_cert *c, struct ssh_cert **cert, struct origin from,
                 struct wall received)
{
    if (c->current != NULL && view_eq(ssh_cert_blob(c->current), ssh_cert_blob(*cert))) {
        ssh_cert_free(&c->current);
    } else {
        retire(c, received);
    }
    c->current = take(cert);
    c->received = received;
    c->is_of_standby = from.standby;
    c->role_chose = from.role_chose;
    pin(c);
    tell_excess(c);
    show(c, NULL);
    step(c, PROVEN);
    identity_file_save(c);
    identity_changed(c->owner);
}

struct err *identity_cert_answer(struct identity_cert *c, struct view line, bool role_chose)
{
    AUTO(ssh_cert_free) struct ssh_cert *cert = NULL;
    struct wall now = wall_now();
    struct origin from = {c->asks_standby, role_chose};

    if (c->gone) {
        return err_new(ERR_GONE, "this certificate is no longer wanted for %s", c->owner->name);
    }
    c->asked = false;
    struct err *e = parse(line, &cert);

    if (e != NULL && !err_is(e, ERR_NOMEM)) {
        e = err_recode(e, ERR_PROTOCOL);
    }
    if (e == NULL) {
        share_keys(c, cert, from.standby);
        e = prove(c, cert, from, min_left_s(c->want.request.ttl_s), now);
    }
    if (e != NULL) {
        e = err_add(e, "the certificate that '%s' sent for %s",
                    (from.standby ? c->want.standby.signer : c->want.signer)->name, c->owner->name);
        show(c, err_copy(e));
        step(c, FAILED);
        identity_changed(c->owner);
        return e;
    }
    swap(c, &cert, from, now);
    identity_cache_save(c->owner);
    return NULL;
}

bool identity_cert_restore(struct identity_cert *c, struct ssh_cert **cert, struct wall received,
                           bool role_chose)
{
    struct wall now = wall_now();
    const struct ssh_key *standby_ca = ca_of(c, true);
    bool standby = c->want.standby.signer != NULL && standby_ca != NULL &&
                   ssh_key_eq(standby_ca, ssh_cert_ca(*cert));
    struct origin from = {standby, role_chose};

    if (!identity_cert_is_live(*cert, now)) {
        return false;
    }
    share_keys(c, *cert, standby);
    struct err *e = prove(c, *cert, from, 0, now);

    if (e != NULL) {
        show(c, err_add(e, "the cached certificate of '%s'", c->want.signer->name));
        return false;
    }
    swap(c, cert, from, received);
    return true;
}

void identity_cert_inherit(struct identity_cert *c, struct identity_cert *from)
{
    struct wall now = wall_now();

    if (c->want.standby.ca == NULL && identity_standby_has_ca_of(&c->want, &from->want)) {
        ssh_key_free(&c->standby_pinned);
        c->standby_pinned = take(&from->standby_pinned);
    }
    if (c->want.ca == NULL) {
        if (!identity_want_has_ca_of(&c->want, &from->want)) {
            return;
        }
        ssh_key_free(&c->pinned);
        c->pinned = take(&from->pinned);
    }
    if (from->current == NULL ||
        !identity_cert_restore(c, &from->current, from->received, from->role_chose)) {
        show(c, NULL);
        return;
    }
    const struct origin origin = {false, from->role_chose};

    for (size_t p = 0, at = 0; p < IDENTITY_PREVIOUS_MAX; p++) {
        struct err *e =
            from->previous[p] != NULL ? prove(c, from->previous[p], origin, 0, now) : NULL;

        if (from->previous[p] != NULL && e == NULL) {
            c->previous[at++] = take(&from->previous[p]);
        }
        err_free(&e);
    }
}

void identity_cert_requested(struct identity_cert *c)
{
    c->woken = c->needed = false;
    c->asked = true;
    step(c, REQUEST);
    identity_changed(c->owner);
}

void identity_cert_failed(struct identity_cert *c, struct err *e)
{
    if (c->gone) {
        err_free(&e);
        return;
    }
    c->asked = false;
    bool is_no = err_is(e, ERR_DENIED) || err_is(e, ERR_INPUT) || err_is(e, ERR_UNSUPPORTED);

    show(c, e);
    step(c, is_no ? DENIED : FAILED);
    identity_changed(c->owner);
}

void identity_cert_lose(struct identity_cert *c, const struct ssh_key *old)
{
    char was[SSH_FINGERPRINT_BYTES], is[SSH_FINGERPRINT_BYTES];

    if (c->current != NULL) {
        show(c, err_new(ERR_CERT, "%s now names the key %s instead of %s", c->owner->key_uri,
                        ssh_key_fingerprint(c->owner->public, is), ssh_key_fingerprint(old, was)));
        step(c, KEY_CHANGED);
    }
    ssh_cert_free(&c->current);
    for (size_t p = 0; p < IDENTITY_PREVIOUS_MAX; p++) {
        ssh_cert_free(&c->previous[p]);
    }
    err_free(&c->excess);
    c->received = (struct wall){0};
}

bool identity_cert_sweep(struct identity_cert *c, struct wall now)
{
    bool shown = c->state == S(ACTIVE) || c->state == S(RENEWING);
    bool live = has_live(c, now);

    for (size_t p = 0; p < IDENTITY_PREVIOUS_MAX; p++) {
        if (c->previous[p] != NULL && !identity_cert_is_live(c->previous[p], now)) {
            ssh_cert_free(&c->previous[p]);
        }
    }
    if (shown != live) {
        step(c, live ? REVIVE : EXPIRE);
    }
    return shown != live;
}

struct err *identity_cert_may_request(const struct identity_cert *c)
{
    const struct identity *i = c->owner;
    struct remote_key_info info;

    if (c->gone) {
        return err_new(ERR_GONE, "this certificate is no longer wanted for %s", i->name);
    }
    if (i->key == NULL) {
        return i->problem != NULL ? err_copy(i->problem)
                                  : err_new(ERR_NOT_FOUND, "the key of %s is not known", i->name);
    }
    remote_key_info_get(i->key, &info);
    if (!info.proven && info.why_not != NULL) {
        return err_new(ERR_DENIED, "the key of %s cannot be used: %s", i->name, info.why_not);
    }
    if (i->allow_extractable || (info.sensitive && !info.extractable)) {
        return NULL;
    }
    return err_new(ERR_DENIED,
                   "the key of %s %s; no certificate is asked for it unless allow_extractable is "
                   "set",
                   i->name, info.extractable ? "may be extracted" : "is not sensitive");
}

struct identity_cert *identity_cert_ref(struct identity_cert *c)
{
    c->refs++;
    return c;
}

void identity_cert_unref(struct identity_cert **cp)
{
    struct identity_cert *c = take(cp);

    if (c == NULL || --c->refs > 0) {
        return;
    }
    ssh_cert_free(&c->current);
    for (size_t p = 0; p < IDENTITY_PREVIOUS_MAX; p++) {
        ssh_cert_free(&c->previous[p]);
    }
    ssh_key_free(&c->pinned);
    ssh_key_free(&c->standby_pinned);
    err_free(&c->excess);
    err_free(&c->error);
    identity_want_deinit(&c->want);
    free(c->comment);
    free(c);
}

bool identity_cert_is_gone(const struct identity_cert *c)
{
    return c->gone;
}

struct identity *identity_cert_owner(const struct identity_cert *c)
{
    return c->owner;
}

const struct identity_want_conf *identity_cert_want(const struct identity_cert *c)
{
    return &c->want;
}

enum identity_cert_state identity_cert_state(const struct identity_cert *c)
{
    return c->state;
}

const struct ssh_cert *identity_cert_current(const struct identity_cert *c)
{
    return c->current;
}

struct wall identity_cert_received(const struct identity_cert *c)
{
    return c->received;
}

const struct err *identity_cert_error(const struct identity_cert *c)
{
    return c->error;
}
