/*
 * The one question that holdfast-vault has for the agent: sign this with a key that stays on a token.
 * It sends the whole message, never a digest, so that the agent can judge what it signs; the answer is
 * the signature as JWA has it, and who needs DER converts.
 */
#include "vault/ask.h"

#include <stdlib.h>

enum { SIGNATURE_MAX_BYTES = 2048 }; /* RSA with 16384 bits */

void vault_question_put(struct buf *b, const struct vault_question *q)
{
    buf_put_cstr(b, q->server);
    buf_put_cstr(b, q->key);
    buf_put_cstr(b, scheme_name(q->scheme));
    buf_put_string(b, q->message);
}

struct err *vault_question_get(struct rd *r, struct vault_question_in *ret)
{
    struct vault_question *q = &ret->question;

    *ret = (struct vault_question_in){0};
    q->server = ret->server = rd_cstr(r);
    q->key = ret->key = rd_cstr(r);
    AUTO(auto_free) char *scheme = rd_cstr(r);

    q->message = rd_string(r);
    if (ret->server == NULL || ret->key == NULL || scheme == NULL ||
        !scheme_find(scheme, &q->scheme) || q->message.len == 0 ||
        q->message.len > VAULT_MESSAGE_MAX_BYTES) {
        rd_fail(r);
    }
    return rd_end(r, "question of holdfast-vault");
}

void vault_question_in_deinit(struct vault_question_in *q)
{
    free(q->server);
    free(q->key);
    *q = (struct vault_question_in){0};
}

struct err *vault_ask_signature(int fd, const struct vault_question *q, struct mono deadline,
                                struct buf *sig)
{
    AUTO(buf_deinit) struct buf body;
    AUTO(buf_deinit) struct buf reply;

    buf_init(&body, 0);
    buf_init(&reply, 0);
    vault_question_put(&body, q);
    struct err *e = buf_check(&body, "a question");

    if (e == NULL) {
        e = ipc_ask(fd, VAULT_ASK_SIGN, buf_view(&body), deadline, &reply);
    }
    if (e == NULL && (reply.len == 0 || reply.len > SIGNATURE_MAX_BYTES)) {
        e = err_new(ERR_PROTOCOL, "a signature of %zu bytes", reply.len);
    }
    if (e != NULL) {
        return err_add(e, "signature of %s", q->key);
    }
    buf_clear(sig);
    buf_put(sig, reply.data, reply.len);
    return buf_check(sig, "a signature");
}
