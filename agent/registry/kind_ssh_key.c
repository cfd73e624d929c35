/*
 * SSH keys: a key on a token, the user it logs in as, and where its certificates come from. The
 * private key is not in it, and its PIN is not either: pin says where the machine finds that.
 */
#include "registry/check.h"

static const char *const schemes[] = {"ssh", NULL};
static const char *const credential_types[] = {"vault-ssh", "key", NULL};
static const char *const renewals[] = {"eager", "when-used", "per-connection", NULL};
static const char *const offers[] = {"certificate", "both", "key", NULL};

static const struct registry_member credentials[] = {
    {"type", REGISTRY_TEXT, .required = true, .max = 32, .words = credential_types,
     .about = "vault-ssh: a certificate from a secrets manager; key: the bare key"},
    {"secrets_manager", REGISTRY_REFERENCE, .to = REGISTRY_SECRETS_MANAGER,
     .about = "vault-ssh: who signs (required there)"},
    {"role", REGISTRY_TEXT, .min = 1, .max = 256, .check = registry_check_segment,
     .about = "vault-ssh: the role; the secrets manager's default_role where absent"},
    {"issuer", REGISTRY_TEXT, .min = 1, .max = 256, .check = registry_check_segment,
     .about = "vault-ssh: id or name of the engine's issuer that has to sign; any where absent"},
    {"principals", REGISTRY_TEXT, .list = true, .list_min = 1, .list_max = 256, .min = 1,
     .max = 256, .check = registry_check_user,
     .about = "vault-ssh: whom the certificate is for; [user_name] where absent"},
    {"ttl", REGISTRY_TEXT, .min = 1, .max = 32, .check = registry_check_duration,
     .about = "vault-ssh: validity asked for, such as 8h; the role's where absent"},
    {"extensions", REGISTRY_TEXT, .list = true, .list_min = 1, .list_max = 64, .min = 1, .max = 512,
     .check = registry_check_option,
     .about = "vault-ssh: name or name=value; role alone: as the role gives by itself; permit-pty, "
              "if the role gives that, where absent"},
    {"critical_options", REGISTRY_TEXT, .list = true, .list_max = 64, .min = 1, .max = 512,
     .check = registry_check_option, .about = "vault-ssh: name=value"},
    {"public_key", REGISTRY_TEXT, .min = 1, .max = 16384, .check = registry_check_public_key,
     .about = "pasted public key line, to be matched against the token's"},
    {.name = NULL},
};

static const struct registry_member pin[] = {
    {"file", REGISTRY_TEXT, .min = 1, .max = 4096, .check = registry_check_file,
     .about = "file that holds the PIN"},
    {"environment", REGISTRY_TEXT, .min = 1, .max = 128, .check = registry_check_variable,
     .about = "variable of the agent's environment that holds the PIN"},
    {"credential", REGISTRY_TEXT, .min = 1, .max = 64, .check = registry_check_credential,
     .about = "systemd credential that holds the PIN"},
    {"command", REGISTRY_TEXT, .list = true, .list_min = 1, .list_max = 64, .min = 1, .max = 4096,
     .about = "program and arguments that print the PIN"},
    {"askpass", REGISTRY_FLAG, .about = "ask a person through SSH_ASKPASS"},
    {.name = NULL},
};

static const struct registry_member members[] = {
    {"auth_scheme", REGISTRY_TEXT, .max = 32, .words = schemes, .preset = "\"ssh\"",
     .about = "authentication scheme"},
    {"user_name", REGISTRY_TEXT, .required = true, .min = 1, .max = 256,
     .check = registry_check_user, .about = "user on the hosts"},
    {"credentials", REGISTRY_OBJECT, .required = true, .members = credentials,
     .about = "what is shown to a host"},
    {"token", REGISTRY_TEXT, .min = 1, .max = 1024, .check = registry_check_token,
     .about = "token that holds the key: its name in holdfast.yaml, or a PKCS#11 URI"},
    {"key", REGISTRY_TEXT, .required = true, .min = 1, .max = 1024, .check = registry_check_key_uri,
     .about = "PKCS#11 URI of the key"},
    {"pin", REGISTRY_OBJECT, .members = pin, .about = "where the PIN comes from: one of these"},
    {"port", REGISTRY_NUMBER, .min = 1, .max = 65535, .preset = "22", .about = "port of the hosts"},
    {"offer", REGISTRY_TEXT, .max = 16, .words = offers,
     .about = "what clients of the agent see; certificate with vault-ssh, key with key"},
    {"renewal", REGISTRY_TEXT, .max = 16, .words = renewals,
     .about = "vault-ssh: when certificates are renewed; eager where absent"},
    {"active", REGISTRY_FLAG, .preset = "true", .about = "an identity of the agent"},
    {.name = NULL},
};

static struct err *check_key_only(const json_t *spec, json_t *c)
{
    const char *name;
    json_t *value;

    json_object_foreach(c, name, value)
    {
        if (!text_eq(name, "type") && !text_eq(name, "public_key")) {
            return err_new(ERR_INPUT, "/spec/credentials/%s: belongs to the type vault-ssh", name);
        }
    }
    const char *offer = json_string_value(json_object_get(spec, "offer"));

    if (json_object_get(spec, "renewal") != NULL) {
        return err_new(ERR_INPUT, "/spec/renewal: credentials of the type key have no certificate: "
                                  "there is nothing to renew");
    }
    if (offer != NULL && !text_eq(offer, "key")) {
        return err_new(ERR_INPUT, "/spec/offer: credentials of the type key have no certificate: "
                                  "only key can be offered");
    }
    return NULL;
}

static struct err *check_pin(const json_t *p)
{
    const json_t *askpass = json_object_get(p, "askpass");

    if (json_object_size(p) != 1 || (askpass != NULL && !json_is_true(askpass))) {
        return err_new(ERR_INPUT,
                       "/spec/pin: give one of file, environment, credential, command and "
                       "askpass: true");
    }
    return NULL;
}

static struct err *check_extensions(const json_t *list)
{
    for (size_t i = 0; json_array_size(list) > 1 && i < json_array_size(list); i++) {
        if (text_eq(json_string_value(json_array_get(list, i)), "role")) {
            return err_new(ERR_INPUT, "/spec/credentials/extensions: 'role' means what the role "
                                      "gives by itself: nothing can stand beside it");
        }
    }
    return NULL;
}

static struct err *check(const json_t *spec)
{
    json_t *c = json_object_get(spec, "credentials");
    const json_t *p = json_object_get(spec, "pin");
    struct err *e = NULL;

    if (text_eq(json_string_value(json_object_get(c, "type")), "key")) {
        e = check_key_only(spec, c);
    } else if (json_object_get(c, "secrets_manager") == NULL) {
        e = err_new(ERR_INPUT, "/spec/credentials/secrets_manager: is missing");
    }
    e = e != NULL ? e : check_extensions(json_object_get(c, "extensions"));
    return e == NULL && p != NULL ? check_pin(p) : e;
}

const struct registry_kind_row registry_kind_ssh_key = {
    .word = "ssh-key",
    .title = "SSH key",
    .members = members,
    .check = check,
};
