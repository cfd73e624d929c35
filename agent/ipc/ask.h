#ifndef HF_IPC_ASK_H
#define HF_IPC_ASK_H

#include "ipc/frame.h"
#include "ipc/transport.h"

/** Where a helper finds its sockets for questions: worker i has IPC_ASK_FD + i. The agent says how
 * many there are (see struct io_helper_conf). */
enum { IPC_ASK_FD = IPC_HELPER_FD + 1 };

/**
 * ipc_ask() - a helper's thread asks the agent, and waits for the answer
 * @fd:       the thread's own socket for questions (borrowed)
 * @op:       below IPC_OP_REPLY_FIRST
 * @body:     of the question, IPC_FRAME_MAX_BYTES at most
 * @deadline: give up then. The answer to a question that was given up is dropped when it comes
 * @reply:    initialised; cleared, then the body of the answer, on success only
 * Blocks. One question at a time a socket: asking again gives up the one before.
 * Errors: the agent's own; TIMEOUT; GONE (the agent is gone); PROTOCOL; LIMIT; NOMEM
 */
struct err *ipc_ask(int fd, uint8_t op, struct view body, struct mono deadline, struct buf *reply)
    MUST_CHECK;

#endif
