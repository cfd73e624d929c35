#ifndef HF_CONNECT_SERVE_H
#define HF_CONNECT_SERVE_H

#include "base/base.h"

/** connect_serve() - holdfast-connect's work: serve the agent until it closes the socket
 * @fd: (taken) */
struct err *connect_serve(int fd) MUST_CHECK;

#endif
