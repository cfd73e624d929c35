#ifndef HF_CONNECT_AGENT_H
#define HF_CONNECT_AGENT_H

#include "connect/wait.h"

enum { CONNECT_AGENT_ANSWER_MAX_BYTES = 256 * 1024 };

/** A connection to an SSH agent: one question at a time. */
struct connect_agent;

/** connect_agent_new() - connect to @path; NOT_FOUND, DENIED, GONE, LIMIT (path too long) */
struct err *connect_agent_new(const char *path, struct connect_agent **ret) MUST_CHECK;
/** connect_agent_ask_list() - begin "which identities?" */
struct err *connect_agent_ask_list(struct connect_agent *a) MUST_CHECK;
/** connect_agent_ask_sign() - begin "sign @data with @blob"; @flags of enum SSH_AGENT_RSA_... */
struct err *connect_agent_ask_sign(struct connect_agent *a, struct view blob, struct view data,
                                   uint32_t flags) MUST_CHECK;
/**
 * connect_agent_go() - move the question on
 * @ret_answer: when finished: what follows the answer's type byte; valid until the next question
 * Errors: DENIED (the agent says no), PROTOCOL, LIMIT, GONE
 * Spec:   RFC 9987, 3.5, 3.6
 */
struct err *connect_agent_go(struct connect_agent *a, struct rd *ret_answer,
                             enum connect_progress *ret_progress) MUST_CHECK;
void connect_agent_wait(const struct connect_agent *a, struct connect_wait *w);
void connect_agent_free(struct connect_agent **a);

#endif
