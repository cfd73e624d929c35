/*
 * The names of signature schemes, in one table.
 *
 * A scheme is all that both sides of a process border need to agree on: key type, hash and padding
 * follow from it. It must never be guessed from a key, which would let whoever asks for a signature
 * pick the weaker of two.
 */
#include "base/scheme.h"

#include "base/text.h"

static const char *const names[SCHEME_COUNT] = {
    [SCHEME_ES256] = "ES256", [SCHEME_ES384] = "ES384", [SCHEME_ES512] = "ES512",
    [SCHEME_EDDSA] = "EdDSA", [SCHEME_RS256] = "RS256", [SCHEME_RS384] = "RS384",
    [SCHEME_RS512] = "RS512", [SCHEME_PS256] = "PS256", [SCHEME_PS384] = "PS384",
    [SCHEME_PS512] = "PS512",
};

const char *scheme_name(enum scheme s)
{
    return (unsigned)s < SCHEME_COUNT ? names[s] : NULL;
}

bool scheme_find(const char *name, enum scheme *ret)
{
    for (unsigned i = 0; name && i < SCHEME_COUNT; i++) {
        if (text_eq(names[i], name)) {
            *ret = (enum scheme)i;
            return true;
        }
    }
    return false;
}
