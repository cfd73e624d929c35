/*
 * holdfast vault check, vault ca: a Vault server behind a name, be it a signer of holdfast.yaml or a
 * connector of the registry. Where both have the name, the signer is meant; --scope means connectors.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/resource.h"
#include "cli/session.h"
#include "cli/steps.h"
#include "cli/table.h"

static bool is_signer(const json_t *status, const char *name)
{
    const json_t *signer;
    size_t i;

    json_array_foreach(json_object_get(status, "signers"), i, signer)
    {
        if (text_eq(json_text(signer, "name"), name)) {
            return true;
        }
    }
    return false;
}

/* The path of what the command names, with @end (caller owns). */
static struct err *find(struct cli *c, const char *end, char **ret)
{
    const char *name = cli_argument(c, 0);
    json_t *status = NULL, *connector = NULL;
    struct err *e = c->session == NULL ? session_open(c, SESSION_TOKENS) : NULL;

    if (e == NULL && cli_option(c, "scope") == NULL) {
        e = session_call(c->session, "GET", "/status", NULL, &status);
    }
    if (e == NULL && is_signer(status, name)) {
        AUTO(auto_free) char *escaped = session_escape(name);

        *ret = text_fmt("/signers/%s%s", escaped != NULL ? escaped : "", end);
    } else if (e == NULL) {
        e = resource_get(c, resource_kind("connector"), name, &connector);
        if (e != NULL && cli_option(c, "scope") == NULL) {
            e = err_add(e, "%s is no signer of holdfast.yaml", name);
        }
        *ret = e == NULL ? resource_path_of(resource_kind("connector"), connector, end) : NULL;
    }
    json_decref(status);
    json_decref(connector);
    return e == NULL && *ret == NULL ? err_nomem() : e;
}

/* "?name=value" and "&name=value" */
static void put_query(struct buf *b, const char *name, const char *value)
{
    AUTO(auto_free) char *escaped = value != NULL ? session_escape(value) : NULL;
    AUTO(auto_free) char *text =
        escaped != NULL ? text_fmt("%c%s=%s", b->len == 0 ? '?' : '&', name, escaped) : NULL;

    if (text != NULL) {
        buf_put(b, text, strlen(text));
    }
}

static char *join_principals(struct cli *c)
{
    AUTO(buf_deinit) struct buf list;
    unsigned at = 0;

    buf_init(&list, 0);
    for (const char *v; (v = cli_option_each(c, "principal", &at)) != NULL;) {
        buf_put(&list, ",", list.len > 0 ? 1 : 0);
        buf_put(&list, v, strlen(v));
    }
    return list.len > 0 ? view_dup(buf_view(&list)) : NULL;
}

int cmd_vault_check(struct cli *c)
{
    struct steps s = {.json = c->json};
    AUTO(buf_deinit) struct buf query;
    AUTO(auto_free) char *principals = join_principals(c);
    AUTO(auto_free) char *path = NULL;

    buf_init(&query, 0);
    put_query(&query, "mount", cli_option(c, "mount"));
    put_query(&query, "role", cli_option(c, "role"));
    put_query(&query, "principals", principals);
    buf_put_u8(&query, 0);
    struct err *e = buf_check(&query, "the query");

    if (e == NULL && cli_option(c, "mount") == NULL &&
        (cli_option(c, "role") != NULL || principals != NULL)) {
        e = err_new(ERR_INPUT, "--role and --principal are of an SSH engine: --mount MOUNT");
    }
    if (e == NULL && cli_option(c, "role") == NULL && principals != NULL) {
        e = err_new(ERR_INPUT, "--principal is judged by a role: --role ROLE");
    }
    AUTO(auto_free) char *end = e == NULL ? text_fmt("/test%s", (const char *)query.data) : NULL;

    e = e == NULL ? find(c, end != NULL ? end : "/test", &path) : e;
    return e != NULL ? cli_fail(e)
                     : steps_result(&s, session_stream(c->session, path, NULL, steps_on_line, &s));
}

/* --- the CA's key ------------------------------------------------------------------------------- */

/* A line for authorized_keys and TrustedUserCAKeys, or for known_hosts. */
static void print_key(struct cli *c, const json_t *answer)
{
    const char *pattern = cli_option(c, "hosts");

    if (c->json) {
        json_print(answer);
        return;
    }
    printf("%s%s%s%s %s/%s\n", pattern != NULL ? "@cert-authority " : "",
           pattern != NULL ? pattern : "", pattern != NULL ? " " : "",
           json_text(answer, "public_key"), cli_argument(c, 0), cli_option(c, "mount"));
}

static struct err *fetch(struct cli *c, const char *issuer)
{
    AUTO(buf_deinit) struct buf end;
    AUTO(buf_deinit) struct buf query;
    AUTO(auto_free) char *path = NULL;
    json_t *answer = NULL;

    buf_init(&end, 0);
    buf_init(&query, 0);
    put_query(&query, "mount", cli_option(c, "mount"));
    put_query(&query, "issuer", issuer);
    buf_put(&end, "/ca", 3);
    buf_put(&end, query.data, query.len);
    buf_put_u8(&end, 0);
    struct err *e = buf_check(&end, "the query");

    e = e == NULL ? find(c, (const char *)end.data, &path) : e;
    e = e == NULL ? session_call(c->session, "GET", path, NULL, &answer) : e;
    if (e == NULL) {
        print_key(c, answer);
    }
    json_decref(answer);
    return e;
}

static struct err *check_pattern(const char *pattern)
{
    for (const char *p = pattern; p != NULL && *p != '\0'; p++) {
        if (*p <= ' ' || *p == 0x7f) {
            return err_new(ERR_INPUT, "--hosts takes one pattern, such as *.example.com");
        }
    }
    return NULL;
}

int cmd_vault_ca(struct cli *c)
{
    struct err *e = check_pattern(cli_option(c, "hosts"));
    unsigned at = 0;
    const char *issuer = cli_option_each(c, "issuer", &at);

    if (e == NULL && cli_option(c, "mount") == NULL) {
        e = err_new(ERR_INPUT, "--mount MOUNT is missing: the path of the SSH engine");
    }
    do { /* once without any issuer */
        e = e == NULL ? fetch(c, issuer) : e;
        issuer = issuer != NULL ? cli_option_each(c, "issuer", &at) : NULL;
    } while (e == NULL && issuer != NULL);
    return e != NULL ? cli_fail(e) : CLI_OK;
}
