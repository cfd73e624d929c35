#ifndef HF_IPC_FRAME_H
#define HF_IPC_FRAME_H

#include "base/base.h"

/**
 * A frame between our processes, one per SOCK_SEQPACKET message:
 *   uint32 length of what follows, uint32 id, byte op, body
 * A request's op is below IPC_OP_REPLY_FIRST; its answer carries the same id and one of
 * enum ipc_reply. Requests of one direction have ids of their own, never 0.
 */
enum {
    IPC_FRAME_HEAD_BYTES = 9,
    IPC_FRAME_MAX_BYTES = 256 * 1024,                                   /* the body */
    IPC_MESSAGE_MAX_BYTES = IPC_FRAME_HEAD_BYTES + IPC_FRAME_MAX_BYTES, /* head and body */
    IPC_OP_REPLY_FIRST = 0xf0,
};

enum ipc_reply {
    IPC_REPLY_OK = 0xf0,    /* body: the operation's result */
    IPC_REPLY_ERR = 0xf1,   /* body: err_put() */
    IPC_REPLY_EVENT = 0xf2, /* body: something on the way to the answer (progress); id as asked */
};

struct ipc_frame {
    uint32_t id;
    uint8_t op;
    struct rd body; /* reads from the received bytes */
};

/** ipc_frame_begin() - empties @b and writes the head; @b may hold IPC_MESSAGE_MAX_BYTES from then on */
void ipc_frame_begin(struct buf *b, uint32_t id, uint8_t op);
/** ipc_frame_end() - fills in the length; LIMIT, NOMEM */
struct err *ipc_frame_end(struct buf *b) MUST_CHECK;
/** ipc_frame_make() - begin, body, end in one: @b holds the whole frame; LIMIT, NOMEM */
struct err *ipc_frame_make(struct buf *b, uint32_t id, uint8_t op, struct view body) MUST_CHECK;
/** ipc_frame_read() - PROTOCOL when the length does not match */
struct err *ipc_frame_read(struct view bytes, struct ipc_frame *ret) MUST_CHECK;

#endif
