#ifndef HF_VAULT_VAULT_H
#define HF_VAULT_VAULT_H

#include "io/io.h"
#include "signer/signer.h"

/** How holdfast-vault logs in. One file a method; the helper reads the secret files itself. */
enum vault_login { VAULT_LOGIN_TOKEN, VAULT_LOGIN_APPROLE };

/** One Vault or OpenBao server as configured. Strings are borrowed; NULL where absent. */
struct vault_conf {
    const char *name;    /* the signer's, for messages */
    const char *address; /* "https://host:8200" */
    const char *namespace_;
    const char *ca_bundle; /* PEM file; NULL: the system's */
    enum vault_login login;
    const char *login_mount;    /* "approle" */
    const char *token_file;     /* token: this file ... */
    const struct secret *token; /* ... or this value, which came by environment */
    const char *role_id_file;   /* approle */
    const char *secret_id_file;
    bool secret_id_wrapped;     /* the file holds a response-wrapping token, used once */
    const char *wrapping_path;  /* expected creation path of the wrapped secret id; NULL: the
                                       login mount's role path is required to match in its prefix */
    int64_t request_timeout_ms; /* per HTTP request; 0: 10 s */
};

/** All of the agent's Vault servers behind one holdfast-vault. */
struct vault;

/**
 * vault_new() - the client; the helper is started with the first request
 * @helper_path: absolute path of holdfast-vault
 * @conf:        @n servers (deep-copied)
 * @ret_signers: @n signers in the order of @conf, owned by the vault object
 */
struct err *vault_new(struct io_loop *l, const char *helper_path, const struct vault_conf *conf,
                      size_t n, struct vault **ret, struct signer **ret_signers) MUST_CHECK;
void vault_free(struct vault **v);

/** What status shows of one server. Strings are borrowed until the next call. */
struct vault_status {
    const char *name, *address;
    enum { VAULT_NEVER_USED, VAULT_OK, VAULT_FAILING } state;
    const struct err *last_error; /* NULL when none */
    struct wall last_ok;          /* 0 when never */
    int64_t skew_s;
    bool has_skew;
};
size_t vault_count(const struct vault *v);
void vault_status(const struct vault *v, size_t i, struct vault_status *ret);
void vault_helper_status(const struct vault *v, struct io_helper_status *ret);

#endif
