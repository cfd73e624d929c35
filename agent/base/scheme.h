#ifndef HF_BASE_SCHEME_H
#define HF_BASE_SCHEME_H

#include <stdbool.h>

/**
 * How bytes are signed for something that is not SSH: the names of JWA (RFC 7518, 3.1; RFC 8037).
 * Signatures are as JWA has them: r||s of fixed width, RSA big-endian at the modulus' size; PSS with
 * a salt as long as the hash and MGF1 with the same hash. Who needs DER converts.
 */
enum scheme {
    SCHEME_ES256, /* ECDSA on P-256 with SHA-256; the next on P-384 and P-521 */
    SCHEME_ES384,
    SCHEME_ES512,
    SCHEME_EDDSA, /* Ed25519 */
    SCHEME_RS256, /* RSASSA-PKCS1-v1_5 */
    SCHEME_RS384,
    SCHEME_RS512,
    SCHEME_PS256, /* RSASSA-PSS */
    SCHEME_PS384,
    SCHEME_PS512
};
enum { SCHEME_COUNT = SCHEME_PS512 + 1 };

/** scheme_name() - "ES256", as a JWT's header has it; NULL for what is no scheme */
const char *scheme_name(enum scheme s);
/** scheme_find() - false, and @ret untouched, for a NULL or unknown name; case counts, as in JWA */
bool scheme_find(const char *name, enum scheme *ret);

#endif
