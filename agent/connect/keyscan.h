#ifndef HF_CONNECT_KEYSCAN_H
#define HF_CONNECT_KEYSCAN_H

#include "connect/host_key.h"
#include "connect/wait.h"

enum { CONNECT_KEYSCAN_MS = 5000 };

/** A run of ssh-keyscan -c: which host certificates does a host show? */
struct connect_keyscan;

/** connect_keyscan_new() - start it
 * @address: numeric, so that it asks the very machine that we are connected to */
struct err *connect_keyscan_new(const char *address, unsigned port, struct connect_keyscan **ret)
    MUST_CHECK;
/** connect_keyscan_go() - collect what it shows; after CONNECT_KEYSCAN_MS whatever there is
 * @certs: empty before */
struct err *connect_keyscan_go(struct connect_keyscan *k, struct connect_certs *certs,
                               enum connect_progress *ret_progress) MUST_CHECK;
void connect_keyscan_wait(const struct connect_keyscan *k, struct connect_wait *w);
/** connect_keyscan_free() - kills it if it still runs */
void connect_keyscan_free(struct connect_keyscan **k);

#endif
