/*
 * Which present token is which configured one. A URI has to name exactly one token, and a token may
 * be named by one URI only: anything else is a mistake that could send a PIN to the wrong card, so
 * nothing is opened and the message has the full URIs of all candidates.
 *
 * Nothing is matched before every module has listed its tokens once (or failed): the second
 * candidate may be in the module that is slow to load. A token that is open stays what it is.
 */
#include "pkcs11/remote/client.h"

static bool is_candidate(const struct slot *s, const struct present *p)
{
    const struct p11_token_id id = {p->info.label, p->info.manufacturer, p->info.model,
                                    p->info.serial};

    return p11_uri_matches_token(s->uri, &id, p->info.slot_id);
}

static bool is_open_to_match(const struct slot *s)
{
    switch (s->phase) {
    case SLOT_ABSENT:
        return true;
    case SLOT_DOWN:
        return s->module->up;
    case SLOT_FAILED:
        return mono_passed(s->retry_at);
    case SLOT_OPENING:
    case SLOT_PIN:
    case SLOT_LOGIN:
    case SLOT_KEYS:
    case SLOT_READY:
    case SLOT_LOCKED:
        return false;
    }
    return false;
}

struct candidates {
    struct module *module; /* of the first */
    struct present *first;
    size_t n;
    char *uris; /* of all */
};

static void add_candidate(struct candidates *c, struct module *m, struct present *p)
{
    char *uris =
        text_fmt("%s%s%s", c->uris != NULL ? c->uris : "", c->n > 0 ? " and " : "", p->uri);

    auto_free(&c->uris);
    c->uris = uris;
    if (c->n++ == 0) {
        c->module = m;
        c->first = p;
    }
}

static struct candidates find_candidates(struct remote *r, const struct slot *s)
{
    struct candidates c = {NULL, NULL, 0, NULL};

    for (size_t i = 0; i < r->modules_n; i++) {
        struct module *m = &r->modules[i];

        for (size_t k = 0; m->up && k < m->present_n; k++) {
            if (is_candidate(s, &m->present[k])) {
                add_candidate(&c, m, &m->present[k]);
            }
        }
    }
    return c;
}

/* Another configured token that names the same present one; NULL when there is none. One that came
 * later gives way: what is declared at run time cannot take a token from those who have it. */
static const struct slot *find_rival(const struct remote *r, const struct slot *s,
                                     const struct present *p)
{
    for (size_t i = 0; i < r->slots_n; i++) {
        if (r->slots[i] != s && r->slots[i]->born <= s->born && is_candidate(r->slots[i], p)) {
            return r->slots[i];
        }
    }
    return NULL;
}

static bool is_closing_in(const struct slot *s, const struct module *m, const struct present *p)
{
    return s->phase == SLOT_ABSENT && s->module == m && s->info.slot_id == p->info.slot_id &&
           text_eq(s->info.serial, p->info.serial) && (s->close || m->poll != 0);
}

/* Is the token still open in a lane that another slot has left? Closing that would log out whoever
 * opened it meanwhile: the next listing closes it, and matches anew. */
static bool is_closing(const struct slot *s, const struct module *m, const struct present *p)
{
    const struct remote *r = s->r;

    for (size_t i = 0; i < r->slots_n; i++) {
        if (r->slots[i] != s && is_closing_in(r->slots[i], m, p)) {
            return true;
        }
    }
    for (size_t i = 0; i < r->idle_n; i++) {
        if (is_closing_in(r->idle[i], m, p)) {
            return true;
        }
    }
    return false;
}

static void fail_once(struct slot *s, struct err *e)
{
    if (s->phase == SLOT_FAILED && text_eq(err_text(s->error), err_text(e))) {
        err_free(&e);
        return;
    }
    slot_fail(s, e, true);
}

static void match_slot(struct remote *r, struct slot *s)
{
    struct candidates c = find_candidates(r, s);
    AUTO(auto_free) char *uris = c.uris;

    if (c.n == 0) {
        s->stayed = false;
        if (s->phase != SLOT_ABSENT) {
            slot_set_absent(s);
        }
        return;
    }
    if (c.n > 1) {
        fail_once(s, err_new(ERR_INPUT, "token %s: %zu tokens match %s: %s", s->name, c.n,
                             s->uri_text, uris));
        return;
    }
    const struct slot *rival = find_rival(r, s, c.first);

    if (rival != NULL) {
        fail_once(s, err_new(ERR_INPUT, "token %s: %s is also configured as token %s", s->name,
                             c.first->uri, rival->name));
        return;
    }
    if (is_closing(s, c.module, c.first)) {
        remote_again(r);
        return;
    }
    c.first->slot = s;
    slot_open(s, c.module, &c.first->info);
}

void match_tokens(struct remote *r)
{
    for (size_t i = 0; i < r->modules_n; i++) {
        if (!r->modules[i].answered) {
            return;
        }
    }
    for (size_t i = 0; i < r->slots_n; i++) {
        if (is_open_to_match(r->slots[i])) {
            match_slot(r, r->slots[i]);
        }
    }
}
