#ifndef HF_ENROLL_CHAIN_H
#define HF_ENROLL_CHAIN_H

#include "enroll/prove.h"
#include "pkcs11/remote/remote.h"

/**
 * enroll_cert_choose() - of the certificates on a token, the one to log in with; pure
 * @certs: borrowed; what cannot be read is passed over
 * @now:   of those for @key, one that is valid then (it may begin up to ENROLL_SKEW_S later), and the
 *         longest
 * @ret:   caller ends it with enroll_cert_deinit(); its chain is what leads from it to a root, without
 *         that
 * Errors: NOT_FOUND (none for this key), CERT (none that is valid, and since or until when), NOMEM
 */
struct err *enroll_cert_choose(const struct remote_cert *certs, size_t n, const struct ssh_key *key,
                               struct wall now, struct enroll_cert *ret) MUST_CHECK;
/** enroll_cert_full_pem() - the certificate and its chain (caller owns; NULL: no memory) */
char *enroll_cert_full_pem(const struct enroll_cert *c);
/** enroll_cert_pile() - the same in DER, one after the other, as remote_cert_store() wants it */
struct err *enroll_cert_pile(const struct enroll_cert *c, struct buf *out) MUST_CHECK;

#endif
