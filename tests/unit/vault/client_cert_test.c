/*
 * TLS handshakes in memory, with a real server of OpenSSL's on the other side: what the provider signs
 * is judged by that, not by us.
 */
#include "vault/client_cert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "vault/soft_key.h"

enum { DAY_S = 24 * 3600, TALK_MAX = 50 };

/* --- keys and certificates ----------------------------------------------------------------------- */

static const char *const kinds[] = {"P-256", "P-384", "P-521", "RSA", "ED25519"};

static EVP_PKEY *new_key(const char *kind)
{
    EVP_PKEY *key = kind[0] == 'P'   ? EVP_EC_gen(kind)
                    : kind[0] == 'R' ? EVP_RSA_gen(2048)
                                     : EVP_PKEY_Q_keygen(NULL, NULL, kind);

    assert_non_null(key);
    return key;
}

/* A certificate for @key, by @issuer_key. */
static X509 *new_cert(EVP_PKEY *key, const char *name, EVP_PKEY *issuer_key, const char *issuer,
                      long life_s)
{
    static long serial = 1;
    X509 *x = X509_new();
    bool eddsa = EVP_PKEY_is_a(issuer_key, "ED25519");

    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), -2 * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(x), life_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const uint8_t *)name,
                               -1, -1, 0);
    X509_NAME *by = X509_NAME_new();

    X509_NAME_add_entry_by_txt(by, "CN", MBSTRING_ASC, (const uint8_t *)issuer, -1, -1, 0);
    X509_set_issuer_name(x, by);
    X509_NAME_free(by);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, issuer_key, eddsa ? NULL : EVP_sha256()) > 0);
    return x;
}

static char *text_of(BIO *bio)
{
    char *p = NULL;
    long len = BIO_get_mem_data(bio, &p);
    char *text = view_dup(view_of(p, (size_t)len));

    BIO_free(bio);
    return text;
}

static char *public_of(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    return text_of(bio);
}

/* Who logs in: a key as a token has it, its certificate and the one that issued it. */
struct who {
    EVP_PKEY *key, *ca_key;
    char *public_pem, *cert_pem;
    struct vault_client_cert cert;
};

static struct who new_who(const char *kind, long life_s)
{
    struct who w = {.key = new_key(kind), .ca_key = new_key("P-256")};
    X509 *leaf = new_cert(w.key, "host", w.ca_key, "middle", life_s);
    X509 *middle = new_cert(w.ca_key, "middle", w.ca_key, "middle", DAY_S);
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_X509(bio, leaf);
    PEM_write_bio_X509(bio, middle);
    X509_free(leaf);
    X509_free(middle);
    w.public_pem = public_of(w.key);
    w.cert_pem = text_of(bio);
    w.cert = (struct vault_client_cert){.server = "prod",
                                        .key = "pkcs11:object=login",
                                        .public_pem = w.public_pem,
                                        .cert_pem = w.cert_pem};
    return w;
}

static void who_deinit(struct who *w)
{
    EVP_PKEY_free(w->key);
    EVP_PKEY_free(w->ca_key);
    free(w->public_pem);
    free(w->cert_pem);
}

/* --- the token's side ---------------------------------------------------------------------------- */

struct token {
    EVP_PKEY *key; /* NULL: refuses */
    unsigned asked;
    enum scheme scheme;
    char begin[128]; /* of the message */
    size_t cut;      /* bytes to leave out of the signature */
    struct vault_asker asker;
};

static struct err *sign_softly(void *arg, const struct vault_question *q, struct mono deadline,
                               struct buf *sig)
{
    struct token *t = arg;

    assert_string_equal(q->server, "prod");
    assert_string_equal(q->key, "pkcs11:object=login");
    assert_int_equal(deadline.ms, t->asker.deadline.ms);
    t->asked++;
    t->scheme = q->scheme;
    memcpy(t->begin, q->message.p, q->message.len < 128 ? q->message.len : 128);
    if (t->key == NULL) {
        return err_new(ERR_PIN, "the token wants its PIN");
    }
    assert_true(soft_sign(t->key, q->scheme, q->message, sig));
    sig->len -= t->cut;
    return NULL;
}

static void token_init(struct token *t, EVP_PKEY *key)
{
    *t = (struct token){.key = key};
    t->asker = (struct vault_asker){.ask = sign_softly, .arg = t, .deadline = {12345}};
}

/* --- the handshake ------------------------------------------------------------------------------- */

struct talk {
    const char *server_kind;  /* of the server's own key; NULL: P-256 */
    const char *server_wants; /* signature algorithms it takes from a client; NULL: any */
    int version;
    bool wants_nothing;
    /* how it went */
    bool good, counted;
    int certs; /* how many the server was shown */
    int signature_type;
};

static int take_any(int ok, X509_STORE_CTX *ctx)
{
    (void)ok;
    (void)ctx;
    return 1;
}

static SSL_CTX *new_server(const struct talk *t)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = new_key(t->server_kind != NULL ? t->server_kind : "P-256");
    X509 *cert = new_cert(key, "server", key, "server", DAY_S);

    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    SSL_CTX_set_verify(ctx, t->wants_nothing ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, take_any);
    SSL_CTX_set_min_proto_version(ctx, t->version);
    SSL_CTX_set_max_proto_version(ctx, t->version);
    if (t->server_wants != NULL) {
        assert_int_equal(SSL_CTX_set1_client_sigalgs_list(ctx, t->server_wants), 1);
    }
    EVP_PKEY_free(key);
    X509_free(cert);
    return ctx;
}

static void connect_both(SSL *client, SSL *server)
{
    BIO *one = NULL, *other = NULL;

    assert_int_equal(BIO_new_bio_pair(&one, 0, &other, 0), 1);
    SSL_set_bio(client, one, one);
    SSL_set_bio(server, other, other);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
}

/* Takes turns until both are done, or nothing moves any more. */
static bool shake(SSL *client, SSL *server)
{
    int c = 0, s = 0;

    for (int i = 0; i < TALK_MAX && (c != 1 || s != 1); i++) {
        c = SSL_do_handshake(client);
        s = SSL_do_handshake(server);
    }
    ERR_clear_error();
    return c == 1 && s == 1;
}

static struct err *talk(struct talk *t, const struct vault_client_cert *cert, struct token *token)
{
    SSL_CTX *server_ctx = new_server(t), *client_ctx = SSL_CTX_new(TLS_client_method());
    struct err *e = vault_client_cert_install(cert, &token->asker, client_ctx);

    if (e == NULL) {
        SSL *client = SSL_new(client_ctx), *server = SSL_new(server_ctx);

        connect_both(client, server);
        t->good = shake(client, server);
        t->counted = vault_client_cert_counted(client);
        t->certs = sk_X509_num(SSL_get_peer_cert_chain(server)) +
                   (SSL_get0_peer_certificate(server) != NULL);
        SSL_get_peer_signature_type_nid(server, &t->signature_type);
        SSL_free(client);
        SSL_free(server);
    }
    SSL_CTX_free(client_ctx);
    SSL_CTX_free(server_ctx);
    return e;
}

static struct token talk_well(struct talk *t, const char *kind)
{
    AUTO(who_deinit) struct who who = new_who(kind, DAY_S);
    struct token token;

    token_init(&token, who.key);
    AUTO(err_free) struct err *e = talk(t, &who.cert, &token);

    assert_string_equal(err_text(e), "");
    assert_string_equal(err_text(token.asker.refusal), "");
    assert_true(t->good);
    vault_asker_deinit(&token.asker);
    return token;
}

/* --- tests --------------------------------------------------------------------------------------- */

static void every_kind_of_key_shakes_hands(void **state)
{
    static const enum scheme of_12[] = {SCHEME_ES256, SCHEME_ES384, SCHEME_ES512, SCHEME_PS256,
                                        SCHEME_EDDSA};

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(kinds); i++) {
        bool is_13 = i % 2 == 1;
        struct talk t = {.version = is_13 ? TLS1_3_VERSION : TLS1_2_VERSION};
        struct token token = talk_well(&t, kinds[i / 2]);

        assert_true(t.counted);
        assert_int_equal(t.certs, 2); /* the leaf and its issuer */
        assert_int_equal(token.asked, 1);
        assert_int_equal(token.scheme, of_12[i / 2]);
        if (is_13) { /* the whole content, not its hash. Spec: RFC 8446, 4.4.3 */
            assert_memory_equal(token.begin + 64, "TLS 1.3, client CertificateVerify", 33);
        } else {
            assert_int_equal(token.begin[0], SSL3_MT_CLIENT_HELLO);
        }
    }
}

static void rsa_signs_as_the_server_wants(void **state)
{
    static const struct {
        const char *wants;
        int version;
        enum scheme scheme;
    } rows[] = {
        {"rsa_pkcs1_sha256", TLS1_2_VERSION, SCHEME_RS256},
        {"rsa_pkcs1_sha384", TLS1_2_VERSION, SCHEME_RS384},
        {"rsa_pkcs1_sha512", TLS1_2_VERSION, SCHEME_RS512},
        {"rsa_pss_rsae_sha384", TLS1_2_VERSION, SCHEME_PS384},
        {"rsa_pss_rsae_sha256", TLS1_3_VERSION, SCHEME_PS256},
        {"rsa_pss_rsae_sha512", TLS1_3_VERSION, SCHEME_PS512},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct talk t = {.version = rows[i].version, .server_wants = rows[i].wants};
        struct token token = talk_well(&t, "RSA");

        assert_int_equal(token.scheme, rows[i].scheme);
        assert_int_equal(t.signature_type,
                         soft_is_pss(rows[i].scheme) ? EVP_PKEY_RSA_PSS : EVP_PKEY_RSA);
    }
}

/* TLS 1.2 lets P-384 sign SHA-256, and servers name that first. */
static void a_curve_keeps_its_hash(void **state)
{
    struct talk t = {.version = TLS1_2_VERSION,
                     .server_wants = "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384"};
    struct token token = talk_well(&t, "P-384");

    (void)state;
    assert_int_equal(token.scheme, SCHEME_ES384);
    t = (struct talk){.version = TLS1_2_VERSION, .server_wants = "ecdsa_secp256r1_sha256"};
    token = talk_well(&t, "P-384"); /* shows nothing then */
    assert_int_equal(token.asked, 0);
    assert_false(t.counted);
}

static void the_servers_own_key_may_be_of_any_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(kinds); i++) {
        struct talk t = {.version = i % 2 == 1 ? TLS1_3_VERSION : TLS1_2_VERSION,
                         .server_kind = kinds[i / 2]};

        talk_well(&t, "P-384");
        assert_true(t.counted);
    }
}

static void a_server_that_wants_no_certificate_does_not_count(void **state)
{
    struct talk t = {.version = TLS1_3_VERSION, .wants_nothing = true};
    struct token token = talk_well(&t, "P-256");

    (void)state;
    assert_int_equal(token.asked, 0);
    assert_false(t.counted);
    assert_false(vault_client_cert_counted(NULL));
}

static void a_refused_signature_ends_the_handshake_and_says_why(void **state)
{
    AUTO(who_deinit) struct who who = new_who("P-256", DAY_S);

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct talk t = {.version = i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION};
        struct token token;

        token_init(&token, NULL);
        AUTO(err_free) struct err *e = talk(&t, &who.cert, &token);

        assert_null(e);
        assert_false(t.good);
        assert_false(t.counted);
        assert_true(err_is(token.asker.refusal, ERR_PIN));
        assert_string_equal(err_text(token.asker.refusal), "the token wants its PIN");
        vault_asker_deinit(&token.asker);
    }
}

static void a_signature_of_another_length_is_not_used(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        AUTO(who_deinit) struct who who = new_who(kinds[i], DAY_S);
        struct talk t = {.version = TLS1_3_VERSION};
        struct token token;

        token_init(&token, who.key);
        token.cut = 1;
        AUTO(err_free) struct err *e = talk(&t, &who.cert, &token);

        assert_null(e);
        assert_false(t.good);
        assert_true(err_is(token.asker.refusal, ERR_PROTOCOL));
        vault_asker_deinit(&token.asker);
    }
}

static void assert_refused(const struct vault_client_cert *c, const char *words)
{
    AUTO(err_free) struct err *e = vault_client_cert_check(c);

    assert_true(err_is(e, ERR_INPUT));
    assert_non_null(strstr(err_text(e), words));
    assert_non_null(strstr(err_text(e), "pkcs11:object=login"));
}

static void what_cannot_log_in_is_said_before_anything_is_sent(void **state)
{
    AUTO(who_deinit) struct who good = new_who("P-256", DAY_S), old = new_who("P-256", -60);
    struct vault_client_cert c = good.cert;

    (void)state;
    assert_null(vault_client_cert_check(&c));
    assert_refused(&old.cert, "ended at 20");
    c.public_pem = old.public_pem;
    assert_refused(&c, "for another key");
    c.public_pem = "nonsense";
    assert_refused(&c, "no public key");
    c = good.cert;
    c.cert_pem = "nonsense";
    assert_refused(&c, "cannot be read");
    c.cert_pem = "";
    assert_refused(&c, "cannot be read");
    AUTO(auto_free) char *broken =
        text_fmt("%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", good.cert_pem);

    c.cert_pem = broken;
    assert_refused(&c, "cannot be read");
}

/* What asks for the private half in each of the ways that OpenSSL has gets nothing. */
static void no_private_half_is_in_this_process(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        AUTO(who_deinit) struct who who = new_who(kinds[i], DAY_S);
        struct token token;
        EVP_PKEY *key = NULL;
        uint8_t raw[1024], *der = NULL;
        size_t len = sizeof raw;
        BIGNUM *d = NULL;
        OSSL_PARAM *params = NULL;
        BIO *bio = BIO_new(BIO_s_mem());

        token_init(&token, who.key);
        assert_null(vault_provider_key(who.key, "prod", "pkcs11:object=login", &token.asker, &key));
        assert_int_equal(EVP_PKEY_eq(key, who.key), 1);
        assert_string_equal(EVP_PKEY_get0_type_name(key), EVP_PKEY_get0_type_name(who.key));
        assert_int_not_equal(EVP_PKEY_get_raw_private_key(key, raw, &len), 1);
        assert_true(i2d_PrivateKey(key, &der) <= 0);
        assert_int_not_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
        assert_int_not_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d), 1);
        assert_int_not_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_D, &d), 1);
        assert_int_not_equal(EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &params), 1);
        assert_int_equal(EVP_PKEY_todata(key, EVP_PKEY_PUBLIC_KEY, &params), 1);
        assert_null(OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_PRIV_KEY));
        OSSL_PARAM_free(params);
        assert_false(vault_provider_signed(key));
        EVP_PKEY_free(key);
        BIO_free(bio);
        ERR_clear_error();
    }
}

static void a_kind_of_key_without_a_scheme_is_refused(void **state)
{
    EVP_PKEY *x25519 = EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), *read = NULL;
    AUTO(auto_free) char *pem = public_of(x25519);
    AUTO(err_free) struct err *e = vault_provider_public(pem, &read);

    (void)state;
    assert_true(err_is(e, ERR_UNSUPPORTED));
    EVP_PKEY_free(x25519);
}

static void only_a_whole_cert_login_shows_a_certificate(void **state)
{
    struct vault_conf c = {.name = "prod",
                           .login = VAULT_LOGIN_CERT,
                           .client_key = "k",
                           .client_public_pem = "P",
                           .client_cert_pem = "C"};

    (void)state;
    assert_string_equal(vault_client_cert_of(&c).key, "k");
    assert_string_equal(vault_client_cert_of(&c).server, "prod");
    c.client_cert_pem = NULL;
    assert_null(vault_client_cert_of(&c).key);
    c.client_cert_pem = "C";
    c.login = VAULT_LOGIN_TOKEN_KEY;
    assert_null(vault_client_cert_of(&c).key);
}

static int set_up(void **state)
{
    AUTO(err_free) struct err *e = vault_provider_init();

    (void)state;
    return e == NULL ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_key_shakes_hands),
        cmocka_unit_test(rsa_signs_as_the_server_wants),
        cmocka_unit_test(a_curve_keeps_its_hash),
        cmocka_unit_test(the_servers_own_key_may_be_of_any_kind),
        cmocka_unit_test(a_server_that_wants_no_certificate_does_not_count),
        cmocka_unit_test(a_refused_signature_ends_the_handshake_and_says_why),
        cmocka_unit_test(a_signature_of_another_length_is_not_used),
        cmocka_unit_test(what_cannot_log_in_is_said_before_anything_is_sent),
        cmocka_unit_test(no_private_half_is_in_this_process),
        cmocka_unit_test(a_kind_of_key_without_a_scheme_is_refused),
        cmocka_unit_test(only_a_whole_cert_login_shows_a_certificate),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
