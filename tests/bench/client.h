#ifndef HF_BENCH_CLIENT_H
#define HF_BENCH_CLIENT_H

#include "base/base.h"

/** client_open() - a connection to the agent at this path; waits while its backlog is full */
int client_open(const char *path);
/** client_send() - one framed request */
void client_send(int fd, struct view request);
/** client_exchange() - a request, and the wait for its answer
 * @answer: replaced by the answer's bytes, without their length */
void client_exchange(int fd, struct view request, struct buf *answer);
/** client_answer_is() - the answer's message number */
bool client_answer_is(const struct buf *answer, uint8_t type);

#endif
