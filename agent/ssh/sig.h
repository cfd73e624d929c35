#ifndef HF_SSH_SIG_H
#define HF_SSH_SIG_H

#include "ssh/key.h"

/** Signature algorithms (Spec: RFC 8332, RFC 5656, RFC 8709). ssh-rsa (SHA-1) is known so that it
 * can be refused by name. */
enum ssh_alg {
    SSH_ALG_NONE,
    SSH_ALG_RSA_SHA1,
    SSH_ALG_RSA_SHA256,
    SSH_ALG_RSA_SHA512,
    SSH_ALG_P256,
    SSH_ALG_P384,
    SSH_ALG_P521,
    SSH_ALG_ED25519,
};

/** The size of r and of s with the largest curve, P-521. */
enum { SSH_ECDSA_HALF_MAX_BYTES = 66 };

/** Agent flags (Spec: RFC 9987, 5.5.1). */
enum { SSH_AGENT_RSA_SHA2_256 = 2, SSH_AGENT_RSA_SHA2_512 = 4 };

/** ssh_alg_name() - "rsa-sha2-512", ...: the name inside a signature blob */
const char *ssh_alg_name(enum ssh_alg alg);
/** ssh_alg_find() - from a signature algorithm name or a public key algorithm name, plain or
 * "-cert-v01@openssh.com"; SSH_ALG_NONE when unknown */
enum ssh_alg ssh_alg_find(struct view name);
/** ssh_alg_fits() - may this key type make this kind of signature */
bool ssh_alg_fits(enum ssh_alg alg, enum ssh_key_type type);
/** ssh_alg_default() - the algorithm of a key type; for RSA rsa-sha2-512 */
enum ssh_alg ssh_alg_default(enum ssh_key_type type);
/** ssh_alg_scheme() - what a token does for @alg, by its name outside of SSH; false for none and SHA-1 */
bool ssh_alg_scheme(enum ssh_alg alg, enum scheme *ret);
/** ssh_scheme_fits() - may this key type sign by this scheme */
bool ssh_scheme_fits(enum scheme scheme, enum ssh_key_type type);
/** ssh_alg_digest() - hash @data as @alg wants it, into @out[64]; returns bytes, 0 for Ed25519
 * (and when OpenSSL has no such hash) */
size_t ssh_alg_digest(enum ssh_alg alg, struct view data, uint8_t out[64]);

/**
 * ssh_sig_put() - write a signature blob (string algorithm, string signature)
 * @raw: what a token gives: r||s in halves of the field's size, RSA big endian (left-padded with
 *       zeros to the modulus' length where the token stripped them), Ed25519's 64 bytes
 * Errors: PROTOCOL when @raw has the wrong length for @alg and @key, UNSUPPORTED for SHA-1,
 *         LIMIT
 */
struct err *ssh_sig_put(struct buf *out, const struct ssh_key *key, enum ssh_alg alg,
                        struct view raw) MUST_CHECK;
/**
 * ssh_sig_put_der() - append an ECDSA signature as X.509 and OpenSSL have it: a SEQUENCE of two INTEGERs
 * @r, @s: big endian, with or without leading zeros, at most SSH_ECDSA_HALF_MAX_BYTES each (borrowed)
 * Errors: PROTOCOL (one is longer), LIMIT, NOMEM
 * Spec:   RFC 3279, 2.2.3
 */
struct err *ssh_sig_put_der(struct buf *out, struct view r, struct view s) MUST_CHECK;
/** ssh_sig_verify() - check a signature blob; DENIED when it does not fit key and data, PROTOCOL
 * when malformed. SHA-1 is refused. @ret_alg may be NULL */
struct err *ssh_sig_verify(const struct ssh_key *key, struct view sig, struct view data,
                           enum ssh_alg *ret_alg) MUST_CHECK;

#endif
