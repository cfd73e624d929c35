/*
 * What others may ask one identity. Everything here is borrowed and stays as it is until the loop's
 * next round.
 */
#include "identity/priv.h"

const char *identity_name(const struct identity *i)
{
    return i->name;
}

uint64_t identity_change(const struct identity *i)
{
    return i->change;
}

enum identity_offer identity_offer_of(const struct identity *i)
{
    return i->offer;
}

const char *identity_key_uri(const struct identity *i)
{
    return i->key_uri;
}

const char *identity_scope(const struct identity *i)
{
    return i->scope;
}

char *const *identity_tags(const struct identity *i)
{
    return i->tags;
}

const struct ssh_key *identity_public(const struct identity *i)
{
    return i->public;
}

struct remote_key *identity_remote_key(const struct identity *i)
{
    return i->key;
}

const struct err *identity_problem(const struct identity *i)
{
    return i->problem;
}

const struct err *identity_warning(const struct identity *i, size_t k)
{
    for (size_t w = 0; w < IDENTITY_WARNINGS; w++) {
        if (i->warning[w] != NULL && k-- == 0) {
            return i->warning[w];
        }
    }
    for (size_t c = 0; c < i->certs_n; c++) {
        if (i->certs[c]->excess != NULL && k-- == 0) {
            return i->certs[c]->excess;
        }
    }
    return NULL;
}

size_t identity_certs(const struct identity *i)
{
    return i->certs_n;
}

struct identity_cert *identity_cert_at(const struct identity *i, size_t k)
{
    return i->certs[k];
}
