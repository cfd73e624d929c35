#ifndef HF_DAEMON_PARTS_H
#define HF_DAEMON_PARTS_H

#include "daemon/config.h"
#include "identity/identity.h"
#include "pkcs11/remote/remote.h"
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
    struct vault *vault; /* NULL when none is configured */
    struct signer *cas;  /* the built-in ones */
    size_t cas_n;
};
struct err *parts_signers_new(const struct config *c, struct io_loop *l,
                              const struct parts_paths *paths, struct remote *remote,
                              struct parts_signers *ret) MUST_CHECK;
void parts_signers_deinit(struct parts_signers *s);

/** parts_identities() - the identities of the configuration */
struct err *parts_identities(const struct config *c, struct io_loop *l, struct remote *remote,
                             const struct parts_signers *signers, void (*on_change)(void *arg),
                             void *arg, struct identity_set **ret) MUST_CHECK;

#endif
