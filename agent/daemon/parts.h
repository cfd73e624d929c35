#ifndef HF_DAEMON_PARTS_H
#define HF_DAEMON_PARTS_H

#include "control/control.h"
#include "daemon/bind_registry.h"
#include "daemon/config.h"
#include "identity/identity.h"
#include "pkcs11/remote/remote.h"
#include "protocol/protocol.h"
#include "signer/signer.h"
#include "vault/vault.h"

/** Where the installation keeps its programs and data, found from this program's own place. */
struct parts_paths {
    char *token_helper, *vault_helper, *connect_helper; /* absolute */
    char **profiles; /* folders of firmware profiles, NULL-terminated; ours first */
};
struct err *parts_paths_find(const struct config *c, const char *helpers, struct parts_paths *ret)
    MUST_CHECK;
void parts_paths_deinit(struct parts_paths *p);

/** parts_remote() - modules, tokens and PIN sources of the configuration
 * PINs that come by environment are read here, and overwritten. */
struct err *parts_remote(const struct config *c, struct io_loop *l, const struct parts_paths *paths,
                         const struct profile_set *profiles, remote_change_fn *on_change, void *arg,
                         struct remote **ret) MUST_CHECK;

/** All configured signers. */
struct parts_signers {
    struct signer **all; /* in the order of the configuration; elements owned by their makers */
    size_t n;
    struct vault *vault; /* NULL when none is configured, and there is no registry */
    struct signer *cas;  /* the built-in ones */
    size_t cas_n;
};
struct err *parts_signers_new(const struct config *c, struct io_loop *l,
                              const struct parts_paths *paths, struct remote *remote,
                              struct audit *audit, struct parts_signers *ret) MUST_CHECK;
void parts_signers_deinit(struct parts_signers *s);

/** parts_options() - "name" or "name=value" each; NULL for none (caller owns) */
struct err *parts_options(char **from, unsigned n, struct ssh_cert_option **ret) MUST_CHECK;
/** parts_extensions() - the extensions of a request, see struct signer_request
 * @from: NULL: nothing is said, which means the least that a login needs: permit-pty for a user, and
 *        nothing for a host; "role" alone: as the role gives by itself; else exactly these
 * @ret:  caller owns */
struct err *parts_extensions(char **from, unsigned n, enum ssh_cert_kind kind,
                             struct ssh_cert_option **ret, bool *ret_role_may_choose) MUST_CHECK;
/** parts_identities() - the identities of the configuration */
struct err *parts_identities(const struct config *c, struct io_loop *l, struct remote *remote,
                             const struct parts_signers *signers, void (*on_change)(void *arg),
                             void *arg, struct identity_set **ret) MUST_CHECK;

/** parts_registry_new() - open the registry and its store
 * @vault: outlives it; not used where the store is a file */
struct parts_registry {
    struct registry *registry; /* NULL: not enabled */
    struct registry_allowed *allowed;
};
struct err *parts_registry_new(const struct config *c, struct io_loop *l, struct vault *vault,
                               struct parts_registry *ret) MUST_CHECK;
void parts_registry_deinit(struct parts_registry *r);

/** parts_binder() - bind the registry to the agent; what holdfast.yaml names stays its own */
struct err *parts_binder(const struct config *c, const struct parts_signers *signers,
                         struct bind_deps *deps, struct bind_registry **ret) MUST_CHECK;

/** agent.socket and the further ones, listening. */
struct parts_sockets {
    struct protocol_socket **all; /* agent.socket is the first */
    size_t n;
};
/** parts_sockets_new() - bind and serve them
 * @path:      of agent.socket, where the command line does not say another
 * @only_main: no further ones: the agent of a single command */
struct err *parts_sockets_new(const struct config *c, const char *path, bool only_main,
                              struct io_loop *l, struct identity_set *identities,
                              struct remote *remote, struct parts_sockets *ret) MUST_CHECK;
void parts_sockets_deinit(struct parts_sockets *s);
/** parts_sockets_count() - of all of them together */
void parts_sockets_count(const struct parts_sockets *s, struct protocol_stats *ret);

/** parts_grants() - as control/ wants them (caller frees the array; it points into @c) */
struct err *parts_grants(const struct config *c, struct control_grant **ret) MUST_CHECK;

#endif
