#ifndef HF_IPC_IPC_H
#define HF_IPC_IPC_H

/* The public header of ipc/: frames, transport, the helper runtime and its questions, peers, the
 * sandbox. Blocking; no event loop. */
#include "ipc/ask.h"
#include "ipc/frame.h"
#include "ipc/peer.h"
#include "ipc/sandbox.h"
#include "ipc/serve.h"
#include "ipc/transport.h"

#endif
