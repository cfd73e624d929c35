/*
 * holdfast-token: runs one vendor library for holdfast-agent, which starts it with a socket as
 * descriptor 3 and the module's name as argument, for the eyes of whoever looks at a process list.
 *
 * It ends when the agent closes the socket. The signals that end a service are ignored: killed in
 * the middle of C_Login, some modules lose what they were writing, and the agent ends us in time.
 */
#include <signal.h>
#include <stdlib.h>

#include "ipc/ipc.h"
#include "pkcs11/remote/serve.h"

int main(int argc, char **argv)
{
    AUTO(err_free) struct err *e = NULL;

    secret_heap_init();
    log_init("holdfast-token", LOG_WARN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    e = serve_run(IPC_HELPER_FD);
    if (e != NULL) {
        log_err(LOG_ERROR, e, "%s", argc > 1 ? argv[1] : "not started by holdfast-agent");
    }
    return e != NULL ? EXIT_FAILURE : EXIT_SUCCESS;
}
