#ifndef HF_SSH_KEY_PRIV_H
#define HF_SSH_KEY_PRIV_H

/* Between the files of ssh/ only. */
#include <openssl/evp.h>

#include "ssh/key.h"

/** What follows a plain key type name to name its certificates. */
#define SSH_CERT_SUFFIX "-cert-v01@openssh.com"

/** ssh_key_type_of() - from a plain name on the wire; false when unknown */
bool ssh_key_type_of(struct view name, enum ssh_key_type *ret);
/** ssh_plain_name() - @name without the certificate suffix; as it is when there is none */
struct view ssh_plain_name(struct view name);

/** ssh_evp_rsa(), ssh_evp_ec(), ssh_evp_ed25519() - validate the parts and make OpenSSL's key of
 * them (caller owns). PROTOCOL when no valid key, UNSUPPORTED when too short or too long */
struct err *ssh_evp_rsa(struct view n, struct view e, EVP_PKEY **ret) MUST_CHECK;
struct err *ssh_evp_ec(const char *group, struct view point, EVP_PKEY **ret) MUST_CHECK;
struct err *ssh_evp_ed25519(struct view point, EVP_PKEY **ret) MUST_CHECK;

#endif
