#ifndef HF_DAEMON_CONFIG_H
#define HF_DAEMON_CONFIG_H

#include <sys/types.h>

#include "base/base.h"

/**
 * holdfast.yaml: what this machine is. Strict: an unknown key, a wrong type or a value that cannot
 * be is an error with file, line and key. The structures mirror the file; names in comments are
 * those of the file where they differ. Lists carry their length in X_count, as libcyaml wants it.
 */
enum {
    CONFIG_FILE_MAX_BYTES = 256 * 1024,
    CONFIG_MODULES_MAX = 16,
    CONFIG_TOKENS_MAX = 64,
    CONFIG_SIGNERS_MAX = 32,
    CONFIG_IDENTITIES_MAX = 1024,
    CONFIG_SOCKETS_MAX = 64,
    CONFIG_SOCKET_USERS_MAX = 64,
    CONFIG_GRANTS_MAX = 256,
    CONFIG_WAIT_MAX_S = 60, /* of a list */
    CONFIG_ALLOWED_MAX = 256,
};

struct config_agent {
    char *socket;    /* SSH agent socket */
    char *control;   /* control API socket */
    char *state;     /* folder: certificate cache, refused PINs, serials of the built-in CA */
    char *log;       /* error, warn, note, info, debug */
    char **profiles; /* further folders of firmware profiles */
    unsigned profiles_count;
};

struct config_module {
    char *name, *path;
};

/** Exactly one member is set. */
struct config_pin {
    char *file, *environment, *credential;
    char **command;
    unsigned command_count;
    bool askpass;
};

struct config_token {
    char *name, *uri;
    struct config_pin *pin;
    unsigned pin_count;
};

/** Which keys a method has is a table in config_login.c. */
struct config_login {
    char *method; /* as vault_login_name() has them */
    char *mount, *role;
    char *token_file, *token_environment; /* token: neither: the file of Vault's token helper */
    char *role_id_file, *secret_id_file;
    bool token_wrapped, secret_id_wrapped;
    char *wrapping_path;
    char *jwt_file, *user, *password_file;
    char *key; /* cert, token-key: URI */
    bool share_with_ssh;
    char *pki_mount, *pki_role; /* cert: renews its certificate */
    char *audience, *issuer, *subject;
    bool revoke_on_stop;
};

struct config_vault {
    char *address, *server_name, *namespace_, *ca_bundle, *timeout, *proxy, *no_proxy;
    char **addresses; /* more of the same cluster */
    unsigned addresses_count;
    struct config_login login;
};

struct config_ca_role {
    char *name;
    char **principals; /* allowed; "*" is any */
    unsigned principals_count;
    char *ttl, *max_ttl;
    char **extensions;
    unsigned extensions_count;
};

struct config_ca {
    char *key; /* URI of the CA's own key */
    char *krl; /* file for the list of what is revoked; NULL: in agent.state */
    struct config_ca_role *roles;
    unsigned roles_count;
};

/** Exactly one of vault and ca is set. */
struct config_signer {
    char *name;
    struct config_vault *vault;
    struct config_ca *ca;
};

/** Who signs when the signer of a certificate cannot. */
struct config_standby {
    char *signer, *mount, *role, *ca;
    char *after; /* "never", or a duration; NULL: never */
};

enum config_certificate_type { CONFIG_CERTIFICATE_USER, CONFIG_CERTIFICATE_HOST };

struct config_certificate {
    int type; /* enum config_certificate_type */
    char *file;
    struct config_standby *standby;
    char *signer, *mount, *role, *issuer, *ttl, *key_id, *ca;
    char **principals;
    unsigned principals_count;
    char **critical_options, **extensions; /* "name" or "name=value" */
    unsigned critical_options_count, extensions_count;
};

enum config_offer { CONFIG_OFFER_CERTIFICATE, CONFIG_OFFER_BOTH, CONFIG_OFFER_KEY };

struct config_identity {
    char *name, *key;
    int offer;                   /* enum config_offer */
    char *renewal, *idle, *wait; /* see identity_renewal_find(); durations */
    bool allow_extractable;
    struct config_certificate *certificates;
    unsigned certificates_count;
};

/** A further SSH agent socket, which shows a part of the identities (see policy/). */
struct config_socket {
    char *path;
    char *scope; /* NULL: as agent.socket */
    char **tags; /* only identities that have all of them */
    unsigned tags_count;
    char **users; /* who may connect, too: names, or numbers (config_user_find()) */
    unsigned users_count;
    char **groups; /* likewise their members (config_group_find()) */
    unsigned groups_count;
};

enum config_store { CONFIG_STORE_SQLITE, CONFIG_STORE_VAULT_KV };

/** The fleet's registry in Vault's KV engine, version 2. */
struct config_kv {
    char *signer; /* the name of a vault under signers: its address and login */
    char *mount, *prefix;
};

/** What a resource of a scope, or below it, may name. Either path or key is set. */
struct config_allowed {
    char *scope, *path, *key;
};

struct config_registry {
    bool disabled;        /* enabled: no */
    char *path;           /* sqlite file; with vault-kv, of the local copy */
    int store;            /* enum config_store */
    struct config_kv *kv; /* vault-kv */
    struct config_allowed *secret_folders, *login_keys;
    unsigned secret_folders_count, login_keys_count;
};

enum config_right { CONFIG_RIGHT_VIEWER, CONFIG_RIGHT_OPERATOR, CONFIG_RIGHT_ADMINISTRATOR };

/** Who may do what over the control API. In the file, exactly one of the first four. */
struct config_grant {
    char *uid, *user, *gid, *group;
    char *scope;   /* and what is below it */
    int right;     /* enum config_right */
    bool is_group; /* what config_load() made of them: @id is a gid */
    unsigned id;
};

struct config {
    char *file; /* where it came from */
    struct config_agent agent;
    struct config_socket *sockets;
    unsigned sockets_count;
    struct config_registry registry;
    struct config_grant *grants;
    unsigned grants_count;
    struct config_module *modules;
    unsigned modules_count;
    struct config_token *tokens;
    unsigned tokens_count;
    struct config_signer *signers;
    unsigned signers_count;
    struct config_identity *identities;
    unsigned identities_count;
};

/**
 * config_load() - read, check, and fill in defaults
 * @path: NULL: $HOLDFAST_CONFIG, /etc/holdfast/holdfast.yaml for root, else below $XDG_CONFIG_HOME
 *        or ~/.config
 * Errors: NOT_FOUND (with how to make one), INPUT
 */
struct err *config_load(const char *path, struct config **ret) MUST_CHECK;
void config_free(struct config **c);
/** config_user_find() - a user of this machine by name, or any by number; false when there is none */
bool config_user_find(const char *text, uid_t *ret);
/** config_group_find() - the same for groups */
bool config_group_find(const char *text, gid_t *ret);

#endif
