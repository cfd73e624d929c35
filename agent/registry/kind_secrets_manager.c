/*
 * Secrets managers: an SSH secrets engine behind a connector. Lists show the type as
 * "HashiCorp Vault Secrets Engine - SSH", in "type_title".
 */
#include "registry/check.h"

static const char *const types[] = {"vault-ssh", NULL};

static const struct registry_member members[] = {
    {"type", REGISTRY_TEXT, .required = true, .max = 32, .words = types,
     .about = "HashiCorp Vault Secrets Engine - SSH"},
    {"connector", REGISTRY_REFERENCE, .required = true, .to = REGISTRY_CONNECTOR,
     .about = "the server"},
    {"mount", REGISTRY_TEXT, .required = true, .min = 1, .max = 256, .check = registry_check_path,
     .about = "where the engine is mounted"},
    {"default_role", REGISTRY_TEXT, .min = 1, .max = 256, .check = registry_check_segment,
     .about = "role for SSH keys that name none"},
    {.name = NULL},
};

static struct err *facts(const json_t *spec, json_t **ret)
{
    (void)spec;
    json_t *made = json_pack("{s:s}", "type_title", "HashiCorp Vault Secrets Engine - SSH");

    if (made == NULL) {
        return err_nomem();
    }
    *ret = made;
    return NULL;
}

const struct registry_kind_row registry_kind_secrets_manager = {
    .word = "secrets-manager",
    .title = "Secrets manager",
    .members = members,
    .facts = facts,
};
