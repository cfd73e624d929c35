#ifndef HF_BENCH_MESSAGE_H
#define HF_BENCH_MESSAGE_H

#include "ssh/ssh.h"

/** Message numbers (Spec: RFC 9987, 6.1). */
enum {
    AGENT_SUCCESS = 6,
    AGENT_LIST = 11,
    AGENT_LIST_ANSWER = 12,
    AGENT_SIGN = 13,
    AGENT_SIGN_ANSWER = 14,
    AGENT_EXTENSION = 27,
};

enum { SESSION_ID_BYTES = 32 };

/** message_list() - the framed request for a list; @out is empty, as in all of these */
void message_list(struct buf *out);
/** message_sign() - the framed request that a login with this plain key makes
 * @session_id: SESSION_ID_BYTES long */
void message_sign(struct view key_blob, struct view session_id, struct buf *out);
/** message_bind() - a framed session-bind with a host key made for it, Ed25519, and its signature
 */
void message_bind(struct view session_id, struct buf *out);
/** message_session_id() - random bytes */
void message_session_id(uint8_t out[SESSION_ID_BYTES]);
/** message_find_key() - the blob of the listed key with this comment
 * @answer: a list answer without its length; the result is a view into it
 * Errors: PROTOCOL, NOT_FOUND */
struct err *message_find_key(struct view answer, const char *comment, struct view *ret) MUST_CHECK;

#endif
