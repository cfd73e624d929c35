#ifndef HF_ENROLL_CSR_H
#define HF_ENROLL_CSR_H

#include "base/base.h"
#include "ssh/ssh.h"

enum { ENROLL_NAME_MAX_BYTES = 512, ENROLL_NAMES_MAX = 64, ENROLL_COMMON_NAME_MAX_BYTES = 64 };

/** Whom a certificate is for. Strings are borrowed. */
struct enroll_subject {
    const char *common_name;
    char *const
        *alt_names; /* "DNS:a", "IP:10.0.0.1", "email:a@b", "URI:spiffe://...", or one of them
                               without its prefix where it can be told; NULL: none */
};

/** enroll_names_full() - alternative names, each with its kind in front (caller owns; NULL for none)
 * INPUT, NOMEM */
struct err *enroll_names_full(char *const *alt_names, char ***ret) MUST_CHECK;

/** A certificate signing request on its way: written, then signed by whoever holds the key. */
struct enroll_csr;

/** enroll_csr_scheme() - how a key signs its request
 * Errors: UNSUPPORTED (an RSA key of less than 2048 or more than 4096 bits) */
struct err *enroll_csr_scheme(const struct ssh_key *key, enum scheme *ret) MUST_CHECK;
/** enroll_csr_new() - write a request for a public key
 * Errors: INPUT (names), UNSUPPORTED (the key), NOMEM
 * Spec: RFC 2986; RFC 5280, 4.2.1.6 */
struct err *enroll_csr_new(const struct ssh_key *key, const struct enroll_subject *subject,
                           struct enroll_csr **ret) MUST_CHECK;
void enroll_csr_free(struct enroll_csr **c);
/** enroll_csr_message() - the CertificationRequestInfo, all of it, which is what is to be signed;
 * borrowed */
struct view enroll_csr_message(const struct enroll_csr *c);
/** enroll_csr_finish() - put the signature in, check it, write it as PEM
 * @raw:     as JWA has it, by enroll_csr_scheme()
 * @ret_pem: caller owns
 * Errors: CERT (the signature is not one of this key), NOMEM
 * Spec: RFC 7518, 3.4; RFC 3279, 2.2.3 */
struct err *enroll_csr_finish(struct enroll_csr *c, struct view raw, char **ret_pem) MUST_CHECK;

#endif
