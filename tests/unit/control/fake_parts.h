#ifndef CONTROL_FAKE_PARTS_H
#define CONTROL_FAKE_PARTS_H

/*
 * The parts that control/ shows and moves, as a test wants them: remote, identity, renew, vault and
 * connect under their own names, so that the code under test links to these instead.
 *
 * What is asked of a part is recorded in `fake`; its callback is kept until the test gives the answer
 * with fake_done(), or is run at once where fake.at_once is set. Include once, in a test's .c file.
 */
#include "control/control.h"

enum { FAKE_MAX = 4 };

struct remote_key {
    struct ssh_key *public;
    struct remote_key_info info;
    bool usable;
};

struct identity_cert {
    struct identity *owner;
    struct identity_want_conf want;
    enum identity_cert_state state;
    struct ssh_cert *current;
    struct wall received;
    struct err *error;
};

struct identity {
    const char *name;
    enum identity_offer offer;
    enum identity_renewal renewal;
    struct ssh_key *public;
    struct remote_key *key;
    struct err *problem, *warning;
    struct identity_cert cert[FAKE_MAX];
    size_t certs;
};

struct connect_run {
    void (*on_event)(void *arg, const struct connect_event *event);
    connect_done_fn *on_end;
    void *arg;
    char host[64], known_hosts_text[256], user[64];
    unsigned port;
    bool files; /* known_hosts of the agent's user, or given ones */
};

enum fake_call {
    FAKE_NOTHING,
    FAKE_UNLOCK,
    FAKE_GENERATE,
    FAKE_DELETE,
    FAKE_PROVE,
    FAKE_RENEW,
    FAKE_SETTLE,
    FAKE_CERTS
};

static struct {
    struct remote_token token[FAKE_MAX];
    size_t tokens;
    struct remote_module module[FAKE_MAX];
    size_t modules;
    struct remote_key key[FAKE_MAX];
    size_t keys;
    struct identity identity[FAKE_MAX];
    size_t identities;
    struct vault_status vault[FAKE_MAX];
    size_t vaults;
    struct io_helper_status vault_helper;

    bool at_once;
    enum fake_call call;
    unsigned calls;
    void *arg;
    remote_done_fn *on_done; /* unlock, delete, renew */
    bool renewed_of_standby;
    remote_key_fn *on_key;
    remote_text_fn *on_text;
    remote_certs_fn *on_certs;
    struct remote_cert cert[FAKE_MAX];
    size_t certs;
    char *pin; /* of unlock; NULL: none */
    bool last_try;
    size_t on_token;
    struct remote_key_spec spec; /* label, id: the copies below */
    char label[64], id[32];
    struct remote_key *deleted;
    int64_t settle_ms;

    struct connect_conf connect; /* strings: the copies below */
    char user[64], host[64], command[64], known_hosts[64];
    uint8_t only_key[2048];
    void (*on_event)(void *arg, const struct connect_event *event);
    connect_done_fn *on_end;
    unsigned connects, connects_freed;
    struct connect_run *runs[64]; /* those that were started; NULL: freed */
    struct err *no_connect;       /* what connect_start() returns */
} fake;

static inline void fake_clear(void)
{
    for (size_t i = 0; i < FAKE_MAX; i++) {
        struct identity *id = &fake.identity[i];

        ssh_key_free(&fake.key[i].public);
        ssh_key_free(&id->public);
        err_free(&id->problem);
        err_free(&id->warning);
        for (size_t k = 0; k < FAKE_MAX; k++) {
            ssh_cert_free(&id->cert[k].current);
            err_free(&id->cert[k].error);
        }
    }
    err_free(&fake.no_connect);
    free(fake.pin);
    memset(&fake, 0, sizeof fake);
}

/** fake_done() - answer the call that is open; @e is taken */
static inline void fake_done(struct err *e)
{
    enum fake_call call = fake.call;

    fake.call = FAKE_NOTHING;
    switch (call) {
    case FAKE_UNLOCK:
    case FAKE_DELETE:
    case FAKE_RENEW:
    case FAKE_SETTLE:
        fake.on_done(fake.arg, e);
        return;
    case FAKE_GENERATE:
        fake.on_key(fake.arg, e, e == NULL ? &fake.key[0] : NULL);
        return;
    case FAKE_PROVE:
        fake.on_text(fake.arg, e, e == NULL ? "CKA_VALUE: refused\nC_WrapKey: refused\n" : NULL);
        return;
    case FAKE_CERTS:
        fake.on_certs(fake.arg, e, fake.cert, e == NULL ? fake.certs : 0);
        return;
    case FAKE_NOTHING:
        err_free(&e);
        fail_msg("no call is open");
    }
}

static inline void fake_called(enum fake_call call, void *arg)
{
    fake.call = call;
    fake.calls++;
    fake.arg = arg;
    if (fake.at_once) {
        fake_done(NULL);
    }
}

/* --- remote --- */

size_t remote_tokens(const struct remote *r)
{
    (void)r;
    return fake.tokens;
}

void remote_token_get(const struct remote *r, size_t i, struct remote_token *ret)
{
    (void)r;
    *ret = fake.token[i];
}

struct err *remote_token_find(const struct remote *r, const char *what, size_t *ret_i)
{
    (void)r;
    for (size_t i = 0; i < fake.tokens; i++) {
        const struct remote_token *t = &fake.token[i];

        if (text_eq(t->name, what) || text_eq(t->id.label, what) || text_eq(t->id.serial, what)) {
            *ret_i = i;
            return NULL;
        }
    }
    return err_new(ERR_NOT_FOUND, "no token %s", what);
}

size_t remote_modules(const struct remote *r)
{
    (void)r;
    return fake.modules;
}

void remote_module_get(const struct remote *r, size_t i, struct remote_module *ret)
{
    (void)r;
    *ret = fake.module[i];
}

const struct ssh_key *remote_key_public(const struct remote_key *k)
{
    return k->public;
}

bool remote_key_usable(const struct remote_key *k)
{
    return k->usable;
}

void remote_key_info_get(const struct remote_key *k, struct remote_key_info *ret)
{
    *ret = k->info;
}

size_t remote_keys(const struct remote *r)
{
    (void)r;
    return fake.keys;
}

struct remote_key *remote_key_at(const struct remote *r, size_t i)
{
    (void)r;
    return &fake.key[i];
}

struct err *remote_key_find(const struct remote *r, const char *uri, struct remote_key **ret)
{
    size_t n = 0;

    (void)r;
    for (size_t i = 0; i < fake.keys; i++) {
        if (strncmp(fake.key[i].info.uri, uri, strlen(uri)) == 0) {
            *ret = &fake.key[i];
            n++;
        }
    }
    if (n == 1) {
        return NULL;
    }
    return n == 0 ? err_new(ERR_NOT_FOUND, "no key %s", uri)
                  : err_new(ERR_INPUT, "%s fits %zu keys", uri, n);
}

void remote_unlock(struct remote *r, size_t token, const struct secret *pin, bool last_try,
                   remote_done_fn *on_done, void *arg)
{
    (void)r;
    free(fake.pin);
    fake.pin = pin != NULL ? strdup(secret_text(pin)) : NULL;
    fake.on_token = token;
    fake.last_try = last_try;
    fake.on_done = on_done;
    fake_called(FAKE_UNLOCK, arg);
}

void remote_generate(struct remote *r, size_t token, const struct remote_key_spec *spec,
                     remote_key_fn *on_done, void *arg)
{
    (void)r;
    fake.on_token = token;
    fake.spec = *spec;
    snprintf(fake.label, sizeof fake.label, "%s", spec->label);
    assert_true(spec->id.len <= sizeof fake.id);
    if (spec->id.len > 0) {
        memcpy(fake.id, spec->id.p, spec->id.len);
    }
    fake.on_key = on_done;
    fake_called(FAKE_GENERATE, arg);
}

void remote_delete(struct remote *r, struct remote_key *k, remote_done_fn *on_done, void *arg)
{
    (void)r;
    fake.deleted = k;
    fake.on_done = on_done;
    fake_called(FAKE_DELETE, arg);
}

void remote_try_export(struct remote *r, struct remote_key *k, remote_text_fn *on_done, void *arg)
{
    (void)r;
    (void)k;
    fake.on_text = on_done;
    fake_called(FAKE_PROVE, arg);
}

void remote_certs(struct remote *r, size_t token, remote_certs_fn *on_done, void *arg)
{
    (void)r;
    fake.on_token = token;
    fake.on_certs = on_done;
    fake_called(FAKE_CERTS, arg);
}

void remote_when_settled(struct remote *r, struct mono deadline, remote_done_fn *on_done, void *arg)
{
    (void)r;
    fake.settle_ms = mono_left_ms(deadline);
    fake.on_done = on_done;
    fake_called(FAKE_SETTLE, arg);
}

/* --- identity --- */

static size_t fake_offers;

const struct identity_offer_line *identity_offers(const struct identity_set *s, size_t *ret_n,
                                                  uint64_t *ret_generation)
{
    (void)s;
    *ret_n = fake_offers;
    *ret_generation = 1;
    return NULL;
}

size_t identity_count(const struct identity_set *s)
{
    (void)s;
    return fake.identities;
}

struct identity *identity_at(const struct identity_set *s, size_t i)
{
    (void)s;
    return &fake.identity[i];
}

struct identity *identity_find(const struct identity_set *s, const char *name)
{
    (void)s;
    for (size_t i = 0; i < fake.identities; i++) {
        if (text_eq(fake.identity[i].name, name)) {
            return &fake.identity[i];
        }
    }
    return NULL;
}

const char *identity_name(const struct identity *i)
{
    return i->name;
}

enum identity_offer identity_offer_of(const struct identity *i)
{
    return i->offer;
}

const char *identity_key_uri(const struct identity *i)
{
    (void)i;
    return "pkcs11:token=demo;object=web";
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

enum identity_renewal identity_renewal_of(const struct identity *i)
{
    return i->renewal;
}

const char *identity_renewal_name(enum identity_renewal r)
{
    return r == IDENTITY_RENEWAL_PER_CONNECTION ? "per-connection" : "eager";
}

bool identity_cert_is_of_standby(const struct identity_cert *c)
{
    return c->want.standby.signer != NULL;
}

const struct err *identity_warning(const struct identity *i, size_t k)
{
    return k == 0 ? i->warning : NULL;
}

const char *identity_cert_state_name(enum identity_cert_state s)
{
    return s == IDENTITY_CERT_ACTIVE ? "active" : "wanted";
}

size_t identity_certs(const struct identity *i)
{
    return i->certs;
}

struct identity_cert *identity_cert_at(const struct identity *i, size_t k)
{
    return (struct identity_cert *)&i->cert[k];
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

/* --- renew --- */

void renew_now(struct renew *r, struct identity *i, void (*on_done)(void *arg, struct err *e),
               void *arg)
{
    (void)r;
    (void)i;
    fake.on_done = on_done;
    fake_called(FAKE_RENEW, arg);
}

void renew_standby(struct renew *r, struct identity *i, void (*on_done)(void *arg, struct err *e),
                   void *arg)
{
    fake.renewed_of_standby = true;
    renew_now(r, i, on_done, arg);
}

struct wall renew_due(const struct renew *r, const struct identity_cert *c)
{
    (void)r;
    return (struct wall){c->current != NULL ? 2000000000 : 0};
}

/* --- vault --- */

size_t vault_count(const struct vault *v)
{
    (void)v;
    return fake.vaults;
}

void vault_helper_status(const struct vault *v, struct io_helper_status *ret)
{
    (void)v;
    *ret = fake.vault_helper;
}

void vault_status(const struct vault *v, size_t i, struct vault_status *ret)
{
    (void)v;
    *ret = fake.vault[i];
}

#include "control/fake_ca.h"
#include "control/fake_connect.h"
#include "control/fake_enroll.h"
#include "control/fake_registry.h"
#include "control/fake_vault.h"
#include "control/fake_world.h"

#endif
