#ifndef HF_POLICY_STATEMENT_IMPL_H
#define HF_POLICY_STATEMENT_IMPL_H

/* The shapes of statement.c. */
#include "policy/statement.h"

/** policy_tls12_why_not() - NULL for a TLS 1.2 client's transcript with a certificate for @spki, else why
 * not: a static text; so do the others */
const char *policy_tls12_why_not(struct view message, struct view spki);
/** policy_jwt_why_not() - for header.payload of a JWT that names @scheme and makes these @claims; for none
 * where they are NULL */
const char *policy_jwt_why_not(struct view message, enum scheme scheme,
                               const struct policy_claims *claims);
/** policy_csr_why_not() - for a CertificationRequestInfo for @spki */
const char *policy_csr_why_not(struct view message, struct view spki);

#endif
