#ifndef HF_TESTS_ENROLL_WORLD_H
#define HF_TESTS_ENROLL_WORLD_H

/*
 * A token and a server that answer when the test says so: the functions of pkcs11/remote and vault/ that
 * an enrolling calls, under their own names. One thing waits at a time; include once, in a test's .c.
 */
#include <stdio.h>

#include "enroll/support.h"

struct remote_key {
    unsigned refs;
    struct keys keys;
};

enum op { NONE, SETTLED, UNLOCK, GENERATE, CERTS, SIGN, CHECK, ISSUE, STORE, REVOKE };

static struct {
    enum op op; /* what waits for an answer */
    unsigned ops, cancelled;
    void *arg;
    remote_done_fn *on_done;
    remote_key_fn *on_key;
    remote_certs_fn *on_certs;
    remote_sign_fn *on_sign;
    vault_step_fn *on_step;
    vault_pki_fn *on_pki;
    struct buf message;
    char *csr;
    struct remote_key key;
    bool has_key, absent, locked, by_one_time, extractable;
    unsigned one_time_uses, audits;
    struct buf stored; /* DER */
    struct keys ca;
    X509 *root;
    char *root_pem;
    /* what the enrolling said */
    unsigned steps, ends;
    char failed[32], last[32], next[512];
    bool is_new, needs_one_time;
    struct enroll *en;
} w;

static int64_t later(enum op op, void *arg)
{
    assert_int_equal(w.op, NONE);
    w.op = op;
    w.ops++;
    w.arg = arg;
    return 1;
}

/* --- the token ---------------------------------------------------------------------------------- */

void remote_when_settled(struct remote *r, struct mono deadline, remote_done_fn *on_done, void *arg)
{
    (void)r;
    (void)deadline;
    w.on_done = on_done;
    later(SETTLED, arg);
}

/* The tokens have settled. */
static inline void answer_settled(void)
{
    assert_int_equal(w.op, SETTLED);
    w.op = NONE;
    w.on_done(w.arg, NULL);
}

struct err *remote_token_find(const struct remote *r, const char *what, size_t *ret_i)
{
    (void)r;
    assert_string_equal(what, "pkcs11:token=demo;object=login");
    *ret_i = 3;
    return NULL;
}

void remote_token_get(const struct remote *r, size_t i, struct remote_token *ret)
{
    (void)r;
    assert_int_equal(i, 3);
    *ret = (struct remote_token){.name = "demo",
                                 .state = w.absent   ? REMOTE_TOKEN_ABSENT
                                          : w.locked ? REMOTE_TOKEN_LOCKED
                                                     : REMOTE_TOKEN_READY};
}

void remote_unlock(struct remote *r, size_t token, const struct secret *pin, bool last_try,
                   remote_done_fn *on_done, void *arg)
{
    (void)r;
    (void)token;
    assert_true(pin == NULL && !last_try);
    w.on_done = on_done;
    later(UNLOCK, arg);
}

struct err *remote_key_find(const struct remote *r, const char *uri, struct remote_key **ret)
{
    (void)r;
    (void)uri;
    *ret = &w.key;
    return w.has_key ? NULL : err_new(ERR_NOT_FOUND, "no key");
}

struct remote_key *remote_key_ref(struct remote_key *k)
{
    k->refs++;
    return k;
}

void remote_key_unref(struct remote_key **k)
{
    if (*k != NULL) {
        (*k)->refs--;
        *k = NULL;
    }
}

const struct ssh_key *remote_key_public(const struct remote_key *k)
{
    return k->keys.public;
}

void remote_key_info_get(const struct remote_key *k, struct remote_key_info *ret)
{
    (void)k;
    *ret = (struct remote_key_info){
        .label = "login", .local = true, .sensitive = true, .extractable = w.extractable};
}

void remote_generate(struct remote *r, size_t token, const struct remote_key_spec *spec,
                     remote_key_fn *on_done, void *arg)
{
    (void)r;
    (void)token;
    assert_string_equal(spec->label, "login"); /* as the URI names it */
    w.on_key = on_done;
    later(GENERATE, arg);
}

void remote_certs(struct remote *r, size_t token, remote_certs_fn *on_done, void *arg)
{
    (void)r;
    (void)token;
    w.on_certs = on_done;
    later(CERTS, arg);
}

uint64_t remote_sign_scheme(struct remote *r, struct remote_key *k, enum scheme scheme,
                            struct view data, struct mono deadline, uint64_t flow,
                            remote_sign_fn *on_reply, void *arg)
{
    (void)r;
    (void)k;
    (void)deadline;
    (void)flow;
    assert_int_equal(scheme, SCHEME_ES256);
    buf_clear(&w.message);
    buf_put(&w.message, data.p, data.len);
    w.on_sign = on_reply;
    return (uint64_t)later(SIGN, arg);
}

void remote_cancel(struct remote *r, uint64_t handle)
{
    (void)r;
    if (handle != 0 && w.op == SIGN) {
        w.op = NONE;
        w.cancelled++;
    }
}

void remote_cert_store(struct remote *r, struct remote_key *k, struct view der,
                       remote_done_fn *on_done, void *arg)
{
    (void)r;
    (void)k;
    buf_clear(&w.stored);
    buf_put(&w.stored, der.p, der.len);
    w.on_done = on_done;
    later(STORE, arg);
}

/* --- the server --------------------------------------------------------------------------------- */

static struct vault_conf server = {.name = "web",
                                   .address = "https://a",
                                   .login = VAULT_LOGIN_CERT,
                                   .client_key = "pkcs11:token=demo;object=login"};

const struct vault_conf *vault_conf_of(const struct vault *v, const char *name)
{
    (void)v;
    return strcmp(name, "web") == 0 ? &server : NULL;
}

static void look_at(const struct vault_conf *c)
{
    w.by_one_time = c->login == VAULT_LOGIN_TOKEN;
    if (w.by_one_time) {
        assert_string_equal(secret_text(c->token), "s.wrapped");
        assert_true(c->token_wrapped);
    } else {
        assert_non_null(c->client_public_pem);
        assert_non_null(c->client_cert_pem);
    }
}

uint64_t vault_check(struct vault *v, const struct vault_check *check, vault_step_fn *on_step,
                     vault_done_fn *on_done, void *arg)
{
    (void)v;
    look_at(check->target.conf);
    w.on_step = on_step;
    w.on_done = on_done;
    return (uint64_t)later(CHECK, arg);
}

uint64_t vault_pki_sign(struct vault *v, const struct vault_pki_request *q, vault_pki_fn *on_done,
                        void *arg)
{
    (void)v;
    look_at(q->target.conf);
    assert_string_equal(q->mount, "pki");
    assert_string_equal(q->alt_names[0], "DNS:web.example");
    w.on_pki = on_done;
    return (uint64_t)later(ISSUE, arg);
}

uint64_t vault_revoke(struct vault *v, const struct vault_target *target, struct mono deadline,
                      vault_done_fn *on_done, void *arg)
{
    (void)v;
    (void)deadline;
    look_at(target->conf);
    assert_true(w.by_one_time);
    w.on_done = on_done;
    return (uint64_t)later(REVOKE, arg);
}

void vault_cancel(struct vault *v, uint64_t handle)
{
    (void)v;
    if (handle != 0 && (w.op == CHECK || w.op == ISSUE || w.op == REVOKE)) {
        w.op = NONE;
        w.cancelled++;
    }
}

void audit_note(struct audit *a, const char *event, const struct audit_fact *facts)
{
    (void)a;
    (void)facts;
    assert_string_equal(event, "enrolled");
    w.audits++;
}

#endif
