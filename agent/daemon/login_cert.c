/*
 * X.509 for logins: what a key looks like to a TLS stack, and which of the certificates on its token it
 * logs in with. Pure: certificates come in as bytes that nobody has looked into, PEM goes out. Nothing
 * is trusted here, for it is Vault that judges the certificate; who chooses wrongly is merely refused.
 */
#include "daemon/login_cert.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

static void free_bio(BIO **b)
{
    BIO_free(*b);
}

static struct err *take_text(BIO *bio, bool good, char **ret)
{
    char *data = NULL;
    long len = good ? BIO_get_mem_data(bio, &data) : 0;

    ERR_clear_error();
    *ret = len > 0 ? view_dup(view_of(data, (size_t)len)) : NULL;
    return *ret != NULL ? NULL : err_nomem();
}

struct err *login_spki(const struct ssh_key *key, struct buf *out)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(ssh_key_evp(key), &der);

    ERR_clear_error();
    if (len > 0) {
        buf_put(out, der, (size_t)len);
    }
    OPENSSL_free(der);
    return len > 0 ? buf_check(out, "a public key") : err_nomem();
}

struct err *login_public_pem(const struct ssh_key *key, char **ret)
{
    AUTO(free_bio) BIO *bio = BIO_new(BIO_s_mem());

    return take_text(bio, bio != NULL && PEM_write_bio_PUBKEY(bio, ssh_key_evp(key)) == 1, ret);
}

/* --- the token's certificates ------------------------------------------------------------------- */

struct shelf {
    X509 **all; /* NULL where it could not be read */
    size_t n;
};

static void shelf_deinit(struct shelf *s)
{
    for (size_t i = 0; s->all != NULL && i < s->n; i++) {
        X509_free(s->all[i]);
    }
    auto_free(&s->all);
}

static struct err *shelf_fill(struct shelf *s, const struct remote_cert *certs, size_t n)
{
    s->all = calloc(n + 1, sizeof *s->all);
    s->n = n;
    for (size_t i = 0; s->all != NULL && i < n; i++) {
        const unsigned char *p = certs[i].der.p;

        s->all[i] = d2i_X509(NULL, &p, (long)certs[i].der.len);
    }
    ERR_clear_error();
    return s->all != NULL ? NULL : err_nomem();
}

static bool is_for(const X509 *x, const struct ssh_key *key)
{
    EVP_PKEY *its = X509_get0_pubkey(x);
    bool same = its != NULL && EVP_PKEY_eq(its, ssh_key_evp(key)) == 1;

    ERR_clear_error();
    return same;
}

static struct wall wall_of(const ASN1_TIME *t)
{
    struct tm tm;

    return (struct wall){ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0};
}

static struct err *none_valid(const X509 *latest, struct wall now)
{
    char at[WALL_TEXT_BYTES];
    struct wall from = wall_of(X509_get0_notBefore(latest));

    if (from.s > now.s) {
        return err_new(ERR_CERT, "the key's certificate is valid from %s only",
                       wall_text(from, at));
    }
    return err_new(ERR_CERT, "the key's certificate ended at %s",
                   wall_text(wall_of(X509_get0_notAfter(latest)), at));
}

static struct err *choose(const struct shelf *s, const struct ssh_key *key, struct wall now,
                          X509 **ret)
{
    X509 *best = NULL, *latest = NULL;
    int64_t best_s = INT64_MIN, latest_s = INT64_MIN;

    for (size_t i = 0; i < s->n; i++) {
        X509 *x = s->all[i];

        if (x == NULL || !is_for(x, key)) {
            continue;
        }
        int64_t until = wall_of(X509_get0_notAfter(x)).s;
        bool is_valid = until > now.s && wall_of(X509_get0_notBefore(x)).s <= now.s;

        if (is_valid && until > best_s) {
            best = x;
            best_s = until;
        }
        if (until > latest_s) {
            latest = x;
            latest_s = until;
        }
    }
    if (latest == NULL) {
        return err_new(ERR_NOT_FOUND, "there is no certificate for the key on its token");
    }
    if (best == NULL) {
        return none_valid(latest, now);
    }
    *ret = best;
    return NULL;
}

static bool issued(X509 *issuer, X509 *x)
{
    return X509_check_issued(issuer, x) == X509_V_OK &&
           X509_verify(x, X509_get0_pubkey(issuer)) == 1;
}

static X509 *issuer_of(const struct shelf *s, X509 *x)
{
    X509 *found = NULL;

    for (size_t i = 0; found == NULL && i < s->n; i++) {
        if (s->all[i] != NULL && s->all[i] != x && issued(s->all[i], x)) {
            found = s->all[i];
        }
    }
    ERR_clear_error();
    return found;
}

static bool is_root(X509 *x)
{
    return issued(x, x);
}

struct err *login_chain(const struct remote_cert *certs, size_t n, const struct ssh_key *key,
                        struct wall now, char **ret_pem)
{
    AUTO(shelf_deinit) struct shelf shelf = {0};
    AUTO(free_bio) BIO *bio = BIO_new(BIO_s_mem());
    X509 *x = NULL;
    struct err *e = shelf_fill(&shelf, certs, n);

    if (e == NULL) {
        e = choose(&shelf, key, now, &x);
    }
    if (e != NULL) {
        return e;
    }
    bool good = bio != NULL;

    for (unsigned depth = 0; good && x != NULL && depth < LOGIN_CHAIN_MAX; depth++) {
        good = PEM_write_bio_X509(bio, x) == 1;
        x = issuer_of(&shelf, x);
        x = x != NULL && is_root(x) ? NULL : x;
    }
    return take_text(bio, good, ret_pem);
}
