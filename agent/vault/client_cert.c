/*
 * The certificate that a connection shows, and the key on a token that goes with it (provider.c).
 *
 * A login by certificate is only as good as the signature in the handshake. So a connection that
 * shows a certificate never resumes an earlier one, is never renegotiated, and is asked afterwards
 * whether its key has signed (vault_client_cert_counted()): a server that wanted no certificate, or
 * took a ticket for one, has not seen ours, and what it says then is no login.
 *
 * Each connection has a key object of its own, so what is counted is this connection's signature; a
 * proxy that is itself reached by TLS may ask for the certificate too, and does not count.
 *
 * TLS 1.2 would let a server choose any hash for ECDSA; a token is asked only for what JWA names, so
 * libssl is told which signatures this key makes. That list says nothing of what a server may sign
 * with.
 */
#include "vault/client_cert.h"

#include <openssl/err.h>
#include <openssl/pem.h>

struct vault_client_cert vault_client_cert_of(const struct vault_conf *s)
{
    bool has = s->login == VAULT_LOGIN_CERT && s->client_key != NULL &&
               s->client_public_pem != NULL && s->client_cert_pem != NULL;

    return has ? (struct vault_client_cert){.server = s->name,
                                            .key = s->client_key,
                                            .public_pem = s->client_public_pem,
                                            .cert_pem = s->client_cert_pem}
               : (struct vault_client_cert){0};
}

/* --- reading ------------------------------------------------------------------------------------- */

/* A certificate with its chain and its public key, all owned. */
struct parsed {
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *public_half;
};

static void parsed_deinit(struct parsed *p)
{
    X509_free(p->leaf);
    sk_X509_pop_free(p->chain, X509_free);
    EVP_PKEY_free(p->public_half);
}

static struct err *read_certs(const char *pem, struct parsed *p)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *next = NULL;

    p->leaf = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    p->chain = sk_X509_new_null();
    bool good = p->leaf != NULL && p->chain != NULL;

    while (good && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        good = sk_X509_push(p->chain, next) > 0;
    }
    if (good && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
        ERR_clear_error(); /* the end */
    }
    good = good && ERR_peek_error() == 0;
    BIO_free(bio);
    return good ? NULL : err_openssl(ERR_INPUT, "the client certificate cannot be read");
}

static struct err *check_time(const X509 *leaf)
{
    char end[WALL_TEXT_BYTES];
    struct wall not_after = wall_of_asn1(X509_get0_notAfter(leaf));

    return not_after.s >= wall_now().s ? NULL
                                       : err_new(ERR_INPUT, "the client certificate ended at %s",
                                                 wall_text(not_after, end));
}

static struct err *parse(const struct vault_client_cert *c, struct parsed *p)
{
    ERR_clear_error();
    struct err *e = vault_provider_public(c->public_pem, &p->public_half);

    if (e == NULL) {
        e = read_certs(c->cert_pem, p);
    }
    if (e == NULL && EVP_PKEY_eq(X509_get0_pubkey(p->leaf), p->public_half) != 1) {
        ERR_clear_error();
        e = err_new(ERR_INPUT, "the client certificate is for another key");
    }
    return err_add(e, "the key %s", c->key);
}

struct err *vault_client_cert_check(const struct vault_client_cert *c)
{
    AUTO(parsed_deinit) struct parsed p = {0};
    struct err *e = parse(c, &p);

    return e != NULL ? e : err_add(check_time(p.leaf), "the key %s", c->key);
}

/* --- in a connection ------------------------------------------------------------------------------ */

/* What the key may be chosen for. Spec: RFC 8446, 4.2.3 */
static const char *signature_list(const EVP_PKEY *key)
{
    enum scheme scheme = SCHEME_RS256;

    if (!vault_provider_scheme(key, &scheme)) {
        return NULL;
    }
    return scheme == SCHEME_ES256   ? "ecdsa_secp256r1_sha256"
           : scheme == SCHEME_ES384 ? "ecdsa_secp384r1_sha384"
           : scheme == SCHEME_ES512 ? "ecdsa_secp521r1_sha512"
           : scheme == SCHEME_EDDSA ? "ed25519"
                                    : "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
                                      "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512";
}

struct err *vault_client_cert_install(const struct vault_client_cert *c, struct vault_asker *asker,
                                      SSL_CTX *ctx)
{
    AUTO(parsed_deinit) struct parsed p = {0};
    EVP_PKEY *key = NULL;
    struct err *e = parse(c, &p);

    if (e == NULL) {
        e = vault_provider_key(p.public_half, c->server, c->key, asker, &key);
    }
    if (e != NULL) {
        return e;
    }
    bool good = SSL_CTX_use_certificate(ctx, p.leaf) == 1 &&
                SSL_CTX_set1_chain(ctx, p.chain) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
                SSL_CTX_set1_client_sigalgs_list(ctx, signature_list(p.public_half)) == 1;

    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_post_handshake_auth(ctx, 0);
    EVP_PKEY_free(key);
    return good ? NULL : err_openssl(ERR_BUG, "OpenSSL does not take the key %s", c->key);
}

bool vault_client_cert_counted(SSL *ssl)
{
    return ssl != NULL && vault_provider_signed(SSL_get_privatekey(ssl));
}
