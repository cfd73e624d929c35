/*
 * Answers in the order of their requests. A client may send request after request without waiting,
 * and knows answers only by their order; signatures come back from tokens in any order. So each
 * connection keeps a queue of answers that are still to go out. It is empty most of the time, and
 * then an answer goes straight to the socket.
 */
#include <stdlib.h>

#include "protocol/priv.h"

static void answer_free(struct protocol_answer **ap)
{
    struct protocol_answer *a = take(ap);

    if (a != NULL) {
        buf_deinit(&a->frame);
        ssh_key_free(&a->key);
        free(a);
    }
}

struct protocol_answer *protocol_later(struct protocol_conn *c)
{
    struct protocol_answer *a = calloc(1, sizeof *a);

    if (a == NULL) {
        protocol_drop(&c);
        return NULL;
    }
    a->conn = c;
    buf_init(&a->frame, PROTOCOL_FRAME_MAX_BYTES);
    TAILQ_INSERT_TAIL(&c->answers, a, next);
    return a;
}

static void send_first(struct protocol_conn *c, struct view frame)
{
    struct protocol_answer *a = TAILQ_FIRST(&c->answers);

    TAILQ_REMOVE(&c->answers, a, next);
    io_conn_send(c->io, frame);
    answer_free(&a);
}

void protocol_answer(struct protocol_answer *a, struct view frame)
{
    struct protocol_conn *c = a->conn;

    if (TAILQ_FIRST(&c->answers) != a) {
        buf_put(&a->frame, frame.p, frame.len);
        a->ready = true;
        if (a->frame.failed) {
            protocol_drop(&c);
        }
        return;
    }
    send_first(c, frame);
    while ((a = TAILQ_FIRST(&c->answers)) != NULL && a->ready) {
        send_first(c, buf_view(&a->frame));
    }
}

void protocol_send(struct protocol_conn *c, struct view frame)
{
    if (TAILQ_EMPTY(&c->answers)) {
        io_conn_send(c->io, frame);
        return;
    }
    struct protocol_answer *a = protocol_later(c);

    if (a != NULL) {
        protocol_answer(a, frame);
    }
}

void protocol_send_byte(struct protocol_conn *c, uint8_t type)
{
    protocol_send(c, view_of(&type, 1));
}

void protocol_cancel_all(struct protocol_conn *c)
{
    struct protocol_answer *a;

    while ((a = TAILQ_FIRST(&c->answers)) != NULL) {
        TAILQ_REMOVE(&c->answers, a, next);
        protocol_unpark(a);
        if (a->handle != 0) {
            remote_cancel(c->socket->remote, a->handle);
        }
        answer_free(&a);
    }
}
