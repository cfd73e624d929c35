#ifndef HF_REGISTRY_SECRET_H
#define HF_REGISTRY_SECRET_H

#include <jansson.h>

#include "base/base.h"

/* For the files of registry/ only: what never enters the registry. No message repeats a value. */

/** registry_secret_text() - DENIED when a text holds a private key, a Vault token or a JWT; says the
 * right way */
struct err *registry_secret_text(const char *text) MUST_CHECK;
/** registry_secret_member() - does a member of this name ask for a secret */
bool registry_secret_member(const char *name);
/** registry_secret_denied() - DENIED: what to do instead */
struct err *registry_secret_denied(void) MUST_CHECK;

#endif
