/*
 * Two views of what is held, both built lazily and kept until something changes: the lines that a
 * list answer shows, and the index that finds a blob again. A list never asks a token.
 *
 * What is in the views may expire before the timer of set.c has noticed: the lines carry the moment
 * at which the first of them expires, and a look-up checks the certificate it found.
 */
#include <stdlib.h>

#include "identity/priv.h"

struct identity_view {
    bool stale;
    struct identity_index *index;
    struct identity_offer_line *lines;
    size_t n;
    uint64_t generation;
    int64_t until; /* first expiry among the lines */
};

struct identity_view *identity_view_new(void)
{
    struct identity_view *v = calloc(1, sizeof *v);

    if (v != NULL) {
        v->stale = true;
    }
    return v;
}

void identity_view_free(struct identity_view **vp)
{
    struct identity_view *v = take(vp);

    if (v != NULL) {
        identity_index_free(&v->index);
        free(v->lines);
        free(v);
    }
}

void identity_view_stale(struct identity_view *v)
{
    v->stale = true;
}

static size_t lines_max(const struct identity_set *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        n += 1 + s->identities[i]->certs_n;
    }
    return n;
}

static void add_certs(struct identity_view *v, struct identity *i, struct wall now)
{
    for (size_t k = 0; i->offer != IDENTITY_OFFER_KEY && k < i->certs_n; k++) {
        struct identity_cert *c = i->certs[k];

        if (c->current == NULL || !identity_cert_is_live(c->current, now) ||
            c->want.request.kind == SSH_CERT_HOST) { /* of no use to a client */
            continue;
        }
        int64_t until = identity_cert_until(c->current);

        v->lines[v->n++] = (struct identity_offer_line){i, ssh_cert_blob(c->current), c->comment};
        v->until = until < v->until ? until : v->until;
    }
}

static void add_key(struct identity_view *v, struct identity *i)
{
    if (i->offer != IDENTITY_OFFER_CERTIFICATE && i->public != NULL) {
        v->lines[v->n++] = (struct identity_offer_line){i, ssh_key_blob(i->public), i->name};
    }
}

static void build_lines(const struct identity_set *s, struct identity_view *v, struct wall now)
{
    v->n = 0;
    v->until = INT64_MAX;
    v->generation++;
    for (size_t i = 0; v->lines != NULL && i < s->n; i++) {
        add_certs(v, s->identities[i], now);
    }
    for (size_t i = 0; v->lines != NULL && i < s->n; i++) {
        add_key(v, s->identities[i]);
    }
}

static void index_cert(struct identity_index *x, struct identity *i, const struct ssh_cert *cert)
{
    if (cert != NULL) {
        identity_index_put(x, ssh_cert_blob(cert), &(struct identity_use){i, i->key, cert});
    }
}

static void index_identity(struct identity_index *x, struct identity *i)
{
    if (i->public != NULL) {
        identity_index_put(x, ssh_key_blob(i->public), &(struct identity_use){i, i->key, NULL});
    }
    for (size_t k = 0; k < i->certs_n; k++) {
        index_cert(x, i, i->certs[k]->current);
        for (size_t p = 0; p < IDENTITY_PREVIOUS_MAX; p++) {
            index_cert(x, i, i->certs[k]->previous[p]);
        }
    }
}

static void build(const struct identity_set *s, struct identity_view *v, struct wall now)
{
    identity_index_free(&v->index);
    free(v->lines);
    v->lines = calloc(lines_max(s) + 1, sizeof *v->lines);
    v->index = identity_index_new(lines_max(s) * (1 + IDENTITY_PREVIOUS_MAX));
    for (size_t i = 0; v->index != NULL && i < s->n; i++) {
        index_identity(v->index, s->identities[i]);
    }
    build_lines(s, v, now);
    v->stale = v->index == NULL || v->lines == NULL;
}

bool identity_lookup_for(const struct identity_set *s, struct view blob,
                         bool (*is_wanted)(const void *arg, const struct identity *i),
                         const void *arg, struct identity_use *ret)
{
    struct identity_use found;
    struct identity_view *v = s->view;

    if (v->stale) {
        build(s, v, wall_now());
    }
    if (v->index == NULL || !identity_index_get(v->index, blob, is_wanted, arg, &found) ||
        (found.cert != NULL && !identity_cert_is_live(found.cert, wall_now()))) {
        return false;
    }
    *ret = found;
    return true;
}

const struct identity_offer_line *identity_offers(const struct identity_set *s, size_t *ret_n,
                                                  uint64_t *ret_generation)
{
    struct identity_view *v = s->view;
    struct wall now = wall_now();

    if (v->stale) {
        build(s, v, now);
    } else if (now.s >= v->until) {
        build_lines(s, v, now);
    }
    *ret_n = v->n;
    *ret_generation = v->generation;
    return v->lines;
}
