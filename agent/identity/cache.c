/*
 * The cache: one file an identity, so that a restart lists at once what it listed before, also
 * without token and Vault. A file is a hint, never an authority: a certificate out of it is proven
 * anew like one that just came, and the key must turn out equal when its token appears.
 *
 * Layout, in SSH wire encoding: string magic, string body, string SHA-256 of the body. The body is
 * string key URI, string public key blob, uint32 n, then for each certificate: string what was
 * wanted, string pinned CA blob, uint64 received (its first bit: the role chose the extensions),
 * string certificate blob (both may be empty). After those, one more of these for each standby signer:
 * what of it was wanted, its pinned CA, no certificate.
 * What does not read to its last byte is set aside as NAME.damaged and told of, once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "identity/priv.h"

#define MAGIC "holdfast-identity-1"

enum { CACHE_MAX_BYTES = 8 * 1024 * 1024, CACHE_CERTS_MAX = 256 };
#define ROLE_CHOSE ((uint64_t)1 << 63)

static char *path_of(const struct identity *i)
{
    return text_fmt("%s/%s.cache", i->set->cache_dir, i->name);
}

static void put_cert(struct buf *b, const struct identity_cert *c)
{
    const struct view none = {NULL, 0};

    identity_want_put(b, &c->want);
    buf_put_string(b, c->pinned != NULL ? ssh_key_blob(c->pinned) : none);
    buf_put_u64(b, (uint64_t)c->received.s | (c->role_chose ? ROLE_CHOSE : 0));
    buf_put_string(b, c->current != NULL ? ssh_cert_blob(c->current) : none);
}

static void put_standby(struct buf *b, const struct identity_cert *c)
{
    const struct view none = {NULL, 0};

    identity_standby_put(b, &c->want);
    buf_put_string(b, c->standby_pinned != NULL ? ssh_key_blob(c->standby_pinned) : none);
    buf_put_u64(b, 0);
    buf_put_string(b, none);
}

static void put_body(struct buf *b, const struct identity *i)
{
    size_t standbys = 0;

    for (size_t k = 0; k < i->certs_n; k++) {
        standbys += i->certs[k]->want.standby.signer != NULL;
    }
    buf_put_cstr(b, i->key_uri);
    buf_put_string(b, ssh_key_blob(i->public));
    buf_put_u32(b, (uint32_t)(i->certs_n + standbys));
    for (size_t k = 0; k < i->certs_n; k++) {
        put_cert(b, i->certs[k]);
    }
    for (size_t k = 0; k < i->certs_n; k++) {
        if (i->certs[k]->want.standby.signer != NULL) {
            put_standby(b, i->certs[k]);
        }
    }
}

static void on_written(void *arg, const struct err *e)
{
    identity_warn(arg, IDENTITY_WARN_WRITE, err_copy(e));
}

void identity_cache_save(struct identity *i)
{
    AUTO(buf_deinit) struct buf body, file;
    AUTO(auto_free) char *path = path_of(i);
    uint8_t hash[64];

    buf_init(&body, CACHE_MAX_BYTES);
    buf_init(&file, CACHE_MAX_BYTES);
    put_body(&body, i);
    buf_put_cstr(&file, MAGIC);
    buf_put_string(&file, buf_view(&body));
    buf_put_string(&file, view_of(hash, ssh_alg_digest(SSH_ALG_RSA_SHA256, buf_view(&body), hash)));
    struct err *e = path != NULL ? buf_check(&file, "a cache file") : err_nomem();

    if (e == NULL) {
        e = buf_check(&body, "a cache file");
    }
    if (e == NULL) {
        e = io_writer_put(i->set->writer, path, &file, 0600, on_written, i);
    }
    if (e != NULL) {
        identity_warn(i, IDENTITY_WARN_WRITE, e);
    }
}

void identity_cache_remove(struct identity *i)
{
    AUTO(auto_free) char *path = path_of(i);
    AUTO(err_free) struct err *e =
        path != NULL ? io_writer_put(i->set->writer, path, NULL, 0600, NULL, NULL) : err_nomem();

    if (e != NULL) {
        log_err(LOG_WARN, e, "the cache of %s stays", i->name);
    }
}

/* One record of a file, not yet believed. */
struct record {
    struct view want, pinned, cert;
    struct wall received;
    bool role_chose;
};

struct cache {
    struct view key_uri, key;
    size_t n;
    struct record records[CACHE_CERTS_MAX];
};

static struct err *read_body(struct view body, struct cache *ret)
{
    struct rd r = rd_of(body);

    ret->key_uri = rd_string(&r);
    ret->key = rd_string(&r);
    ret->n = rd_u32(&r);
    if (ret->n > CACHE_CERTS_MAX) {
        return err_new(ERR_LIMIT, "%zu certificates", ret->n);
    }
    for (size_t k = 0; k < ret->n; k++) {
        struct record *c = &ret->records[k];

        c->want = rd_string(&r);
        c->pinned = rd_string(&r);
        uint64_t received = rd_u64(&r);

        c->received = (struct wall){(int64_t)(received & ~ROLE_CHOSE)};
        c->role_chose = (received & ROLE_CHOSE) != 0;
        c->cert = rd_string(&r);
    }
    return rd_end(&r, "the body");
}

static struct err *read_file(struct view file, struct cache *ret)
{
    struct rd r = rd_of(file);
    uint8_t hash[64];
    struct view magic = rd_string(&r);
    struct view body = rd_string(&r);
    struct view sum = rd_string(&r);
    struct err *e = rd_end(&r, "the file");

    if (e != NULL) {
        return e;
    }
    if (!view_is(magic, MAGIC)) {
        return err_new(ERR_PROTOCOL, "it is not a cache file of this version");
    }
    if (!view_eq(sum, view_of(hash, ssh_alg_digest(SSH_ALG_RSA_SHA256, body, hash)))) {
        return err_new(ERR_PROTOCOL, "its checksum does not fit");
    }
    return read_body(body, ret);
}

static bool is_wanted(const struct record *r, const struct identity_cert *c)
{
    AUTO(buf_deinit) struct buf want;

    buf_init(&want, 0);
    identity_want_put(&want, &c->want);
    struct rd in = rd_of(buf_view(&want));

    return view_eq(rd_string(&in), r->want);
}

static struct err *restore_standby(struct identity_cert *c, const struct record *r)
{
    AUTO(buf_deinit) struct buf want;

    buf_init(&want, 0);
    identity_standby_put(&want, &c->want);
    struct rd in = rd_of(buf_view(&want));
    bool is_it = c->want.standby.signer != NULL && c->want.standby.ca == NULL &&
                 c->standby_pinned == NULL && r->pinned.len > 0 && view_eq(rd_string(&in), r->want);

    return is_it ? ssh_key_from_blob(r->pinned, &c->standby_pinned) : NULL;
}

static void restore_cert(struct identity_cert *c, const struct record *r)
{
    AUTO(ssh_cert_free) struct ssh_cert *cert = NULL;
    struct err *e = NULL;

    if (c->pinned == NULL && c->want.ca == NULL && r->pinned.len > 0) {
        e = ssh_key_from_blob(r->pinned, &c->pinned);
    }
    if (e == NULL && c->current == NULL && r->cert.len > 0) {
        e = ssh_cert_from_blob(r->cert, &cert);
    }
    if (e == NULL && cert != NULL) {
        identity_cert_restore(c, &cert, r->received, r->role_chose);
    }
    if (e != NULL) {
        identity_warn(c->owner, IDENTITY_WARN_READ, err_add(e, "cached certificate"));
    }
}

static bool is_of_now(const struct identity *i, const struct cache *from)
{
    return view_is(from->key_uri, i->key_uri) &&
           (i->expected == NULL || view_eq(from->key, ssh_key_blob(i->expected)));
}

/* A file of another key URI, or key, belongs to an older configuration: nothing in it counts. */
static struct err *restore(struct identity *i, const struct cache *from)
{
    if (!is_of_now(i, from)) {
        return NULL;
    }
    struct err *e = ssh_key_from_blob(from->key, &i->public);

    for (size_t k = 0; e == NULL && k < i->certs_n; k++) {
        for (size_t n = 0; e == NULL && n < from->n; n++) {
            e = restore_standby(i->certs[k], &from->records[n]);
        }
        for (size_t n = 0; e == NULL && n < from->n; n++) {
            if (is_wanted(&from->records[n], i->certs[k])) {
                restore_cert(i->certs[k], &from->records[n]);
            }
        }
    }
    return e;
}

static struct err *set_aside(const char *path, struct err *why)
{
    AUTO(auto_free) char *aside = text_fmt("%s.damaged", path);

    if (aside == NULL || rename(path, aside) != 0) {
        return err_add(why, "%s is damaged and cannot be renamed (%s)", path, strerror(errno));
    }
    return err_add(why, "%s was damaged and is now %s", path, aside);
}

void identity_cache_load(struct identity *i)
{
    AUTO(buf_deinit) struct buf file;
    AUTO(auto_free) char *path = path_of(i);
    AUTO(auto_free) struct cache *cache = calloc(1, sizeof *cache);

    buf_init(&file, CACHE_MAX_BYTES);
    if (path == NULL || cache == NULL) {
        return;
    }
    struct err *e = io_writer_read(i->set->writer, path, CACHE_MAX_BYTES, &file);

    if (err_is(e, ERR_NOT_FOUND)) {
        err_free(&e);
        return;
    }
    if (e == NULL || err_is(e, ERR_LIMIT)) {
        e = e != NULL ? e : read_file(buf_view(&file), cache);
        e = e != NULL ? e : restore(i, cache);
        e = e != NULL ? set_aside(path, e) : NULL;
    }
    if (e != NULL) {
        identity_warn(i, IDENTITY_WARN_READ, e);
    }
}
