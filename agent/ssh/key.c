/*
 * Public keys. A key is parsed and validated once and keeps three things together: what it is, its
 * blob as others know it, and OpenSSL's form of it for verifying. It never changes after that, so
 * copies are counted references and threads may share it.
 *
 * The table of types is the one place that knows names, curves and sizes. Blobs are accepted in
 * their one canonical form only: two blobs of one key would be two identities to a client.
 */
#include "ssh/key.h"

#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "ssh/key_priv.h"
#include "ssh/line.h"

struct ssh_key {
    atomic_uint refs;
    enum ssh_key_type type;
    unsigned bits;
    EVP_PKEY *pkey;
    struct view blob; /* owned */
};

static const struct {
    const char *name; /* on the wire */
    const char *word;
    const char *curve; /* RFC 5656's name of the curve */
    const char *group; /* OpenSSL's */
    unsigned bits;
} types[] = {
    [SSH_KEY_RSA] = {"ssh-rsa", "rsa", NULL, NULL, 0},
    [SSH_KEY_P256] = {"ecdsa-sha2-nistp256", "p256", "nistp256", "P-256", 256},
    [SSH_KEY_P384] = {"ecdsa-sha2-nistp384", "p384", "nistp384", "P-384", 384},
    [SSH_KEY_P521] = {"ecdsa-sha2-nistp521", "p521", "nistp521", "P-521", 521},
    [SSH_KEY_ED25519] = {"ssh-ed25519", "ed25519", NULL, NULL, 256},
};

const char *ssh_key_type_name(enum ssh_key_type type)
{
    return types[type].name;
}

const char *ssh_key_type_word(enum ssh_key_type type)
{
    return types[type].word;
}

bool ssh_key_type_find(const char *word, enum ssh_key_type *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strcmp(types[i].word, word) == 0) {
            *ret = (enum ssh_key_type)i;
            return true;
        }
    }
    return false;
}

bool ssh_key_type_of(struct view name, enum ssh_key_type *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (view_is(name, types[i].name)) {
            *ret = (enum ssh_key_type)i;
            return true;
        }
    }
    return false;
}

struct view ssh_plain_name(struct view name)
{
    size_t suffix = sizeof SSH_CERT_SUFFIX - 1;

    if (name.len <= suffix ||
        !view_is(view_of(name.p + name.len - suffix, suffix), SSH_CERT_SUFFIX)) {
        return name;
    }
    return view_of(name.p, name.len - suffix);
}

/* Takes @pkey in any case. */
static struct err *make(enum ssh_key_type type, EVP_PKEY *pkey, struct view blob,
                        struct ssh_key **ret)
{
    struct ssh_key *k = calloc(1, sizeof *k);
    char *bytes = view_dup(blob);

    if (k == NULL || bytes == NULL) {
        EVP_PKEY_free(pkey);
        free(bytes);
        free(k);
        return err_nomem();
    }
    atomic_init(&k->refs, 1);
    k->type = type;
    k->bits = types[type].bits != 0 ? types[type].bits : (unsigned)EVP_PKEY_get_bits(pkey);
    k->pkey = pkey;
    k->blob = view_of(bytes, blob.len);
    *ret = k;
    return NULL;
}

static struct err *evp_of_point(enum ssh_key_type type, struct view point, EVP_PKEY **ret)
{
    if (type == SSH_KEY_RSA) {
        return err_new(ERR_BUG, "an RSA key was to be made of a point");
    }
    return types[type].group != NULL ? ssh_evp_ec(types[type].group, point, ret)
                                     : ssh_evp_ed25519(point, ret);
}

static struct err *read_rsa(struct rd *r, EVP_PKEY **ret)
{
    struct view e = rd_mpint(r);
    struct view n = rd_mpint(r);
    struct err *error = rd_end(r, "the blob");

    return error != NULL ? error : ssh_evp_rsa(n, e, ret);
}

static struct err *read_point(enum ssh_key_type type, struct rd *r, EVP_PKEY **ret)
{
    const char *curve = types[type].curve;

    if (curve != NULL && !view_is(rd_string(r), curve)) {
        rd_fail(r);
    }
    struct view point = rd_string(r);
    struct err *e = rd_end(r, "the blob");

    return e != NULL ? e : evp_of_point(type, point, ret);
}

static struct err *unknown_type(struct view name)
{
    AUTO(auto_free) char *safe = text_safe(name.len <= 64 ? name : view_of(name.p, 64));
    bool is_cert = ssh_plain_name(name).len != name.len;

    return err_new(ERR_UNSUPPORTED, "%s '%s'",
                   is_cert ? "a certificate, where a key was expected:" : "unknown key type",
                   safe != NULL ? safe : "");
}

struct err *ssh_key_from_blob(struct view blob, struct ssh_key **ret)
{
    struct rd r = rd_of(blob);
    struct view name = rd_string(&r);
    enum ssh_key_type type;
    EVP_PKEY *pkey = NULL;

    if (blob.len > SSH_BLOB_MAX_BYTES) {
        return err_new(ERR_LIMIT, "a key blob of %zu bytes; %d at most", blob.len,
                       SSH_BLOB_MAX_BYTES);
    }
    if (rd_failed(&r)) {
        return err_new(ERR_PROTOCOL, "a public key is cut short");
    }
    if (!ssh_key_type_of(name, &type)) {
        return unknown_type(name);
    }
    struct err *e = type == SSH_KEY_RSA ? read_rsa(&r, &pkey) : read_point(type, &r, &pkey);

    return e != NULL ? err_add(e, "%s key", types[type].name) : make(type, pkey, blob, ret);
}

struct err *ssh_key_from_line(const char *line, struct ssh_key **ret)
{
    AUTO(buf_deinit) struct buf blob;

    buf_init(&blob, SSH_BLOB_MAX_BYTES);
    struct err *e = ssh_line_read(line, &blob);

    if (e != NULL) {
        return e;
    }
    e = ssh_key_from_blob(buf_view(&blob), ret);
    return err_is(e, ERR_PROTOCOL) ? err_recode(e, ERR_INPUT) : e;
}

/* Takes @pkey in any case. */
static struct err *make_of(enum ssh_key_type type, EVP_PKEY *pkey, const struct buf *blob,
                           struct ssh_key **ret)
{
    struct err *e = buf_check(blob, "a key blob");

    if (e != NULL) {
        EVP_PKEY_free(pkey);
        return e;
    }
    return make(type, pkey, buf_view(blob), ret);
}

struct err *ssh_key_from_rsa(struct view n, struct view e, struct ssh_key **ret)
{
    AUTO(buf_deinit) struct buf blob;
    EVP_PKEY *pkey = NULL;
    struct err *error = ssh_evp_rsa(n, e, &pkey);

    buf_init(&blob, SSH_BLOB_MAX_BYTES);
    if (error != NULL) {
        return error;
    }
    buf_put_cstr(&blob, types[SSH_KEY_RSA].name);
    buf_put_mpint(&blob, e);
    buf_put_mpint(&blob, n);
    return make_of(SSH_KEY_RSA, pkey, &blob, ret);
}

struct err *ssh_key_from_point(enum ssh_key_type type, struct view point, struct ssh_key **ret)
{
    AUTO(buf_deinit) struct buf blob;
    EVP_PKEY *pkey = NULL;
    struct err *e = evp_of_point(type, point, &pkey);

    buf_init(&blob, SSH_BLOB_MAX_BYTES);
    if (e != NULL) {
        return e;
    }
    buf_put_cstr(&blob, types[type].name);
    if (types[type].curve != NULL) {
        buf_put_cstr(&blob, types[type].curve);
    }
    buf_put_string(&blob, point);
    return make_of(type, pkey, &blob, ret);
}

struct ssh_key *ssh_key_copy(const struct ssh_key *k)
{
    struct ssh_key *shared = (struct ssh_key *)k; /* only the counter of a key ever changes */

    if (shared != NULL) {
        atomic_fetch_add(&shared->refs, 1);
    }
    return shared;
}

void ssh_key_free(struct ssh_key **kp)
{
    struct ssh_key *k = take(kp);

    if (k != NULL && atomic_fetch_sub(&k->refs, 1) == 1) {
        EVP_PKEY_free(k->pkey);
        free((void *)k->blob.p);
        free(k);
    }
}

enum ssh_key_type ssh_key_type(const struct ssh_key *k)
{
    return k->type;
}

unsigned ssh_key_bits(const struct ssh_key *k)
{
    return k->bits;
}

size_t ssh_key_raw_bytes(const struct ssh_key *k)
{
    size_t part = (k->bits + 7) / 8;

    return k->type == SSH_KEY_RSA ? part : 2 * part;
}

struct view ssh_key_blob(const struct ssh_key *k)
{
    return k->blob;
}

bool ssh_key_eq(const struct ssh_key *a, const struct ssh_key *b)
{
    return view_eq(a->blob, b->blob);
}

char *ssh_key_line(const struct ssh_key *k, const char *comment)
{
    return ssh_line_write(types[k->type].name, k->blob, comment);
}

const char *ssh_blob_fingerprint(struct view blob, char out[SSH_FINGERPRINT_BYTES])
{
    static const char prefix[] = "SHA256:";
    uint8_t hash[SHA256_DIGEST_LENGTH] = {0};
    size_t at = sizeof prefix - 1;

    memcpy(out, prefix, at);
    if (EVP_Digest(blob.p, blob.len, hash, NULL, EVP_sha256(), NULL) != 1) {
        memcpy(out + at, "?", sizeof "?");
        return out;
    }
    EVP_EncodeBlock((unsigned char *)out + at, hash, sizeof hash);
    out[strcspn(out, "=")] = '\0';
    return out;
}

const char *ssh_key_fingerprint(const struct ssh_key *k, char out[SSH_FINGERPRINT_BYTES])
{
    return ssh_blob_fingerprint(k->blob, out);
}

void *ssh_key_evp(const struct ssh_key *k)
{
    return k->pkey;
}
