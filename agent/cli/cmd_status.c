/*
 * holdfast status, renew, ssh-config: what the agent holds, and what is wrong with it.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/session.h"
#include "cli/table.h"

static const char *number(const json_t *object, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%lld", (long long)json_integer_value(json_object_get(object, name)));
    return out;
}

/* A helper that never had to be restarted is nothing to speak of. */
static void print_restarts(const char *program, const char *name, const json_t *helper)
{
    long long n = (long long)json_integer_value(json_object_get(helper, "restarts"));
    AUTO(auto_free) char *times = n == 1 ? text_copy("once") : text_fmt("%lld times", n);
    bool runs = json_is_true(json_object_get(helper, "running"));
    AUTO(auto_free) char *text =
        text_fmt("%s%s%s was restarted %s and %s%s: %s", program, name[0] != '\0' ? " " : "", name,
                 times, runs ? "runs since " : "does not run", json_text(helper, "since"),
                 json_text(json_object_get(helper, "last_error"), "text"));

    if (n > 0 && text != NULL) {
        text_wrapped(stdout, 0, text);
    }
}

static void print_helpers(const json_t *root)
{
    size_t i;
    const json_t *module;

    json_array_foreach(json_object_get(root, "modules"), i, module)
    {
        print_restarts("holdfast-token", json_text(module, "name"),
                       json_object_get(module, "helper"));
    }
    print_restarts("holdfast-vault", "", json_object_get(root, "vault_helper"));
}

static void print_head(const json_t *root)
{
    const json_t *agent = json_object_get(root, "agent");
    char up[TEXT_DURATION_BYTES];
    char open[24];
    char signs[24];

    printf("holdfast-agent %s, pid %lld, up %s\n", json_text(root, "version"),
           (long long)json_integer_value(json_object_get(root, "pid")),
           text_duration_of(json_integer_value(json_object_get(root, "uptime_s")), up));
    printf("%s: %s clients, %s signatures\n", json_text(agent, "socket"),
           number(agent, "open", open, sizeof open), number(agent, "signs", signs, sizeof signs));
    print_helpers(root);
    putchar('\n');
}

static void print_tokens(const json_t *root)
{
    static const char *const heads[] = {"TOKEN", "STATE", "SERIAL", "~LABEL", "MODULE", NULL};
    struct table *t = table_new(heads);
    size_t i;
    const json_t *token;

    json_array_foreach(json_object_get(root, "tokens"), i, token)
    {
        const char *cells[] = {json_text(token, "name"), json_text(token, "state"),
                               json_text(token, "serial"), json_text(token, "label"),
                               json_text(token, "module")};

        table_row(t, cells);
    }
    table_print(&t, "No token is configured or present.");
}

/* Whose the certificate is that is there now. */
static const char *signer_of(const json_t *cert)
{
    return json_text(cert,
                     json_is_true(json_object_get(cert, "of_standby")) ? "standby" : "signer");
}

static void add_certificate(struct table *t, const json_t *identity, const json_t *cert, bool first)
{
    char left[TEXT_DURATION_BYTES] = "";
    const json_t *seconds = json_object_get(cert, "seconds_left");
    AUTO(auto_free) char *from =
        json_is_true(json_object_get(cert, "of_standby"))
            ? text_fmt("%s (standby)", signer_of(cert))
            : text_fmt("%s %s%s%s", signer_of(cert), json_text(cert, "mount"),
                       json_text(cert, "mount")[0] != '\0' ? "/" : "", json_text(cert, "role"));

    if (json_is_integer(seconds)) {
        text_duration_of(json_integer_value(seconds), left);
    }
    const char *cells[] = {first ? json_text(identity, "name") : "", json_text(identity, "offer"),
                           from, json_text(cert, "state"), left};

    table_row(t, cells);
}

static void print_identities(const json_t *root)
{
    static const char *const heads[] = {"IDENTITY", "OFFERS", "~CERTIFICATE FROM",
                                        "STATE",    ">LEFT",  NULL};
    struct table *t = table_new(heads);
    size_t i;
    size_t k;
    const json_t *identity;
    const json_t *cert;

    json_array_foreach(json_object_get(root, "identities"), i, identity)
    {
        const json_t *certs = json_object_get(identity, "certificates");

        json_array_foreach(certs, k, cert)
        {
            add_certificate(t, identity, cert, k == 0);
        }
        if (json_array_size(certs) == 0) {
            const char *cells[] = {json_text(identity, "name"), json_text(identity, "offer"), NULL,
                                   NULL, NULL};

            table_row(t, cells);
        }
    }
    putchar('\n');
    table_print(&t, "No identity is configured.");
}

/* A problem, unless its text, or one that it ends in, is among @said: one cause has many victims. */
static void say(char ***said, const char *what, const char *name, const json_t *error)
{
    const char *text = json_string_value(error);

    if (text == NULL) {
        text = json_text(error, "text");
    }
    for (size_t i = 0; i < text_list_len(*said); i++) {
        if (strstr(text, (*said)[i]) != NULL) {
            return;
        }
    }
    if (text[0] == '\0' || !text_list_add(said, text)) {
        return;
    }
    AUTO(auto_free) char *whose = text_fmt("%s%s%s: ", what, name[0] != '\0' ? " " : "", name);
    bool is_told = whose != NULL && strncmp(text, whose, strlen(whose)) == 0;
    AUTO(auto_free) char *line = text_fmt("%s%s", is_told || whose == NULL ? "" : whose, text);

    printf("%s  ", text_list_len(*said) == 1 ? "\n" : "");
    text_wrapped(stdout, 2, line != NULL ? line : text);
}

static void print_list_errors(const json_t *root, const char *list, const char *what,
                              const char *member, char ***said)
{
    size_t i;
    const json_t *object;

    json_array_foreach(json_object_get(root, list), i, object)
    {
        const char *name = json_text(object, "name");

        say(said, what, name[0] != '\0' ? name : json_text(object, "label"),
            json_object_get(object, member));
    }
}

static void print_problems(const json_t *root)
{
    AUTO(text_list_free) char **said = NULL;
    size_t i;
    size_t k;
    const json_t *identity;
    const json_t *cert;
    const json_t *warning;

    print_list_errors(root, "modules", "module", "error", &said);
    print_list_errors(root, "tokens", "token", "error", &said);
    print_list_errors(root, "identities", "identity", "problem", &said);
    json_array_foreach(json_object_get(root, "identities"), i, identity)
    {
        json_array_foreach(json_object_get(identity, "certificates"), k, cert)
        {
            say(&said, "certificate of", json_text(identity, "name"),
                json_object_get(cert, "error"));
        }
    }
    print_list_errors(root, "signers", "signer", "last_error", &said);
    json_array_foreach(json_object_get(root, "warnings"), i, warning)
    {
        say(&said, "warning", "", warning);
    }
}

int cmd_status(struct cli *c)
{
    json_t *root = NULL;
    struct err *e = session_open(c, SESSION_RUNNING);

    if (e == NULL) {
        e = session_call(c->session, "GET", "/status", NULL, &root);
    }
    if (e != NULL) {
        return cli_fail(e);
    }
    if (c->json) {
        json_print(root);
    } else {
        print_head(root);
        print_tokens(root);
        print_identities(root);
        print_problems(root);
    }
    json_decref(root);
    return CLI_OK;
}

static void print_renewed(const json_t *identity)
{
    size_t k;
    const json_t *cert;

    json_array_foreach(json_object_get(identity, "certificates"), k, cert)
    {
        char left[TEXT_DURATION_BYTES];

        printf("%s: certificate of %s, serial %s, valid for %s\n", json_text(identity, "name"),
               signer_of(cert), json_text(cert, "serial"),
               text_duration_of(json_integer_value(json_object_get(cert, "seconds_left")), left));
    }
}

static int print_all(const json_t *done)
{
    long long failed = (long long)json_integer_value(json_object_get(done, "failed"));
    size_t k;
    const json_t *failure;

    printf("%lld identities renewed, %lld failed\n",
           (long long)json_integer_value(json_object_get(done, "renewed")), failed);
    json_array_foreach(json_object_get(done, "failures"), k, failure)
    {
        fputs("  ", stdout);
        text_wrapped(stdout, 2, json_string_value(failure));
    }
    return failed == 0 ? CLI_OK : CLI_FAILED;
}

/* One identity, or all: exactly one of both is asked for. */
static struct err *renewal_path(const struct cli *c, char **ret)
{
    bool all = cli_option(c, "all") != NULL, standby = cli_option(c, "standby") != NULL;
    const char *name = cli_argument(c, 0);
    AUTO(auto_free) char *escaped = name != NULL ? session_escape(name) : NULL;

    if (all == (name != NULL) || (all && standby)) {
        return err_new(ERR_INPUT, "renew: name one identity, or say --all");
    }
    *ret = all ? text_copy("/renewals")
               : text_fmt("/identities/%s/renew%s", escaped, standby ? "?standby=true" : "");
    return *ret != NULL ? NULL : err_nomem();
}

int cmd_renew(struct cli *c)
{
    AUTO(auto_free) char *path = NULL;
    json_t *done = NULL;
    int status = CLI_OK;
    struct err *e = renewal_path(c, &path);

    if (e == NULL) {
        e = session_open(c, SESSION_TOKENS);
    }
    if (e == NULL) {
        e = cli_unlock(c);
    }
    if (e == NULL) {
        e = session_call(c->session, "POST", path, NULL, &done);
    }
    if (e != NULL) {
        return cli_fail(e);
    }
    if (c->json) {
        json_print(done);
    } else if (cli_option(c, "all") != NULL) {
        status = print_all(done);
    } else {
        print_renewed(done);
    }
    json_decref(done);
    return status;
}

int cmd_ssh_config(struct cli *c)
{
    AUTO(session_paths_deinit) struct session_paths paths = {0};
    struct err *e = session_paths_get(c, &paths);

    if (e != NULL) {
        return cli_fail(e);
    }
    printf("# Holdfast: keys on hardware tokens, certificates kept fresh. Put this into\n"
           "# ~/.ssh/config, below a Host line of your choice.\n"
           "Host *\n"
           "    IdentityAgent %s\n",
           paths.socket);
    return CLI_OK;
}
