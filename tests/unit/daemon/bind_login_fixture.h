#ifndef HF_TESTS_DAEMON_BIND_LOGIN_FIXTURE_H
#define HF_TESTS_DAEMON_BIND_LOGIN_FIXTURE_H

/* Fakes of vault/, pkcs11/remote, identity/ and audit/ around a struct bind_login. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bind_login.h"

enum { SERVERS_MAX = 4, FACTS_BYTES = 512 };

/* --- the fakes ---------------------------------------------------------------------------------- */

struct remote_key {
    struct ssh_key *public;
};

struct identity {
    const char *name;
    struct ssh_key *public;
};

static struct {
    struct vault_conf servers[SERVERS_MAX]; /* owned copies */
    size_t servers_n;
    unsigned puts;
    vault_question_fn *on_question;
    void *on_question_arg;
    unsigned answers;
    struct err *answer; /* the last one */
    char signature[32];

    struct remote_key *key; /* what every URI finds; NULL: */
    enum err_code no_key;
    unsigned reads;
    remote_certs_fn *on_certs; /* a reading under way */
    void *on_certs_arg;
    unsigned signs, cancels;
    bool sign_later;
    remote_sign_fn *on_signed;
    void *on_signed_arg;

    struct identity *identity; /* the only one; NULL: none */
    unsigned notes;
    char facts[FACTS_BYTES]; /* of the last note */
    unsigned ready;
} f;

size_t vault_count(const struct vault *v)
{
    (void)v;
    return f.servers_n;
}

void vault_status(const struct vault *v, size_t i, struct vault_status *ret)
{
    (void)v;
    *ret = (struct vault_status){.name = f.servers[i].name};
}

const struct vault_conf *vault_conf_of(const struct vault *v, const char *name)
{
    (void)v;
    for (size_t i = 0; i < f.servers_n; i++) {
        if (text_eq(f.servers[i].name, name)) {
            return &f.servers[i];
        }
    }
    return NULL;
}

struct err *vault_put(struct vault *v, const struct vault_conf *conf,
                      const struct signer **ret_signer)
{
    struct vault_conf *old = (struct vault_conf *)(uintptr_t)vault_conf_of(v, conf->name);
    struct vault_conf copy;

    assert_null(ret_signer);
    assert_null(vault_conf_copy(conf, &copy));
    assert_non_null(old);
    vault_conf_deinit(old);
    *old = copy;
    f.puts++;
    return NULL;
}

void vault_on_question(struct vault *v, vault_question_fn *fn, void *arg)
{
    (void)v;
    f.on_question = fn;
    f.on_question_arg = arg;
}

void vault_answer(struct vault *v, uint64_t question, struct err *e, struct view signature)
{
    (void)v;
    assert_int_equal(question, 7);
    err_free(&f.answer);
    f.answer = e;
    f.answers++;
    snprintf(f.signature, sizeof f.signature, "%.*s", (int)signature.len,
             signature.len > 0 ? (const char *)signature.p : "");
}

struct err *remote_key_find(const struct remote *r, const char *uri, struct remote_key **ret)
{
    (void)r;
    if (f.key == NULL) {
        return err_new(f.no_key, "key %s is not there", uri);
    }
    *ret = f.key;
    return NULL;
}

const struct ssh_key *remote_key_public(const struct remote_key *k)
{
    return k->public;
}

void remote_key_info_get(const struct remote_key *k, struct remote_key_info *ret)
{
    (void)k;
    *ret = (struct remote_key_info){.token_serial = "0011"};
}

struct err *remote_token_find(const struct remote *r, const char *what, size_t *ret_i)
{
    (void)r;
    assert_string_equal(what, "0011");
    *ret_i = 3;
    return NULL;
}

void remote_certs(struct remote *r, size_t token, remote_certs_fn *on_done, void *arg)
{
    (void)r;
    assert_int_equal(token, 3);
    assert_null(f.on_certs);
    f.reads++;
    f.on_certs = on_done;
    f.on_certs_arg = arg;
}

uint64_t remote_sign_scheme(struct remote *r, struct remote_key *k, enum scheme scheme,
                            struct view data, struct mono deadline, uint64_t flow,
                            remote_sign_fn *on_reply, void *arg)
{
    (void)r;
    (void)deadline;
    (void)flow;
    assert_ptr_equal(k, f.key);
    assert_int_equal(scheme, SCHEME_ES256);
    assert_true(data.len > 0);
    f.signs++;
    if (f.sign_later) {
        f.on_signed = on_reply;
        f.on_signed_arg = arg;
        return 5;
    }
    on_reply(arg, NULL, view_cstr("signature"));
    return 0;
}

void remote_cancel(struct remote *r, uint64_t handle)
{
    (void)r;
    assert_int_equal(handle, 5);
    f.cancels++;
}

size_t identity_count(const struct identity_set *s)
{
    (void)s;
    return f.identity != NULL;
}

struct identity *identity_at(const struct identity_set *s, size_t i)
{
    (void)s;
    (void)i;
    return f.identity;
}

const struct ssh_key *identity_public(const struct identity *i)
{
    return i->public;
}

const char *identity_name(const struct identity *i)
{
    return i->name;
}

void audit_note(struct audit *a, const char *event, const struct audit_fact *facts)
{
    size_t at = 0;

    (void)a;
    assert_string_equal(event, "login-signature");
    f.notes++;
    f.facts[0] = '\0';
    for (; facts->name != NULL && at < FACTS_BYTES; facts++) {
        if (facts->value != NULL) {
            at += (size_t)snprintf(f.facts + at, FACTS_BYTES - at, "%s=%s;", facts->name,
                                   facts->value);
        }
    }
}

/* --- the fixture -------------------------------------------------------------------------------- */

static struct bind_login *binder;
static EVP_PKEY *private_key;
static struct remote_key key;
static struct identity web;
static struct mono clock_ms = {1000};

static inline struct mono fake_mono(void)
{
    return clock_ms;
}

static inline void on_ready(void *arg, const char *server)
{
    assert_null(arg);
    assert_string_equal(server, "vault");
    f.ready++;
}

static inline void add_server(const char *name, enum vault_login login)
{
    const struct vault_conf c = {.name = name,
                                 .address = "https://vault.example.org:8200",
                                 .login = login,
                                 .client_key = "pkcs11:object=login",
                                 .jwt_issuer = "a"};

    assert_null(vault_conf_copy(&c, &f.servers[f.servers_n++]));
}

static inline int set_up(void **state)
{
    const struct bind_login_deps deps = {.identities = (struct identity_set *)(void *)&f,
                                         .on_ready = on_ready};
    unsigned char point[65];
    size_t len = 0;

    (void)state;
    memset(&f, 0, sizeof f);
    log_init("test", LOG_ERROR);
    clock_set_for_test(fake_mono, NULL);
    private_key = EVP_EC_gen("P-256");
    assert_int_equal(EVP_PKEY_get_octet_string_param(private_key, "pub", point, sizeof point, &len),
                     1);
    assert_null(ssh_key_from_point(SSH_KEY_P256, view_of(point, len), &key.public));
    web = (struct identity){.name = "web", .public = ssh_key_copy(key.public)};
    f.key = &key;
    assert_null(bind_login_new(&deps, &binder));
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    bind_login_free(&binder);
    assert_null(f.on_question);
    if (f.on_certs != NULL) { /* nobody waits for it any more */
        f.on_certs(f.on_certs_arg, err_new(ERR_GONE, "the end"), NULL, 0);
    }
    while (f.servers_n > 0) {
        vault_conf_deinit(&f.servers[--f.servers_n]);
    }
    err_free(&f.answer);
    ssh_key_free(&key.public);
    ssh_key_free(&web.public);
    EVP_PKEY_free(private_key);
    clock_set_for_test(NULL, NULL);
    return 0;
}

/* A TLS 1.3 client's statement, or a JWT's. */
static inline void put_statement(struct buf *b, bool is_jwt)
{
    static const char context[] = "TLS 1.3, client CertificateVerify";

    buf_init(b, 0);
    if (is_jwt) { /* {"alg":"ES256"} and {"iss":"a","iat":1,"exp":2} */
        const char *jwt = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIiwiaWF0IjoxLCJleHAiOjJ9";

        buf_put(b, jwt, strlen(jwt));
        return;
    }
    memset(buf_reserve(b, 64), ' ', 64);
    buf_put(b, context, sizeof context);
    memset(buf_reserve(b, 32), 'h', 32);
}

static inline void ask(const char *server, const char *uri, bool is_jwt)
{
    AUTO(buf_deinit) struct buf b;

    put_statement(&b, is_jwt);
    const struct vault_question q = {
        .server = server, .key = uri, .scheme = SCHEME_ES256, .message = buf_view(&b)};

    f.on_question(f.on_question_arg, 7, &q);
}

static inline void assert_refused(enum err_code code, const char *words)
{
    assert_true(err_is(f.answer, code));
    assert_int_equal(f.signs, 0);
    if (strstr(err_text(f.answer), words) == NULL) {
        fail_msg("\"%s\" is not in: %s", words, err_text(f.answer));
    }
}

static inline void assert_facts(const char *expected)
{
    assert_string_equal(f.facts, expected);
}

/* The reading under way ends with one certificate for the key, valid for so many days. */
static inline void certs_come(int days)
{
    X509 *x = X509_new();
    unsigned char *der = NULL;
    remote_certs_fn *on_certs = f.on_certs;

    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"host", -1, -1, 0);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), (long)days * 24 * 3600);
    X509_set_pubkey(x, private_key);
    assert_true(X509_sign(x, private_key, EVP_sha256()) > 0);
    int len = i2d_X509(x, &der);
    const struct remote_cert c = {.label = "login", .der = {der, (size_t)len}};

    assert_non_null(on_certs);
    f.on_certs = NULL;
    on_certs(f.on_certs_arg, NULL, &c, days > 0);
    OPENSSL_free(der);
    X509_free(x);
}

#endif
