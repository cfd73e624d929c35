#ifndef HF_VAULT_ASK_H
#define HF_VAULT_ASK_H

#include "ipc/ipc.h"
#include "vault/vault.h"

/** What holdfast-vault asks the agent. */
enum vault_ask_op {
    VAULT_ASK_SIGN = 1, /* a struct vault_question; answer: the signature */
};

/** vault_question_put() - the body of VAULT_ASK_SIGN */
void vault_question_put(struct buf *b, const struct vault_question *q);
/** A question as it is read. */
struct vault_question_in {
    struct vault_question question; /* its message lives as long as the bytes it was read from */
    char *server, *key;             /* owned */
};
/** vault_question_get() - read it (caller: vault_question_in_deinit(), after an error as well).
 * PROTOCOL */
struct err *vault_question_get(struct rd *r, struct vault_question_in *ret) MUST_CHECK;
void vault_question_in_deinit(struct vault_question_in *q);

enum {
    VAULT_MESSAGE_MAX_BYTES = 128 * 1024
}; /* to be signed: a TLS 1.2 transcript is the longest */

/**
 * vault_ask_signature() - have the agent sign with a key on a token
 * @fd:       the thread's socket for questions
 * @q:        the server that is logged in to, the agent's name for the key, the scheme, and the
 *            whole message, which the agent judges by its shape
 * @deadline: a touch or a slow token may take until then
 * @sig:      initialised; the signature as struct remote and JWA have it (r||s, RSA big endian), on
 *            success only
 * Blocks. Errors: the agent's (DENIED: not this message or not this key; NOT_FOUND, PIN, GONE, ...), and
 * those of ipc_ask()
 */
struct err *vault_ask_signature(int fd, const struct vault_question *q, struct mono deadline,
                                struct buf *sig) MUST_CHECK;

#endif
