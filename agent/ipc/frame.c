/*
 * The head of a frame: length, id, operation. What the body holds is each helper's own affair.
 *
 * A message of the socket is one frame, so the length repeats what the kernel knows; it is checked
 * nevertheless, because a transport over a byte stream will need it and a mismatch shows a peer
 * that is not ours.
 */
#include "ipc/frame.h"

void ipc_frame_begin(struct buf *b, uint32_t id, uint8_t op)
{
    buf_clear(b);
    b->max = IPC_MESSAGE_MAX_BYTES;
    buf_put_u32(b, 0);
    buf_put_u32(b, id);
    buf_put_u8(b, op);
}

struct err *ipc_frame_end(struct buf *b)
{
    buf_end_string(b, sizeof(uint32_t));
    return buf_check(b, "a frame");
}

struct err *ipc_frame_make(struct buf *b, uint32_t id, uint8_t op, struct view body)
{
    ipc_frame_begin(b, id, op);
    buf_put(b, body.p, body.len);
    return ipc_frame_end(b);
}

struct err *ipc_frame_read(struct view bytes, struct ipc_frame *ret)
{
    struct rd r = rd_of(bytes);
    uint32_t len = rd_u32(&r);
    struct ipc_frame frame = {.id = rd_u32(&r), .op = rd_u8(&r)};

    if (rd_failed(&r) || len != bytes.len - sizeof len) {
        return err_new(ERR_PROTOCOL, "a frame of %zu bytes says it has %u", bytes.len, len);
    }
    frame.body = r;
    *ret = frame;
    return NULL;
}
