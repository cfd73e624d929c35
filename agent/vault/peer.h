#ifndef HF_VAULT_PEER_H
#define HF_VAULT_PEER_H

#include "base/base.h"

/** Who was met at the other end of one request, and how long each part took. */
struct vault_peer {
    bool reached;   /* there was a TCP connection */
    bool encrypted; /* and TLS in it, with a certificate that was accepted */
    char ip[64];
    long port;
    struct mono begun;
    int64_t reach_ms, tls_ms, total_ms;
    char version[16];               /* "TLSv1.3"; "" until both sides have agreed */
    char *subject, *issuer, *names; /* of the server's certificate; owned, NULL: it showed none */
    char *failed_at;                /* subject of the certificate that was refused; owned */
    struct wall not_before, not_after;
};

/** vault_peer_deinit() - frees its texts; a peer of zeros is fine */
void vault_peer_deinit(struct vault_peer *p);

/** vault_peer_watch() - a request begins, which makes a new connection and resumes no session */
void vault_peer_watch(struct vault_peer *p);
/** vault_peer_on_tls() - between TCP and TLS: have @ssl_ctx (an SSL_CTX *) tell @p of certificates; @p
 * is borrowed until vault_peer_note() */
void vault_peer_on_tls(struct vault_peer *p, void *ssl_ctx);
/** vault_peer_note() - after the request, whatever became of it: addresses and times
 * @code: libcurl's (a CURLcode) */
void vault_peer_note(struct vault_peer *p, void *curl, int code);

#endif
