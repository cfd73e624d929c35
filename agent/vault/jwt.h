#ifndef HF_VAULT_JWT_H
#define HF_VAULT_JWT_H

#include "base/base.h"

/** What a JWT of ours says. Strings are borrowed; NULL: not said. */
struct vault_jwt {
    enum scheme scheme;
    const char *issuer, *subject, *audience;
    const char *id;     /* never twice the same */
    struct wall issued; /* valid from then on */
    struct wall expires;
};

/** vault_jwt_put() - header and claims, as they are signed: "base64url.base64url"; @out is initialised.
 * INPUT (a claim is not UTF-8), NOMEM */
struct err *vault_jwt_put(const struct vault_jwt *jwt, struct buf *out) MUST_CHECK;
/** vault_jwt_end() - the signature behind what vault_jwt_put() wrote. NOMEM */
struct err *vault_jwt_end(struct buf *out, struct view signature) MUST_CHECK;

#endif
