#ifndef HF_CONTROL_CONTROL_H
#define HF_CONTROL_CONTROL_H

#include "audit/audit.h"
#include "connect/connect.h"
#include "enroll/enroll.h"
#include "identity/identity.h"
#include "io/io.h"
#include "pkcs11/remote/remote.h"
#include "registry/registry.h"
#include "renew/renew.h"
#include "vault/vault.h"

/** The control API: HTTP with JSON on a Unix socket (contract: openapi.yaml in this folder). */
struct control;

enum {
    CONTROL_BODY_MAX_BYTES = 1024 * 1024,
    CONTROL_HEADERS_MAX_BYTES = 16 * 1024,
    CONTROL_CONNS_MAX = 64,
    CONTROL_WAITING_MAX = 256,   /* requests whose answer is being worked on, wanted or not */
    CONTROL_IDLE_S = 60,         /* a connection without a request, or that takes no bytes */
    CONTROL_HEARTBEAT_MS = 5000, /* of silence in a stream */
    CONTROL_STREAM_MAX_BYTES = 4 * 1024 * 1024, /* that a client may leave unread */
};

struct control_counters {
    uint64_t connections, lists, signs, refused, failed;
    unsigned open;
};

/** What somebody may do at a scope and all scopes below it; each includes the ones before. */
enum control_right {
    CONTROL_NOTHING,
    CONTROL_VIEWER,        /* see */
    CONTROL_OPERATOR,      /* use, test, run */
    CONTROL_ADMINISTRATOR, /* change */
};

/** A line of `grants` in holdfast.yaml: to a uid, to a group, or to a uid only while in a group. */
struct control_grant {
    uid_t uid;
    gid_t gid;
    bool has_uid, has_gid;
    const char *scope; /* "account", "org/NAME", "org/NAME/project/NAME" */
    enum control_right right;
};

/** What the API shows and does; all borrowed, all outlive it. */
struct control_deps {
    struct io_loop *loop;
    struct remote *remote;
    struct identity_set *identities;
    struct renew *renew;
    struct vault *vault; /* NULL: no Vault signer is configured */
    const struct signer *const *signers;
    size_t signers_n;
    struct registry *registry; /* NULL: what needs one is UNSUPPORTED */
    struct audit *audit;       /* NULL: there is no audit trail */
    const struct control_grant *grants;
    size_t grants_n; /* with none, only root and our own user get in */
    /* the identity that an SSH key of the registry is (borrowed); NULL: there is none, or not yet.
     * The pointer may be NULL: then there is none */
    struct identity *(*identity_of)(void *arg, const char *scope, const char *id);
    /* a secret that came by environment (borrowed); NULL: no such variable was taken over. The pointer
     * may be NULL */
    const struct secret *(*secret_of)(void *arg, const char *variable);
    /* what a configuration that is tried out has to know of its login key; true: it is just being
     * read, ask again in a moment. The pointer may be NULL */
    bool (*login_of)(void *arg, struct vault_conf *conf);
    /* the name in vault/ of a connector that is in use (caller owns); NULL: it is not. The pointer may
     * be NULL */
    char *(*vault_of)(void *arg, const char *scope, const char *id);
    /* what of the registry could not be applied: {"problems": [{"kind", "scope", "identifier",
     * "problem"}], "retry_s": number or null} (new reference). The pointer may be NULL */
    json_t *(*registry_problems)(void *arg);
    /* a change of the registry is just being applied: what connectors and identities are is yet to come.
     * The pointer may be NULL */
    bool (*registry_is_busy)(void *arg);
    const char *agent_socket; /* path */
    const char *config_file;
    const char *connect_helper; /* path of holdfast-connect */
    void (*counters)(void *arg, struct control_counters *ret);
    struct enroll_keep *keep;           /* what renews login certificates; NULL: nothing does */
    void (*on_certificates)(void *arg); /* a token got another X.509 certificate; may be NULL */
    void *arg;
    int64_t wait_max_ms;  /* no request waits longer; 0: as long as its resource says */
    int64_t heartbeat_ms; /* 0: CONTROL_HEARTBEAT_MS */
};

/**
 * control_vault_conf() - a connector of the registry as vault/ wants it: for the test of a connector,
 * and for daemon/, which puts those that are in use
 * @connector:   its spec, checked by the registry (borrowed)
 * @certificate: spec of the certificate that it refers to; NULL: none (borrowed)
 * @token:       value of its token_environment; NULL: there is none (borrowed)
 * @ret:         named "connector"; points into all of these
 * @ret_more:    list behind @ret (caller owns)
 * Errors: UNSUPPORTED (a token_environment, and no @token; a method of a later version), NOMEM
 */
struct err *control_vault_conf(const json_t *connector, const json_t *certificate,
                               const struct secret *token, struct vault_conf *ret, char ***ret_more)
    MUST_CHECK;
/** control_vault_defaults() - what a login that says nothing has: the method's usual mount */
void control_vault_defaults(struct vault_conf *c);

/** control_new() - serve @fd, as io_listen_bind() gives it (taken). A uid without a grant is refused
 * at accept; every waiting request has a deadline. @path is unlinked at the end; NULL: leave it. With
 * grants it gets mode 0666, for the peers' uids to decide (its folder has to let them through).
 * From now on all JSON of this process is in memory that is wiped when it is freed. */
struct err *control_new(const struct control_deps *deps, int fd, const char *path,
                        struct control **ret) MUST_CHECK;
/** control_free() - closes all connections at once. What was begun on behalf of a client runs to
 * its end in the other parts; their callbacks may come after this */
void control_free(struct control **c);
/** control_forget() - when all that requests waited for has been freed too: the requests that were open
 * at control_free() and whose callback did not come */
void control_forget(void);

#endif
