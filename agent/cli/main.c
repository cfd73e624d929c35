/*
 * holdfast: the command line. It holds no keys and no database; it asks the agent through the
 * control API and prints what comes back.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/session.h"

int main(int argc, char **argv)
{
    static struct cli c;
    int status = CLI_USAGE;

    secret_heap_init();
    log_init("holdfast", LOG_NOTE);
    if (argc > 1 && text_eq(argv[1], "__complete")) {
        return cli_complete(argc - 2, argv + 2);
    }
    if (cli_parse(&c, argc, argv, &status)) {
        status = c.command->run(&c);
    }
    session_close(&c.session);
    if (fflush(stdout) != 0 && status == CLI_OK) {
        perror("holdfast: standard output");
        status = CLI_FAILED;
    }
    return status;
}
