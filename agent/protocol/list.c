/*
 * The list of identities. It is written once for each generation of the offers and then sent as it
 * is to everybody, since listing is what every client does first, and many do nothing else. Only
 * where policy may answer differently for this asker is the list made for it alone. A list may have to
 * wait a moment for certificates that are renewed when used: see park.c.
 */
#include "protocol/priv.h"

enum { COUNT_AT = 1, LINE_HEAD_BYTES = 8 };

static void patch_count(struct buf *b, uint32_t n)
{
    const uint8_t be[] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

    if (!b->failed) {
        memcpy(b->data + COUNT_AT, be, sizeof be);
    }
}

/* Spec: RFC 9987, 5.4: byte 12, uint32 nkeys, nkeys x (string key blob, string comment). What does
 * not fit into one frame is left out, from the end. */
static void write_list(struct protocol_socket *s, const struct policy_request *r,
                       const struct identity_offer_line *lines, size_t n, struct buf *out)
{
    uint32_t count = 0;

    buf_clear(out);
    out->failed = false;
    buf_put_u8(out, MSG_IDENTITIES_ANSWER);
    buf_put_u32(out, 0);
    for (size_t i = 0; i < n && count < PROTOCOL_IDENTITIES_MAX; i++) {
        size_t len = LINE_HEAD_BYTES + lines[i].blob.len + strlen(lines[i].comment);

        if (policy_list(r, &lines[i]) == POLICY_DENY) {
            continue;
        }
        if (len > PROTOCOL_FRAME_MAX_BYTES - out->len) {
            log_line(LOG_WARN, "%s: only %u of %zu identities fit into an answer", s->path, count,
                     n);
            break;
        }
        buf_put_string(out, lines[i].blob);
        buf_put_cstr(out, lines[i].comment);
        count++;
    }
    patch_count(out, count);
}

static struct buf *kept_list(struct protocol_socket *s, const struct policy_request *r)
{
    size_t n = 0;
    uint64_t generation = 0;
    const struct identity_offer_line *lines = identity_offers(s->identities, &n, &generation);

    if (generation != s->list_generation) {
        write_list(s, r, lines, n, &s->list);
        s->list_generation = s->list.failed ? 0 : generation;
    }
    return &s->list;
}

static struct buf *own_list(struct protocol_conn *c, const struct policy_request *r)
{
    size_t n = 0;
    uint64_t generation = 0;
    const struct identity_offer_line *lines =
        identity_offers(c->socket->identities, &n, &generation);

    write_list(c->socket, r, lines, n, &c->socket->reply);
    return &c->socket->reply;
}

const struct buf *protocol_list_for(struct protocol_conn *c, const struct policy_request *r)
{
    const struct buf *list = policy_list_varies(r) ? own_list(c, r) : kept_list(c->socket, r);

    if (list->failed) {
        return NULL;
    }
    c->socket->stats.lists++;
    return list;
}

void protocol_list(struct protocol_conn *c, struct rd *body)
{
    const struct policy_request r = protocol_request(c, NULL);

    if (!rd_at_end(body)) {
        protocol_refuse(c, MSG_FAILURE, "a list request has nothing after its number");
        return;
    }
    if (identity_set_has_sleepers(c->socket->identities) && protocol_park(c, &r)) {
        return;
    }
    protocol_need(c, &r);
    const struct buf *list = protocol_list_for(c, &r);

    if (list == NULL) {
        protocol_refuse(c, MSG_FAILURE, "out of memory");
        return;
    }
    protocol_send(c, buf_view(list));
}
