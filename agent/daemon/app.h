#ifndef HF_DAEMON_APP_H
#define HF_DAEMON_APP_H

#include "daemon/config.h"

/** What the command line of holdfast-agent says. Borrowed. */
struct app_options {
    const char *socket, *control; /* NULL: as configured */
    const char *helpers;          /* folder of the helper programs; NULL: beside this one */
    bool no_registry;             /* as if holdfast.yaml had switched it off */
    bool no_renewal;              /* certificates are renewed when asked, not by the clock */
    int ready_fd; /* gets "ready\n" when the sockets listen, then closed; -1: none */
};

/** The one place that knows all folders: builds the agent out of its parts and runs it. */
struct app;

/** app_new() - takes @config. When it returns, the sockets are bound and the tokens are loading. */
struct err *app_new(struct config *config, const struct app_options *options, struct app **ret)
    MUST_CHECK;
/** app_run() - until SIGTERM or SIGINT; SIGHUP where standard input is a terminal */
struct err *app_run(struct app *a) MUST_CHECK;
void app_free(struct app **a);

#endif
