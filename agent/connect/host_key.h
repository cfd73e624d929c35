#ifndef HF_CONNECT_HOST_KEY_H
#define HF_CONNECT_HOST_KEY_H

#include "connect/known_hosts.h"

enum { CONNECT_CERTS_MAX = 8 };

/** Host certificates that the host showed to ssh-keyscan: not trusted in any way yet. */
struct connect_certs {
    struct ssh_cert *list[CONNECT_CERTS_MAX]; /* owned */
    size_t count;
    char *remark; /* owned: what else was said, "" when nothing */
};
void connect_certs_deinit(struct connect_certs *c);
/** connect_certs_read() - from ssh-keyscan's output: "[name ]type base64" a line; of lines that
 * are no certificates the first becomes the remark; what is more than CONNECT_CERTS_MAX is passed
 * over */
struct err *connect_certs_read(struct connect_certs *c, struct view output) MUST_CHECK;

/** connect_host_key_needs_cert() - the host is known by @cert-authority only */
bool connect_host_key_needs_cert(const struct connect_known *k);

/**
 * connect_host_key_prefer() - the host key algorithms to ask for, best first
 * Plain ones only: those whose key is known or certified, then all others.
 * Return: comma-separated (caller owns); NULL when out of memory
 */
char *connect_host_key_prefer(const struct connect_known *k, const struct connect_certs *certs,
                              struct wall now);

/** connect_host_key_cert_ok() - may this certificate speak for the host: kind, CA known for it and
 * not revoked, principals, window, no critical option, signature
 * @ret_ca: the line that names the CA (borrowed from @k)
 * Errors: CERT, DENIED (revoked) */
struct err *connect_host_key_cert_ok(const struct connect_known *k, const struct ssh_cert *cert,
                                     struct wall now, const struct connect_known_entry **ret_ca)
    MUST_CHECK;

/**
 * connect_host_key_decide() - go on with the host that holds this key, or not. Pure
 * @key:      the key that the host proved in the key exchange
 * @certs:    what ssh-keyscan brought, where connect_host_key_needs_cert()
 * @ret_text: why it may: "ed25519 SHA256:... known in FILE:LINE" (caller owns)
 * Errors: DENIED (revoked; changed: with FILE:LINE and both fingerprints), CERT (the certificate
 *         does not hold, or is not for this key), NOT_FOUND (unknown: with the line to add)
 */
struct err *connect_host_key_decide(const struct connect_known *k,
                                    const struct connect_certs *certs, const struct ssh_key *key,
                                    struct wall now, char **ret_text) MUST_CHECK;

#endif
