/*
 * holdfast-connect: tests SSH connections for holdfast-agent, which starts it. It has the network
 * and libssh2, but no key: it signs through the agent's socket like any client. What it reads comes
 * from hosts that nobody vouches for yet, so it gives up writing files before the first byte.
 */
#include <stdlib.h>

#include "connect/serve.h"
#include "connect/session.h"
#include "ipc/ipc.h"

int main(void)
{
    static const char *const no_paths[] = {NULL};
    static const struct sandbox sandbox = {
        .allow_exec = true, /* ssh-keyscan */
        .allow_inet = true,
        .write_paths = no_paths,
    };
    char reached[SANDBOX_TEXT_BYTES];

    log_init("holdfast-connect", LOG_NOTE);
    AUTO(err_free) struct err *e = sandbox_enter(&sandbox, reached);
    if (!e) {
        e = connect_session_library_init();
    }
    if (!e) {
        e = connect_serve(IPC_HELPER_FD);
    }
    if (e) {
        log_err(LOG_ERROR, e, "stopped");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
