#ifndef HF_PKCS11_REMOTE_SERVE_H
#define HF_PKCS11_REMOTE_SERVE_H

#include "base/base.h"

/**
 * serve_run() - the life of holdfast-token: take OPS_LOAD, enter the sandbox, load the module, answer
 * requests until the agent closes the socket, then close sessions and unload the module
 * @fd: connected socket (taken)
 * A module that cannot be loaded is an answer, and the end, but no error.
 */
struct err *serve_run(int fd) MUST_CHECK;

#endif
