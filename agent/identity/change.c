/*
 * Identities that come, change and go while the agent runs. A change keeps what is still true: the
 * object itself, a key under the same URI (or the same key under another), certificates that prove
 * for what is wanted now, requests under way for a certificate that is wanted as before. What is not
 * true any more is gone at once, for listing, signing and renewal alike.
 *
 * Nothing is freed under anybody: an identity's object stays for the set's lifetime, a certificate's
 * until its last reference is gone; both then say what they are.
 */
#include <stdlib.h>

#include "identity/priv.h"

/* The key under another URI: the same one, another one, or none that is known. */
static void rekey(struct identity *i)
{
    struct remote_key *found = NULL;
    AUTO(err_free) struct err *e = remote_key_find(i->set->remote, i->key_uri, &found);

    if (e == NULL && i->public != NULL && ssh_key_eq(i->public, remote_key_public(found))) {
        return;
    }
    remote_key_unref(&i->key);
    ssh_key_free(&i->public);
}

static void keep_certificates(struct identity *i, struct identity *before)
{
    for (size_t k = 0; k < i->certs_n; k++) {
        struct identity_cert *c = i->certs[k];

        for (size_t n = 0; n < before->certs_n; n++) {
            if (identity_want_is(&before->certs[n]->want, &c->want)) {
                i->certs[k] = before->certs[n];
                before->certs[n] = c;
                break;
            }
        }
    }
    for (size_t k = 0; k < i->certs_n; k++) {
        for (size_t n = 0; i->certs[k]->current == NULL && n < before->certs_n; n++) {
            identity_cert_inherit(i->certs[k], before->certs[n]);
        }
    }
}

static void own(struct identity *i)
{
    for (size_t k = 0; k < i->certs_n; k++) {
        i->certs[k]->owner = i;
    }
}

/* @to has been built of the new configuration and has neither key nor certificates. */
static void change(struct identity *i, struct identity *to)
{
    struct identity before = *i;
    bool is_elsewhere = !text_eq(i->key_uri, to->key_uri);

    i->key_uri = to->key_uri;
    i->offer = to->offer;
    i->allow_extractable = to->allow_extractable;
    i->scope = to->scope;
    i->tags = to->tags;
    i->expected = to->expected;
    i->renewal = to->renewal;
    i->idle_s = to->idle_s;
    i->wait_ms = to->wait_ms;
    i->certs = to->certs;
    i->certs_n = to->certs_n;
    own(i);
    if (is_elsewhere) {
        rekey(i);
    }
    if (i->expected != NULL && i->public != NULL && !ssh_key_eq(i->expected, i->public)) {
        remote_key_unref(&i->key);
        ssh_key_free(&i->public);
    }
    if (i->public != NULL) {
        keep_certificates(i, &before);
    }
    identity_conf_deinit(&before);
}

struct err *identity_set_put(struct identity_set *s, const struct identity_conf *conf)
{
    struct err *e = identity_conf_check(conf, 1);
    struct identity *i = e == NULL ? identity_find(s, conf->name) : NULL;
    struct identity to = {.set = s};

    if (e != NULL || (i != NULL && identity_conf_is(i, conf))) {
        return e;
    }
    if (i == NULL) {
        e = identity_set_add(s, conf);
        if (e != NULL) {
            return e;
        }
        i = s->identities[s->n - 1];
        identity_cache_load(i);
    } else {
        to.name = i->name;
        e = identity_conf_init(&to, conf);
        if (e != NULL) {
            identity_conf_deinit(&to);
            return e;
        }
        change(i, &to);
        s->edition++;
    }
    identity_resolve(i);
    identity_changed(i);
    if (i->public != NULL) {
        identity_cache_save(i);
    }
    return NULL;
}

void identity_set_remove(struct identity_set *s, const char *name)
{
    struct identity *i = identity_find(s, name);
    size_t at = 0;

    if (i == NULL) {
        return;
    }
    while (s->identities[at] != i) {
        at++;
    }
    s->n--;
    memmove(&s->identities[at], &s->identities[at + 1], (s->n - at) * sizeof *s->identities);
    s->edition++;
    identity_cache_remove(i);
    identity_deinit(i);
    identity_changed(i);
}
