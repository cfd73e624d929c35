/*
 * holdfast connect: a login, step by step. The steps come as JSON lines while they happen. A host of
 * an infrastructure is a run on that host alone: with its SSH key, its host key, and a certificate
 * made for it.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/resource.h"
#include "cli/session.h"
#include "cli/steps.h"
#include "cli/table.h"
#include "cli/target.h"

static struct err *put_user(json_t *body, const char *user)
{
    const struct passwd *pw = user == NULL ? getpwuid(getuid()) : NULL;

    if (user == NULL && pw == NULL) {
        return err_new(ERR_INPUT, "your user has no name: say USER@HOST");
    }
    json_object_set_new(body, "user", json_string(user != NULL ? user : pw->pw_name));
    return NULL;
}

static struct err *put_options(struct cli *c, json_t *body)
{
    static const struct {
        const char *option, *member;
    } members[] = {{"identity", "identity"}, {"run", "command"}};
    const char *known = cli_option(c, "known-hosts");
    const char *timeout = cli_option(c, "timeout");
    int64_t s = 0;
    struct err *e = NULL;

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const char *value = cli_option(c, members[i].option);

        if (value != NULL) {
            json_object_set_new(body, members[i].member, json_string(value));
        }
    }
    if (known != NULL) {
        AUTO(auto_free) char *path = cli_absolute(known);

        json_object_set_new(body, "known_hosts", json_string(path));
    }
    if (timeout != NULL) {
        e = text_duration(timeout, &s);
        json_object_set_new(body, "step_timeout_ms", json_integer(s * 1000));
    }
    return e;
}

static void put_address(const struct target *t, json_t *body)
{
    json_object_set_new(body, "host", json_string(t->host));
    if (t->port > 0) {
        json_object_set_new(body, "port", json_integer(t->port));
    }
}

/* A run is limited by a pattern that fits names and tags; it must fit this one host alone. */
static struct err *check_only(const json_t *infrastructure, const char *name)
{
    bool found = false;
    size_t i, k;
    const json_t *host, *tag;

    json_array_foreach(resource_at(infrastructure, "spec.hosts"), i, host)
    {
        bool same = text_eq(json_text(host, "name"), name);

        found = found || same;
        json_array_foreach(json_object_get(host, "tags"), k, tag)
        {
            if (!same && text_eq(json_string_value(tag), name)) {
                return err_new(ERR_INPUT, "'%s' is also a tag of host %s", name,
                               json_text(host, "name"));
            }
        }
    }
    return found && strpbrk(name, "*?[\\") == NULL
               ? NULL
               : err_new(ERR_NOT_FOUND, "infrastructure '%s' has no host '%s'",
                         json_text(infrastructure, "name"), name);
}

static struct err *run_body(struct cli *c, const struct target *t, json_t *body)
{
    json_t *infrastructure = NULL;
    struct err *e =
        resource_get(c, resource_kind("infrastructure"), t->infrastructure, &infrastructure);

    e = e == NULL ? check_only(infrastructure, t->host) : e;
    if (e == NULL) {
        AUTO(auto_free) char *reference = resource_reference(c, infrastructure);

        json_object_set_new(body, "scope", json_string(resource_scope(c)));
        json_object_set_new(body, "infrastructure", json_string(reference));
        json_object_set_new(body, "limit", json_string(t->host));
    }
    if (e == NULL && t->user != NULL) {
        json_object_set_new(body, "user", json_string(t->user));
    }
    json_decref(infrastructure);
    return e;
}

int cmd_connect(struct cli *c)
{
    AUTO(target_deinit) struct target t = {0};
    struct steps s = {.json = c->json};
    json_t *body = json_object();
    struct err *e = target_parse(cli_argument(c, 0), &t);
    bool run = t.infrastructure != NULL;

    e = e == NULL ? put_options(c, body) : e;
    if (e == NULL && !run) {
        put_address(&t, body);
        e = put_user(body, t.user);
    }
    e = e == NULL ? session_open(c, SESSION_TOKENS) : e;
    if (e == NULL && run) {
        e = run_body(c, &t, body);
    }
    if (e == NULL) {
        e = session_stream(c->session, run ? "/runs" : "/connect", json_incref(body), steps_on_line,
                           &s);
    }
    json_decref(body);
    return steps_result(&s, e);
}

static struct err *test_body(struct cli *c, json_t *body)
{
    AUTO(target_deinit) struct target t = {0};
    const char *text = cli_argument(c, 1);
    struct err *e = target_parse(text, &t);

    if (e == NULL && (t.user != NULL || t.infrastructure != NULL)) {
        e = err_new(ERR_INPUT, "'%s' is not HOST[:PORT]: the user is the SSH key's", text);
    }
    if (e == NULL) {
        put_address(&t, body);
        e = put_options(c, body);
    }
    return e;
}

int cmd_ssh_key_test(struct cli *c)
{
    struct steps s = {.json = c->json};
    json_t *body = json_object();
    json_t *key = NULL;
    struct err *e = test_body(c, body);

    e = e == NULL ? session_open(c, SESSION_TOKENS) : e;
    e = e == NULL ? resource_get(c, resource_kind_of(c), cli_argument(c, 0), &key) : e;
    if (e == NULL) {
        AUTO(auto_free) char *path = resource_path_of(resource_kind_of(c), key, "/test");

        e = session_stream(c->session, path, json_incref(body), steps_on_line, &s);
    }
    json_decref(body);
    json_decref(key);
    return steps_result(&s, e);
}
