/*
 * The steps of a connection test as words and exit codes. Scripts branch on them, so a name and a
 * code stay what they are, and a step that is new gets new ones. Pure, so that the command line can
 * use it without the rest.
 */
#include "connect/connect.h"

const char *connect_step_name(enum connect_step s)
{
    static const char *const names[CONNECT_STEPS] = {
        [CONNECT_RESOLVE] = "resolve",   [CONNECT_TCP] = "tcp",
        [CONNECT_KEX] = "key-exchange",  [CONNECT_HOST_KEY] = "host-key",
        [CONNECT_IDENTITY] = "identity", [CONNECT_AUTH] = "authentication",
        [CONNECT_SESSION] = "session",
    };

    return s > 0 && s < CONNECT_STEPS ? names[s] : "none";
}

int connect_step_exit(enum connect_step s)
{
    return s > 0 && s < CONNECT_STEPS ? 10 + (int)s : 0;
}
