/*
 * Connectors: how a Vault or OpenBao server is reached and logged in to. Secrets are not in it: it
 * says in which file, or under which variable's name, the machine keeps them.
 */
#include <stdio.h>

#include "registry/check.h"

static const char *const types[] = {"vault", NULL};
static const char *const methods[] = {"token",      "approle",  "cert",      "jwt",
                                      "kubernetes", "userpass", "token-key", NULL};

static const struct registry_member login[] = {
    {"method", REGISTRY_TEXT, .required = true, .max = 32, .words = methods,
     .about = "how to log in"},
    {"mount", REGISTRY_TEXT, .min = 1, .max = 256, .check = registry_check_path,
     .about = "where the login method is mounted; the method's own name where absent (token-key: "
              "jwt)"},
    {"role", REGISTRY_TEXT, .min = 1, .max = 256, .check = registry_check_segment,
     .about = "jwt, kubernetes, token-key: the role to log in as; cert: only this one is tried"},
    {"token_file", REGISTRY_TEXT, .min = 1, .max = 4096, .check = registry_check_file,
     .about = "token: file that holds it; without it and token_environment the one of Vault's own "
              "token helper, ~/.vault-token of the agent's user"},
    {"token_environment", REGISTRY_TEXT, .min = 1, .max = 128, .check = registry_check_variable,
     .about = "token: variable of the agent's environment that holds it"},
    {"token_wrapped", REGISTRY_FLAG, .preset = "false",
     .about = "token: what is named is a wrapping token of it, to be unwrapped once"},
    {"root", REGISTRY_FLAG, .preset = "false",
     .about = "token: it is a root token, which is never renewed"},
    {"role_id_file", REGISTRY_TEXT, .min = 1, .max = 4096, .check = registry_check_file,
     .about = "approle: file that holds the role id"},
    {"secret_id_file", REGISTRY_TEXT, .min = 1, .max = 4096, .check = registry_check_file,
     .about = "approle: file that holds the secret id"},
    {"secret_id_wrapped", REGISTRY_FLAG, .preset = "false",
     .about = "approle: the secret id's file holds a wrapping token, to be unwrapped once"},
    {"wrapping_path", REGISTRY_TEXT, .min = 1, .max = 512, .check = registry_check_path,
     .about = "token, approle: path that the wrapping token must have been made at"},
    {"jwt_file", REGISTRY_TEXT, .min = 1, .max = 4096, .check = registry_check_file,
     .about = "jwt: file that holds the JWT; kubernetes: the service account's own where absent"},
    {"user", REGISTRY_TEXT, .min = 1, .max = 256, .check = registry_check_segment,
     .about = "userpass: the user's name"},
    {"password_file", REGISTRY_TEXT, .min = 1, .max = 4096, .check = registry_check_file,
     .about = "userpass: file that holds the password"},
    {"key", REGISTRY_TEXT, .min = 1, .max = 1024, .check = registry_check_key_uri,
     .about = "cert, token-key: PKCS#11 URI of the login key; its certificate is on the token too"},
    {"pki_mount", REGISTRY_TEXT, .min = 1, .max = 255, .check = registry_check_path,
     .about = "cert: the PKI engine that the login key's certificate comes from; pki where absent"},
    {"pki_role", REGISTRY_TEXT, .min = 1, .max = 255, .check = registry_check_segment,
     .about = "cert: the role there; with it the certificate is renewed in time"},
    {"share_with_ssh", REGISTRY_FLAG, .preset = "false",
     .about = "cert, token-key: the login key may be an SSH identity's too"},
    {"audience", REGISTRY_TEXT, .min = 1, .max = 512,
     .about = "token-key: the claim aud, which the role in Vault wants to be bound"},
    {"issuer", REGISTRY_TEXT, .min = 1, .max = 512,
     .about = "token-key: the claim iss; holdfast where absent"},
    {"subject", REGISTRY_TEXT, .min = 1, .max = 512, .about = "token-key: the claim sub"},
    {"revoke_on_stop", REGISTRY_FLAG, .preset = "false",
     .about = "all but token: a Vault token that this login gave is revoked when the agent stops"},
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
    {"proxy", REGISTRY_TEXT, .min = 1, .max = 512, .check = registry_check_proxy,
     .about = "proxy to the server, as libcurl has it; absent: what the agent's environment says"},
    {"no_proxy", REGISTRY_TEXT, .min = 1, .max = 1024,
     .about = "hosts that no proxy is used for, as libcurl has it"},
    {"timeout_s", REGISTRY_NUMBER, .min = 1, .max = 300, .about = "per HTTP request; 10 if absent"},
    {.name = NULL},
};

/* Whose members which are. "but token" is every method but that one; method and mount are not here. */
enum {
    TOKEN = 1,
    APPROLE = 2,
    CERT = 4,
    JWT = 8,
    KUBERNETES = 16,
    USERPASS = 32,
    TOKEN_KEY = 64,
    BUT_TOKEN = APPROLE | CERT | JWT | KUBERNETES | USERPASS | TOKEN_KEY,
};

static const struct rule {
    const char *name;
    unsigned may, must; /* bits of methods[], in its order */
} rules[] = {
    {"mount", BUT_TOKEN | TOKEN, 0},
    {"role", CERT | JWT | KUBERNETES | TOKEN_KEY, JWT | KUBERNETES | TOKEN_KEY},
    {"token_file", TOKEN, 0},
    {"token_environment", TOKEN, 0},
    {"token_wrapped", TOKEN, 0},
    {"root", TOKEN, 0},
    {"role_id_file", APPROLE, APPROLE},
    {"secret_id_file", APPROLE, APPROLE},
    {"secret_id_wrapped", APPROLE, 0},
    {"wrapping_path", TOKEN | APPROLE, 0},
    {"jwt_file", JWT | KUBERNETES, JWT},
    {"user", USERPASS, USERPASS},
    {"password_file", USERPASS, USERPASS},
    {"key", CERT | TOKEN_KEY, CERT | TOKEN_KEY},
    {"pki_mount", CERT, 0},
    {"pki_role", CERT, 0},
    {"share_with_ssh", CERT | TOKEN_KEY, 0},
    {"audience", TOKEN_KEY, 0},
    {"issuer", TOKEN_KEY, 0},
    {"subject", TOKEN_KEY, 0},
    {"revoke_on_stop", BUT_TOKEN, 0},
};

/* A flag that is false says nothing. */
static bool has(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return value != NULL && !json_is_false(value);
}

static struct err *is_of_others(const struct rule *r)
{
    char list[128] = "";
    size_t len = 0;

    for (unsigned i = 0; methods[i] != NULL && len < sizeof list; i++) {
        if ((r->may & (1U << i)) != 0) {
            len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", len > 0 ? ", " : "",
                                    methods[i]);
        }
    }
    return err_new(ERR_INPUT, "/spec/login/%s: belongs to the method %s", r->name, list);
}

static struct err *check_members(const json_t *l, const char *method)
{
    unsigned bit = 1;

    for (unsigned i = 0; !text_eq(methods[i], method); i++) {
        bit <<= 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (has(l, rules[i].name) && (rules[i].may & bit) == 0) {
            return is_of_others(&rules[i]);
        }
        if (!has(l, rules[i].name) && (rules[i].must & bit) != 0) {
            return err_new(ERR_INPUT, "/spec/login/%s: is missing: the method %s needs it",
                           rules[i].name, method);
        }
    }
    return NULL;
}

static struct err *check(const json_t *spec)
{
    const json_t *l = json_object_get(spec, "login");
    json_int_t interval = json_integer_value(json_object_get(spec, "renewal_interval_minutes"));
    struct err *e = check_members(l, json_string_value(json_object_get(l, "method")));

    if (e == NULL && has(l, "token_file") && has(l, "token_environment")) {
        e = err_new(ERR_INPUT, "/spec/login/token_environment: there is a token_file already");
    }
    if (e == NULL && has(l, "wrapping_path") && !has(l, "secret_id_wrapped") &&
        !has(l, "token_wrapped")) {
        e = err_new(ERR_INPUT,
                    "/spec/login/wrapping_path: needs secret_id_wrapped or token_wrapped");
    }
    if (e == NULL && has(l, "root") && interval != 0) {
        e = err_new(ERR_INPUT, "/spec/renewal_interval_minutes: with a root token it must be 0");
    }
    if (e == NULL && has(spec, "read_only") && has(l, "pki_role")) {
        e = err_new(ERR_INPUT, "/spec/read_only: the login's certificate is got and renewed by "
                               "writing to Vault (pki_role)");
    }
    return e;
}

const struct registry_kind_row registry_kind_connector = {
    .word = "connector",
    .title = "Connector",
    .members = members,
    .check = check,
};
