#ifndef HF_CONTROL_VAULT_CONF_H
#define HF_CONTROL_VAULT_CONF_H

#include <jansson.h>

#include "vault/vault.h"

/**
 * control_vault_conf() - a connector of the registry as vault/ wants it
 * @connector:   its spec, checked by the registry (borrowed)
 * @certificate: spec of the certificate that it refers to; NULL: none (borrowed)
 * @token:       value of its token_environment; NULL: it has none (borrowed)
 * @ret:         points into all of these
 * @ret_more:    list behind @ret (caller owns)
 * Errors: UNSUPPORTED (a token_environment, and no @token), NOMEM
 */
struct err *control_vault_conf(const json_t *connector, const json_t *certificate,
                               const struct secret *token, struct vault_conf *ret, char ***ret_more)
    MUST_CHECK;

#endif
