#ifndef HF_CONNECT_RESOLVE_H
#define HF_CONNECT_RESOLVE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "connect/wait.h"

enum { CONNECT_ADDRESSES_MAX = 16, CONNECT_ADDRESS_TEXT_BYTES = INET6_ADDRSTRLEN + 32 };

struct connect_address {
    struct sockaddr_storage addr;
    socklen_t len;
    char text[CONNECT_ADDRESS_TEXT_BYTES]; /* numeric, without the port */
};

/** In the order in which they are to be tried. */
struct connect_addresses {
    struct connect_address list[CONNECT_ADDRESSES_MAX];
    size_t count;
};

struct connect_resolve;
/** connect_resolve_new() - begin to look a name up */
struct err *connect_resolve_new(const char *host, unsigned port, struct connect_resolve **ret)
    MUST_CHECK;
/** connect_resolve_go() - NOT_FOUND (no such name), BUSY (the name service does not answer) */
struct err *connect_resolve_go(struct connect_resolve *r, struct connect_addresses *ret,
                               enum connect_progress *ret_progress) MUST_CHECK;
void connect_resolve_wait(const struct connect_resolve *r, struct connect_wait *w);
/** connect_resolve_free() - a lookup that still runs ends by itself, later */
void connect_resolve_free(struct connect_resolve **r);

#endif
