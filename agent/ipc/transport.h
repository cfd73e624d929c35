#ifndef HF_IPC_TRANSPORT_H
#define HF_IPC_TRANSPORT_H

#include "base/base.h"

/** The four functions a system without AF_UNIX SEQPACKET has to replace. */

enum ipc_result { IPC_DONE, IPC_WOULD_BLOCK, IPC_EOF };

enum { IPC_HELPER_FD = 3 }; /* where a helper finds its socket */

/** ipc_pair() - two connected, close-on-exec sockets whose SO_SNDBUF holds a whole frame (checked)
 * A kernel with the stock net.core.wmem_max (212,992) gives everyone 425,984 bytes: enough. Below
 * 131,110 it takes CAP_NET_ADMIN.
 * Errors: LIMIT (the kernel would not give the buffer), or errno's */
struct err *ipc_pair(int ret_fd[2]) MUST_CHECK;
/** ipc_send() - one frame, not empty (BUG), at most IPC_MESSAGE_MAX_BYTES (LIMIT); with @wait false
 * a full socket gives IPC_WOULD_BLOCK. EOF is EPIPE. Never raises SIGPIPE */
struct err *ipc_send(int fd, struct view frame, bool wait, enum ipc_result *ret) MUST_CHECK;
/** ipc_recv() - one frame into @into (cleared first; its memory grows once, to hold any frame, and
 * stays; of a secret one only the bytes of the last frame are wiped, not all the memory)
 * A truncated message is PROTOCOL and fatal to the connection */
struct err *ipc_recv(int fd, struct buf *into, bool wait, enum ipc_result *ret) MUST_CHECK;
void ipc_close(int *fd);

/** ipc_send_fd(), ipc_recv_fd() are not here: no descriptor crosses a privilege line. */

#endif
