#ifndef HF_VAULT_SERVE_H
#define HF_VAULT_SERVE_H

#include "ipc/ipc.h"

/** All that holdfast-vault knows: the servers and how they are logged in to. */
struct vault_helper;

/** vault_helper_new() - what ipc_serve() hands to the operations; NOMEM */
struct err *vault_helper_new(struct vault_helper **ret) MUST_CHECK;
void vault_helper_free(struct vault_helper **h);
/** vault_helper_ops() - its operations, for ipc_serve() with a struct vault_helper */
const struct ipc_server_ops *vault_helper_ops(void);

#endif
