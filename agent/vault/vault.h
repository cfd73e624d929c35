#ifndef HF_VAULT_VAULT_H
#define HF_VAULT_VAULT_H

/* The public header of vault/: what the agent says to its Vault servers through holdfast-vault. */
#include "io/io.h"
#include "signer/signer.h"

/** How holdfast-vault logs in. One file a method; the helper reads the secret files itself. */
enum vault_login {
    VAULT_LOGIN_TOKEN,
    VAULT_LOGIN_APPROLE,
    VAULT_LOGIN_CERT,
    VAULT_LOGIN_JWT,
    VAULT_LOGIN_KUBERNETES,
    VAULT_LOGIN_USERPASS,
    VAULT_LOGIN_TOKEN_KEY, /* Vault's jwt method, with a JWT signed by a key on a token */
};
enum { VAULT_LOGINS = VAULT_LOGIN_TOKEN_KEY + 1 };

/** vault_login_name() - the word in holdfast.yaml and in a connector: "token", "token-key" */
const char *vault_login_name(enum vault_login login);
/** vault_login_find() - the method of this word; @ret is written only when there is one */
bool vault_login_find(const char *word, enum vault_login *ret);

/** One Vault or OpenBao server as configured. Strings are borrowed; NULL where absent. */
struct vault_conf {
    const char *name;        /* the signer's, for messages */
    const char *address;     /* "https://host:8200" */
    char *const *addresses;  /* more of the same cluster, tried in turn where one is unreachable or
                               sealed; NULL-terminated, NULL: none */
    const char *server_name; /* the name that the certificate is for and that is asked for in SNI;
                                NULL: the address' own host */
    const char *namespace_;
    const char *ca_bundle; /* PEM file; NULL: the system's */
    const char *ca_pem;    /* PEM text; together with @ca_bundle: INPUT */
    enum vault_login login;
    const char *login_mount;    /* "approle" */
    const char *token_file;     /* token: this file ... */
    const struct secret *token; /* ... or this value, which came by environment */
    bool token_wrapped;         /* it is a response-wrapping token of the real one, unwrapped once;
                                   @wrapping_path is checked */
    const char *role_id_file;   /* approle */
    const char *secret_id_file;
    bool secret_id_wrapped;    /* the file holds a response-wrapping token, used once */
    const char *wrapping_path; /* expected creation path of the wrapped secret id; NULL: the
                                       login mount's role path is required to match in its prefix */
    const char *role;          /* cert (optional), jwt, kubernetes, token-key */
    const char *jwt_file;      /* jwt; kubernetes, where NULL is the service account's own */
    const char *user;          /* userpass */
    const char *password_file;
    const char *client_key;        /* cert, token-key: a PKCS#11 URI, the agent's name for it */
    bool client_key_shared;        /* it may be an SSH identity's too; for the agent alone */
    const char *client_public_pem; /* its public half, SubjectPublicKeyInfo; NULL: not found ... */
    const char *client_problem;    /* ... because of this, which is the login's error */
    bool client_problem_passes;    /* the key's token is away or locked; false: it will not mend
                                      itself */
    const char *client_cert_pem;   /* cert: its certificate, leaf first, then the chain */
    const char *pki_mount;         /* cert: where a next certificate comes from; for enroll/ */
    const char *pki_role;
    const char *jwt_issuer; /* token-key: claims; NULL: VAULT_JWT_ISSUER */
    const char *jwt_subject, *jwt_audience;
    bool revoke_on_stop;          /* a Vault token that a login gave ends at a clean stop */
    const char *proxy, *no_proxy; /* as libcurl has them; NULL: the environment's */
    int64_t request_timeout_ms;   /* per HTTP request; 0: 10 s */
    bool renew_by_interval;   /* false: a Vault token is renewed on use, after 2/3 of its time */
    int64_t renew_interval_s; /* true: every so often, used or not; 0: never. A root token
                                   demands 0 */
};

#define VAULT_JWT_ISSUER "holdfast"

/** vault_conf_copy() - a deep copy; on an error @ret is empty. NOMEM */
struct err *vault_conf_copy(const struct vault_conf *from, struct vault_conf *ret) MUST_CHECK;
/** vault_conf_deinit() - frees the strings and the secret of a copy and empties it */
void vault_conf_deinit(struct vault_conf *c);

enum { VAULT_SERVERS_MAX = 64, VAULT_ADDRESSES_MAX = 16 };

/** All of the agent's Vault servers behind one holdfast-vault. */
struct vault;

/**
 * vault_new() - the client; the helper is started with the first request
 * @helper_path: absolute path of holdfast-vault
 * @conf:        @n servers (deep-copied), may be 0
 * @ret_signers: @n signers in the order of @conf, owned by the vault object, each good as
 *               long as its server (see vault_put()); may be NULL when @n is 0
 * Errors: those of vault_put()
 */
struct err *vault_new(struct io_loop *l, const char *helper_path, const struct vault_conf *conf,
                      size_t n, struct vault **ret, struct signer **ret_signers) MUST_CHECK;
/** vault_free() - what is open is answered with GONE first; kv objects must be gone before */
void vault_free(struct vault **v);

/**
 * vault_put() - add a server, or replace the one of this name, while running
 * @conf:       deep-copied, secrets too
 * @ret_signer: its signer (borrowed); may be NULL
 * A signer, its address and its name stay the same through every replacement; they end with
 * vault_remove() or vault_free(). Requests under way, queued ones too, finish with the old
 * configuration; the new one logs in for itself, but a wrapped secret id that was exchanged already
 * is remembered.
 * Errors: INPUT (no name or address, two kinds of CA), LIMIT, NOMEM; nothing has changed then
 */
struct err *vault_put(struct vault *v, const struct vault_conf *conf,
                      const struct signer **ret_signer) MUST_CHECK;
/**
 * vault_remove() - forget a server
 * Its open requests are answered with GONE during the call, so afterwards nothing refers to the signer
 * but what the caller kept: let identities go of it first. A name that is not there is no error.
 */
void vault_remove(struct vault *v, const char *name);

/** What holdfast-vault wants signed, by a key on a token, to log in to a server: the whole message. All
 * is borrowed. */
struct vault_question {
    const char *server; /* its name */
    const char *key;    /* struct vault_conf's client_key */
    enum scheme scheme;
    struct view message;
};

/** Takes a question; vault_answer() is called once for it, in here or later. */
typedef void vault_question_fn(void *arg, uint64_t question, const struct vault_question *q);
/** vault_on_question() - who answers; without one (NULL) every question is refused */
void vault_on_question(struct vault *v, vault_question_fn *fn, void *arg);
/**
 * vault_answer() - answer a question
 * @e:         why it is not signed (taken); NULL: it is
 * @signature: as JWA has it (copied)
 * A question that its helper gave up, or that the helper is gone for, is no matter.
 */
void vault_answer(struct vault *v, uint64_t question, struct err *e, struct view signature);

/** vault_conf_of() - the configuration of a server that was put (borrowed until the next vault_put() or
 * vault_remove()); NULL: there is none of this name */
const struct vault_conf *vault_conf_of(const struct vault *v, const char *name);

/** What status shows of one server. Strings are borrowed until the next call. */
struct vault_status {
    const char *name, *address;
    enum { VAULT_NEVER_USED, VAULT_OK, VAULT_FAILING } state;
    const struct err *last_error; /* NULL when none */
    struct wall last_ok;          /* 0 when never */
    int64_t skew_s;
    bool has_skew;
    struct wall patience_until; /* it asked to be left alone until then; 0: it does not */
};
size_t vault_count(const struct vault *v);
void vault_status(const struct vault *v, size_t i, struct vault_status *ret);
void vault_helper_status(const struct vault *v, struct io_helper_status *ret);

#include "vault/issue.h"
#include "vault/kv.h"
#include "vault/look.h"

#endif
