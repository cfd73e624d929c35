/*
 * Extensions: query, and session-bind@openssh.com, with which a client proves on whose behalf it is
 * going to ask. A name that is not in the table is answered as any unknown message is; one that is,
 * but fails, with the extension's own failure.
 */
#include <stdlib.h>

#include "protocol/priv.h"

struct extension {
    const char *name;
    void (*handle)(struct protocol_conn *c, struct rd *body);
};

static void query(struct protocol_conn *c, struct rd *body);
static void session_bind(struct protocol_conn *c, struct rd *body);

static const struct extension extensions[] = {
    {"query", query},                           /* RFC 9987, 5.7.1 */
    {"session-bind@openssh.com", session_bind}, /* OpenSSH PROTOCOL.agent, 1 */
};

/* Spec: RFC 9987, 5.7.1: byte 29, string "query", then the names */
static void query(struct protocol_conn *c, struct rd *body)
{
    struct buf *b = &c->socket->reply;

    if (!rd_at_end(body)) {
        protocol_refuse(c, MSG_EXTENSION_FAILURE, "query: malformed");
        return;
    }
    buf_clear(b);
    b->failed = false;
    buf_put_u8(b, MSG_EXTENSION_RESPONSE);
    buf_put_cstr(b, "query");
    for (size_t i = 0; i < ARRAY_LEN(extensions); i++) {
        buf_put_cstr(b, extensions[i].name);
    }
    if (b->failed) {
        protocol_refuse(c, MSG_EXTENSION_FAILURE, "query: out of memory");
        return;
    }
    protocol_send(c, buf_view(b));
}

enum verdict { BIND_NEW, BIND_KNOWN, BIND_REFUSED };

/* Spec: OpenSSH PROTOCOL.agent, 1: nothing after a binding that was for authentication; a session
 * has one host key; the same once more is fine. */
static enum verdict judge(const struct protocol_conn *c, const struct ssh_bind *bind,
                          const char **ret_why)
{
    for (size_t i = 0; i < c->bindings_n; i++) {
        const struct policy_binding *b = &c->bindings[i];

        if (!b->is_forwarding) {
            *ret_why = "this connection is already bound for authentication";
            return BIND_REFUSED;
        }
        if (!view_eq(bind->session_id, view_of(b->session_id, b->session_id_len))) {
            continue;
        }
        if (view_eq(bind->host_key, view_of(b->host_key, b->host_key_len))) {
            return BIND_KNOWN;
        }
        *ret_why = "this session was bound to another host key";
        return BIND_REFUSED;
    }
    if (c->bindings_n == POLICY_BINDINGS_MAX) {
        *ret_why = "too many bindings";
        return BIND_REFUSED;
    }
    return BIND_NEW;
}

static struct err *record(struct protocol_conn *c, const struct ssh_bind *bind)
{
    struct policy_binding *list = realloc(c->bindings, (c->bindings_n + 1) * sizeof *c->bindings);

    if (list == NULL) {
        return err_nomem();
    }
    c->bindings = list;
    struct policy_binding b = {
        .host_key = (uint8_t *)view_dup(bind->host_key),
        .host_key_len = bind->host_key.len,
        .session_id = (uint8_t *)view_dup(bind->session_id),
        .session_id_len = bind->session_id.len,
        .is_forwarding = bind->is_forwarding,
    };

    if (b.host_key == NULL || b.session_id == NULL) {
        free(b.host_key);
        free(b.session_id);
        return err_nomem();
    }
    list[c->bindings_n++] = b;
    return NULL;
}

/* The signature is checked last, for it is what costs; a known binding was checked before. */
static struct err *bind_session(struct protocol_conn *c, struct rd *body)
{
    struct ssh_bind bind;
    const char *why = "";
    struct err *e = ssh_bind_read(body, &bind);

    if (e != NULL) {
        return e;
    }
    switch (judge(c, &bind, &why)) {
    case BIND_KNOWN:
        return NULL;
    case BIND_REFUSED:
        return err_new(ERR_DENIED, "session-bind: %s", why);
    case BIND_NEW:
        break;
    }
    e = ssh_bind_verify(&bind);
    return e != NULL ? e : record(c, &bind);
}

static void session_bind(struct protocol_conn *c, struct rd *body)
{
    AUTO(err_free) struct err *e = bind_session(c, body);

    if (e != NULL) {
        c->bind_failed = true;
        protocol_refuse(c, MSG_EXTENSION_FAILURE, "%s", err_text(e));
        return;
    }
    protocol_send_byte(c, MSG_SUCCESS);
}

/* Spec: RFC 9987, 5.7: string extension type, then its contents */
void protocol_extension(struct protocol_conn *c, struct rd *body)
{
    struct view name = rd_string(body);

    for (size_t i = 0; i < ARRAY_LEN(extensions) && !rd_failed(body); i++) {
        if (view_is(name, extensions[i].name)) {
            extensions[i].handle(c, body);
            return;
        }
    }
    AUTO(auto_free) char *shown = text_safe(view_of(name.p, name.len < 64 ? name.len : 64));

    protocol_refuse(c, MSG_FAILURE, "extension '%s' is not one we know",
                    shown != NULL ? shown : "");
}
