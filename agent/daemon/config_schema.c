/*
 * The grammar of holdfast.yaml as libcyaml's tables: every key that the file may have stands here,
 * once. What a table cannot say (exactly one of two keys, names that must exist) is in
 * config_check.c.
 */
#include "daemon/config_schema.h"

#include "daemon/config.h"

#define TEXT_MAX 4096
#define OPTIONAL_POINTER (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define NEEDED(key, type, member)                                                                  \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, type, member, 1, TEXT_MAX)
#define MAY(key, type, member)                                                                     \
    CYAML_FIELD_STRING_PTR(key, OPTIONAL_POINTER, type, member, 1, TEXT_MAX)
#define FLAG(key, type, member)                                                                    \
    CYAML_FIELD_ENUM(key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, type, member, yaml_bool_words,  \
                     YAML_BOOL_WORDS)
#define LIST(key, type, member, entry, min, max)                                                   \
    CYAML_FIELD_SEQUENCE(key, OPTIONAL_POINTER, type, member, entry, min, max)

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX),
};

static const cyaml_schema_field_t agent_fields[] = {
    MAY("socket", struct config_agent, socket),
    MAY("control", struct config_agent, control),
    MAY("state", struct config_agent, state),
    MAY("log", struct config_agent, log),
    LIST("profiles", struct config_agent, profiles, &text_entry, 0, 16),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t module_fields[] = {
    NEEDED("name", struct config_module, name),
    NEEDED("path", struct config_module, path),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t module_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_module, module_fields),
};

static const cyaml_schema_field_t pin_fields[] = {
    MAY("file", struct config_pin, file),
    MAY("environment", struct config_pin, environment),
    MAY("credential", struct config_pin, credential),
    LIST("command", struct config_pin, command, &text_entry, 1, 64),
    FLAG("askpass", struct config_pin, askpass),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t pin_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_pin, pin_fields),
};

static const cyaml_schema_field_t token_fields[] = {
    NEEDED("name", struct config_token, name),
    NEEDED("uri", struct config_token, uri),
    LIST("pin", struct config_token, pin, &pin_entry, 0, 8),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t token_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_token, token_fields),
};

static const cyaml_schema_field_t login_fields[] = {
    NEEDED("method", struct config_login, method),
    MAY("mount", struct config_login, mount),
    MAY("role", struct config_login, role),
    MAY("token-file", struct config_login, token_file),
    MAY("token-environment", struct config_login, token_environment),
    FLAG("token-wrapped", struct config_login, token_wrapped),
    MAY("role-id-file", struct config_login, role_id_file),
    MAY("secret-id-file", struct config_login, secret_id_file),
    FLAG("secret-id-wrapped", struct config_login, secret_id_wrapped),
    MAY("wrapping-path", struct config_login, wrapping_path),
    MAY("jwt-file", struct config_login, jwt_file),
    MAY("user", struct config_login, user),
    MAY("password-file", struct config_login, password_file),
    MAY("key", struct config_login, key),
    FLAG("share-with-ssh", struct config_login, share_with_ssh),
    MAY("pki-mount", struct config_login, pki_mount),
    MAY("pki-role", struct config_login, pki_role),
    MAY("audience", struct config_login, audience),
    MAY("issuer", struct config_login, issuer),
    MAY("subject", struct config_login, subject),
    FLAG("revoke-on-stop", struct config_login, revoke_on_stop),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t vault_fields[] = {
    NEEDED("address", struct config_vault, address),
    LIST("addresses", struct config_vault, addresses, &text_entry, 1, 15),
    MAY("server-name", struct config_vault, server_name),
    MAY("namespace", struct config_vault, namespace_),
    MAY("ca-bundle", struct config_vault, ca_bundle),
    MAY("timeout", struct config_vault, timeout),
    MAY("proxy", struct config_vault, proxy),
    MAY("no-proxy", struct config_vault, no_proxy),
    CYAML_FIELD_MAPPING("login", CYAML_FLAG_DEFAULT, struct config_vault, login, login_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t ca_role_fields[] = {
    NEEDED("name", struct config_ca_role, name),
    LIST("principals", struct config_ca_role, principals, &text_entry, 1, 256),
    MAY("ttl", struct config_ca_role, ttl),
    MAY("max-ttl", struct config_ca_role, max_ttl),
    LIST("extensions", struct config_ca_role, extensions, &text_entry, 0, 64),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t ca_role_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_ca_role, ca_role_fields),
};

static const cyaml_schema_field_t ca_fields[] = {
    NEEDED("key", struct config_ca, key),
    MAY("krl", struct config_ca, krl),
    LIST("roles", struct config_ca, roles, &ca_role_entry, 1, 64),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t signer_fields[] = {
    NEEDED("name", struct config_signer, name),
    CYAML_FIELD_MAPPING_PTR("vault", OPTIONAL_POINTER, struct config_signer, vault, vault_fields),
    CYAML_FIELD_MAPPING_PTR("ca", OPTIONAL_POINTER, struct config_signer, ca, ca_fields),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t signer_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_signer, signer_fields),
};

static const cyaml_schema_field_t standby_fields[] = {
    NEEDED("signer", struct config_standby, signer),
    MAY("mount", struct config_standby, mount),
    /* as of the certificate */
    NEEDED("role", struct config_standby, role),
    MAY("ca", struct config_standby, ca),
    /* "never", or a duration */
    MAY("after", struct config_standby, after),
    CYAML_FIELD_END,
};

static const cyaml_strval_t type_words[] = {
    {"user", CONFIG_CERTIFICATE_USER},
    {"host", CONFIG_CERTIFICATE_HOST},
};

static const cyaml_schema_field_t certificate_fields[] = {
    CYAML_FIELD_ENUM("type", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct config_certificate,
                     type, type_words, CYAML_ARRAY_LEN(type_words)),
    MAY("file", struct config_certificate, file),
    CYAML_FIELD_MAPPING_PTR("standby", OPTIONAL_POINTER, struct config_certificate, standby,
                            standby_fields),
    NEEDED("signer", struct config_certificate, signer),
    MAY("mount", struct config_certificate, mount),
    NEEDED("role", struct config_certificate, role),
    MAY("issuer", struct config_certificate, issuer),
    MAY("ttl", struct config_certificate, ttl),
    MAY("key-id", struct config_certificate, key_id),
    MAY("ca", struct config_certificate, ca),
    LIST("principals", struct config_certificate, principals, &text_entry, 0, 256),
    LIST("critical-options", struct config_certificate, critical_options, &text_entry, 0, 64),
    LIST("extensions", struct config_certificate, extensions, &text_entry, 1, 64),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t certificate_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_certificate, certificate_fields),
};

static const cyaml_strval_t offer_words[] = {
    {"certificate", CONFIG_OFFER_CERTIFICATE},
    {"both", CONFIG_OFFER_BOTH},
    {"key", CONFIG_OFFER_KEY},
};

static const cyaml_schema_field_t identity_fields[] = {
    NEEDED("name", struct config_identity, name),
    NEEDED("key", struct config_identity, key),
    CYAML_FIELD_ENUM("offer", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct config_identity,
                     offer, offer_words, CYAML_ARRAY_LEN(offer_words)),
    MAY("renewal", struct config_identity, renewal),
    MAY("idle", struct config_identity, idle),
    MAY("wait", struct config_identity, wait),
    FLAG("allow-extractable", struct config_identity, allow_extractable),
    LIST("certificates", struct config_identity, certificates, &certificate_entry, 0, 16),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t identity_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_identity, identity_fields),
};

static const cyaml_schema_field_t socket_fields[] = {
    NEEDED("path", struct config_socket, path),
    MAY("scope", struct config_socket, scope),
    LIST("tags", struct config_socket, tags, &text_entry, 1, 64),
    LIST("users", struct config_socket, users, &text_entry, 1, CONFIG_SOCKET_USERS_MAX),
    LIST("groups", struct config_socket, groups, &text_entry, 1, CONFIG_SOCKET_USERS_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t socket_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_socket, socket_fields),
};

/* "enabled" is what people write; what is not written is false, so the member is its opposite. */
static const cyaml_strval_t disabled_words[] = {
    {"true", false}, {"yes", false}, {"on", false}, {"false", true}, {"no", true}, {"off", true},
};

static const cyaml_strval_t store_words[] = {
    {"sqlite", CONFIG_STORE_SQLITE},
    {"vault-kv", CONFIG_STORE_VAULT_KV},
};

static const cyaml_schema_field_t kv_fields[] = {
    NEEDED("signer", struct config_kv, signer),
    NEEDED("mount", struct config_kv, mount),
    MAY("prefix", struct config_kv, prefix),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t folder_fields[] = {
    NEEDED("scope", struct config_allowed, scope),
    NEEDED("path", struct config_allowed, path),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t folder_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_allowed, folder_fields),
};
static const cyaml_schema_field_t login_key_fields[] = {
    NEEDED("scope", struct config_allowed, scope),
    NEEDED("key", struct config_allowed, key),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t login_key_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_allowed, login_key_fields),
};

static const cyaml_schema_field_t registry_fields[] = {
    CYAML_FIELD_ENUM("enabled", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct config_registry,
                     disabled, disabled_words, CYAML_ARRAY_LEN(disabled_words)),
    MAY("path", struct config_registry, path),
    CYAML_FIELD_ENUM("store", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct config_registry,
                     store, store_words, CYAML_ARRAY_LEN(store_words)),
    CYAML_FIELD_MAPPING_PTR("vault-kv", OPTIONAL_POINTER, struct config_registry, kv, kv_fields),
    LIST("secret-folders", struct config_registry, secret_folders, &folder_entry, 0,
         CONFIG_ALLOWED_MAX),
    LIST("login-keys", struct config_registry, login_keys, &login_key_entry, 0, CONFIG_ALLOWED_MAX),
    CYAML_FIELD_END,
};

static const cyaml_strval_t right_words[] = {
    {"viewer", CONFIG_RIGHT_VIEWER},
    {"operator", CONFIG_RIGHT_OPERATOR},
    {"administrator", CONFIG_RIGHT_ADMINISTRATOR},
};

static const cyaml_schema_field_t grant_fields[] = {
    MAY("uid", struct config_grant, uid),
    MAY("user", struct config_grant, user),
    MAY("gid", struct config_grant, gid),
    MAY("group", struct config_grant, group),
    NEEDED("scope", struct config_grant, scope),
    CYAML_FIELD_ENUM("right", CYAML_FLAG_STRICT, struct config_grant, right, right_words,
                     CYAML_ARRAY_LEN(right_words)),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t grant_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_grant, grant_fields),
};

static const cyaml_schema_field_t config_fields[] = {
    CYAML_FIELD_MAPPING("agent", CYAML_FLAG_OPTIONAL, struct config, agent, agent_fields),
    LIST("sockets", struct config, sockets, &socket_entry, 0, CONFIG_SOCKETS_MAX),
    CYAML_FIELD_MAPPING("registry", CYAML_FLAG_OPTIONAL, struct config, registry, registry_fields),
    LIST("grants", struct config, grants, &grant_entry, 0, CONFIG_GRANTS_MAX),
    LIST("modules", struct config, modules, &module_entry, 0, CONFIG_MODULES_MAX),
    LIST("tokens", struct config, tokens, &token_entry, 0, CONFIG_TOKENS_MAX),
    LIST("signers", struct config, signers, &signer_entry, 0, CONFIG_SIGNERS_MAX),
    LIST("identities", struct config, identities, &identity_entry, 0, CONFIG_IDENTITIES_MAX),
    CYAML_FIELD_END,
};

const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, config_fields),
};
