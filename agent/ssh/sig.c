/*
 * Signature algorithms and signature blobs: from what a token gives to what SSH wants, and back to
 * what OpenSSL verifies. The writer is on the path of every login, so it writes straight into the
 * answer: no allocation, no OpenSSL.
 *
 * SHA-1 has a name here only so that it can be refused by it; nothing here writes or verifies it.
 */
#include "ssh/sig.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include "ssh/key_priv.h"

static const struct {
    const char *name;
    const char *hash; /* OpenSSL's name; NULL where the algorithm hashes for itself */
    unsigned hash_bits;
    enum ssh_key_type type;
} algs[] = {
    [SSH_ALG_NONE] = {"none", NULL, 0, SSH_KEY_RSA},
    [SSH_ALG_RSA_SHA1] = {"ssh-rsa", "SHA1", 160, SSH_KEY_RSA},
    [SSH_ALG_RSA_SHA256] = {"rsa-sha2-256", "SHA256", 256, SSH_KEY_RSA},
    [SSH_ALG_RSA_SHA512] = {"rsa-sha2-512", "SHA512", 512, SSH_KEY_RSA},
    [SSH_ALG_P256] = {"ecdsa-sha2-nistp256", "SHA256", 256, SSH_KEY_P256},
    [SSH_ALG_P384] = {"ecdsa-sha2-nistp384", "SHA384", 384, SSH_KEY_P384},
    [SSH_ALG_P521] = {"ecdsa-sha2-nistp521", "SHA512", 512, SSH_KEY_P521},
    [SSH_ALG_ED25519] = {"ssh-ed25519", NULL, 0, SSH_KEY_ED25519},
};

const char *ssh_alg_name(enum ssh_alg alg)
{
    return algs[alg].name;
}

enum ssh_alg ssh_alg_find(struct view name)
{
    struct view plain = ssh_plain_name(name);

    for (size_t i = SSH_ALG_RSA_SHA1; i < ARRAY_LEN(algs); i++) {
        if (view_is(plain, algs[i].name)) {
            return (enum ssh_alg)i;
        }
    }
    return SSH_ALG_NONE;
}

bool ssh_alg_fits(enum ssh_alg alg, enum ssh_key_type type)
{
    return alg != SSH_ALG_NONE && algs[alg].type == type;
}

enum ssh_alg ssh_alg_default(enum ssh_key_type type)
{
    static const enum ssh_alg defaults[] = {
        [SSH_KEY_RSA] = SSH_ALG_RSA_SHA512,  [SSH_KEY_P256] = SSH_ALG_P256,
        [SSH_KEY_P384] = SSH_ALG_P384,       [SSH_KEY_P521] = SSH_ALG_P521,
        [SSH_KEY_ED25519] = SSH_ALG_ED25519,
    };

    return defaults[type];
}

bool ssh_alg_scheme(enum ssh_alg alg, enum scheme *ret)
{
    static const enum scheme schemes[] = {
        [SSH_ALG_RSA_SHA256] = SCHEME_RS256, [SSH_ALG_RSA_SHA512] = SCHEME_RS512,
        [SSH_ALG_P256] = SCHEME_ES256,       [SSH_ALG_P384] = SCHEME_ES384,
        [SSH_ALG_P521] = SCHEME_ES512,       [SSH_ALG_ED25519] = SCHEME_EDDSA,
    };

    if (alg == SSH_ALG_NONE || alg == SSH_ALG_RSA_SHA1) {
        return false;
    }
    *ret = schemes[alg];
    return true;
}

bool ssh_scheme_fits(enum scheme scheme, enum ssh_key_type type)
{
    switch (scheme) {
    case SCHEME_ES256:
        return type == SSH_KEY_P256;
    case SCHEME_ES384:
        return type == SSH_KEY_P384;
    case SCHEME_ES512:
        return type == SSH_KEY_P521;
    case SCHEME_EDDSA:
        return type == SSH_KEY_ED25519;
    case SCHEME_RS256:
    case SCHEME_RS384:
    case SCHEME_RS512:
    case SCHEME_PS256:
    case SCHEME_PS384:
    case SCHEME_PS512:
        return type == SSH_KEY_RSA;
    }
    return false;
}

static const EVP_MD *hash_of(enum ssh_alg alg)
{
    switch (algs[alg].hash_bits) {
    case 160:
        return EVP_sha1();
    case 256:
        return EVP_sha256();
    case 384:
        return EVP_sha384();
    case 512:
        return EVP_sha512();
    default:
        return NULL;
    }
}

size_t ssh_alg_digest(enum ssh_alg alg, struct view data, uint8_t out[64])
{
    const EVP_MD *hash = hash_of(alg);

    if (hash == NULL || EVP_Digest(data.p, data.len, out, NULL, hash, NULL) != 1) {
        return 0;
    }
    return algs[alg].hash_bits / 8;
}

static struct err *check_raw(const struct ssh_key *key, enum ssh_alg alg, struct view raw)
{
    enum ssh_key_type type = ssh_key_type(key);
    size_t whole = ssh_key_raw_bytes(key);

    if (alg == SSH_ALG_RSA_SHA1) {
        return err_new(ERR_UNSUPPORTED, "a signature by ssh-rsa (SHA-1), which is refused");
    }
    if (!ssh_alg_fits(alg, type)) {
        return err_new(ERR_PROTOCOL, "a %s key cannot make a %s signature", ssh_key_type_name(type),
                       algs[alg].name);
    }
    if (raw.len != whole && (type != SSH_KEY_RSA || raw.len == 0 || raw.len > whole)) {
        return err_new(ERR_PROTOCOL, "a raw %s signature of %zu bytes where %zu were expected",
                       algs[alg].name, raw.len, whole);
    }
    return NULL;
}

struct err *ssh_sig_put(struct buf *out, const struct ssh_key *key, enum ssh_alg alg,
                        struct view raw)
{
    struct err *e = check_raw(key, alg, raw);

    if (e != NULL) {
        return e;
    }
    buf_put_cstr(out, algs[alg].name);
    size_t begun = buf_begin_string(out);

    switch (algs[alg].type) {
    case SSH_KEY_RSA:
        for (size_t pad = ssh_key_raw_bytes(key) - raw.len; pad > 0; pad--) {
            buf_put_u8(out, 0);
        }
        buf_put(out, raw.p, raw.len);
        break;
    case SSH_KEY_P256:
    case SSH_KEY_P384:
    case SSH_KEY_P521: /* Spec: RFC 5656, 3.1.2 */
        buf_put_mpint(out, view_of(raw.p, raw.len / 2));
        buf_put_mpint(out, view_of(raw.p + raw.len / 2, raw.len / 2));
        break;
    case SSH_KEY_ED25519:
        buf_put(out, raw.p, raw.len);
        break;
    }
    buf_end_string(out, begun);
    return buf_check(out, "a signature");
}

static void ecdsa_sig_free(ECDSA_SIG **sig)
{
    ECDSA_SIG_free(take(sig));
}

struct err *ssh_sig_put_der(struct buf *out, struct view r, struct view s)
{
    if (r.len > SSH_ECDSA_HALF_MAX_BYTES || s.len > SSH_ECDSA_HALF_MAX_BYTES) {
        return err_new(ERR_PROTOCOL, "an ECDSA signature of %zu and %zu bytes", r.len, s.len);
    }
    AUTO(ecdsa_sig_free) ECDSA_SIG *der = ECDSA_SIG_new();
    BIGNUM *r_bn = BN_bin2bn(r.p, (int)r.len, NULL);
    BIGNUM *s_bn = BN_bin2bn(s.p, (int)s.len, NULL);

    if (der == NULL || ECDSA_SIG_set0(der, r_bn, s_bn) != 1) {
        BN_free(r_bn);
        BN_free(s_bn);
        return err_nomem();
    }
    int len = i2d_ECDSA_SIG(der, NULL);
    uint8_t *to = len > 0 ? buf_reserve(out, (size_t)len) : NULL;

    if (to != NULL) {
        i2d_ECDSA_SIG(der, &to);
    }
    return len > 0 ? buf_check(out, "a signature in DER") : err_nomem();
}

/* r and s as SSH has them to the DER that OpenSSL wants. */
static struct err *put_ecdsa(struct view sig, size_t half, struct buf *out)
{
    struct rd rd = rd_of(sig);
    struct view r = rd_mpint(&rd);
    struct view s = rd_mpint(&rd);
    struct err *e = rd_end(&rd, "an ECDSA signature");

    if (e == NULL && (r.len > half || s.len > half)) {
        e = err_new(ERR_PROTOCOL, "an ECDSA signature is longer than its curve allows");
    }
    return e != NULL ? e : ssh_sig_put_der(out, r, s);
}

/* An RSA signature whose leading zeros were stripped gets them back, as OpenSSH does. */
static struct err *put_rsa(struct view sig, size_t whole, struct buf *out)
{
    if (sig.len == 0 || sig.len > whole) {
        return err_new(ERR_PROTOCOL, "an RSA signature of %zu bytes; the key has %zu", sig.len,
                       whole);
    }
    uint8_t *to = buf_reserve(out, whole);

    if (to == NULL) {
        return err_nomem();
    }
    memset(to, 0, whole - sig.len);
    memcpy(to + whole - sig.len, sig.p, sig.len);
    return NULL;
}

static struct err *put_for_openssl(const struct ssh_key *key, struct view sig, struct buf *out)
{
    size_t whole = ssh_key_raw_bytes(key);

    switch (ssh_key_type(key)) {
    case SSH_KEY_RSA:
        return put_rsa(sig, whole, out);
    case SSH_KEY_P256:
    case SSH_KEY_P384:
    case SSH_KEY_P521:
        return put_ecdsa(sig, whole / 2, out);
    case SSH_KEY_ED25519:
        break;
    }
    if (sig.len != whole) {
        return err_new(ERR_PROTOCOL, "an Ed25519 signature of %zu bytes", sig.len);
    }
    buf_put(out, sig.p, sig.len);
    return buf_check(out, "a signature");
}

static void md_ctx_free(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(take(ctx));
}

static struct err *verify(const struct ssh_key *key, enum ssh_alg alg, struct view sig,
                          struct view data)
{
    AUTO(md_ctx_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx == NULL) {
        return err_nomem();
    }
    if (EVP_DigestVerifyInit_ex(ctx, NULL, algs[alg].hash, NULL, NULL, ssh_key_evp(key), NULL) !=
        1) {
        return err_openssl(ERR_UNSUPPORTED, "OpenSSL cannot verify %s", algs[alg].name);
    }
    if (EVP_DigestVerify(ctx, sig.p, sig.len, data.p, data.len) != 1) {
        ERR_clear_error();
        return err_new(ERR_DENIED, "the %s signature does not fit", algs[alg].name);
    }
    return NULL;
}

struct err *ssh_sig_verify(const struct ssh_key *key, struct view sig, struct view data,
                           enum ssh_alg *ret_alg)
{
    AUTO(buf_deinit) struct buf converted;
    struct rd r = rd_of(sig);
    struct view name = rd_string(&r);
    struct view inner = rd_string(&r);
    struct err *e = rd_end(&r, "a signature");

    buf_init(&converted, 0);
    if (e != NULL) {
        return e;
    }
    enum ssh_alg alg = ssh_plain_name(name).len == name.len ? ssh_alg_find(name) : SSH_ALG_NONE;

    if (!ssh_alg_fits(alg, ssh_key_type(key))) {
        return err_new(ERR_DENIED, "a signature by %s under a %s key",
                       alg != SSH_ALG_NONE ? algs[alg].name : "an unknown algorithm",
                       ssh_key_type_name(ssh_key_type(key)));
    }
    if (alg == SSH_ALG_RSA_SHA1) {
        return err_new(ERR_DENIED, "a signature by ssh-rsa (SHA-1), which is refused");
    }
    e = put_for_openssl(key, inner, &converted);
    if (e == NULL) {
        e = verify(key, alg, buf_view(&converted), data);
    }
    if (e == NULL && ret_alg != NULL) {
        *ret_alg = alg;
    }
    return e;
}
