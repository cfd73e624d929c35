#ifndef HF_IPC_TRANSPORT_H
#define HF_IPC_TRANSPORT_H

#include "base/base.h"

/** The four functions a system without AF_UNIX SEQPACKET has to replace. */

enum ipc_result { IPC_DONE, IPC_WOULD_BLOCK, IPC_EOF };

enum { IPC_HELPER_FD = 3 }; /* where a helper finds its socket */

/** ipc_pair() - two connected, close-on-exec sockets whose SO_SNDBUF holds a whole frame (checked)
 * Errors: LIMIT (the kernel would not give the buffer), or errno's */
struct err *ipc_pair(int ret_fd[2]) MUST_CHECK;
/** ipc_send() - one frame, not empty; with @wait false a full socket gives IPC_WOULD_BLOCK. EOF is
 * EPIPE. Never raises SIGPIPE */
struct err *ipc_send(int fd, struct view frame, bool wait, enum ipc_result *ret) MUST_CHECK;
/** ipc_recv() - one frame into @into (cleared first; grows to IPC_FRAME_MAX_BYTES)
 * A truncated message is PROTOCOL and fatal to the connection */
struct err *ipc_recv(int fd, struct buf *into, bool wait, enum ipc_result *ret) MUST_CHECK;
void ipc_close(int *fd);

/** ipc_send_fd(), ipc_recv_fd() are not here: no descriptor crosses a privilege line. */

#endif
