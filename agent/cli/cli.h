#ifndef HF_CLI_CLI_H
#define HF_CLI_CLI_H

#include <jansson.h>

#include "base/base.h"

/** Exit codes, beside 10 + step of a connection test that failed. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

enum { CLI_VALUES_MAX = 32 };

/** An option of a command. Options without @value are flags. */
struct cli_option {
    const char *name;  /* "label": --label */
    const char *value; /* "TEXT", or NULL for a flag */
    const char *help;
};

struct cli;

/** A command: one row of the table in commands.c. */
struct cli_command {
    const char *words;                /* "key generate" */
    const char *arguments;            /* "[USER@]HOST[:PORT]"; "" for none */
    unsigned min, max;                /* number of arguments */
    const char *summary;              /* one line */
    const char *details;              /* more for --help; NULL for none */
    const struct cli_option *options; /* ends with a NULL name; NULL: only the common ones */
    int (*run)(struct cli *c);
};

extern const struct cli_command cli_commands[]; /* ends with NULL words */

/** One run of the program. */
struct cli {
    const struct cli_command *command;
    const char *given[CLI_VALUES_MAX]; /* options' values, in the order of the command's table */
    unsigned arguments_n;
    char *const *arguments;
    const char *config, *control; /* --config, --control */
    bool json;
    struct session *session; /* NULL until session_open() */
};

/** cli_option() - the value of an option, "" for a flag that is set, NULL when absent */
const char *cli_option(const struct cli *c, const char *name);
/** cli_argument() - NULL when absent */
const char *cli_argument(const struct cli *c, unsigned i);
/** cli_fail() - print an error (taken) as one chain, return CLI_FAILED */
int cli_fail(struct err *e);
/** cli_parse() - words, options and arguments of @argv; CLI_OK to run, else the exit code is in
 * @ret_exit and all is said */
bool cli_parse(struct cli *c, int argc, char **argv, int *ret_exit);

/** Runs of the commands, one file a family. */
int cmd_agent(struct cli *c);
int cmd_config_check(struct cli *c);
int cmd_connect(struct cli *c);
int cmd_init(struct cli *c);
int cmd_key_delete(struct cli *c);
int cmd_key_generate(struct cli *c);
int cmd_key_list(struct cli *c);
int cmd_key_public(struct cli *c);
int cmd_key_show(struct cli *c);
int cmd_renew(struct cli *c);
int cmd_ssh_config(struct cli *c);
int cmd_status(struct cli *c);
int cmd_token_list(struct cli *c);
int cmd_token_show(struct cli *c);
int cmd_token_unlock(struct cli *c);

#endif
