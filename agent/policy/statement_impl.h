#ifndef HF_POLICY_STATEMENT_IMPL_H
#define HF_POLICY_STATEMENT_IMPL_H

/* The shapes of statement.c. Each answers NULL, or why the message is not of its shape: a static text. */
#include "policy/statement.h"

const char *policy_tls12_why_not(struct view message, struct view spki);
const char *policy_jwt_why_not(struct view message, enum scheme scheme);
const char *policy_csr_why_not(struct view message, struct view spki);

#endif
