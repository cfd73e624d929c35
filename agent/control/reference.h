#ifndef HF_CONTROL_REFERENCE_H
#define HF_CONTROL_REFERENCE_H

#include "base/base.h"

/**
 * control_reference() - what a reference names
 * @scope:    where it stands: "org/acme/project/web"
 * @text:     "NAME", "org.NAME", "account.NAME"
 * @ret_scope, @ret_id: caller owns
 * Errors: INPUT (no such form, or "org." at the account), NOMEM
 */
struct err *control_reference(const char *scope, const char *text, char **ret_scope, char **ret_id)
    MUST_CHECK;

#endif
