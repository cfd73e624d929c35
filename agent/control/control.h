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
    CONTROL_WAITING_MAX = 256,   /* requests whose answer is being worked on, wanted or not */
    CONTROL_IDLE_S = 60,         /* a connection without a request, or that takes no bytes */
    CONTROL_HEARTBEAT_MS = 5000, /* of silence in a stream */
    CONTROL_STREAM_MAX_BYTES = 4 * 1024 * 1024, /* that a client may leave unread */
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
    int64_t wait_max_ms;  /* no request waits longer; 0: as long as its resource says */
    int64_t heartbeat_ms; /* 0: CONTROL_HEARTBEAT_MS */
};

/** control_new() - serve @fd, as io_listen_bind() gives it (taken). A foreign uid is refused at
 * accept; every waiting request has a deadline. @path is unlinked at the end; NULL: leave it.
 * From now on all JSON of this process is in memory that is wiped when it is freed. */
struct err *control_new(const struct control_deps *deps, int fd, const char *path,
                        struct control **ret) MUST_CHECK;
/** control_free() - closes all connections at once. What was begun on behalf of a client runs to
 * its end in the other parts; their callbacks may come after this */
void control_free(struct control **c);

#endif
