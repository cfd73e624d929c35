/*
 * The path of every login: find what the blob stands for, choose the algorithm, ask policy, have
 * the token sign, answer. One look-up, no parsing of keys, one small allocation for the answer that
 * is to come.
 *
 * It never signs with SHA-1, never signs bytes whose meaning it does not know, and never repeats a
 * signature: that could cost a touch or a PIN try.
 */
#include "protocol/priv.h"

struct request {
    struct view blob, data;
    uint32_t flags;
};

/* Spec: RFC 9987, 5.5: string key blob, string data, uint32 flags */
static bool read_request(struct rd *body, struct request *ret)
{
    ret->blob = rd_string(body);
    ret->data = rd_string(body);
    ret->flags = rd_u32(body);
    return !rd_failed(body) && rd_at_end(body);
}

/* Spec: RFC 9987, 5.5.1: the flags choose among RSA's algorithms. Without exactly one of them the
 * login itself says which one it was prepared for; that is what makes RSA certificates work with
 * clients that set no flags. NULL, or why not. */
static const char *choose_rsa(uint32_t flags, const struct ssh_payload *p, enum ssh_alg *ret)
{
    if (flags == SSH_AGENT_RSA_SHA2_512) {
        *ret = SSH_ALG_RSA_SHA512;
    } else if (flags == SSH_AGENT_RSA_SHA2_256) {
        *ret = SSH_ALG_RSA_SHA256;
    } else if (p->kind != SSH_PAYLOAD_USERAUTH) {
        *ret = SSH_ALG_RSA_SHA512;
    } else if (p->alg == SSH_ALG_RSA_SHA1) {
        return "the login asks for ssh-rsa, which is SHA-1 and refused";
    } else if (ssh_alg_fits(p->alg, SSH_KEY_RSA)) {
        *ret = p->alg;
    } else {
        return "the login asks for an algorithm that an RSA key does not have";
    }
    return NULL;
}

static const char *choose_alg(uint32_t flags, const struct ssh_payload *p,
                              const struct ssh_key *key, enum ssh_alg *ret)
{
    if ((flags & ~(uint32_t)(SSH_AGENT_RSA_SHA2_256 | SSH_AGENT_RSA_SHA2_512)) != 0) {
        return "unknown flags";
    }
    if (ssh_key_type(key) == SSH_KEY_RSA) {
        return choose_rsa(flags, p, ret);
    }
    *ret = ssh_alg_default(ssh_key_type(key));
    return NULL;
}

/* Spec: RFC 9987, 5.5: byte 14, string signature */
static struct err *write_response(struct buf *b, const struct protocol_answer *a, struct view raw)
{
    buf_clear(b);
    b->failed = false;
    buf_put_u8(b, MSG_SIGN_RESPONSE);
    size_t begun = buf_begin_string(b);
    struct err *e = ssh_sig_put(b, a->key, a->alg, raw);

    buf_end_string(b, begun);
    return e != NULL ? e : buf_check(b, "a signature");
}

static void on_signed(void *arg, struct err *error, struct view raw)
{
    static const uint8_t failure = MSG_FAILURE;
    AUTO(err_free) struct err *e = error;
    struct protocol_answer *a = arg;
    struct protocol_conn *c = a->conn;
    struct protocol_socket *s = c->socket;

    a->handle = 0;
    if (e == NULL) {
        e = write_response(&s->reply, a, raw);
    }
    if (e != NULL) {
        s->stats.failed++;
        protocol_log(c, e, "sign");
        protocol_answer(a, view_of(&failure, 1));
        return;
    }
    s->stats.signs++;
    protocol_answer(a, buf_view(&s->reply));
}

static void start(struct protocol_conn *c, const struct identity_use *use, enum ssh_alg alg,
                  const struct policy_request *r, struct view data)
{
    struct protocol_socket *s = c->socket;
    struct protocol_answer *a = protocol_later(c);

    if (a == NULL) {
        return;
    }
    a->alg = alg;
    a->key = ssh_key_copy(identity_public(use->identity));
    uint64_t handle =
        remote_sign(s->remote, use->key, alg, data, r->deadline, (uintptr_t)c, on_signed, a);

    if (handle != 0) { /* else the answer is out, and a is gone */
        a->handle = handle;
    }
}

static bool is_shown(const void *view, const struct identity *i)
{
    return policy_shows(view, i);
}

void protocol_sign(struct protocol_conn *c, struct rd *body)
{
    char text[SSH_FINGERPRINT_BYTES];
    struct request q;
    struct identity_use use;
    struct ssh_payload payload;
    enum ssh_alg alg = SSH_ALG_NONE;

    if (!read_request(body, &q)) {
        protocol_refuse(c, MSG_FAILURE, "sign: malformed");
        return;
    }
    if (!identity_lookup_for(c->socket->identities, q.blob, is_shown, &c->socket->view, &use)) {
        protocol_refuse(c, MSG_FAILURE, "sign: %s is not held for this socket, or has expired",
                        ssh_blob_fingerprint(q.blob, text));
        return;
    }
    ssh_payload_read(q.data, &payload);
    const struct policy_request r = protocol_request(c, &payload);
    const char *why = choose_alg(q.flags, &payload, identity_public(use.identity), &alg);

    if (why != NULL || policy_sign(&r, &use, &why) == POLICY_DENY) {
        protocol_refuse(c, MSG_FAILURE, "sign with %s: %s", identity_name(use.identity), why);
        return;
    }
    if (use.key == NULL) {
        protocol_refuse(c, MSG_FAILURE, "sign with %s: %s", identity_name(use.identity),
                        err_text(identity_problem(use.identity)));
        return;
    }
    identity_used(use.identity);
    start(c, &use, alg, &r, q.data);
}
