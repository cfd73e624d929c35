/*
 * holdfast-agent: reads the configuration, becomes the daemon. `holdfast agent` starts it for a
 * person; systemd starts it as it is.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/app.h"
#include "io/io.h"
#include "store/store.h"

enum action { RUN, CHECK, PATHS, RESTORE };

struct arguments {
    enum action action;
    const char *config;
    const char *log;
    const char *backup;
    struct app_options options;
};

static const char usage[] =
    "usage: holdfast-agent [--config FILE] [--log LEVEL]\n"
    "       holdfast-agent --check | --paths | --restore-registry BACKUP [--config FILE]\n"
    "\n"
    "  --config FILE   instead of $HOLDFAST_CONFIG or the default place\n"
    "  --log LEVEL     error, warn, note, info or debug\n"
    "  --check         read the configuration, say what is wrong, leave\n"
    "  --paths         print where sockets and state are, one NAME=PATH a line\n"
    "  --restore-registry BACKUP\n"
    "                  put a backup in the place of a registry that cannot be opened\n"
    "  --socket PATH   SSH agent socket, instead of the configured one\n"
    "  --control PATH  control socket, instead of the configured one\n"
    "  --helpers DIR   where holdfast-token, -vault and -connect are\n"
    "  --no-registry   open no registry: for tokens and keys alone\n"
    "  --no-renewal    renew certificates only when asked\n"
    "  --ready-fd N    write \"ready\" there when the sockets listen\n"
    "  --version, --help\n";

enum {
    OPTION_CHECK = 256,
    OPTION_PATHS,
    OPTION_RESTORE,
    OPTION_SOCKET,
    OPTION_CONTROL,
    OPTION_HELPERS,
    OPTION_NO_REGISTRY,
    OPTION_NO_RENEWAL,
    OPTION_READY_FD,
    OPTION_VERSION,
    OPTION_HELP
};

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"log", required_argument, NULL, 'l'},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"paths", no_argument, NULL, OPTION_PATHS},
    {"restore-registry", required_argument, NULL, OPTION_RESTORE},
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"control", required_argument, NULL, OPTION_CONTROL},
    {"helpers", required_argument, NULL, OPTION_HELPERS},
    {"no-registry", no_argument, NULL, OPTION_NO_REGISTRY},
    {"no-renewal", no_argument, NULL, OPTION_NO_RENEWAL},
    {"ready-fd", required_argument, NULL, OPTION_READY_FD},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* -1: go on; else the exit status */
static int apply(int option, struct arguments *a)
{
    switch (option) {
    case 'c':
        a->config = optarg;
        return -1;
    case 'l':
        a->log = optarg;
        return -1;
    case OPTION_CHECK:
        a->action = CHECK;
        return -1;
    case OPTION_PATHS:
        a->action = PATHS;
        return -1;
    case OPTION_RESTORE:
        a->action = RESTORE;
        a->backup = optarg;
        return -1;
    case OPTION_SOCKET:
        a->options.socket = optarg;
        return -1;
    case OPTION_CONTROL:
        a->options.control = optarg;
        return -1;
    case OPTION_HELPERS:
        a->options.helpers = optarg;
        return -1;
    case OPTION_NO_REGISTRY:
        a->options.no_registry = true;
        return -1;
    case OPTION_NO_RENEWAL:
        a->options.no_renewal = true;
        return -1;
    case OPTION_READY_FD:
        a->options.ready_fd = atoi(optarg);
        return -1;
    case OPTION_VERSION:
        printf("holdfast-agent %s\n", HOLDFAST_VERSION);
        return 0;
    case OPTION_HELP:
        fputs(usage, stdout);
        return 0;
    default:
        fputs(usage, stderr);
        return 2;
    }
}

static int complain(const struct err *e)
{
    fprintf(stderr, "holdfast-agent: %s\n", err_text(e));
    return 1;
}

static int show(const struct config *c, enum action action)
{
    if (action == CHECK) {
        printf("%s is in order: %u modules, %u tokens, %u signers, %u identities\n", c->file,
               c->modules_count, c->tokens_count, c->signers_count, c->identities_count);
    } else {
        printf("config=%s\nsocket=%s\ncontrol=%s\nstate=%s\n", c->file, c->agent.socket,
               c->agent.control, c->agent.state);
    }
    return 0;
}

/* The control socket is ours meanwhile: no agent runs, and none can start. */
static struct err *put_back(const struct config *c, const char *backup)
{
    AUTO(auto_close) int held = -1;
    AUTO(auto_free) char *kept = NULL;
    struct err *e = c->registry.disabled || c->registry.store != CONFIG_STORE_SQLITE
                        ? err_new(ERR_UNSUPPORTED, "%s keeps no registry in a file", c->file)
                        : io_listen_bind(c->agent.control, &held);

    if (e != NULL) {
        return err_add(e, "the registry is restored while no agent runs");
    }
    e = store_sqlite_put_back(c->registry.path, backup, &kept);
    unlink(c->agent.control);
    if (e == NULL) {
        printf("The registry %s is that of %s%s%s\n", c->registry.path, backup,
               kept != NULL ? "; what was there is kept as " : "", kept != NULL ? kept : "");
    }
    return e;
}

static int run(struct config *c, const struct arguments *a)
{
    AUTO(app_free) struct app *app = NULL;
    enum log_level level = LOG_NOTE;

    if (!log_level_find(a->log != NULL ? a->log : c->agent.log, &level)) {
        config_free(&c);
        fprintf(stderr, "holdfast-agent: --log %s is none of error, warn, note, info, debug\n",
                a->log);
        return 2;
    }
    log_init("holdfast-agent", level);
    c->registry.disabled = c->registry.disabled || a->options.no_registry;
    AUTO(err_free) struct err *e = app_new(c, &a->options, &app);

    if (e == NULL) {
        e = app_run(app);
    }
    return e != NULL ? complain(e) : 0;
}

int main(int argc, char **argv)
{
    struct arguments a = {.action = RUN, .options = {.ready_fd = -1}};
    struct config *c = NULL;
    int option;

    secret_heap_init();
    while ((option = getopt_long(argc, argv, "c:l:", options, NULL)) != -1) {
        int status = apply(option, &a);

        if (status >= 0) {
            return status;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "holdfast-agent: unexpected '%s'\n%s", argv[optind], usage);
        return 2;
    }
    AUTO(err_free) struct err *e = config_load(a.config, &c);

    if (e != NULL) {
        return complain(e);
    }
    if (a.action == RESTORE) {
        e = put_back(c, a.backup);
        config_free(&c);
        return e != NULL ? complain(e) : 0;
    }
    if (a.action != RUN) {
        int status = show(c, a.action);

        config_free(&c);
        return status;
    }
    return run(c, &a);
}
