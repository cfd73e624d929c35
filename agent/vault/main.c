/*
 * holdfast-vault: the one program of the agent that speaks TLS and has a Vault token. It is started
 * by holdfast-agent with a socket at descriptor 3, takes its configuration from there, and ends when
 * the socket does. It writes no file.
 */
#include <signal.h>
#include <stdlib.h>

#include "vault/api.h"
#include "vault/serve.h"

static struct err *run(void)
{
    static const char *const nowhere[] = {NULL};
    static const struct sandbox limits = {.allow_inet = true, .write_paths = nowhere};
    AUTO(vault_helper_free) struct vault_helper *helper = NULL;
    char reached[SANDBOX_TEXT_BYTES];
    struct err *e = vault_http_init();

    vault_api_init();
    if (e == NULL) {
        e = vault_helper_new(&helper);
    }
    if (e == NULL) {
        e = sandbox_enter(&limits, reached);
    }
    if (e == NULL) {
        log_line(LOG_DEBUG, "sandbox: %s", reached);
        e = ipc_serve(IPC_HELPER_FD, vault_helper_ops(), helper);
    }
    return e;
}

int main(void)
{
    secret_heap_init();
    log_init("holdfast-vault", LOG_NOTE);
    signal(SIGPIPE, SIG_IGN);
    AUTO(err_free) struct err *e = run();

    if (e != NULL) {
        log_err(LOG_ERROR, e, "ends");
    }
    return e == NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}
