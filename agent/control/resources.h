#ifndef HF_CONTROL_RESOURCES_H
#define HF_CONTROL_RESOURCES_H

#include "control/problem.h"
#include "control/request.h"

/* The handlers: one file a resource, a row each in dispatch.c, a path each in openapi.yaml, which
 * is their contract. */

/* --- status.c --- */
control_handler control_status_get;
extern const char *const control_status_query[];

/* --- tokens.c --- */
control_handler control_tokens_list, control_token_get, control_token_unlock;
extern const struct control_member control_token_unlock_body[];
/** control_tokens_json() - all of them; caller owns */
json_t *control_tokens_json(const struct control_deps *d);
/** control_token_name() - what people call it: configured name, else label, else serial */
const char *control_token_name(const struct remote_token *t);
/** control_token_warnings() - append what a person should know */
void control_token_warnings(const struct control_deps *d, json_t *warnings);

/* --- certificates.c --- */
control_handler control_token_certificates;

/* --- keys.c --- */
control_handler control_keys_list, control_key_get, control_key_generate, control_key_delete,
    control_key_prove;
extern const struct control_member control_key_generate_body[];
extern const char *const control_keys_list_query[], *const control_key_delete_query[];
/** control_keys_json() - of one token, or all for NULL; caller owns */
json_t *control_keys_json(const struct control_deps *d, const struct remote_token *of);
/** control_key_find() - the key of the path (borrowed), by label, id, fingerprint or URI. NOT_FOUND, EXISTS
 * (it fits several) */
struct err *control_key_find(struct control_request *r, struct remote_key **ret) MUST_CHECK;
void control_key_warnings(const struct control_deps *d, json_t *warnings);

/* --- enroll.c --- */
control_handler control_enroll, control_key_certify;
extern const struct control_member control_enroll_body[], control_key_certify_body[];
void control_enroll_warnings(const struct control_deps *d, json_t *warnings);

/* --- identities.c --- */
control_handler control_identities_list, control_identity_get, control_identity_renew;
extern const char *const control_identity_renew_query[];
/* --- renewals.c --- */
control_handler control_renew_all;
json_t *control_identities_json(const struct control_deps *d);
void control_identity_warnings(const struct control_deps *d, json_t *warnings);

/* --- signers.c --- */
json_t *control_signers_json(const struct control_deps *d);
void control_signer_warnings(const struct control_deps *d, json_t *warnings);

/* --- ca.c --- */
control_handler control_ca_get, control_ca_revoke;
extern const struct control_member control_ca_revoke_body[];

/* --- audit.c --- */
control_handler control_audit_list, control_audit_verify;
extern const char *const control_audit_query[];

/* --- connect.c --- */
control_handler control_connect;
extern const struct control_member control_connect_body[];
enum {
    CONTROL_PORT_SSH = 22,
    CONTROL_STEP_MS = 10 * 1000,
    CONTROL_STEP_MIN_MS = 100,
    CONTROL_STEP_MAX_MS = 60 * 1000,
    CONTROL_COMMAND_MAX_BYTES = 32 * 1024,
};
/** control_only_key() - what an identity offers now (borrowed)
 * Errors: CERT (no valid certificate), the identity's problem */
struct err *control_only_key(const struct identity *i, struct view *ret) MUST_CHECK;
/** control_event_json(), control_end_json() - lines of a connection; caller owns */
json_t *control_event_json(const struct connect_event *ev);
json_t *control_end_json(const struct err *e, enum connect_step failed, int exit_status);

/* --- registry.c --- */
control_handler control_resources_list, control_resource_create, control_resource_get,
    control_resource_replace, control_resource_delete, control_resource_check;
extern const struct control_member control_resource_body[];
extern const char *const control_resources_query[], *const control_resource_delete_query[];
/** control_registry_of() - UNSUPPORTED when this agent keeps none */
struct err *control_registry_of(const struct control_request *r, struct registry **ret) MUST_CHECK;

/** control_query_number() - 1 to @max; @ret stays where it is absent. INPUT */
struct err *control_query_number(const struct control_request *r, const char *name, size_t max,
                                 size_t *ret) MUST_CHECK;

/* --- about.c --- */
control_handler control_scopes_list, control_registry_status;
extern const char *const control_scopes_query[], *const control_registry_status_query[];

/* --- key_use.c --- */
/** control_key_use() - INPUT where a resource gives a key of an SSH identity to a Vault login, or the
 * other way about, and the login does not say that they share it; NULL for kinds without keys */
struct err *control_key_use(const struct control_deps *d, enum registry_kind kind,
                            const json_t *body) MUST_CHECK;

/* --- document.c --- */
control_handler control_registry_export, control_registry_apply, control_registry_backup,
    control_registry_restore;
extern const struct control_member control_registry_apply_body[], control_registry_path_body[];
extern const char *const control_registry_export_query[];

/* --- connector.c --- */
control_handler control_connector_test, control_connector_test_new, control_connector_mounts,
    control_connector_ca, control_secrets_manager_mounts, control_signer_test, control_signer_ca;
extern const char *const control_connector_test_query[], *const control_connector_ca_query[];

/* --- ssh_key.c --- */
control_handler control_ssh_key_test;
extern const struct control_member control_ssh_key_test_body[];

/* --- infrastructure.c --- */
control_handler control_hosts_parse;
extern const struct control_member control_hosts_parse_body[];

/* --- run.c --- */
control_handler control_run;
extern const struct control_member control_run_body[];

/** control_warn() - append a warning */
void control_warn(json_t *warnings, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
