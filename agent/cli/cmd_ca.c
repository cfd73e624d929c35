/*
 * holdfast ca show, ca revoke, audit: what the built-in signer has given and taken back.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/session.h"
#include "cli/table.h"

enum { CERTIFICATE_MAX_BYTES = 64 * 1024 };

static char *ca_path(struct cli *c, const char *end)
{
    AUTO(auto_free) char *escaped = session_escape(cli_argument(c, 0));

    return text_fmt("/cas/%s%s", escaped != NULL ? escaped : "", end);
}

static void print_ca(const struct cli *c, const json_t *ca)
{
    static const char *const heads[] = {"SERIAL", "KEY ID", "REVOKED", "~REASON", NULL};
    const json_t *r;
    size_t i;

    if (c->json) {
        json_print(ca);
        return;
    }
    printf("%-10s %s\n%-10s %s\n", "key", json_text(ca, "public_key"), "krl", json_text(ca, "krl"));
    if (json_is_object(json_object_get(ca, "problem"))) {
        printf("%-10s %s\n", "problem", json_text(json_object_get(ca, "problem"), "text"));
    }
    struct table *t = table_new(heads);

    json_array_foreach(json_object_get(ca, "revoked"), i, r)
    {
        const char *cells[] = {json_text(r, "serial"), json_text(r, "key_id"), json_text(r, "at"),
                               json_text(r, "reason")};

        table_row(t, cells);
    }
    table_print(&t, "Nothing is revoked.");
}

int cmd_ca_show(struct cli *c)
{
    AUTO(auto_free) char *path = ca_path(c, "");
    json_t *ca = NULL;
    struct err *e = session_open(c, SESSION_RUNNING);

    if (e == NULL) {
        e = session_call(c->session, "GET", path, NULL, &ca);
    }
    if (e != NULL) {
        return cli_fail(e);
    }
    print_ca(c, ca);
    json_decref(ca);
    return CLI_OK;
}

static struct err *revoke_body(struct cli *c, json_t **ret)
{
    static const char *const members[][2] = {
        {"serial", "serial"}, {"key-id", "key_id"}, {"reason", "reason"}};
    const char *file = cli_option(c, "cert-file");
    json_t *body = json_object();
    struct err *e = NULL;

    if ((file != NULL) + (cli_option(c, "serial") != NULL) + (cli_option(c, "key-id") != NULL) !=
        1) {
        e = err_new(ERR_INPUT, "say what to revoke: --serial, --key-id or --cert-file");
    }
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (cli_option(c, members[i][0]) != NULL) {
            json_object_set_new(body, members[i][1], json_string(cli_option(c, members[i][0])));
        }
    }
    if (e == NULL && file != NULL) {
        AUTO(buf_deinit) struct buf text;

        buf_init(&text, 0);
        e = cli_read(file, CERTIFICATE_MAX_BYTES, &text);
        json_object_set_new(body, "certificate", json_stringn((const char *)text.data, text.len));
    }
    *ret = body;
    return e;
}

int cmd_ca_revoke(struct cli *c)
{
    AUTO(auto_free) char *path = ca_path(c, "/revocations");
    json_t *body = NULL;
    json_t *ca = NULL;
    struct err *e = revoke_body(c, &body);

    if (e == NULL) {
        e = session_open(c, SESSION_RUNNING);
    }
    if (e == NULL) {
        e = session_call(c->session, "POST", path, json_incref(body), &ca);
    }
    json_decref(body);
    if (e != NULL) {
        return cli_fail(e);
    }
    if (c->json) {
        json_print(ca);
    } else {
        printf("revoked; hosts refuse it as soon as they have %s as RevokedKeys\n",
               json_text(ca, "krl"));
    }
    json_decref(ca);
    return CLI_OK;
}

/* --- the audit trail ---------------------------------------------------------------------------- */

static void print_line(const json_t *line)
{
    const char *name;
    const json_t *value;

    printf("%s  %s\n", json_text(line, "time"), json_text(line, "event"));
    json_object_foreach((json_t *)line, name, value)
    {
        if (json_is_string(value) && !text_eq(name, "time") && !text_eq(name, "event") &&
            !text_eq(name, "prev")) {
            printf("    %-14s %s\n", name, json_string_value(value));
        }
    }
}

int cmd_audit(struct cli *c)
{
    bool verify = cli_option(c, "verify") != NULL;
    const char *last = cli_option(c, "last");
    AUTO(auto_free) char *escaped = session_escape(last != NULL ? last : "20");
    AUTO(auto_free) char *list = text_fmt("/audit?last=%s", escaped != NULL ? escaped : "");
    json_t *answer = NULL;
    const json_t *line;
    size_t i;
    struct err *e = session_open(c, SESSION_RUNNING);

    if (e == NULL) {
        e = session_call(c->session, verify ? "POST" : "GET", verify ? "/audit/verify" : list, NULL,
                         &answer);
    }
    if (e != NULL) {
        return cli_fail(e);
    }
    if (c->json) {
        json_print(answer);
    } else if (verify) {
        printf("the chain holds: %lld lines\n",
               (long long)json_integer_value(json_object_get(answer, "lines")));
    } else {
        json_array_foreach(json_object_get(answer, "lines"), i, line)
        {
            print_line(line);
        }
    }
    json_decref(answer);
    return CLI_OK;
}
