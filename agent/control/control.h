#ifndef HF_CONTROL_CONTROL_H
#define HF_CONTROL_CONTROL_H

#include "connect/connect.h"
#include "identity/identity.h"
#include "io/io.h"
#include "pkcs11/remote/remote.h"
#include "renew/renew.h"
#include "vault/vault.h"

/** The control API: HTTP with JSON on a Unix socket (contract: openapi.yaml in this folder). */
struct control;

enum {
    CONTROL_BODY_MAX_BYTES = 1024 * 1024,
    CONTROL_HEADERS_MAX_BYTES = 16 * 1024,
    CONTROL_CONNS_MAX = 64,
};

struct control_counters {
    uint64_t connections, lists, signs, refused, failed;
    unsigned open;
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
    const char *agent_socket; /* path */
    const char *config_file;
    const char *connect_helper; /* path of holdfast-connect */
    void (*counters)(void *arg, struct control_counters *ret);
    void *arg;
};

/** control_new() - serve @fd, as io_listen_bind() gives it (taken). A foreign uid is refused at
 * accept; every waiting request has a deadline. @path is unlinked at the end; NULL: leave it */
struct err *control_new(const struct control_deps *deps, int fd, const char *path,
                        struct control **ret) MUST_CHECK;
void control_free(struct control **c);

#endif
