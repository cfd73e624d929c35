/*
 * The options of each command. What several commands share word for word is a macro of rows above them.
 */
#include "cli/options.h"

const struct cli_option options_token[] = {
    {"token", "TOKEN", "name, label or serial of the token"},
    {NULL, NULL, NULL},
};

const struct cli_option options_generate[] = {
    {"token", "TOKEN", "name, label or serial; needed where there are several"},
    {"type", "TYPE", "p256 (default), p384, p521, rsa, ed25519"},
    {"bits", "BITS", "for rsa: 2048, 3072 (default) or 4096"},
    {"label", "TEXT", "CKA_LABEL of the pair (default: holdfast)"},
    {"id", "HEX", "CKA_ID; made if left out"},
    {NULL, NULL, NULL},
};

const struct cli_option options_show[] = {
    {"prove", NULL, "try to take the private key out, and show the refusal"},
    {NULL, NULL, NULL},
};

const struct cli_option options_revoke[] = {
    {"serial", "NUMBER", "the certificate with this serial number"},
    {"key-id", "TEXT", "all certificates with this key id"},
    {"cert-file", "FILE", "this certificate; '-' is standard input"},
    {"reason", "TEXT", "why, for those who read the list"},
    {NULL, NULL, NULL},
};

const struct cli_option options_audit[] = {
    {"last", "NUMBER", "how many lines, at most 1000; 20 where it is not given"},
    {"verify", NULL, "follow the chain of all lines instead of showing some"},
    {NULL, NULL, NULL},
};

const struct cli_option options_delete[] = {
    {"yes", NULL, "do not ask"},
    {"force", NULL, "also when an identity uses the key"},
    {NULL, NULL, NULL},
};

const struct cli_option options_renew[] = {
    {"all", NULL, "those of every identity"},
    {"standby", NULL, "ask the standby signers instead of the first"},
    {NULL, NULL, NULL},
};

const struct cli_option options_certify[] = {
    {"signer", "SIGNER", "a Vault of holdfast.yaml, as which it is asked for"},
    {"pki-mount", "MOUNT", "of the PKI engine; else the signer's pki-mount, or pki"},
    {"pki-role", "ROLE", "of the PKI engine; else the signer's pki-role"},
    {"common-name", "NAME", "whom it is for"},
    {"alt-name", "NAME", "DNS:, IP:, email: or URI: and a name; may be repeated"},
    {"ttl", "DURATION", "validity asked for, such as 30d; else the role's"},
    {"ca-file", "FILE", "PEM of the CA that has to have issued it"},
    {NULL, NULL, NULL},
};

const struct cli_option options_enroll[] = {
    {"scope", "SCOPE", "NAME is a connector of the registry, here or above"},
    {"pki-mount", "MOUNT", "of the PKI engine; else the signer's pki-mount, or pki"},
    {"pki-role", "ROLE", "of the PKI engine; else the signer's pki-role"},
    {"common-name", "NAME", "whom it is for; else this machine's name"},
    {"alt-name", "NAME", "DNS:, IP:, email: or URI: and a name; may be repeated"},
    {"ttl", "DURATION", "validity asked for, such as 30d; else the role's"},
    {"ca-file", "FILE", "PEM of the CA that has to have issued it"},
    {"token-file", "FILE", "the one-time token; - is standard input"},
    {"wrapping-path", "PATH", "which has to have made it (auth/token/create)"},
    {"key-type", "TYPE", "of a key that is made: p256 (default), p384, p521, rsa"},
    {"bits", "BITS", "for rsa: 2048, 3072 (default) or 4096"},
    {"allow-extractable", NULL, "also a key that could be taken out of its token"},
    {"renew", NULL, "another certificate, where a valid one is there, too"},
    {NULL, NULL, NULL},
};

const struct cli_option options_unlock[] = {
    {"last-try", NULL, "use the PIN's last try before the token locks"},
    {"configured", NULL, "run the configured PIN sources again, ask nothing"},
    {NULL, NULL, NULL},
};

const struct cli_option options_connect[] = {
    {"identity", "NAME", "offer only this identity"},
    {"run", "COMMAND", "run a command instead of an empty session"},
    {"known-hosts", "FILE", "instead of those of the agent's user"},
    {"timeout", "SECONDS", "for each step (default 10)"},
    {"scope", "SCOPE", "where INFRASTRUCTURE is"},
    {NULL, NULL, NULL},
};

const struct cli_option options_init[] = {
    {"yes", NULL, "ask nothing"},
    {"module", "PATH", "use this PKCS#11 module, look for no other"},
    {"output", "FILE", "write there; - is standard output"},
    {"force", NULL, "replace a configuration that exists"},
    {NULL, NULL, NULL},
};

const struct cli_option options_scope[] = {
    {"scope", "SCOPE", "account, org/NAME or org/NAME/project/NAME"},
    {NULL, NULL, NULL},
};

const struct cli_option options_list[] = {
    {"scope", "SCOPE", "account, org/NAME or org/NAME/project/NAME"},
    {"below", NULL, "also of the scopes below"},
    {"above", NULL, "also of the scopes above"},
    {"tag", "TAG", "only those with this tag"},
    {"name", "TEXT", "only those with this in their name"},
    {NULL, NULL, NULL},
};

const struct cli_option options_remove[] = {
    {"scope", "SCOPE", "account, org/NAME or org/NAME/project/NAME"},
    {"yes", NULL, "do not ask"},
    {"force", NULL, "also when others use it; they are marked broken"},
    {NULL, NULL, NULL},
};

/* --- resources: what create and edit share ------------------------------------------------------ */

#define RESOURCE_OPTIONS                                                                           \
    {"scope", "SCOPE", "account, org/NAME or org/NAME/project/NAME"},                              \
        {"description", "TEXT", "what it is for"},                                                 \
        {"tag", "TAG", "a word to find it by; may be repeated"},                                   \
        {"set", "MEMBER=VALUE", "a member of the spec, such as login.mount=team"}

#define DOCUMENT_OPTIONS                                                                           \
    {"file", "FILE", "a document in YAML or JSON; - is standard input (-f)"}, RESOURCE_OPTIONS

#define CONNECTOR_OPTIONS                                                                          \
    {"address", "URL", "https URL; repeated: tried in this order"},                                \
        {"namespace", "NAMESPACE", "namespace in Vault"},                                          \
        {"login", "METHOD", "approle, cert, jwt, kubernetes, userpass, token[-key]"},              \
        {"login-mount", "MOUNT", "where the method is mounted"},                                   \
        {"login-role", "ROLE", "for jwt, kubernetes, token-key, cert: the role"},                  \
        {"token-file", "FILE", "for token: file that holds it"},                                   \
        {"token-env", "NAME", "for token: the agent's variable that holds it"},                    \
        {"root", NULL, "for token: it is a root token, never renewed"},                            \
        {"role-id-file", "FILE", "for approle: file that holds the role id"},                      \
        {"secret-id-file", "FILE", "for approle: file that holds the secret id"},                  \
        {"wrapped", NULL, "what is there is a wrapping token, unwrapped once"},                    \
        {"jwt-file", "FILE", "for jwt, kubernetes: file that holds the JWT"},                      \
        {"login-user", "USER", "for userpass: the user's name"},                                   \
        {"password-file", "FILE", "for userpass: file that holds the password"},                   \
        {"login-key", "URI", "for cert, token-key: key on a token that logs in"},                  \
        {"pki-mount", "MOUNT", "for cert: PKI engine of the key's certificate (pki)"},             \
        {"pki-role", "ROLE", "for cert: its role; with it the certificate is renewed"},            \
        {"share-with-ssh", NULL, "the login key may be an SSH identity's too"},                    \
        {"audience", "TEXT", "for token-key: the claim aud"},                                      \
        {"issuer", "TEXT", "for token-key: the claim iss (holdfast)"},                             \
        {"subject", "TEXT", "for token-key: the claim sub"},                                       \
        {"revoke-on-stop", NULL, "its Vault token is revoked when the agent stops"},               \
        {"renewal-minutes", "N", "how often its token is renewed; 0: never"},                      \
        {"certificate", "REF", "certificate of the server or its CA, at or above"},                \
        {"server-name", "HOST", "name in the server's certificate, if not the URL's"},             \
        {"proxy", "URL", "proxy to the server; else the environment's"},                           \
        {"no-proxy", "HOSTS", "hosts that no proxy is used for"},                                  \
        {"read-only", NULL, "never used to write to Vault"}

#define SECRETS_MANAGER_OPTIONS                                                                    \
    {"connector", "REF", "connector, at this scope or above"},                                     \
        {"mount", "MOUNT", "of the SSH engine; `connector mounts` lists them"},                    \
        {"default-role", "ROLE", "for SSH keys that name none"}

#define SSH_KEY_OPTIONS                                                                            \
    {"user", "USER", "whom to log in as on the hosts"},                                            \
        {"secrets-manager", "REF", "who signs; none: the bare key is shown to hosts"},             \
        {"role", "ROLE", "of the engine; else the secrets manager's default"},                     \
        {"principal", "NAME", "whom the certificate is for (USER); may be repeated"},              \
        {"ttl", "DURATION", "validity asked for, such as 8h; else the role's"},                    \
        {"public-key", "FILE", "public key that the token's key has to match"},                    \
        {"key", "URI", "PKCS#11 URI of the key"},                                                  \
        {"token", "TOKEN", "token that holds it: name or PKCS#11 URI"},                            \
        {"pin-file", "FILE", "file that holds the PIN, read by the agent"},                        \
        {"port", "N", "of the hosts (22)"},                                                        \
        {"renewal", "WHEN", "eager, when-used or per-connection (eager)"}

#define INFRASTRUCTURE_OPTIONS                                                                     \
    {"ssh-key", "REF", "how to log in: SSH key, at this scope or above"},                          \
        {"host", "HOST", "ADDRESS[:PORT]; may be repeated"},                                       \
        {"hosts-file", "FILE", "hosts, one a line"},                                               \
        {"inventory", "FILE", "hosts of an Ansible inventory"},                                    \
        {"concurrency", "N", "hosts at a time, 1 to 50 (10)"}

const struct cli_option options_certificate_create[] = {
    {"file", "FILE", "PEM, or a document; - is standard input (-f)"},
    {"from-token", "TOKEN", "instead: a certificate that lies on this token"},
    {"object", "OBJECT", "which: its label, or its id in hex"},
    RESOURCE_OPTIONS,
    {"dry-run", NULL, "only say whether it would be accepted"},
    {NULL, NULL, NULL},
};

const struct cli_option options_certificate_edit[] = {
    {"file", "FILE", "PEM, or a document; - is standard input (-f)"},
    RESOURCE_OPTIONS,
    {"name", "NAME", "a new name; references stay as they are"},
    {NULL, NULL, NULL},
};

const struct cli_option options_connector_create[] = {
    CONNECTOR_OPTIONS,
    DOCUMENT_OPTIONS,
    {"no-test", NULL, "do not test the connection afterwards"},
    {"dry-run", NULL, "only say whether it would be accepted"},
    {NULL, NULL, NULL},
};

const struct cli_option options_connector_edit[] = {
    CONNECTOR_OPTIONS,
    DOCUMENT_OPTIONS,
    {"name", "NAME", "a new name; references stay as they are"},
    {NULL, NULL, NULL},
};

const struct cli_option options_secrets_manager_create[] = {
    SECRETS_MANAGER_OPTIONS,
    DOCUMENT_OPTIONS,
    {"dry-run", NULL, "only say whether it would be accepted"},
    {NULL, NULL, NULL},
};

const struct cli_option options_secrets_manager_edit[] = {
    SECRETS_MANAGER_OPTIONS,
    DOCUMENT_OPTIONS,
    {"name", "NAME", "a new name; references stay as they are"},
    {NULL, NULL, NULL},
};

const struct cli_option options_ssh_key_create[] = {
    SSH_KEY_OPTIONS,
    DOCUMENT_OPTIONS,
    {"dry-run", NULL, "only say whether it would be accepted"},
    {NULL, NULL, NULL},
};

const struct cli_option options_ssh_key_edit[] = {
    SSH_KEY_OPTIONS,
    DOCUMENT_OPTIONS,
    {"name", "NAME", "a new name; references stay as they are"},
    {NULL, NULL, NULL},
};

const struct cli_option options_infrastructure_create[] = {
    INFRASTRUCTURE_OPTIONS,
    DOCUMENT_OPTIONS,
    {"dry-run", NULL, "only say whether it would be accepted"},
    {NULL, NULL, NULL},
};

const struct cli_option options_infrastructure_edit[] = {
    INFRASTRUCTURE_OPTIONS,
    DOCUMENT_OPTIONS,
    {"name", "NAME", "a new name; references stay as they are"},
    {NULL, NULL, NULL},
};

const struct cli_option options_key_test[] = {
    {"scope", "SCOPE", "account, org/NAME or org/NAME/project/NAME"},
    {"run", "COMMAND", "run a command instead of an empty session"},
    {"known-hosts", "FILE", "instead of those of the agent's user"},
    {"timeout", "SECONDS", "for each step (default 10)"},
    {NULL, NULL, NULL},
};

#define HOSTS_OPTIONS                                                                              \
    {"ssh-key", "REF", "log in with this SSH key"}, {"user", "USER", "instead of the SSH key's"},  \
        {"limit", "PATTERN", "only hosts whose name or tag fits: web*, db?"},                      \
        {"concurrency", "N", "hosts at a time, 1 to 50"},                                          \
        {"timeout", "DURATION", "for each host (10m)"},                                            \
        {"known-hosts", "FILE", "for hosts of which no key is declared"}

const struct cli_option options_run[] = {
    {"infrastructure", "REF", "on its hosts, with its SSH key (-i)"},
    {"host", "HOST", "HOST[:PORT] instead; may be repeated"},
    HOSTS_OPTIONS,
    {"scope", "SCOPE", "account, org/NAME or org/NAME/project/NAME"},
    {NULL, NULL, NULL},
};

const struct cli_option options_host_test[] = {
    HOSTS_OPTIONS,
    {"scope", "SCOPE", "account, org/NAME or org/NAME/project/NAME"},
    {NULL, NULL, NULL},
};

const struct cli_option options_apply[] = {
    {"file", "FILE", "the document, YAML or JSON; - is standard input (-f)"},
    {"dry-run", NULL, "only show what would change"},
    {"yes", NULL, "do not ask"},
    {"prune", NULL, "delete what is at or below SCOPE and not in it"},
    {"scope", "SCOPE", "for resources that name none, and for --prune"},
    {NULL, NULL, NULL},
};

const struct cli_option options_export[] = {
    {"scope", "SCOPE", "what is at this scope and below (account)"},
    {"output", "FILE", "write there; - is standard output"},
    {NULL, NULL, NULL},
};

const struct cli_option options_vault_check[] = {
    {"mount", "MOUNT", "of an SSH engine, to be looked at too"},
    {"role", "ROLE", "of that engine: may it sign, and what does it allow"},
    {"principal", "NAME", "would the role allow it; may be repeated"},
    {"scope", "SCOPE", "of the connector; then no signer is meant"},
    {NULL, NULL, NULL},
};

const struct cli_option options_vault_ca[] = {
    {"mount", "MOUNT", "of the SSH engine"},
    {"issuer", "ISSUER", "id or name of an issuer; may be repeated (its default)"},
    {"hosts", "PATTERN", "as @cert-authority line for hosts of this pattern"},
    {"scope", "SCOPE", "of the connector; then no signer is meant"},
    {NULL, NULL, NULL},
};

const struct cli_option options_restore[] = {
    {"offline", NULL, "while no agent runs: the registry cannot be opened"},
    {"yes", NULL, "do not ask"},
    {NULL, NULL, NULL},
};

const struct cli_option options_yes[] = {
    {"yes", NULL, "do not ask"},
    {NULL, NULL, NULL},
};
