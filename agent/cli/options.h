#ifndef HF_CLI_OPTIONS_H
#define HF_CLI_OPTIONS_H

#include "cli/cli.h"

/* For commands.c only: the tables of options, each ends with a NULL name. */
extern const struct cli_option options_token[];
extern const struct cli_option options_generate[];
extern const struct cli_option options_show[];
extern const struct cli_option options_revoke[];
extern const struct cli_option options_audit[];
extern const struct cli_option options_delete[];
extern const struct cli_option options_certify[];
extern const struct cli_option options_enroll[];
extern const struct cli_option options_renew[];
extern const struct cli_option options_unlock[];
extern const struct cli_option options_connect[];
extern const struct cli_option options_init[];
extern const struct cli_option options_scope[];
extern const struct cli_option options_list[];
extern const struct cli_option options_remove[];
extern const struct cli_option options_certificate_create[];
extern const struct cli_option options_certificate_edit[];
extern const struct cli_option options_connector_create[];
extern const struct cli_option options_connector_edit[];
extern const struct cli_option options_secrets_manager_create[];
extern const struct cli_option options_secrets_manager_edit[];
extern const struct cli_option options_ssh_key_create[];
extern const struct cli_option options_ssh_key_edit[];
extern const struct cli_option options_infrastructure_create[];
extern const struct cli_option options_infrastructure_edit[];
extern const struct cli_option options_key_test[];
extern const struct cli_option options_run[];
extern const struct cli_option options_host_test[];
extern const struct cli_option options_apply[];
extern const struct cli_option options_export[];
extern const struct cli_option options_vault_check[];
extern const struct cli_option options_vault_ca[];
extern const struct cli_option options_restore[];
extern const struct cli_option options_yes[];

#endif
