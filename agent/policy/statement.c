/*
 * What a login key may sign, judged by the shape of the whole message and by nothing else. Four shapes,
 * told apart by the first byte, which none of them shares with another or with SSH:
 *
 *   0x20 a space       TLS 1.3: 64 of them, a client's context string, a zero, a hash
 *   0x01 ClientHello   TLS 1.2: a transcript, up to the client's key exchange
 *   'e'  of "{"        JWT
 *   0x30 SEQUENCE      PKCS#10
 *   0x00 / 'S'         an SSH userauth request (a length below 16 MiB) / SSHSIG: never
 *
 * holdfast-vault speaks with the network, so what it asks for is not trusted: a key that logs in must
 * not come to sign a login of SSH, a server's side of TLS, or bytes that could mean anything. A message
 * that is nearly of a shape is refused; there is no shape for "other".
 */
#include "policy/statement.h"

#include "policy/statement_impl.h"

const char *policy_statement_name(enum policy_statement s)
{
    static const char *const names[] = {
        [POLICY_STATEMENT_TLS13] = "tls13-client",
        [POLICY_STATEMENT_TLS12] = "tls12-client",
        [POLICY_STATEMENT_JWT] = "jwt",
        [POLICY_STATEMENT_CSR] = "csr",
    };

    return names[s];
}

/* Spec: RFC 8446, 4.2.3: these are for certificates only, not for a CertificateVerify. */
static bool is_pkcs1(enum scheme s)
{
    return s == SCHEME_RS256 || s == SCHEME_RS384 || s == SCHEME_RS512;
}

/* Spec: RFC 8446, 4.4.3 */
static const char *tls13_why_not(struct view m, enum scheme scheme)
{
    static const char context[] = "TLS 1.3, client CertificateVerify"; /* its NUL belongs to it */
    struct rd r = rd_of(m);
    struct view spaces = rd_bytes(&r, 64);

    for (size_t i = 0; i < spaces.len; i++) {
        if (spaces.p[i] != ' ') {
            rd_fail(&r);
        }
    }
    if (!view_eq(rd_bytes(&r, sizeof context), view_of(context, sizeof context)) || rd_failed(&r)) {
        return "it is not what a TLS 1.3 client signs";
    }
    if (r.left != 32 && r.left != 48 && r.left != 64) {
        return "a TLS 1.3 statement without a hash";
    }
    return is_pkcs1(scheme) ? "TLS 1.3 has no RSA signature by PKCS#1 v1.5" : NULL;
}

static const char *why_not(struct view m, enum scheme scheme, struct view spki,
                           const struct policy_claims *claims, enum policy_statement *ret)
{
    switch (m.p[0]) {
    case ' ':
        *ret = POLICY_STATEMENT_TLS13;
        return tls13_why_not(m, scheme);
    case 0x01:
        *ret = POLICY_STATEMENT_TLS12;
        return policy_tls12_why_not(m, spki);
    case 'e':
        *ret = POLICY_STATEMENT_JWT;
        return policy_jwt_why_not(m, scheme, claims);
    case 0x30:
        *ret = POLICY_STATEMENT_CSR;
        return policy_csr_why_not(m, spki);
    default:
        return "it is no TLS client's statement, JWT or certificate request";
    }
}

enum policy_verdict policy_statement(struct view message, enum scheme scheme, struct view spki,
                                     const struct policy_claims *claims, enum policy_statement *ret,
                                     const char **ret_why)
{
    enum policy_statement kind = POLICY_STATEMENT_TLS13;
    const char *why = message.len == 0                           ? "there is nothing to sign"
                      : message.len > POLICY_STATEMENT_MAX_BYTES ? "it is too long"
                      : scheme_name(scheme) == NULL              ? "no such signature scheme"
                                                    : why_not(message, scheme, spki, claims, &kind);

    if (why != NULL) {
        *ret_why = why;
        return POLICY_DENY;
    }
    *ret = kind;
    return POLICY_ALLOW;
}
