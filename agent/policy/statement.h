#ifndef HF_POLICY_STATEMENT_H
#define HF_POLICY_STATEMENT_H

#include "base/base.h"
#include "policy/policy.h"

/** What a token's key may say that is not SSH: where it logs in to a Vault server, or asks for a
 * certificate. */
enum policy_statement {
    POLICY_STATEMENT_TLS13, /* what a TLS 1.3 client's CertificateVerify signs (RFC 8446, 4.4.3) */
    POLICY_STATEMENT_TLS12, /* what a TLS 1.2 client's CertificateVerify signs (RFC 5246, 7.4.8) */
    POLICY_STATEMENT_JWT,   /* header.payload of a JWT (RFC 7515, 5.1; RFC 7519) */
    POLICY_STATEMENT_CSR,   /* CertificationRequestInfo (RFC 2986, 4.1) */
};

/** policy_statement_name() - "tls13-client", "tls12-client", "jwt", "csr": for the audit trail */
const char *policy_statement_name(enum policy_statement s);

enum {
    POLICY_STATEMENT_MAX_BYTES = 128 * 1024,
    POLICY_JWT_LIFE_MAX_S = 600,
    POLICY_JWT_AHEAD_MAX_S = 24 * 3600, /* of our clock: none is signed for later use */
};

/** Who speaks in a JWT, of whom, and to whom: each is a text that is exactly this, and is not there
 * where this is NULL. All is borrowed. */
struct policy_claims {
    const char *issuer, *subject, *audience;
};

/**
 * policy_statement() - is this whole message one that may be signed, by its shape
 * @message: what is to be signed, before any hash
 * @scheme:  how: a JWT must name it, and TLS 1.3 knows no PKCS#1 v1.5
 * @spki:    the key that is to sign, SubjectPublicKeyInfo (DER): a CSR must be for it, and a TLS 1.2
 *           transcript must hold a client's certificate for it
 * @claims:  what a JWT has to say, beside which it may only name itself and its time; NULL: none may be
 *           signed
 * @ret:     what it is, on POLICY_ALLOW
 * @ret_why: a static text, on POLICY_DENY
 * Nothing that is allowed can be read as an SSH userauth request or as SSHSIG data.
 */
enum policy_verdict policy_statement(struct view message, enum scheme scheme, struct view spki,
                                     const struct policy_claims *claims, enum policy_statement *ret,
                                     const char **ret_why);

#endif
