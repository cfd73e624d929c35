/*
 * From the command line to a resource's body: a document or PEM file (form_document.c) or a
 * certificate on a token (form_token.c), then the options of the kind, then --set for all that has no
 * option (form_set.c). One table says which option is which member.
 *
 * What is right in a spec is not known here: the agent judges it, in the same words for everybody.
 */
#include "cli/form.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/session.h"
#include "cli/table.h"
#include "cli/target.h"
#include "cli/yaml_json.h"

enum field_type {
    FIELD_TEXT,
    FIELD_NUMBER,
    FIELD_FLAG,
    FIELD_LIST,    /* each use of the option is one item */
    FIELD_PATH,    /* of a file that the agent will read */
    FIELD_CONTENT, /* of a file that we read */
    FIELD_HOSTS,
};

static const struct field {
    const char *kind, *option, *member;
    enum field_type type;
} fields[] = {
    {"connector", "address", "addresses", FIELD_LIST},
    {"connector", "namespace", "namespace", FIELD_TEXT},
    {"connector", "login", "login.method", FIELD_TEXT},
    {"connector", "login-mount", "login.mount", FIELD_TEXT},
    {"connector", "login-role", "login.role", FIELD_TEXT},
    {"connector", "token-file", "login.token_file", FIELD_PATH},
    {"connector", "token-env", "login.token_environment", FIELD_TEXT},
    {"connector", "root", "login.root", FIELD_FLAG},
    {"connector", "role-id-file", "login.role_id_file", FIELD_PATH},
    {"connector", "secret-id-file", "login.secret_id_file", FIELD_PATH},
    {"connector", "jwt-file", "login.jwt_file", FIELD_PATH},
    {"connector", "login-user", "login.user", FIELD_TEXT},
    {"connector", "password-file", "login.password_file", FIELD_PATH},
    {"connector", "login-key", "login.key", FIELD_TEXT},
    {"connector", "pki-mount", "login.pki_mount", FIELD_TEXT},
    {"connector", "pki-role", "login.pki_role", FIELD_TEXT},
    {"connector", "share-with-ssh", "login.share_with_ssh", FIELD_FLAG},
    {"connector", "audience", "login.audience", FIELD_TEXT},
    {"connector", "issuer", "login.issuer", FIELD_TEXT},
    {"connector", "subject", "login.subject", FIELD_TEXT},
    {"connector", "revoke-on-stop", "login.revoke_on_stop", FIELD_FLAG},
    {"connector", "renewal-minutes", "renewal_interval_minutes", FIELD_NUMBER},
    {"connector", "certificate", "certificate", FIELD_TEXT},
    {"connector", "server-name", "server_name", FIELD_TEXT},
    {"connector", "proxy", "proxy", FIELD_TEXT},
    {"connector", "no-proxy", "no_proxy", FIELD_TEXT},
    {"connector", "read-only", "read_only", FIELD_FLAG},
    {"secrets-manager", "connector", "connector", FIELD_TEXT},
    {"secrets-manager", "mount", "mount", FIELD_TEXT},
    {"secrets-manager", "default-role", "default_role", FIELD_TEXT},
    {"ssh-key", "user", "user_name", FIELD_TEXT},
    {"ssh-key", "secrets-manager", "credentials.secrets_manager", FIELD_TEXT},
    {"ssh-key", "role", "credentials.role", FIELD_TEXT},
    {"ssh-key", "principal", "credentials.principals", FIELD_LIST},
    {"ssh-key", "ttl", "credentials.ttl", FIELD_TEXT},
    {"ssh-key", "public-key", "credentials.public_key", FIELD_CONTENT},
    {"ssh-key", "key", "key", FIELD_TEXT},
    {"ssh-key", "token", "token", FIELD_TEXT},
    {"ssh-key", "pin-file", "pin.file", FIELD_PATH},
    {"ssh-key", "port", "port", FIELD_NUMBER},
    {"ssh-key", "renewal", "renewal", FIELD_TEXT},
    {"infrastructure", "ssh-key", "ssh_key", FIELD_TEXT},
    {"infrastructure", "host", "hosts", FIELD_HOSTS},
    {"infrastructure", "hosts-file", "hosts", FIELD_HOSTS},
    {"infrastructure", "inventory", "hosts", FIELD_HOSTS},
    {"infrastructure", "concurrency", "concurrency", FIELD_NUMBER},
};

static struct err *number(const char *option, const char *text, json_t **ret)
{
    char *rest;
    long long n = strtoll(text, &rest, 10);

    if (*text == '\0' || *rest != '\0') {
        return err_new(ERR_INPUT, "--%s %s is no number", option, text);
    }
    *ret = json_integer(n);
    return NULL;
}

static struct err *content(const char *path, json_t **ret)
{
    struct buf text;

    buf_init(&text, YAML_JSON_MAX_BYTES);
    struct err *e = cli_read(path, YAML_JSON_MAX_BYTES, &text);

    while (e == NULL && text.len > 0 && strchr(" \r\n", text.data[text.len - 1]) != NULL) {
        text.len--;
    }
    if (e == NULL &&
        (*ret = json_stringn(text.len > 0 ? (const char *)text.data : "", text.len)) == NULL) {
        e = err_new(ERR_INPUT, "%s is not text", path);
    }
    buf_deinit(&text);
    return e;
}

/* The file may come later, and the agent may see another than we do; but a bare word that is no file is
 * more likely the secret itself, so it is not repeated. */
static struct err *path(const char *option, const char *given, json_t **ret)
{
    AUTO(auto_free) char *absolute = cli_absolute(given);

    if (strchr(given, '/') == NULL && access(given, F_OK) != 0) {
        return err_new(
            ERR_INPUT,
            "--%s takes the name of a file, and there is none of this name here: a secret "
            "itself is not taken. Put it into a file that only the agent's user may read",
            option);
    }
    *ret = json_string(absolute);
    return NULL;
}

const char *form_option(const struct resource_kind *k, const char *path, const char **ret_rest)
{
    static const char *const common[][2] = {
        {"name", "name"}, {"description", "description"}, {"tags", "tag"}};
    const char *option = NULL;

    for (size_t i = 0; i < ARRAY_LEN(fields) + ARRAY_LEN(common); i++) {
        const struct field *f = i < ARRAY_LEN(fields) ? &fields[i] : NULL;
        const char *member = f != NULL ? f->member : common[i - ARRAY_LEN(fields)][0];
        size_t len = strlen(member);

        if ((f == NULL || (text_eq(f->kind, k->word) && f->type != FIELD_HOSTS)) &&
            strncmp(path, member, len) == 0 && (path[len] == '\0' || path[len] == '.')) {
            option = f != NULL ? f->option : common[i - ARRAY_LEN(fields)][1];
            *ret_rest = path + len + (path[len] == '.');
        }
    }
    return option;
}

static struct err *list(struct cli *c, const char *option, json_t **ret)
{
    unsigned at = 0;

    *ret = json_array();
    for (const char *v; (v = cli_option_each(c, option, &at)) != NULL;) {
        json_array_append_new(*ret, json_string(v));
    }
    return NULL;
}

/* Hosts as the agent reads them out of a file. */
static struct err *read_hosts(struct cli *c, const char *format, const char *path, json_t *hosts)
{
    AUTO(auto_free) char *url =
        resource_path(resource_scope(c), resource_kind("infrastructure"), NULL, "/-/parse");
    json_t *text = NULL;
    json_t *answer = NULL;
    struct err *e = content(path, &text);

    if (e == NULL) {
        json_t *body = json_pack("{s:s, s:o}", "format", format, "text", text);

        e = session_call(c->session, "POST", url, body, &answer);
    }
    if (e == NULL && json_array_extend(hosts, json_object_get(answer, "hosts")) < 0) {
        e = err_new(ERR_PROTOCOL, "the agent's answer has no hosts");
    }
    json_decref(answer);
    return err_add(e, "%s", path);
}

static struct err *add_host(const char *text, json_t *hosts)
{
    AUTO(target_deinit) struct target t = {0};
    struct err *e = target_parse(text, &t);

    if (e == NULL && (t.user != NULL || t.infrastructure != NULL)) {
        e = err_new(ERR_INPUT, "'%s' is not HOST[:PORT]", text);
    }
    if (e != NULL) {
        return e;
    }
    json_t *host = json_pack("{s:s}", "name", t.host);

    if (t.port > 0) {
        json_object_set_new(host, "port", json_integer(t.port));
    }
    json_array_append_new(hosts, host);
    return NULL;
}

/* All hosts that the three options name together. */
static struct err *all_hosts(struct cli *c, json_t **ret)
{
    static const struct {
        const char *option, *format;
    } sources[] = {{"host", NULL}, {"hosts-file", "list"}, {"inventory", "ansible"}};
    json_t *hosts = json_array();
    struct err *e = NULL;

    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        const char *format = sources[i].format;
        unsigned at = 0;

        for (const char *v;
             e == NULL && (v = cli_option_each(c, sources[i].option, &at)) != NULL;) {
            e = format == NULL ? add_host(v, hosts) : read_hosts(c, format, v, hosts);
        }
    }
    if (e != NULL) {
        json_decref(hosts);
        return e;
    }
    *ret = hosts;
    return NULL;
}

static struct err *field_value(struct cli *c, const struct field *f, json_t **ret)
{
    const char *given = cli_option(c, f->option);

    switch (f->type) {
    case FIELD_NUMBER:
        return number(f->option, given, ret);
    case FIELD_FLAG:
        *ret = json_true();
        return NULL;
    case FIELD_LIST:
        return list(c, f->option, ret);
    case FIELD_CONTENT:
        return content(given, ret);
    case FIELD_HOSTS:
        return all_hosts(c, ret);
    case FIELD_PATH:
        return path(f->option, given, ret);
    case FIELD_TEXT:
        *ret = json_string(given);
        return NULL;
    }
    return NULL;
}

/* --wrapped is about what the login method names. */
static struct err *put_wrapped(json_t *spec)
{
    bool token = text_eq(json_string_value(resource_at(spec, "login.method")), "token");

    return form_set(spec, token ? "login.token_wrapped" : "login.secret_id_wrapped", json_true());
}

static struct err *put_options(struct cli *c, const struct resource_kind *k, json_t *body)
{
    json_t *spec = json_object_get(body, "spec");
    struct err *e = NULL;
    unsigned at = 0;

    for (size_t i = 0; e == NULL && i < ARRAY_LEN(fields); i++) {
        json_t *value = NULL;

        if (text_eq(fields[i].kind, k->word) && cli_option(c, fields[i].option) != NULL) {
            e = field_value(c, &fields[i], &value);
            e = e == NULL ? form_set(spec, fields[i].member, value) : e;
        }
    }
    if (e == NULL && cli_option(c, "wrapped") != NULL) {
        e = put_wrapped(spec);
    }
    for (const char *v; e == NULL && (v = cli_option_each(c, "set", &at)) != NULL;) {
        e = form_assign(spec, v);
    }
    if (e == NULL && cli_option(c, "description") != NULL) {
        json_object_set_new(body, "description", json_string(cli_option(c, "description")));
    }
    if (e == NULL && cli_option(c, "tag") != NULL) {
        json_t *tags = NULL;

        e = list(c, "tag", &tags);
        json_object_set_new(body, "tags", tags);
    }
    return e;
}

/* What a kind has one of, where nothing else was said. */
static void put_types(const struct resource_kind *k, json_t *spec)
{
    bool vault = resource_at(spec, "credentials.secrets_manager") != NULL;
    const char *type = text_eq(k->word, "connector")         ? "vault"
                       : text_eq(k->word, "secrets-manager") ? "vault-ssh"
                                                             : NULL;

    if (type != NULL && json_object_get(spec, "type") == NULL) {
        json_object_set_new(spec, "type", json_string(type));
    }
    if (text_eq(k->word, "ssh-key") && json_object_get(spec, "credentials") == NULL) {
        json_object_set_new(spec, "credentials", json_object());
    }
    if (text_eq(k->word, "ssh-key") && resource_at(spec, "credentials.type") == NULL) {
        json_object_set_new(json_object_get(spec, "credentials"), "type",
                            json_string(vault ? "vault-ssh" : "key"));
    }
}

/* The body before any option: out of a file, a token, or nothing. */
static struct err *start(struct cli *c, const struct resource_kind *k, json_t **ret)
{
    const char *file = cli_option(c, "file");
    const char *token = cli_option(c, "from-token");
    const char *object = cli_option(c, "object");

    if (object != NULL && token == NULL) {
        return err_new(ERR_INPUT, "--object is of a token: --from-token TOKEN");
    }
    if (file != NULL && token != NULL) {
        return err_new(ERR_INPUT, "--file and --from-token exclude each other");
    }
    if (token != NULL) {
        return form_from_token(c, token, object, ret);
    }
    if (file != NULL) {
        return form_from_file(k, file, ret);
    }
    if (text_eq(k->word, "certificate")) {
        return err_new(ERR_INPUT, "where is the certificate? --file FILE, - for standard input, or "
                                  "--from-token TOKEN");
    }
    *ret = json_pack("{s:{}}", "spec");
    return NULL;
}

struct err *form_new(struct cli *c, const struct resource_kind *k, json_t **ret)
{
    const char *name = cli_argument(c, 0);
    json_t *body = NULL;
    struct err *e = start(c, k, &body);

    if (e == NULL && name != NULL) {
        json_object_set_new(body, "name", json_string(name));
    }
    if (e == NULL && json_object_get(body, "name") == NULL) {
        e = err_new(ERR_INPUT, "the %s needs a name: holdfast %s NAME", k->word, c->command->words);
    }
    if (e == NULL) {
        e = put_options(c, k, body);
    }
    if (e != NULL) {
        json_decref(body);
        return e;
    }
    put_types(k, json_object_get(body, "spec"));
    *ret = body;
    return NULL;
}

struct err *form_change(struct cli *c, const struct resource_kind *k, const json_t *old,
                        json_t **ret)
{
    const char *file = cli_option(c, "file");
    json_t *whole = form_of(old);
    json_t *body = file == NULL ? json_incref(whole) : NULL;
    struct err *e = file != NULL ? form_from_file(k, file, &body) : NULL;

    if (e == NULL) {
        json_object_update_missing(body, whole);
    }
    if (e == NULL && cli_option(c, "name") != NULL) {
        json_object_set_new(body, "name", json_string(cli_option(c, "name")));
    }
    e = e == NULL ? put_options(c, k, body) : e;
    json_decref(whole);
    if (e != NULL) {
        json_decref(body);
        return e;
    }
    *ret = body;
    return NULL;
}
