/*
 * What a server shows when one connects to it: for the test of a connector, which has to say whose
 * certificate was refused, and why, and not only that it was.
 *
 * The connection is libcurl's own, so a proxy, another name for the server and the CA certificates
 * count exactly as they do for real requests. OpenSSL verifies the chain as always; we only look on,
 * and must never turn a refusal into anything else. A resumed session shows no certificate, so none is
 * resumed here.
 */
#include "vault/peer.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { NAMES_MAX_BYTES = 1024 };

void vault_peer_deinit(struct vault_peer *p)
{
    auto_free(&p->subject);
    auto_free(&p->issuer);
    auto_free(&p->names);
    auto_free(&p->failed_at);
}

/* A text out of a memory BIO, which is freed. */
static char *text_of(BIO *bio)
{
    char *p = NULL;
    long len = bio != NULL ? BIO_get_mem_data(bio, &p) : 0;
    char *text = len > 0 ? text_safe(view_of(p, (size_t)len)) : NULL;

    BIO_free(bio);
    return text;
}

static char *name_of(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());

    if (bio != NULL && name != NULL) {
        X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
    }
    return text_of(bio);
}

/* "DNS:vault.example.org, IP Address:127.0.0.1" */
static char *names_of(X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    BIO *bio = BIO_new(BIO_s_mem());

    for (int i = 0; bio != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        if (BIO_pending(bio) < NAMES_MAX_BYTES) {
            BIO_puts(bio, i > 0 ? ", " : "");
            GENERAL_NAME_print(bio, sk_GENERAL_NAME_value(names, i));
        }
    }
    GENERAL_NAMES_free(names);
    return text_of(bio);
}

static void note_chain(struct vault_peer *p, X509_STORE_CTX *ctx)
{
    X509 *cert = X509_STORE_CTX_get0_cert(ctx);
    SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());

    vault_peer_deinit(p);
    if (ssl != NULL) {
        snprintf(p->version, sizeof p->version, "%s", SSL_get_version(ssl));
    }
    if (cert != NULL) {
        p->subject = name_of(X509_get_subject_name(cert));
        p->issuer = name_of(X509_get_issuer_name(cert));
        p->names = names_of(cert);
        p->not_before = wall_of_asn1(X509_get0_notBefore(cert));
        p->not_after = wall_of_asn1(X509_get0_notAfter(cert));
    }
}

static int on_verify(X509_STORE_CTX *ctx, void *arg)
{
    struct vault_peer *p = arg;
    int good = X509_verify_cert(ctx);

    note_chain(p, ctx);
    if (good <= 0 && X509_STORE_CTX_get_current_cert(ctx) != NULL) {
        p->failed_at = name_of(X509_get_subject_name(X509_STORE_CTX_get_current_cert(ctx)));
    }
    return good;
}

/* In failures libcurl 7.88 does not tell TCP and TLS apart by its times. */
void vault_peer_on_tls(struct vault_peer *p, void *ssl_ctx)
{
    p->reached = true;
    p->reach_ms = mono_now().ms - p->begun.ms;
    SSL_CTX_set_cert_verify_callback(ssl_ctx, on_verify, p);
}

void vault_peer_watch(struct vault_peer *p)
{
    *p = (struct vault_peer){.begun = mono_now()};
}

void vault_peer_note(struct vault_peer *p, void *curl, int code)
{
    curl_off_t tls_us = 0;
    char *ip = NULL;

    curl_easy_getinfo(curl, CURLINFO_APPCONNECT_TIME_T, &tls_us);
    curl_easy_getinfo(curl, CURLINFO_PRIMARY_IP, &ip);
    curl_easy_getinfo(curl, CURLINFO_PRIMARY_PORT, &p->port);
    snprintf(p->ip, sizeof p->ip, "%s", ip != NULL ? ip : "");
    p->total_ms = mono_now().ms - p->begun.ms;
    if (code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM) {
        p->reached = true; /* it reads the CA certificates when it is connected */
    }
    p->encrypted = tls_us > 0;
    if (!p->reached) {
        p->reach_ms = p->total_ms;
    } else {
        int64_t tls_ms = (p->encrypted ? tls_us / 1000 : p->total_ms) - p->reach_ms;

        p->tls_ms = tls_ms > 0 ? tls_ms : 0; /* two clocks, rounded */
    }
}
