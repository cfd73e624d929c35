#ifndef FAKE_REMOTE_H
#define FAKE_REMOTE_H

/*
 * The token border with keys of OpenSSL in memory: the real client is in the flow tests. It keeps
 * what the contract of pkcs11/remote/remote.h promises about references and callbacks, and can hold
 * signatures back, fail them, and lose keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "pkcs11/remote/remote.h"

enum { FAKE_KEYS_MAX = 16, FAKE_SIGNS_MAX = 128 };

struct remote_key {
    unsigned refs;
    EVP_PKEY *pkey;
    struct ssh_key *public;
    char *uri;
    bool usable;
    struct remote_key_info info;
};

struct fake_sign {
    uint64_t handle; /* 0: free */
    struct remote_key *key;
    enum ssh_alg alg;
    struct buf data;
    uint64_t flow;
    struct mono deadline;
    remote_sign_fn *on_reply;
    void *arg;
};

struct remote {
    struct remote_key *keys[FAKE_KEYS_MAX];
    size_t n;
    enum err_code find_fails; /* 0: remote_key_find() answers */
    enum err_code sign_fails; /* 0: signatures come */
    bool hold;                /* signatures wait for fake_release() */
    struct fake_sign signs[FAKE_SIGNS_MAX];
    uint64_t handles;
    unsigned asked, cancelled;
};

static inline void fake_ok(struct err *e)
{
    if (e != NULL) {
        print_error("unexpected error: %s\n", err_text(e));
        err_free(&e);
        fail();
    }
}

/* fake_fails() - the error must have @code and its text hold @text */
static inline void fake_fails(struct err *e, enum err_code code, const char *text)
{
    assert_non_null(e);
    if (err_code(e) != code || strstr(err_text(e), text) == NULL) {
        print_error("%s: %s\n", err_code_name(err_code(e)), err_text(e));
        fail();
    }
    err_free(&e);
}

static inline EVP_PKEY *fake_pkey(enum ssh_key_type type)
{
    switch (type) {
    case SSH_KEY_RSA:
        return EVP_RSA_gen(2048);
    case SSH_KEY_P256:
        return EVP_EC_gen("P-256");
    case SSH_KEY_P384:
        return EVP_EC_gen("P-384");
    case SSH_KEY_P521:
        return EVP_EC_gen("P-521");
    case SSH_KEY_ED25519:
        break;
    }
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static inline struct view fake_param(EVP_PKEY *pkey, const char *name, uint8_t *out)
{
    BIGNUM *bn = NULL;
    struct view v;

    assert_int_equal(EVP_PKEY_get_bn_param(pkey, name, &bn), 1);
    v = view_of(out, (size_t)BN_bn2bin(bn, out));
    BN_free(bn);
    return v;
}

static inline struct ssh_key *fake_public(EVP_PKEY *pkey, enum ssh_key_type type)
{
    uint8_t a[2048], b[64];
    size_t len = sizeof a;
    struct ssh_key *key = NULL;

    if (type == SSH_KEY_RSA) {
        fake_ok(ssh_key_from_rsa(fake_param(pkey, OSSL_PKEY_PARAM_RSA_N, a),
                                 fake_param(pkey, OSSL_PKEY_PARAM_RSA_E, b), &key));
    } else if (type == SSH_KEY_ED25519) {
        assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, a, &len), 1);
        fake_ok(ssh_key_from_point(type, view_of(a, len), &key));
    } else {
        assert_int_equal(EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY,
                                                         a, sizeof a, &len),
                         1);
        fake_ok(ssh_key_from_point(type, view_of(a, len), &key));
    }
    return key;
}

/* fake_key() - make a key under @uri; the remote holds the first reference */
static inline struct remote_key *fake_key(struct remote *r, enum ssh_key_type type, const char *uri)
{
    struct remote_key *k = calloc(1, sizeof *k);

    assert_non_null(k);
    assert_in_range(r->n, 0, FAKE_KEYS_MAX - 1);
    k->refs = 1;
    k->pkey = fake_pkey(type);
    assert_non_null(k->pkey);
    k->public = fake_public(k->pkey, type);
    k->uri = text_copy(uri);
    k->usable = true;
    k->info = (struct remote_key_info){.label = "key",
                                       .uri = k->uri,
                                       .token = "demo",
                                       .token_serial = "1",
                                       .sensitive = true,
                                       .always_sensitive = true,
                                       .never_extractable = true,
                                       .local = true,
                                       .proven = true};
    r->keys[r->n++] = k;
    return k;
}

struct remote_key *remote_key_ref(struct remote_key *k)
{
    k->refs++;
    return k;
}

void remote_key_unref(struct remote_key **kp)
{
    struct remote_key *k = take(kp);

    if (k != NULL && --k->refs == 0) {
        EVP_PKEY_free(k->pkey);
        ssh_key_free(&k->public);
        free(k->uri);
        free(k);
    }
}

/* fake_drop() - the key is no longer on the token */
static inline void fake_drop(struct remote *r, struct remote_key *k)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->keys[i] == k) {
            k->usable = false;
            r->keys[i] = r->keys[--r->n];
            remote_key_unref(&k);
            return;
        }
    }
    fail();
}

static inline void fake_remote_deinit(struct remote *r)
{
    while (r->n > 0) {
        fake_drop(r, r->keys[r->n - 1]);
    }
    for (size_t i = 0; i < FAKE_SIGNS_MAX; i++) {
        buf_deinit(&r->signs[i].data);
    }
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

struct err *remote_key_find(const struct remote *r, const char *uri, struct remote_key **ret)
{
    if (r->find_fails != 0) {
        return err_new(r->find_fails, "fake: %s", uri);
    }
    for (size_t i = 0; i < r->n; i++) {
        if (text_eq(r->keys[i]->uri, uri)) {
            *ret = r->keys[i];
            return NULL;
        }
    }
    return err_new(ERR_NOT_FOUND, "fake: no key %s", uri);
}

static inline struct view fake_ecdsa_raw(const uint8_t *der, size_t len, unsigned bits,
                                         uint8_t *out)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    int half = (int)((bits + 7) / 8);

    assert_non_null(sig);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, half), half);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + half, half), half);
    ECDSA_SIG_free(sig);
    return view_of(out, 2 * (size_t)half);
}

/* fake_raw() - what a token would give; @out has 2048 bytes */
static inline struct view fake_raw(const struct remote_key *k, enum ssh_alg alg, struct view data,
                                   uint8_t *out)
{
    static const char *const hashes[] = {
        [SSH_ALG_RSA_SHA1] = "SHA1",     [SSH_ALG_RSA_SHA256] = "SHA256",
        [SSH_ALG_RSA_SHA512] = "SHA512", [SSH_ALG_P256] = "SHA256",
        [SSH_ALG_P384] = "SHA384",       [SSH_ALG_P521] = "SHA512",
        [SSH_ALG_ED25519] = NULL,
    };
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t sig[2048];
    size_t len = sizeof sig;
    enum ssh_key_type type = ssh_key_type(k->public);

    assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, hashes[alg], NULL, NULL, k->pkey, NULL), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &len, data.p, data.len), 1);
    EVP_MD_CTX_free(ctx);
    if (type == SSH_KEY_P256 || type == SSH_KEY_P384 || type == SSH_KEY_P521) {
        return fake_ecdsa_raw(sig, len, ssh_key_bits(k->public), out);
    }
    memcpy(out, sig, len);
    return view_of(out, len);
}

static inline void fake_reply(const struct remote *r, struct remote_key *k, enum ssh_alg alg,
                              struct view data, remote_sign_fn *on_reply, void *arg)
{
    uint8_t raw[2048];

    if (r->sign_fails != 0) {
        on_reply(arg, err_new(r->sign_fails, "fake: C_Sign"), view_of(NULL, 0));
    } else {
        on_reply(arg, NULL, fake_raw(k, alg, data, raw));
    }
}

uint64_t remote_sign(struct remote *r, struct remote_key *k, enum ssh_alg alg, struct view data,
                     struct mono deadline, uint64_t flow, remote_sign_fn *on_reply, void *arg)
{
    r->asked++;
    assert_true(ssh_alg_fits(alg, ssh_key_type(k->public)));
    if (!r->hold) {
        fake_reply(r, k, alg, data, on_reply, arg);
        return 0;
    }
    for (size_t i = 0; i < FAKE_SIGNS_MAX; i++) {
        struct fake_sign *s = &r->signs[i];

        if (s->handle == 0) {
            *s = (struct fake_sign){++r->handles, k, alg, s->data, flow, deadline, on_reply, arg};
            buf_init(&s->data, 0);
            buf_put(&s->data, data.p, data.len);
            return s->handle;
        }
    }
    fail();
    return 0;
}

void remote_cancel(struct remote *r, uint64_t handle)
{
    for (size_t i = 0; i < FAKE_SIGNS_MAX; i++) {
        if (r->signs[i].handle == handle && handle != 0) {
            r->signs[i].handle = 0;
            buf_deinit(&r->signs[i].data);
            r->cancelled++;
            return;
        }
    }
    fail();
}

static inline size_t fake_waiting(const struct remote *r)
{
    size_t n = 0;

    for (size_t i = 0; i < FAKE_SIGNS_MAX; i++) {
        n += r->signs[i].handle != 0;
    }
    return n;
}

/* fake_release() - answer the signature that waits as number @i, oldest first */
static inline void fake_release(struct remote *r, size_t i)
{
    struct fake_sign *found = NULL;
    uint64_t last = 0;

    for (size_t n = 0; n <= i; n++) {
        found = NULL;
        for (size_t k = 0; k < FAKE_SIGNS_MAX; k++) {
            struct fake_sign *s = &r->signs[k];

            if (s->handle > last && (found == NULL || s->handle < found->handle)) {
                found = s;
            }
        }
        assert_non_null(found);
        last = found->handle;
    }
    struct fake_sign s = *found;

    found->handle = 0;
    memset(&found->data, 0, sizeof found->data);
    fake_reply(r, s.key, s.alg, buf_view(&s.data), s.on_reply, s.arg);
    buf_deinit(&s.data);
}

#endif
