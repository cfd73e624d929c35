/*
 * Certificates and those above them: which one of a token's to log in with, and what to show along with
 * it, so that a server that knows only a root can tell.
 *
 * Pure: certificates come in as bytes that nobody has looked into. Nothing is trusted for being above
 * another: it is the server that judges what it is shown, and who chooses wrongly is merely refused.
 */
#include "enroll/chain.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "enroll/prove_priv.h"

/* --- above a certificate ------------------------------------------------------------------------ */

static bool issued(X509 *issuer, X509 *x)
{
    return X509_check_issued(issuer, x) == X509_V_OK &&
           X509_verify(x, X509_get0_pubkey(issuer)) == 1;
}

/* Of several, as a CA that was renewed has, the one that lasts longest. */
static X509 *issuer_of(STACK_OF(X509) * from, X509 *x)
{
    X509 *best = NULL;

    for (int i = 0; i < sk_X509_num(from); i++) {
        X509 *c = sk_X509_value(from, i);

        if (c != x && issued(c, x) &&
            (best == NULL ||
             ASN1_TIME_compare(X509_get0_notAfter(c), X509_get0_notAfter(best)) > 0)) {
            best = c;
        }
    }
    ERR_clear_error();
    return best;
}

static bool is_root(X509 *x)
{
    bool yes = issued(x, x);

    ERR_clear_error();
    return yes;
}

static struct err *push(STACK_OF(X509) * list, X509 *x)
{
    if (X509_up_ref(x) != 1) {
        return err_nomem();
    }
    if (sk_X509_push(list, x) <= 0) {
        X509_free(x);
        return err_nomem();
    }
    return NULL;
}

/* Who issued @x, and so on, out of @from, but no root. */
static struct err *chain_above(X509 *x, STACK_OF(X509) * from, STACK_OF(X509) * *ret)
{
    AUTO(enroll_stack_auto) STACK_OF(X509) *chain = sk_X509_new_null();
    struct err *e = chain != NULL ? NULL : err_nomem();

    while (e == NULL && sk_X509_num(chain) < ENROLL_CHAIN_MAX && (x = issuer_of(from, x)) != NULL &&
           !is_root(x)) {
        e = push(chain, x);
    }
    if (e == NULL) {
        *ret = take(&chain);
    }
    return e;
}

/* --- a token's certificates --------------------------------------------------------------------- */

static struct err *read_all(const struct remote_cert *certs, size_t n, STACK_OF(X509) * *ret)
{
    AUTO(enroll_stack_auto) STACK_OF(X509) *all = sk_X509_new_null();

    for (size_t i = 0; all != NULL && i < n; i++) {
        const unsigned char *p = certs[i].der.p;
        X509 *x = d2i_X509(NULL, &p, (long)certs[i].der.len);

        if (x != NULL && sk_X509_push(all, x) <= 0) {
            X509_free(x);
            return err_nomem();
        }
    }
    ERR_clear_error();
    *ret = take(&all);
    return *ret != NULL ? NULL : err_nomem();
}

static bool is_for(const X509 *x, const struct ssh_key *key)
{
    EVP_PKEY *its = X509_get0_pubkey(x);
    bool same = its != NULL && EVP_PKEY_eq(its, ssh_key_evp(key)) == 1;

    ERR_clear_error();
    return same;
}

static struct err *none_valid(const X509 *latest, struct wall now)
{
    char at[WALL_TEXT_BYTES];
    struct wall from = wall_of_asn1(X509_get0_notBefore(latest));

    if (from.s > now.s) {
        return err_new(ERR_CERT, "the key's certificate is valid from %s only",
                       wall_text(from, at));
    }
    return err_new(ERR_CERT, "the key's certificate ended at %s",
                   wall_text(wall_of_asn1(X509_get0_notAfter(latest)), at));
}

static struct err *choose(STACK_OF(X509) * all, const struct ssh_key *key, struct wall now,
                          X509 **ret)
{
    X509 *best = NULL, *latest = NULL;
    int64_t best_s = INT64_MIN, latest_s = INT64_MIN;

    for (int i = 0; i < sk_X509_num(all); i++) {
        X509 *x = sk_X509_value(all, i);

        if (!is_for(x, key)) {
            continue;
        }
        int64_t until = wall_of_asn1(X509_get0_notAfter(x)).s;
        bool is_valid =
            until > now.s && wall_of_asn1(X509_get0_notBefore(x)).s <= now.s + ENROLL_SKEW_S;

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
    *ret = best;
    return best != NULL ? NULL : none_valid(latest, now);
}

struct err *enroll_cert_choose(const struct remote_cert *certs, size_t n, const struct ssh_key *key,
                               struct wall now, struct enroll_cert *ret)
{
    AUTO(enroll_stack_auto) STACK_OF(X509) *all = NULL;
    X509 *x = NULL;
    struct err *e = read_all(certs, n, &all);

    if (e == NULL) {
        e = choose(all, key, now, &x);
    }
    return e != NULL ? e : enroll_cert_with(x, all, ret);
}

/* --- both together ------------------------------------------------------------------------------ */

struct err *enroll_cert_with(X509 *x, STACK_OF(X509) * from, struct enroll_cert *ret)
{
    AUTO(enroll_stack_auto) STACK_OF(X509) *chain = NULL;
    AUTO(enroll_cert_deinit) struct enroll_cert c = {0};
    struct err *e = enroll_cert_of(x, &c);

    if (e == NULL) {
        e = chain_above(x, from, &chain);
    }
    if (e == NULL) {
        auto_free(&c.chain_pem);
        e = enroll_pem_write(chain, &c.chain_pem);
    }
    if (e == NULL) {
        *ret = c;
        c = (struct enroll_cert){0};
    }
    return e;
}

char *enroll_cert_full_pem(const struct enroll_cert *c)
{
    return text_fmt("%s%s", c->pem, c->chain_pem);
}

struct err *enroll_cert_pile(const struct enroll_cert *c, struct buf *out)
{
    AUTO(enroll_stack_auto) STACK_OF(X509) *chain = NULL;
    struct err *e = enroll_pem_read(c->chain_pem, &chain);

    buf_put(out, c->der.data, c->der.len);
    for (int i = 0; e == NULL && i < sk_X509_num(chain); i++) {
        unsigned char *der = NULL;
        int len = i2d_X509(sk_X509_value(chain, i), &der);

        if (len > 0) {
            buf_put(out, der, (size_t)len);
        }
        OPENSSL_free(der);
        e = len > 0 ? NULL : err_openssl(ERR_NOMEM, "write a certificate");
    }
    return e != NULL ? e : buf_check(out, "a certificate and its chain");
}
