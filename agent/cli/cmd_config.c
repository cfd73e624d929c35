/*
 * holdfast agent and config check: both are holdfast-agent itself, which alone reads the
 * configuration.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/session.h"

/* Become holdfast-agent; returns only when that fails. */
static int become(struct cli *c, const char *first, char *const *rest, size_t rest_n)
{
    AUTO(auto_free) char *agent = NULL;
    AUTO(auto_free) char **argv = calloc(rest_n + 5, sizeof *argv);
    struct err *e = session_agent_path(&agent);
    size_t n = 0;

    if (argv == NULL) {
        e = err_nomem();
    }
    if (e != NULL) {
        return cli_fail(e);
    }
    argv[n++] = agent;
    if (first != NULL) {
        argv[n++] = (char *)first;
    }
    if (c->config != NULL) {
        argv[n++] = (char *)"--config";
        argv[n++] = (char *)c->config;
    }
    for (size_t i = 0; i < rest_n; i++) {
        argv[n++] = rest[i];
    }
    execv(agent, argv);
    return cli_fail(err_sys(errno, "start %s", agent));
}

int cmd_agent(struct cli *c)
{
    return become(c, NULL, c->arguments, c->arguments_n);
}

int cmd_config_check(struct cli *c)
{
    return become(c, "--check", NULL, 0);
}
