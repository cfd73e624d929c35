/*
 * What the rest of the agent may know of tokens, modules and keys, and how it finds them. Nothing
 * here waits or asks: it is the state as the last answers left it.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

static struct p11_token_id id_of(const struct token_info *i)
{
    return (struct p11_token_id){i->label, i->manufacturer, i->model, i->serial};
}

struct err *slot_why_not(const struct slot *s)
{
    switch (s->phase) {
    case SLOT_READY:
        return NULL;
    case SLOT_ABSENT:
        return err_new(ERR_GONE, "token %s is not present", s->name);
    case SLOT_LOCKED:
    case SLOT_PIN:
    case SLOT_LOGIN:
        return err_new(ERR_PIN, "token %s is locked", s->name);
    case SLOT_DOWN:
    case SLOT_OPENING:
    case SLOT_KEYS:
        return err_new(ERR_GONE, "token %s is being opened", s->name);
    case SLOT_FAILED:
        return err_copy(s->error);
    }
    return NULL;
}

/* Unused tokens come behind the configured ones. NULL when @i is beyond both. */
static const struct present *find_unused(const struct remote *r, size_t i,
                                         const struct module **ret_module)
{
    size_t at = 0;

    for (size_t m = 0; m < r->modules_n; m++) {
        for (size_t p = 0; p < r->modules[m].present_n; p++) {
            if (r->modules[m].present[p].slot == NULL && at++ == i) {
                *ret_module = &r->modules[m];
                return &r->modules[m].present[p];
            }
        }
    }
    return NULL;
}

size_t remote_tokens(const struct remote *r)
{
    size_t n = r->slots_n;

    for (size_t m = 0; m < r->modules_n; m++) {
        for (size_t p = 0; p < r->modules[m].present_n; p++) {
            n += r->modules[m].present[p].slot == NULL;
        }
    }
    return n;
}

static void put_module(struct remote_token *t, const struct module *m)
{
    t->module = m->name;
    t->module_path = m->path;
    t->why_load = m->matched ? &m->why : NULL;
    if (m->helper != NULL) {
        io_helper_status(m->helper, &t->helper);
    }
}

static void put_info(struct remote_token *t, const struct token_info *i)
{
    t->id = id_of(i);
    t->slot_id = i->slot_id;
    t->flags = i->flags;
    t->hardware_major = i->hardware_major;
    t->hardware_minor = i->hardware_minor;
    t->firmware_major = i->firmware_major;
    t->firmware_minor = i->firmware_minor;
    t->sessions_max = i->sessions_max;
}

static enum remote_token_state state_of(const struct slot *s)
{
    switch (s->phase) {
    case SLOT_ABSENT:
        return REMOTE_TOKEN_ABSENT;
    case SLOT_DOWN:
    case SLOT_OPENING:
    case SLOT_PIN:
    case SLOT_LOGIN:
    case SLOT_KEYS:
    case SLOT_LOCKED:
        return REMOTE_TOKEN_LOCKED;
    case SLOT_READY:
        return REMOTE_TOKEN_READY;
    case SLOT_FAILED:
        return REMOTE_TOKEN_FAILED;
    }
    return REMOTE_TOKEN_FAILED;
}

static void put_slot(struct remote_token *t, const struct slot *s)
{
    t->name = s->name;
    t->uri = s->uri_text;
    t->state = state_of(s);
    t->pin_refused = s->pin_refused;
    t->error = s->error;
    t->why_token = s->matched ? &s->why : NULL;
    if (s->module != NULL) {
        put_module(t, s->module);
        put_info(t, &s->info);
        t->workers = s->sessions < s->module->workers ? s->sessions : s->module->workers;
    }
}

void remote_token_get(const struct remote *r, size_t i, struct remote_token *ret)
{
    *ret = (struct remote_token){0};
    if (i < r->slots_n) {
        put_slot(ret, r->slots[i]);
        return;
    }
    const struct module *m = NULL;
    const struct present *p = find_unused(r, i - r->slots_n, &m);

    if (p != NULL) {
        ret->state = REMOTE_TOKEN_UNUSED;
        ret->uri = p->uri;
        put_module(ret, m);
        put_info(ret, &p->info);
    }
}

static bool token_is(const struct remote_token *t, const char *what, const struct p11_uri *uri)
{
    if (uri != NULL) {
        return t->id.serial != NULL && p11_uri_matches_token(uri, &t->id, t->slot_id);
    }
    return text_eq(t->id.label, what) || text_eq(t->id.serial, what);
}

struct err *remote_token_find(const struct remote *r, const char *what, size_t *ret_i)
{
    AUTO(p11_uri_free) struct p11_uri *uri = NULL;
    size_t found = 0;

    for (size_t i = 0; i < r->slots_n; i++) {
        if (text_eq(r->slots[i]->name, what)) {
            *ret_i = i;
            return NULL;
        }
    }
    if (strncmp(what, "pkcs11:", 7) == 0) {
        struct err *e = p11_uri_parse(what, &uri);

        if (e != NULL) {
            return e;
        }
    }
    for (size_t i = 0; i < remote_tokens(r); i++) {
        struct remote_token t;

        remote_token_get(r, i, &t);
        if (token_is(&t, what, uri)) {
            *ret_i = found++ == 0 ? i : *ret_i;
        }
    }
    if (found > 1) {
        return err_new(ERR_INPUT, "%zu tokens are called %s: name one by its serial or URI", found,
                       what);
    }
    return found == 1 ? NULL
                      : err_new(ERR_NOT_FOUND,
                                uri != NULL ? "no token that is present matches %s"
                                            : "no token is called %s",
                                what);
}

size_t remote_modules(const struct remote *r)
{
    return r->modules_n;
}

void remote_module_get(const struct remote *r, size_t i, struct remote_module *ret)
{
    const struct module *m = &r->modules[i];

    *ret = (struct remote_module){.name = m->name, .path = m->path, .error = m->error};
    if (m->helper != NULL) {
        io_helper_status(m->helper, &ret->helper);
    }
}

size_t remote_keys(const struct remote *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->slots_n; i++) {
        n += r->slots[i]->keys_n;
    }
    return n;
}

struct remote_key *remote_key_at(const struct remote *r, size_t i)
{
    for (size_t k = 0; k < r->slots_n; k++) {
        if (i < r->slots[k]->keys_n) {
            return r->slots[k]->keys[i];
        }
        i -= r->slots[k]->keys_n;
    }
    return NULL;
}

static bool uri_names_token(const struct p11_uri *uri, const struct slot *s)
{
    const struct p11_token_id id = id_of(&s->info);

    return s->module != NULL && p11_uri_matches_token(uri, &id, s->info.slot_id);
}

/* No key was found: is it because a token that may have it is not open? */
static struct err *why_not_found(const struct remote *r, const struct p11_uri *uri,
                                 const char *text)
{
    const struct slot *absent = NULL;

    for (size_t i = 0; i < r->slots_n; i++) {
        const struct slot *s = r->slots[i];

        if (uri_names_token(uri, s) && s->phase != SLOT_READY) {
            return err_add(slot_why_not(s), "key %s", text);
        }
        if (s->module == NULL && s->phase != SLOT_READY) { /* never seen: it may be there */
            absent = absent != NULL ? absent : s;
        }
    }
    return absent != NULL ? err_add(slot_why_not(absent), "key %s", text)
                          : err_new(ERR_NOT_FOUND, "no key matches %s", text);
}

struct err *remote_key_find(const struct remote *r, const char *text, struct remote_key **ret)
{
    AUTO(p11_uri_free) struct p11_uri *uri = NULL;
    AUTO(auto_free) char *candidates = NULL;
    struct remote_key *found = NULL;
    struct err *e = p11_uri_parse(text, &uri);
    size_t n = 0;

    for (size_t i = 0; e == NULL && i < remote_keys(r); i++) {
        struct remote_key *k = remote_key_at(r, i);

        if (uri_names_token(uri, k->slot) &&
            p11_uri_matches_key(uri, k->k.label, view_of(k->k.id, k->k.id_len))) {
            char *more = text_fmt("%s%s%s", n > 0 ? candidates : "", n > 0 ? " and " : "", k->uri);

            auto_free(&candidates);
            candidates = more;
            found = k;
            n++;
        }
    }
    if (e != NULL) {
        return e;
    }
    if (n > 1) {
        return err_new(ERR_INPUT, "%zu keys match %s: %s", n, text, candidates);
    }
    if (n == 0) {
        return why_not_found(r, uri, text);
    }
    *ret = found;
    return NULL;
}
