#ifndef HF_CONNECT_TCP_H
#define HF_CONNECT_TCP_H

#include "connect/resolve.h"

/** A TCP connection in the making. */
struct connect_tcp;

/** connect_tcp_new() - try these addresses in turn (borrowed) until the first takes us. Each gets
 * its share of the time that is left, so that a silent one does not use up the others' */
struct err *connect_tcp_new(const struct connect_addresses *to, unsigned port, struct mono until,
                            struct connect_tcp **ret) MUST_CHECK;
/** connect_tcp_go() - the errors of all addresses, with the code of the last */
struct err *connect_tcp_go(struct connect_tcp *t, enum connect_progress *ret_progress) MUST_CHECK;
void connect_tcp_wait(const struct connect_tcp *t, struct connect_wait *w);
/** connect_tcp_take() - the connected socket, non-blocking (caller owns) */
int connect_tcp_take(struct connect_tcp *t);
/** connect_tcp_address() - the address that took us, or is being tried (borrowed) */
const struct connect_address *connect_tcp_address(const struct connect_tcp *t);
void connect_tcp_free(struct connect_tcp **t);

#endif
