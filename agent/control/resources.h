#ifndef HF_CONTROL_RESOURCES_H
#define HF_CONTROL_RESOURCES_H

#include "control/problem.h"
#include "control/request.h"

/* The handlers: one file a resource, a row each in dispatch.c, a path each in openapi.yaml, which
 * is their contract. */

/* --- status.c --- */
control_handler control_status_get;
extern const char *const control_status_query[];
/** control_helper_json() - openapi.yaml's `helper`; caller owns */
json_t *control_helper_json(const struct io_helper_status *h);

/* --- tokens.c --- */
control_handler control_tokens_list, control_token_get, control_token_unlock;
extern const struct control_member control_token_unlock_body[];
/** control_tokens_json() - all of them; caller owns */
json_t *control_tokens_json(const struct control_deps *d);
/** control_token_name() - what people call it: configured name, else label, else serial */
const char *control_token_name(const struct remote_token *t);
/** control_token_warnings() - append what a person should know */
void control_token_warnings(const struct control_deps *d, json_t *warnings);

/* --- keys.c --- */
control_handler control_keys_list, control_key_get, control_key_generate, control_key_delete,
    control_key_prove;
extern const struct control_member control_key_generate_body[];
extern const char *const control_keys_list_query[], *const control_key_delete_query[];
/** control_keys_json() - of one token, or all for NULL; caller owns */
json_t *control_keys_json(const struct control_deps *d, const struct remote_token *of);
void control_key_warnings(const struct control_deps *d, json_t *warnings);

/* --- identities.c --- */
control_handler control_identities_list, control_identity_get, control_identity_renew;
json_t *control_identities_json(const struct control_deps *d);
void control_identity_warnings(const struct control_deps *d, json_t *warnings);

/* --- signers.c --- */
json_t *control_signers_json(const struct control_deps *d);
void control_signer_warnings(const struct control_deps *d, json_t *warnings);

/* --- connect.c --- */
control_handler control_connect;
extern const struct control_member control_connect_body[];

/** control_warn() - append a warning */
void control_warn(json_t *warnings, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
