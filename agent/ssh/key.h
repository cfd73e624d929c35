#ifndef HF_SSH_KEY_H
#define HF_SSH_KEY_H

#include "base/base.h"

enum ssh_key_type {
    SSH_KEY_RSA,
    SSH_KEY_P256,
    SSH_KEY_P384,
    SSH_KEY_P521,
    SSH_KEY_ED25519,
};

enum {
    SSH_BLOB_MAX_BYTES = 64 * 1024, /* a key or certificate blob */
    SSH_RSA_MIN_BITS = 1024,        /* OpenSSH's own floor; Vault sets its own above it */
    SSH_RSA_MAX_BITS = 16384,
    SSH_FINGERPRINT_BYTES = 64, /* "SHA256:" + 43 characters + NUL, rounded up */
};

/** A public key. Immutable once made; safe to share between threads that only read it. */
struct ssh_key;

/** ssh_key_from_blob() - parse and validate a plain public key blob (points must be on the curve)
 * Errors: PROTOCOL (malformed), UNSUPPORTED (another key type or size; certificates go to ssh_cert),
 * LIMIT
 * Spec: RFC 4253, 6.6; RFC 5656, 3.1; RFC 8709, 4 */
struct err *ssh_key_from_blob(struct view blob, struct ssh_key **ret) MUST_CHECK;
/** ssh_key_from_line() - one line "type base64 [comment]", as in a .pub file, a newline allowed
 * Errors: INPUT (not such a line), UNSUPPORTED, LIMIT */
struct err *ssh_key_from_line(const char *line, struct ssh_key **ret) MUST_CHECK;
/** ssh_key_from_rsa() - modulus and exponent, big endian; PROTOCOL, UNSUPPORTED (size), LIMIT */
struct err *ssh_key_from_rsa(struct view n, struct view e, struct ssh_key **ret) MUST_CHECK;
/** ssh_key_from_point() - an uncompressed EC point (0x04 x y) of P-256/384/521, or 32 bytes of
 * Ed25519; PROTOCOL when it is no point of the curve */
struct err *ssh_key_from_point(enum ssh_key_type type, struct view point, struct ssh_key **ret)
    MUST_CHECK;
/** ssh_key_copy() - one more owner of the same key: cheap, cannot fail; NULL for NULL */
struct ssh_key *ssh_key_copy(const struct ssh_key *k);
void ssh_key_free(struct ssh_key **k);

/** ssh_key_type(), ssh_key_bits() - bits of the modulus, or of the field */
enum ssh_key_type ssh_key_type(const struct ssh_key *k);
unsigned ssh_key_bits(const struct ssh_key *k);
/** ssh_key_raw_bytes() - a raw signature's size: the modulus' length, or two halves together */
size_t ssh_key_raw_bytes(const struct ssh_key *k);
/** ssh_key_blob() - borrowed from the key */
struct view ssh_key_blob(const struct ssh_key *k);
bool ssh_key_eq(const struct ssh_key *a, const struct ssh_key *b);
/** ssh_key_type_name() - "ecdsa-sha2-nistp256", ... as on the wire */
const char *ssh_key_type_name(enum ssh_key_type type);
/** ssh_key_type_word() - "p256", "p384", "p521", "rsa", "ed25519": our command line's words */
const char *ssh_key_type_word(enum ssh_key_type type);
/** ssh_key_type_find() - from one of those words; false for another */
bool ssh_key_type_find(const char *word, enum ssh_key_type *ret);
/** ssh_key_line() - "type base64 comment" without newline (caller owns; @comment may be NULL) */
char *ssh_key_line(const struct ssh_key *k, const char *comment);
/** ssh_key_fingerprint() - "SHA256:..." of the blob, as ssh-keygen -l prints it */
const char *ssh_key_fingerprint(const struct ssh_key *k, char out[SSH_FINGERPRINT_BYTES]);
/** ssh_blob_fingerprint() - the same for any blob, unparsed */
const char *ssh_blob_fingerprint(struct view blob, char out[SSH_FINGERPRINT_BYTES]);
/** ssh_key_evp() - OpenSSL's EVP_PKEY (public part; borrowed), as void to keep openssl out of
 * headers */
void *ssh_key_evp(const struct ssh_key *k);

#endif
