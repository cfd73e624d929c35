#ifndef HF_CLI_CLI_H
#define HF_CLI_CLI_H

#include <jansson.h>

#include "base/base.h"

/** Exit codes, beside 10 + step of a connection test that failed. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

enum { CLI_GIVEN_MAX = 1024 };

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

/** A family that help shows as one line: the first word of its commands. */
struct cli_family {
    const char *word, *summary;
};

extern const struct cli_family cli_families[]; /* ends with a NULL word */

/** An option as it was given; "" for a flag. */
struct cli_given {
    const char *name, *value;
};

/** One run of the program. */
struct cli {
    const struct cli_command *command;
    struct cli_given given[CLI_GIVEN_MAX]; /* the command's own options, as they came */
    unsigned given_n, arguments_n;
    char *const *arguments;
    const char *config, *control; /* --config, --control */
    bool json;
    struct session *session; /* NULL until session_open() */
};

/** cli_option() - the value of an option (the last one), "" for a flag that is set, NULL when absent */
const char *cli_option(const struct cli *c, const char *name);
/** cli_option_each() - all values of an option in turn: *@at begins with 0; NULL after the last */
const char *cli_option_each(const struct cli *c, const char *name, unsigned *at);
/** cli_argument() - NULL when absent */
const char *cli_argument(const struct cli *c, unsigned i);
/** cli_fail() - print an error (taken) as one chain, return CLI_FAILED */
int cli_fail(struct err *e);
/** cli_confirm() - ask whether to go on, unless --yes was given
 * Errors: DENIED ("nothing was ..." as @nothing says), INPUT (standard input is no terminal) */
struct err *cli_confirm(const struct cli *c, const char *nothing, const char *fmt, ...)
    PRINTF_LIKE(3, 4) MUST_CHECK;
/** cli_ask_secret() - a line from the terminal, which does not show it. PIN: there is no terminal, or
 * nothing was typed, as @what says ("the PIN") */
struct err *cli_ask_secret(const char *prompt, const char *what, struct secret **ret) MUST_CHECK;
/** cli_unlock() - where an agent was started for this command and a person sits at the terminal, ask for
 * the PINs of its locked tokens; only an empty answer leaves one locked */
struct err *cli_unlock(struct cli *c) MUST_CHECK;
/** cli_read() - a whole file, or standard input for "-"; at most @max_bytes */
struct err *cli_read(const char *path, size_t max_bytes, struct buf *out) MUST_CHECK;
/** cli_absolute() - a path as another process has to be told it (caller owns; NULL: no memory) */
char *cli_absolute(const char *path);
/** cli_parse() - words, options and arguments of @argv; CLI_OK to run, else the exit code is in
 * @ret_exit and all is said */
bool cli_parse(struct cli *c, int argc, char **argv, int *ret_exit);

/** Runs of the commands, one file a family. */
int cmd_agent(struct cli *c);
int cmd_apply(struct cli *c);
int cmd_audit(struct cli *c);
int cmd_ca_revoke(struct cli *c);
int cmd_ca_show(struct cli *c);
int cmd_config_check(struct cli *c);
int cmd_connect(struct cli *c);
int cmd_connector_test(struct cli *c);
int cmd_enroll(struct cli *c);
int cmd_export(struct cli *c);
int cmd_infrastructure_test(struct cli *c);
int cmd_init(struct cli *c);
int cmd_key_certify(struct cli *c);
int cmd_key_delete(struct cli *c);
int cmd_key_generate(struct cli *c);
int cmd_key_list(struct cli *c);
int cmd_key_public(struct cli *c);
int cmd_key_show(struct cli *c);
int cmd_mounts(struct cli *c);
int cmd_registry_backup(struct cli *c);
int cmd_registry_restore(struct cli *c);
int cmd_registry_status(struct cli *c);
int cmd_renew(struct cli *c);
int cmd_resource_create(struct cli *c);
int cmd_resource_delete(struct cli *c);
int cmd_resource_edit(struct cli *c);
int cmd_resource_list(struct cli *c);
int cmd_resource_show(struct cli *c);
int cmd_run(struct cli *c);
int cmd_secrets_manager_test(struct cli *c);
int cmd_ssh_config(struct cli *c);
int cmd_ssh_key_test(struct cli *c);
int cmd_status(struct cli *c);
int cmd_token_list(struct cli *c);
int cmd_token_show(struct cli *c);
int cmd_token_unlock(struct cli *c);
int cmd_vault_ca(struct cli *c);
int cmd_vault_check(struct cli *c);

/** cli_complete() - holdfast __complete WORD...: names that fit the last word, for shells. Asks a
 * running agent only, and is silent where there is none */
int cli_complete(int argc, char **argv);

#endif
