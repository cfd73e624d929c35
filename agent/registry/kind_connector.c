/*
 * Connectors: how a Vault or OpenBao server is reached and logged in to. Secrets are not in it: it
 * says in which file, or under which variable's name, the machine keeps them.
 */
#include "registry/check.h"

static const char *const types[] = {"vault", NULL};
static const char *const methods[] = {"token", "approle", NULL};

static const struct registry_member login[] = {
    {"method", REGISTRY_TEXT, .required = true, .max = 32, .words = methods,
     .about = "how to log in"},
    {"mount", REGISTRY_TEXT, .min = 1, .max = 256, .check = registry_check_path,
     .about = "where the login method is mounted; the method's own name where absent"},
    {"token_file", REGISTRY_TEXT, .min = 1, .max = 4096, .check = registry_check_file,
     .about = "token: file that holds it"},
    {"token_environment", REGISTRY_TEXT, .min = 1, .max = 128, .check = registry_check_variable,
     .about = "token: variable of the agent's environment that holds it"},
    {"root", REGISTRY_FLAG, .preset = "false",
     .about = "token: it is a root token, which is never renewed"},
    {"role_id_file", REGISTRY_TEXT, .min = 1, .max = 4096, .check = registry_check_file,
     .about = "approle: file that holds the role id"},
    {"secret_id_file", REGISTRY_TEXT, .min = 1, .max = 4096, .check = registry_check_file,
     .about = "approle: file that holds the secret id"},
    {"secret_id_wrapped", REGISTRY_FLAG, .preset = "false",
     .about = "approle: the secret id's file holds a wrapping token, to be unwrapped once"},
    {"wrapping_path", REGISTRY_TEXT, .min = 1, .max = 512, .check = registry_check_path,
     .about = "approle: path that the wrapping token must have been made at"},
    {.name = NULL},
};

static const struct registry_member members[] = {
    {"type", REGISTRY_TEXT, .required = true, .max = 32, .words = types,
     .about = "HashiCorp Vault, or OpenBao"},
    {"addresses", REGISTRY_TEXT, .required = true, .list = true, .list_min = 1, .list_max = 8,
     .min = 1, .max = 512, .check = registry_check_url, .about = "https URLs, tried in this order"},
    {"namespace", REGISTRY_TEXT, .min = 1, .max = 256, .check = registry_check_path,
     .about = "namespace in Vault"},
    {"login", REGISTRY_OBJECT, .required = true, .members = login, .about = "login method"},
    {"renewal_interval_minutes", REGISTRY_NUMBER, .min = 0, .max = 525600, .preset = "0",
     .about = "how often the Vault token is renewed; 0: never; 0 with a root token"},
    {"certificate", REGISTRY_REFERENCE, .to = REGISTRY_CERTIFICATE, .must_say = true,
     .about = "SSL/TLS certificate for this connector; absent: the system's"},
    {"server_name", REGISTRY_TEXT, .min = 1, .max = 253, .check = registry_check_host,
     .about = "name in the server's certificate where it is not the address's"},
    {"read_only", REGISTRY_FLAG, .preset = "false", .about = "never used to write to Vault"},
    {"active", REGISTRY_FLAG, .preset = "true", .about = "in use"},
    {"timeout_s", REGISTRY_NUMBER, .min = 1, .max = 300, .about = "per HTTP request; 10 if absent"},
    {.name = NULL},
};

static bool has(const json_t *object, const char *name)
{
    return json_object_get(object, name) != NULL;
}

static struct err *check_token(const json_t *spec, const json_t *l)
{
    json_int_t interval = json_integer_value(json_object_get(spec, "renewal_interval_minutes"));

    if (has(l, "token_file") == has(l, "token_environment")) {
        return err_new(ERR_INPUT, "/spec/login: give one of token_file and token_environment");
    }
    if (has(l, "role_id_file") || has(l, "secret_id_file") || has(l, "wrapping_path") ||
        json_is_true(json_object_get(l, "secret_id_wrapped"))) {
        return err_new(ERR_INPUT,
                       "/spec/login: role_id_file, secret_id_file, secret_id_wrapped and "
                       "wrapping_path belong to the method approle");
    }
    if (json_is_true(json_object_get(l, "root")) && interval != 0) {
        return err_new(ERR_INPUT, "/spec/renewal_interval_minutes: with a root token it must be 0");
    }
    return NULL;
}

static struct err *check_approle(const json_t *l)
{
    if (!has(l, "role_id_file") || !has(l, "secret_id_file")) {
        return err_new(ERR_INPUT, "/spec/login: approle needs role_id_file and secret_id_file");
    }
    if (has(l, "token_file") || has(l, "token_environment") ||
        json_is_true(json_object_get(l, "root"))) {
        return err_new(ERR_INPUT, "/spec/login: token_file, token_environment and root belong to "
                                  "the method token");
    }
    if (has(l, "wrapping_path") && !json_is_true(json_object_get(l, "secret_id_wrapped"))) {
        return err_new(ERR_INPUT, "/spec/login/wrapping_path: needs secret_id_wrapped");
    }
    return NULL;
}

static struct err *check(const json_t *spec)
{
    const json_t *l = json_object_get(spec, "login");

    if (text_eq(json_string_value(json_object_get(l, "method")), "token")) {
        return check_token(spec, l);
    }
    return check_approle(l);
}

const struct registry_kind_row registry_kind_connector = {
    .word = "connector",
    .title = "Connector",
    .members = members,
    .check = check,
};
