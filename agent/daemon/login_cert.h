#ifndef HF_DAEMON_LOGIN_CERT_H
#define HF_DAEMON_LOGIN_CERT_H

#include "pkcs11/remote/remote.h"

enum { LOGIN_CHAIN_MAX = 8 };

/** login_spki() - SubjectPublicKeyInfo of a key in DER; NOMEM */
struct err *login_spki(const struct ssh_key *key, struct buf *out) MUST_CHECK;
/** login_public_pem() - the same as PEM (caller owns); NOMEM */
struct err *login_public_pem(const struct ssh_key *key, char **ret) MUST_CHECK;

/**
 * login_chain() - the certificate to log in with, and what leads from it to its CA; pure
 * @certs:   what is on the token (borrowed); what cannot be read is passed over
 * @now:     of those for the key, one that is valid then, and the longest
 * @ret_pem: it, then those that issued it one after the other, but no root (caller owns)
 * Errors: NOT_FOUND (none for this key), CERT (none that is valid now, and since or until when), NOMEM
 */
struct err *login_chain(const struct remote_cert *certs, size_t n, const struct ssh_key *key,
                        struct wall now, char **ret_pem) MUST_CHECK;

#endif
