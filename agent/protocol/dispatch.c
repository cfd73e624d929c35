/*
 * From the message number to its handler. What is not in the table with a handler is answered with
 * the one failure byte that the protocol has; the reason goes to the log, where an administrator
 * finds it, and never to the client.
 *
 * A client that is refused again and again must not fill the log: after a few lines of one
 * connection there is a last one that says so.
 */
#include <stdio.h>

#include "protocol/priv.h"

struct message {
    const char *name;
    void (*handle)(struct protocol_conn *c, struct rd *body); /* NULL: always refused */
};

/* Keys are on tokens and their use is configured, so nothing is added, removed or locked over this
 * socket. */
static const struct message messages[] = {
    [MSG_REQUEST_IDENTITIES] = {"list", protocol_list},        /* RFC 9987, 5.4 */
    [MSG_SIGN_REQUEST] = {"sign", protocol_sign},              /* RFC 9987, 5.5 */
    [MSG_ADD_IDENTITY] = {"add key", NULL},                    /* RFC 9987, 5.2 */
    [MSG_REMOVE_IDENTITY] = {"remove key", NULL},              /* RFC 9987, 5.3 */
    [MSG_REMOVE_ALL_IDENTITIES] = {"remove all keys", NULL},   /* RFC 9987, 5.3 */
    [MSG_ADD_SMARTCARD_KEY] = {"add token", NULL},             /* RFC 9987, 5.2 */
    [MSG_REMOVE_SMARTCARD_KEY] = {"remove token", NULL},       /* RFC 9987, 5.3 */
    [MSG_LOCK] = {"lock", NULL},                               /* RFC 9987, 5.6 */
    [MSG_UNLOCK] = {"unlock", NULL},                           /* RFC 9987, 5.6 */
    [MSG_ADD_ID_CONSTRAINED] = {"add key", NULL},              /* RFC 9987, 5.2 */
    [MSG_ADD_SMARTCARD_KEY_CONSTRAINED] = {"add token", NULL}, /* RFC 9987, 5.2 */
    [MSG_EXTENSION] = {"extension", protocol_extension},       /* RFC 9987, 5.7 */
};

void protocol_log(struct protocol_conn *c, const struct err *e, const char *text)
{
    if (c->logged > PROTOCOL_LOG_MAX) {
        return;
    }
    AUTO(auto_free) char *who = peer_text(&c->peer);
    const char *last = c->logged++ == PROTOCOL_LOG_MAX ? " (no more of this connection)" : "";

    if (e != NULL) {
        log_err(LOG_NOTE, e, "%s: %s: %s%s", c->socket->path, who != NULL ? who : "", text, last);
    } else {
        log_line(LOG_NOTE, "%s: %s: %s%s", c->socket->path, who != NULL ? who : "", text, last);
    }
}

void protocol_refuse(struct protocol_conn *c, uint8_t type, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    c->socket->stats.refused++;
    protocol_log(c, NULL, text);
    protocol_send_byte(c, type);
}

void protocol_dispatch(struct protocol_conn *c, struct view frame)
{
    struct rd body = rd_of(frame);
    uint8_t number = rd_u8(&body);
    const struct message *m = number < ARRAY_LEN(messages) ? &messages[number] : NULL;

    if (m == NULL || m->name == NULL) {
        protocol_refuse(c, MSG_FAILURE, "message %u is not one we know", number);
    } else if (m->handle == NULL) {
        protocol_refuse(c, MSG_FAILURE, "'%s' refused: keys live on tokens, see holdfast.yaml",
                        m->name);
    } else {
        m->handle(c, &body);
    }
}
