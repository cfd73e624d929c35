/*
 * The table of commands: what there is to type, and what each does, in one place.
 */
#include <stdio.h>

#include "cli/cli.h"

static const struct cli_option token_option[] = {
    {"token", "TOKEN", "name, label or serial of the token"},
    {NULL, NULL, NULL},
};

static const struct cli_option generate_options[] = {
    {"token", "TOKEN", "name, label or serial; needed where there are several"},
    {"type", "TYPE", "p256 (default), p384, p521, rsa, ed25519"},
    {"bits", "BITS", "for rsa: 2048, 3072 (default) or 4096"},
    {"label", "TEXT", "CKA_LABEL of the pair (default: holdfast)"},
    {"id", "HEX", "CKA_ID; made if left out"},
    {NULL, NULL, NULL},
};

static const struct cli_option show_options[] = {
    {"prove", NULL, "try to take the private key out, and show the refusal"},
    {NULL, NULL, NULL},
};

static const struct cli_option delete_options[] = {
    {"yes", NULL, "do not ask"},
    {"force", NULL, "also when an identity uses the key"},
    {NULL, NULL, NULL},
};

static const struct cli_option unlock_options[] = {
    {"last-try", NULL, "use the PIN's last try before the token locks"},
    {"configured", NULL, "run the configured PIN sources again, ask nothing"},
    {NULL, NULL, NULL},
};

static const struct cli_option connect_options[] = {
    {"identity", "NAME", "offer only this identity"},
    {"run", "COMMAND", "run a command instead of an empty session"},
    {"known-hosts", "FILE", "instead of those of the agent's user"},
    {"timeout", "SECONDS", "for each step (default 10)"},
    {NULL, NULL, NULL},
};

static const struct cli_option init_options[] = {
    {"yes", NULL, "ask nothing"},
    {"module", "PATH", "use this PKCS#11 module, look for no other"},
    {"output", "FILE", "write there; - is standard output"},
    {"force", NULL, "replace a configuration that exists"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_commands[] = {
    {"init", "", 0, 0, "find modules and tokens, write a first configuration", NULL, init_options,
     cmd_init},
    {"config check", "", 0, 0, "read the configuration and say what is wrong", NULL, NULL,
     cmd_config_check},
    {"agent", "[-- OPTION...]", 0, 32, "run the agent in the foreground",
     "What follows -- goes to holdfast-agent.", NULL, cmd_agent},
    {"status", "", 0, 0, "tokens, keys, identities, certificates and what is wrong", NULL, NULL,
     cmd_status},
    {"token list", "", 0, 0, "tokens that are configured or present", NULL, NULL, cmd_token_list},
    {"token show", "[TOKEN]", 0, 1, "one token, the firmware profiles that matched, their values",
     NULL, NULL, cmd_token_show},
    {"token unlock", "[TOKEN]", 0, 1, "log in to a token with a PIN asked for here", NULL,
     unlock_options, cmd_token_unlock},
    {"key list", "", 0, 0, "keys on the tokens", NULL, token_option, cmd_key_list},
    {"key generate", "", 0, 0, "make a key pair on a token; it cannot leave it",
     "The key is private, sensitive and not extractable.", generate_options, cmd_key_generate},
    {"key show", "KEY", 1, 1, "one key and its attributes",
     "KEY is a label, CKA_ID in hex, SHA256 fingerprint or pkcs11: URI.", show_options,
     cmd_key_show},
    {"key public", "KEY", 1, 1, "the public key as an OpenSSH line", NULL, NULL, cmd_key_public},
    {"key delete", "KEY", 1, 1, "remove a key pair from its token, for good", NULL, delete_options,
     cmd_key_delete},
    {"renew", "NAME", 1, 1, "renew the certificates of an identity now", NULL, NULL, cmd_renew},
    {"connect", "[USER@]HOST[:PORT]", 1, 1, "log in to a host step by step, and say what happens",
     "The exit code tells the step that failed: 11 resolve, 12 connect, 13 key exchange,\n"
     "14 host key, 15 identity, 16 login, 17 session; with --run, else the command's own.",
     connect_options, cmd_connect},
    {"ssh-config", "", 0, 0, "lines for ~/.ssh/config that use this agent", NULL, NULL,
     cmd_ssh_config},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};

int cli_fail(struct err *e)
{
    fflush(stdout);
    fprintf(stderr, "holdfast: %s\n", err_text(e));
    err_free(&e);
    return CLI_FAILED;
}
