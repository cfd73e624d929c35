/*
 * Signatures of keys that are elsewhere: see provider.c.
 *
 * What libssl wants signed comes here whole (EVP_DigestSign() in one call, which is how libssl does
 * it in TLS 1.2 and 1.3), and whole it goes to the agent, who reads what it is before anything is
 * signed. A digest could be of anything; so there are no functions here that take one, and none that
 * take a message in pieces.
 *
 * The agent gives signatures as JWA has them; libssl wants DER for ECDSA. Only combinations that have
 * a name in JWA are asked for: a P-384 key with SHA-256, which TLS 1.2 would allow, is not one of them
 * (client_cert.c keeps libssl from choosing it).
 *
 * Why a signature was refused is left with the asker, because through libssl no words of ours pass.
 */
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <strings.h>

#include "vault/provider_impl.h"

/* One signature in the making. */
struct signing {
    struct vault_provider_key *key;
    int hash_bits; /* 0: not one of ours, or none */
    int padding;
    int salt_bytes; /* or an RSA_PSS_SALTLEN_ */
};

/* --- schemes ------------------------------------------------------------------------------------- */

bool vault_provider_scheme_of(const EVP_PKEY *key, int hash_bits, bool is_pss, enum scheme *ret)
{
    static const struct {
        const char *type;
        int key_bits, hash_bits; /* key_bits 0: any */
        bool is_pss;
        enum scheme scheme;
    } rows[] = {
        {"EC", 256, 256, false, SCHEME_ES256}, {"EC", 384, 384, false, SCHEME_ES384},
        {"EC", 521, 512, false, SCHEME_ES512}, {"ED25519", 0, 0, false, SCHEME_EDDSA},
        {"RSA", 0, 256, false, SCHEME_RS256},  {"RSA", 0, 384, false, SCHEME_RS384},
        {"RSA", 0, 512, false, SCHEME_RS512},  {"RSA", 0, 256, true, SCHEME_PS256},
        {"RSA", 0, 384, true, SCHEME_PS384},   {"RSA", 0, 512, true, SCHEME_PS512},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool fits = rows[i].key_bits == 0 || rows[i].key_bits == EVP_PKEY_get_bits(key);
        bool as_asked = hash_bits == 0 || rows[i].hash_bits == hash_bits;

        if (fits && as_asked && rows[i].is_pss == is_pss && EVP_PKEY_is_a(key, rows[i].type)) {
            *ret = rows[i].scheme;
            return true;
        }
    }
    return false;
}

static int hash_bits_of(const char *name)
{
    static const struct {
        const char *name;
        int bits;
    } hashes[] = {{"SHA256", 256},   {"SHA2-256", 256}, {"SHA384", 384},
                  {"SHA2-384", 384}, {"SHA512", 512},   {"SHA2-512", 512}};

    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        if (name != NULL && strcasecmp(name, hashes[i].name) == 0) {
            return hashes[i].bits;
        }
    }
    return 0;
}

/* --- what libssl says before it signs ------------------------------------------------------------ */

static void *signing_new(void *provider, const char *properties)
{
    (void)provider;
    (void)properties;
    return calloc(1, sizeof(struct signing));
}

static void signing_free(void *p)
{
    free(p);
}

/* Both may come as a number or as a word; to read one as the other leaves an error with OpenSSL, which
 * libssl takes for one of the connection. */
static bool get_either(const OSSL_PARAM *p, const char *word, int if_word, int *ret)
{
    const char *text = NULL;

    if (p == NULL) {
        return true;
    }
    if (p->data_type == OSSL_PARAM_INTEGER || p->data_type == OSSL_PARAM_UNSIGNED_INTEGER) {
        return OSSL_PARAM_get_int(p, ret) == 1;
    }
    if (OSSL_PARAM_get_utf8_string_ptr(p, &text) != 1) {
        return false;
    }
    *ret = strcmp(text, word) == 0 ? if_word : atoi(text);
    return true;
}

static int signing_set(void *p, const OSSL_PARAM params[])
{
    struct signing *s = p;

    return params == NULL ||
           (get_either(OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE),
                       OSSL_PKEY_RSA_PAD_MODE_PSS, RSA_PKCS1_PSS_PADDING, &s->padding) &&
            get_either(OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN),
                       OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST, RSA_PSS_SALTLEN_DIGEST, &s->salt_bytes));
}

static const OSSL_PARAM *signing_settable(void *p, void *provider)
{
    static const OSSL_PARAM settable[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)p;
    (void)provider;
    return settable;
}

static int signing_init(void *p, const char *hash, void *key, const OSSL_PARAM params[])
{
    struct signing *s = p;

    *s = (struct signing){.key = key,
                          .hash_bits = hash_bits_of(hash),
                          .padding = RSA_PKCS1_PADDING,
                          .salt_bytes = RSA_PSS_SALTLEN_DIGEST};
    return s->key != NULL && signing_set(s, params);
}

/* --- the signature ------------------------------------------------------------------------------- */

static struct err *scheme_of(const struct signing *s, enum scheme *ret)
{
    bool is_pss = s->padding == RSA_PKCS1_PSS_PADDING;
    bool plain =
        s->padding == RSA_PKCS1_PADDING ||
        (is_pss && (s->salt_bytes == RSA_PSS_SALTLEN_DIGEST || s->salt_bytes == s->hash_bits / 8));
    bool hashed = s->hash_bits != 0 || EVP_PKEY_is_a(s->key->public_half, "ED25519");

    return plain && hashed &&
                   vault_provider_scheme_of(s->key->public_half, s->hash_bits, is_pss, ret)
               ? NULL
               : err_new(ERR_UNSUPPORTED,
                         "the server wants a kind of signature that a token is not asked for");
}

static size_t raw_bytes(const EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "EC") ? 2 * (size_t)((EVP_PKEY_get_bits(key) + 7) / 8)
                                    : (size_t)EVP_PKEY_get_size(key);
}

static struct err *write_out(const EVP_PKEY *key, struct view raw, uint8_t *out, size_t room,
                             size_t *ret_len)
{
    AUTO(buf_deinit) struct buf der;
    size_t half = raw.len / 2;
    struct err *e = NULL;

    buf_init(&der, 0);
    if (raw.len != raw_bytes(key)) {
        return err_new(ERR_PROTOCOL, "a signature of %zu bytes, where %zu are due", raw.len,
                       raw_bytes(key));
    }
    if (EVP_PKEY_is_a(key, "EC")) {
        e = ssh_sig_put_der(&der, view_of(raw.p, half), view_of(raw.p + half, half));
        raw = buf_view(&der);
    }
    if (e == NULL && raw.len > room) {
        e = err_new(ERR_BUG, "libssl has no room for a signature of %zu bytes", raw.len);
    }
    if (e == NULL) {
        memcpy(out, raw.p, raw.len);
        *ret_len = raw.len;
    }
    return e;
}

static struct err *sign(const struct signing *s, struct view message, uint8_t *out, size_t room,
                        size_t *ret_len)
{
    AUTO(buf_deinit) struct buf raw;
    const struct vault_provider_key *k = s->key;
    struct vault_question q = {.server = k->server, .key = k->key, .message = message};

    buf_init(&raw, 0);
    struct err *e = scheme_of(s, &q.scheme);

    if (e == NULL) {
        e = k->asker->ask(k->asker->arg, &q, k->asker->deadline, &raw);
    }
    return e != NULL ? e : write_out(k->public_half, buf_view(&raw), out, room, ret_len);
}

static int digest_sign(void *p, unsigned char *out, size_t *ret_len, size_t room,
                       const unsigned char *message, size_t len)
{
    struct signing *s = p;

    if (out == NULL) {
        *ret_len = (size_t)EVP_PKEY_get_size(s->key->public_half);
        return 1;
    }
    if (s->key->asker == NULL) {
        return 0; /* a public key */
    }
    struct err *e = sign(s, view_of(message, len), out, room, ret_len);

    err_free(&s->key->asker->refusal);
    s->key->asker->refusal = e;
    s->key->signatures += e == NULL;
    return e == NULL;
}

const OSSL_DISPATCH vault_provider_signature[] = {
    VAULT_PROVIDER_FN(OSSL_FUNC_SIGNATURE_NEWCTX, signing_new),
    VAULT_PROVIDER_FN(OSSL_FUNC_SIGNATURE_FREECTX, signing_free),
    VAULT_PROVIDER_FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signing_init),
    VAULT_PROVIDER_FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, digest_sign),
    VAULT_PROVIDER_FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signing_set),
    VAULT_PROVIDER_FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable),
    {0, NULL},
};
