/*
 * What a CA sent, against what was asked of it. A certificate that we store is shown to servers as us,
 * so nothing is taken on trust: not that it is for our key, not its names, not its time, and not that
 * the CA whose name it bears has signed it.
 *
 * The order is that of the sentences: what a person can do something about comes first, the chain,
 * which says little, comes last.
 */
#include "enroll/prove.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "enroll/prove_priv.h"

static void store_free(X509_STORE **s)
{
    X509_STORE_free(take(s));
}

static void ctx_free(X509_STORE_CTX **c)
{
    X509_STORE_CTX_free(take(c));
}

static void usage_free(EXTENDED_KEY_USAGE **u)
{
    EXTENDED_KEY_USAGE_free(take(u));
}

static struct err *check_key(X509 *cert, const struct enroll_asked *asked)
{
    EVP_PKEY *public = X509_get0_pubkey(cert);

    if (public == NULL || EVP_PKEY_eq(public, ssh_key_evp(asked->key)) != 1) {
        ERR_clear_error();
        return err_new(ERR_CERT, "it is for another key");
    }
    return NULL;
}

static struct err *check_kind(X509 *cert)
{
    if (X509_get_version(cert) != X509_VERSION_3) {
        return err_new(ERR_CERT, "it is of X.509 version %ld, not 3", X509_get_version(cert) + 1);
    }
    uint32_t flags = X509_get_extension_flags(cert);
    bool may_sign =
        (flags & EXFLAG_KUSAGE) != 0 && (X509_get_key_usage(cert) & KU_KEY_CERT_SIGN) != 0;

    return X509_check_ca(cert) == 0 && (flags & EXFLAG_CA) == 0 && !may_sign
               ? NULL
               : err_new(ERR_CERT, "it is a CA's certificate: with it this key could sign others");
}

static struct err *check_window(const struct enroll_cert *c, const struct enroll_asked *asked)
{
    int64_t now = asked->now.s;
    int64_t longest = (asked->ttl_s > 0 ? asked->ttl_s : ENROLL_TTL_MAX_S) + ENROLL_SKEW_S;
    char from[WALL_TEXT_BYTES], to[WALL_TEXT_BYTES], at[WALL_TEXT_BYTES];

    wall_text(c->not_before, from);
    wall_text(c->not_after, to);
    wall_text(asked->now, at);
    if (c->not_after.s <= c->not_before.s) {
        return err_new(ERR_CERT, "it ends (%s) before it begins (%s)", to, from);
    }
    if (c->not_before.s > now + ENROLL_SKEW_S) {
        return err_new(ERR_CERT, "it begins at %s, and here it is %s: is a clock wrong?", from, at);
    }
    if (c->not_after.s <= now) {
        return err_new(ERR_CERT, "it ended at %s, and here it is %s: is a clock wrong?", to, at);
    }
    if (c->not_after.s > now + longest) {
        char length[TEXT_DURATION_BYTES];

        return err_new(ERR_CERT, "it lasts until %s, longer than the %s that %s", to,
                       text_duration_of(longest - ENROLL_SKEW_S, length),
                       asked->ttl_s > 0 ? "were asked for" : "are taken unasked");
    }
    return NULL;
}

static struct err *check_usage(X509 *cert)
{
    AUTO(usage_free) EXTENDED_KEY_USAGE *usage =
        X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
    bool client = usage == NULL;

    for (int i = 0; i < sk_ASN1_OBJECT_num(usage); i++) {
        int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(usage, i));

        client = client || nid == NID_client_auth || nid == NID_anyExtendedKeyUsage;
    }
    if (!client) {
        return err_new(ERR_CERT, "it may not be used as a TLS client (no clientAuth among its "
                                 "extended key usages): the role has to have client_flag");
    }
    return (X509_get_key_usage(cert) & KU_DIGITAL_SIGNATURE) != 0
               ? NULL
               : err_new(ERR_CERT, "its key usage has no digitalSignature");
}

static bool has_name(const GENERAL_NAMES *list, GENERAL_NAME *name)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
        if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(list, i), name) == 0) {
            return true;
        }
    }
    return false;
}

static struct err *name_error(const char *what, const GENERAL_NAME *name)
{
    AUTO(auto_free) char *text = enroll_names_text(name);

    return err_new(ERR_CERT, "%s the name %s", what, text != NULL ? text : "of an unknown kind");
}

/* All that were asked for, and no other but the common name, which CAs repeat there. */
static struct err *check_alt_names(X509 *cert, const struct enroll_subject *subject)
{
    char *const cn[] = {(char *)subject->common_name, NULL};
    const struct enroll_subject repeated = {subject->common_name, cn};
    AUTO(enroll_names_free) GENERAL_NAMES *wanted = NULL;
    AUTO(enroll_names_free) GENERAL_NAMES *also = NULL;
    AUTO(enroll_names_free) GENERAL_NAMES *got =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    AUTO(err_free) struct err *no_name = enroll_names_general(&repeated, &also);
    struct err *e = enroll_names_general(subject, &wanted);

    for (int i = 0; e == NULL && i < sk_GENERAL_NAME_num(wanted); i++) {
        if (!has_name(got, sk_GENERAL_NAME_value(wanted, i))) {
            e = name_error("it lacks", sk_GENERAL_NAME_value(wanted, i));
        }
    }
    for (int i = 0; e == NULL && i < sk_GENERAL_NAME_num(got); i++) {
        GENERAL_NAME *name = sk_GENERAL_NAME_value(got, i);

        if (!has_name(wanted, name) && !has_name(also, name)) {
            e = name_error("nobody asked for", name);
        }
    }
    return e;
}

static struct err *check_names(X509 *cert, const struct enroll_subject *subject)
{
    AUTO(auto_free) char *cn = NULL;
    struct err *e = enroll_names_common(X509_get_subject_name(cert), &cn);

    if (e == NULL && !text_eq(cn, subject->common_name)) {
        e = err_new(ERR_CERT, "it is for \"%s\", not for \"%s\"", cn, subject->common_name);
    }
    return e != NULL ? e : check_alt_names(cert, subject);
}

/* Without a CA that is configured, who came along is trusted to be who it says: what is proven then is
 * that one of them signed. */
static struct err *fill_store(X509_STORE *store, STACK_OF(X509) * anchors, bool configured)
{
    if (sk_X509_num(anchors) == 0) {
        return err_new(ERR_CERT, configured ? "the CA that is configured holds no certificate"
                                            : "no certificate of its CA came along");
    }
    for (int i = 0; i < sk_X509_num(anchors); i++) {
        if (X509_STORE_add_cert(store, sk_X509_value(anchors, i)) != 1) {
            return err_openssl(ERR_NOMEM, "a store of certificates");
        }
    }
    return NULL;
}

static struct err *verify(X509 *cert, STACK_OF(X509) * chain, STACK_OF(X509) * anchors,
                          const struct enroll_cert *c, const struct enroll_asked *asked)
{
    AUTO(store_free) X509_STORE *store = X509_STORE_new();
    AUTO(ctx_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int64_t at = asked->now.s > c->not_before.s ? asked->now.s : c->not_before.s;
    struct err *e = store != NULL && ctx != NULL ? fill_store(store, anchors, asked->ca_pem != NULL)
                                                 : err_nomem();

    if (e != NULL) {
        return e;
    }
    if (X509_STORE_CTX_init(ctx, store, cert, chain) != 1) {
        return err_openssl(ERR_NOMEM, "a chain");
    }
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
    X509_STORE_CTX_set_time(ctx, 0, (time_t)at);
    if (X509_verify_cert(ctx) != 1) {
        X509 *about = X509_STORE_CTX_get_current_cert(ctx);
        AUTO(auto_free) char *name =
            about != NULL ? enroll_name_line(X509_get_subject_name(about)) : NULL;

        e = err_new(ERR_CERT, "%s: %s (about %s)",
                    asked->ca_pem != NULL ? "the CA that is configured did not issue it"
                                          : "the CA that came along did not issue it",
                    X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)),
                    name != NULL ? name : "its chain");
        ERR_clear_error();
    }
    return e;
}

static struct err *check_chain(X509 *cert, STACK_OF(X509) * chain, const struct enroll_cert *c,
                               const struct enroll_asked *asked)
{
    AUTO(enroll_stack_auto) STACK_OF(X509) *configured = NULL;
    struct err *e = asked->ca_pem != NULL
                        ? err_add(enroll_pem_read(asked->ca_pem, &configured), "the configured CA")
                        : NULL;

    return e != NULL ? e
                     : verify(cert, chain, asked->ca_pem != NULL ? configured : chain, c, asked);
}

static struct err *check_all(X509 *cert, STACK_OF(X509) * chain, const struct enroll_cert *c,
                             const struct enroll_asked *asked)
{
    struct err *e = check_key(cert, asked);

    if (e == NULL) {
        e = check_kind(cert);
    }
    if (e == NULL) {
        e = check_window(c, asked);
    }
    if (e == NULL) {
        e = check_usage(cert);
    }
    if (e == NULL) {
        e = check_names(cert, &asked->subject);
    }
    return e != NULL ? e : check_chain(cert, chain, c, asked);
}

/* A CA may repeat the certificate in its chain, where it must not vouch for itself. */
static void drop(STACK_OF(X509) * chain, X509 *cert)
{
    for (int i = sk_X509_num(chain) - 1; i >= 0; i--) {
        if (X509_cmp(sk_X509_value(chain, i), cert) == 0) {
            X509_free(sk_X509_delete(chain, i));
        }
    }
}

struct err *enroll_prove(const struct enroll_asked *asked, const char *cert_pem,
                         const char *chain_pem, struct enroll_cert *ret)
{
    AUTO(enroll_stack_auto) STACK_OF(X509) *own = NULL;
    AUTO(enroll_stack_auto) STACK_OF(X509) *chain = NULL;
    AUTO(enroll_cert_deinit) struct enroll_cert c = {0};
    struct err *e = enroll_pem_read(cert_pem, &own);

    if (e == NULL && sk_X509_num(own) != 1) {
        e = err_new(ERR_CERT, "%d certificates came instead of one", sk_X509_num(own));
    }
    if (e == NULL) {
        e = err_add(enroll_pem_read(chain_pem != NULL ? chain_pem : "", &chain), "its chain");
    }
    if (e == NULL) {
        drop(chain, sk_X509_value(own, 0));
        e = enroll_cert_with(sk_X509_value(own, 0), chain, &c);
    }
    if (e == NULL) {
        e = check_all(sk_X509_value(own, 0), chain, &c, asked);
    }
    if (e != NULL) {
        return err_add(e, "the certificate that came is refused");
    }
    *ret = c;
    c = (struct enroll_cert){0};
    return NULL;
}
