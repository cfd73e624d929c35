/*
 * holdfast init: a first configuration. It looks for PKCS#11 modules where distributions and p11-kit
 * put them, lets a private agent load each (in a process of its own, as always), and writes down the
 * tokens it finds, with comments that say what to fill in.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/session.h"
#include "cli/table.h"

/* What init knows while it runs. */
struct draft {
    char **modules; /* paths */
    json_t *tokens; /* of all modules, as the API gives them */
    struct buf text;
};

/* Modules that are worth a look, most specific first; p11-kit's proxy would show tokens twice. */
static const char *const places[] = {
    "/usr/lib*/softhsm/libsofthsm2.so",
    "/usr/lib*/*/softhsm/libsofthsm2.so",
    "/usr/lib*/*/libykcs11.so.*",
    "/usr/lib*/*/pkcs11/libtpm2_pkcs11.so",
    "/usr/lib*/*/libtpm2_pkcs11.so.*",
    "/usr/lib*/*/opensc-pkcs11.so",
    "/usr/lib*/pkcs11/yubihsm_pkcs11.so",
    "/usr/lib*/*/pkcs11/yubihsm_pkcs11.so",
    "/opt/cloudhsm/lib/libcloudhsm_pkcs11.so",
    "/usr/safenet/lunaclient/lib/libCryptoki2_64.so",
    "/usr/lib*/opencryptoki/libopencryptoki.so",
    "/usr/lib*/*/opencryptoki/libopencryptoki.so",
};

static void say(struct buf *text, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say(struct buf *text, const char *fmt, ...)
{
    AUTO(auto_free) char *line = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&line, fmt, ap) < 0) {
        line = NULL;
        text->failed = true;
    }
    va_end(ap);
    if (line != NULL) {
        buf_put(text, line, strlen(line));
    }
}

static struct err *add_module(struct draft *d, const char *path)
{
    AUTO(auto_free) char *real = realpath(path, NULL);

    if (real == NULL || text_list_has(d->modules, real)) {
        return NULL;
    }
    return text_list_add(&d->modules, real) ? NULL : err_nomem();
}

static struct err *find_modules(struct draft *d)
{
    struct err *e = NULL;

    for (size_t i = 0; e == NULL && i < ARRAY_LEN(places); i++) {
        glob_t found;

        if (glob(places[i], 0, NULL, &found) != 0) {
            continue;
        }
        for (size_t k = 0; e == NULL && k < found.gl_pathc; k++) {
            e = add_module(d, found.gl_pathv[k]);
        }
        globfree(&found);
    }
    return e;
}

/* "libsofthsm2.so" -> "softhsm2": a name for a module */
static char *module_name(const char *path)
{
    const char *base = strrchr(path, '/') + 1;

    base += strncmp(base, "lib", 3) == 0 ? 3 : 0;
    return strndup(base, strcspn(base, "."));
}

/* Does one of @tokens come from this module? NULL: take it so. */
static bool has_token(const json_t *tokens, const char *module)
{
    size_t i;
    const json_t *token;

    json_array_foreach(tokens, i, token)
    {
        if (text_eq(json_text(token, "module"), module)) {
            return true;
        }
    }
    return json_array_size(tokens) == 0;
}

/* A module that shows no token is left as a comment: it would be loaded for nothing at each start. */
static void say_modules(struct buf *text, char *const *modules, const json_t *tokens)
{
    say(text, "modules:\n");
    for (size_t i = 0; modules != NULL && modules[i] != NULL; i++) {
        AUTO(auto_free) char *name = module_name(modules[i]);
        const char *shown = name != NULL ? name : "module";
        const char *mark = has_token(tokens, shown) ? "" : "#";

        say(text, "%s  - name: %s%s\n%s    path: %s\n", mark, shown,
            mark[0] != '\0' ? "   # no token was in it" : "", mark, modules[i]);
    }
}

/* Load the modules in a private agent and keep what tokens they show. */
static struct err *probe(struct cli *c, struct draft *d)
{
    char file[] = "/tmp/holdfast-init-XXXXXX";
    AUTO(auto_close) int fd = mkstemp(file);
    struct buf text;
    json_t *answer = NULL;

    buf_init(&text, 0);
    say_modules(&text, d->modules, NULL);
    say(&text, "agent:\n  state: %s.state\n", file);
    struct err *e = fd < 0 ? err_new(ERR_STORE, "no temporary file for the probe")
                           : file_replace(file, buf_view(&text), 0600);

    if (e == NULL) {
        e = session_open_with(c, file);
    }
    if (e == NULL) {
        e = session_call(c->session, "GET", "/tokens", NULL, &answer);
    }
    if (e == NULL) {
        d->tokens = json_incref(json_object_get(answer, "tokens"));
    }
    json_decref(answer);
    session_close(&c->session);
    unlink(file);
    AUTO(auto_free) char *state = text_fmt("%s.state", file);
    AUTO(auto_free) char *cache = text_fmt("%s/certificates", state);

    rmdir(cache != NULL ? cache : "");
    rmdir(state != NULL ? state : "");
    buf_deinit(&text);
    return e;
}

/* A name for a token out of its label: 1..64 of the characters that names may have. */
static char *token_name(const json_t *token, size_t i)
{
    char *name = strdup(json_text(token, "label"));
    size_t len = 0;

    for (const char *p = name; p != NULL && *p != '\0' && len < 64; p++) {
        bool fits = strchr("._-", *p) == NULL
                        ? (*p >= '0' && *p <= '9') || ((*p | 32) >= 'a' && (*p | 32) <= 'z')
                        : len > 0;

        if (fits) {
            name[len++] = *p;
        }
    }
    if (name != NULL) {
        name[len] = '\0';
    }
    if (len == 0) {
        free(name);
        return text_fmt("token%zu", i + 1);
    }
    return name;
}

static void say_tokens(struct draft *d)
{
    size_t i;
    const json_t *token;

    if (json_array_size(d->tokens) == 0) {
        say(&d->text, "\n# No initialized token was found. One looks like this:\ntokens: []\n"
                      "#  - name: mine\n#    uri: pkcs11:token=LABEL;serial=SERIAL\n");
        return;
    }
    say(&d->text, "\ntokens:\n");
    json_array_foreach(d->tokens, i, token)
    {
        AUTO(auto_free) char *name = token_name(token, i);

        say(&d->text, "  - name: %s   # %s %s\n    uri: \"%s\"\n", name,
            json_text(token, "manufacturer"), json_text(token, "model"), json_text(token, "uri"));
        say(&d->text,
            "    pin:\n"
            "      - askpass: yes    # SSH_ASKPASS asks at first use; `holdfast token unlock` too\n"
            "      # unattended instead: one of\n"
            "      # - credential: holdfast-pin     # systemd LoadCredentialEncrypted=\n"
            "      # - file: /etc/holdfast/pin      # mode 0600\n"
            "      # - command: [pass, show, token-pin]\n");
    }
}

static const char rest[] =
    "\n"
    "# Who signs. One of these, or several.\n"
    "signers: []\n"
    "#  - name: vault\n"
    "#    vault:\n"
    "#      address: https://vault.example.com:8200\n"
    "#      ca-bundle: /etc/ssl/vault-ca.pem     # left out: the system's\n"
    "#      login:\n"
    "#        method: approle                    # man holdfast.yaml has seven\n"
    "#        role-id-file: /etc/holdfast/role-id\n"
    "#        secret-id-file: /etc/holdfast/secret-id\n"
    "#  - name: lab                              # no Vault: a CA key on a token\n"
    "#    ca:\n"
    "#      key: pkcs11:token=LABEL;object=ca\n"
    "#      roles:\n"
    "#        - name: users\n"
    "#          principals: [alice]\n"
    "\n"
    "# What to offer: a key on a token and the certificates for it.\n"
    "# `holdfast key generate --label web` makes a key.\n"
    "identities: []\n"
    "#  - name: web\n"
    "#    key: pkcs11:token=LABEL;object=web\n"
    "#    certificates:\n"
    "#      - signer: vault\n"
    "#        mount: ssh-client-signer\n"
    "#        role: my-role\n"
    "#        principals: [deploy]               # the accounts to log in to\n"
    "#        ttl: 30m\n";

static struct err *write_out(struct cli *c, struct draft *d, const char *path)
{
    struct err *e = buf_check(&d->text, "the configuration");

    if (e != NULL) {
        return e;
    }
    if (strcmp(path, "-") == 0) {
        fwrite(d->text.data, 1, d->text.len, stdout);
        return NULL;
    }
    if (access(path, F_OK) == 0 && cli_option(c, "force") == NULL) {
        return err_new(ERR_EXISTS, "%s exists: --force replaces it, --output - shows the new one",
                       path);
    }
    AUTO(auto_free) char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));

    e = folder != NULL && folder[0] != '\0' ? file_make_folder(folder, 0755) : NULL;
    return e != NULL ? e : file_replace(path, buf_view(&d->text), 0644);
}

static struct err *ask(struct cli *c, const struct draft *d, const char *path)
{
    char answer[16] = "";

    if (cli_option(c, "yes") != NULL || strcmp(path, "-") == 0) {
        return NULL;
    }
    if (!isatty(STDIN_FILENO)) {
        return err_new(ERR_INPUT, "nobody to ask: --yes writes %s without asking", path);
    }
    fprintf(stderr, "Found %zu modules and %zu tokens. Write %s? [Y/n] ", text_list_len(d->modules),
            json_array_size(d->tokens), path);
    if (fgets(answer, sizeof answer, stdin) == NULL || answer[0] == 'n' || answer[0] == 'N') {
        return err_new(ERR_DENIED, "nothing was written");
    }
    return NULL;
}

static struct err *default_output(struct cli *c, char **ret)
{
    const char *named = cli_option(c, "output") != NULL ? cli_option(c, "output") : c->config;
    const char *variable = getenv("HOLDFAST_CONFIG");
    const char *home = getenv("XDG_CONFIG_HOME");

    if (named == NULL && variable != NULL && variable[0] != '\0') {
        named = variable;
    }
    if (named != NULL) {
        *ret = strchr(named, '/') != NULL || strcmp(named, "-") == 0 ? strdup(named)
                                                                     : text_fmt("./%s", named);
    } else if (geteuid() == 0) {
        *ret = strdup("/etc/holdfast/holdfast.yaml");
    } else if (home != NULL && home[0] == '/') {
        *ret = text_fmt("%s/holdfast/holdfast.yaml", home);
    } else {
        *ret = text_fmt("%s/.config/holdfast/holdfast.yaml", getenv("HOME"));
    }
    return *ret != NULL ? NULL : err_nomem();
}

static struct err *init(struct cli *c, struct draft *d)
{
    AUTO(auto_free) char *path = NULL;
    struct err *e = default_output(c, &path);

    if (e == NULL) {
        e = cli_option(c, "module") != NULL ? add_module(d, cli_option(c, "module"))
                                            : find_modules(d);
    }
    if (e == NULL && text_list_len(d->modules) == 0) {
        e = err_new(ERR_NOT_FOUND, "no PKCS#11 module was found: name one with --module PATH");
    }
    if (e == NULL) {
        e = probe(c, d);
    }
    if (e == NULL) {
        e = ask(c, d, path);
    }
    if (e != NULL) {
        return e;
    }
    say(&d->text, "# holdfast.yaml: what this machine is. `holdfast config check` reads it.\n\n");
    say_modules(&d->text, d->modules, d->tokens);
    say_tokens(d);
    buf_put(&d->text, rest, strlen(rest));
    e = write_out(c, d, path);
    if (e == NULL && strcmp(path, "-") != 0) {
        printf("%s: %zu modules looked at, %zu tokens found.\n"
               "Next: `holdfast key generate --label web`, then fill in signers and identities,\n"
               "then `holdfast config check` and `holdfast agent`.\n",
               path, text_list_len(d->modules), json_array_size(d->tokens));
    }
    return e;
}

int cmd_init(struct cli *c)
{
    struct draft d = {0};

    buf_init(&d.text, 0);
    struct err *e = init(c, &d);

    json_decref(d.tokens);
    text_list_free(&d.modules);
    buf_deinit(&d.text);
    return e != NULL ? cli_fail(e) : CLI_OK;
}
