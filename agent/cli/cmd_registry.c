/*
 * The registry as a whole: apply, export, backup, restore. A document is shown as what it
 * would change before anything is changed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/form.h"
#include "cli/resource.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/yaml_json.h"

/* --- apply --- */

/* A document is {"resources": [...]}, a list of resources, or one resource; taken. @ret_made: what of
 * "/resources/0" is not in it. */
static json_t *whole_document(json_t *given, const char *scope, const char **ret_made)
{
    *ret_made = json_is_array(given)                     ? "/resources"
                : json_object_get(given, "kind") != NULL ? "/resources/0"
                                                         : "";
    json_t *list = json_is_array(given)                     ? json_incref(given)
                   : json_object_get(given, "kind") != NULL ? json_pack("[O]", given)
                                                            : NULL;
    json_t *document = list != NULL ? json_pack("{s:o}", "resources", list) : json_incref(given);
    size_t i;
    json_t *resource;

    json_array_foreach(json_object_get(document, "resources"), i, resource)
    {
        if (json_is_object(resource) && json_object_get(resource, "scope") == NULL) {
            json_object_set_new(resource, "scope", json_string(scope));
        }
    }
    json_decref(given);
    return document;
}

static struct err *read_document(struct cli *c, json_t **ret, const char **ret_made)
{
    const char *file = cli_option(c, "file");
    json_t *given = NULL;
    struct buf text;

    if (file == NULL) {
        return err_new(ERR_INPUT, "which document? --file FILE, or - for standard input");
    }
    buf_init(&text, YAML_JSON_MAX_BYTES + 1);
    struct err *e = cli_read(file, YAML_JSON_MAX_BYTES, &text);

    e = e == NULL ? yaml_json_read(file, buf_view(&text), &given) : e;
    buf_deinit(&text);
    if (e == NULL && json_is_null(given)) {
        json_decref(given);
        e = err_new(ERR_INPUT, "%s is empty", file);
    }
    if (e == NULL) {
        *ret = whole_document(given, resource_scope(c), ret_made);
    }
    return e;
}

static struct err *apply(struct cli *c, json_t *document, bool dry, json_t **ret)
{
    bool prune = cli_option(c, "prune") != NULL;
    json_t *body =
        json_pack("{s:O, s:b, s:b}", "document", document, "dry_run", dry, "prune", prune);

    if (prune) {
        json_object_set_new(body, "prune_scope", json_string(resource_scope(c)));
    }
    return session_call(c->session, "POST", "/registry/apply", body, ret);
}

/* One difference: {"at", "from"?, "to"?}, or {"more": true} after very many. */
static void print_difference(const json_t *d)
{
    static const char *const sides[] = {"from", "to"};

    printf("      %s\n", json_is_true(json_object_get(d, "more")) ? "..." : json_text(d, "at"));
    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        const json_t *value = json_object_get(d, sides[i]);
        char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

        if (text != NULL) {
            printf("        %c %s\n", i == 0 ? '-' : '+', text);
        }
        free(text);
    }
}

static void print_changes(const json_t *result)
{
    size_t i, k;
    const json_t *change, *difference;

    json_array_foreach(json_object_get(result, "changes"), i, change)
    {
        printf("  %-7s %-16s %s  (%s)\n", json_text(change, "what"), json_text(change, "kind"),
               json_text(change, "identifier"), json_text(change, "scope"));
        json_array_foreach(json_object_get(change, "diff"), k, difference)
        {
            print_difference(difference);
        }
    }
}

static size_t changes_of(const json_t *result)
{
    return json_array_size(json_object_get(result, "changes"));
}

static void print_applied(const json_t *result)
{
    size_t n = changes_of(result);

    printf("%zu change%s applied\n", n, n == 1 ? "" : "s");
}

static void print_plan(const struct cli *c, const json_t *plan)
{
    if (c->json) {
        return;
    }
    print_changes(plan);
    if (changes_of(plan) == 0) {
        puts("Nothing to change.");
    } else if (cli_option(c, "dry-run") != NULL) {
        puts("Nothing was changed (--dry-run).");
    }
}

/* What @plan shows is done, when nobody minds. */
static struct err *carry_out(struct cli *c, json_t *document, const json_t *plan, json_t **ret)
{
    size_t n = changes_of(plan);
    struct err *e = cli_confirm(c, "changed", "Apply %zu change%s?", n, n == 1 ? "" : "s");

    return e != NULL ? e : apply(c, document, false, ret);
}

/* Show first; then do it, when there is something to do. */
static struct err *apply_document(struct cli *c, json_t *document)
{
    json_t *plan = NULL;
    json_t *done = NULL;
    struct err *e = apply(c, document, true, &plan);

    if (e == NULL) {
        print_plan(c, plan);
    }
    if (e == NULL && changes_of(plan) > 0 && cli_option(c, "dry-run") == NULL) {
        e = carry_out(c, document, plan, &done);
    }
    if (e == NULL && c->json) {
        json_print(done != NULL ? done : plan);
    } else if (e == NULL && done != NULL) {
        print_applied(done);
    }
    json_decref(plan);
    json_decref(done);
    return e;
}

int cmd_apply(struct cli *c)
{
    json_t *document = NULL;
    const char *made = "";
    struct err *e = read_document(c, &document, &made);

    e = e == NULL ? session_open(c, SESSION_TOKENS) : e;
    if (e == NULL) {
        e = form_explain_document(cli_option(c, "file"), made, apply_document(c, document));
    }
    json_decref(document);
    return e != NULL ? cli_fail(e) : CLI_OK;
}

/* --- export --- */

static struct err *write_document(struct cli *c, const json_t *document)
{
    const char *output = cli_option(c, "output");
    struct buf text;

    if (output == NULL || strcmp(output, "-") == 0) {
        resource_print(c, document);
        return NULL;
    }
    buf_init(&text, SIZE_MAX / 2);
    yaml_json_write(document, &text);
    AUTO(auto_free) char *path = cli_absolute(output);
    struct err *e = buf_check(&text, "the document");

    e = e == NULL && path != NULL ? file_replace(path, buf_view(&text), 0644) : e;
    buf_deinit(&text);
    return e;
}

int cmd_export(struct cli *c)
{
    AUTO(auto_free) char *scope = session_escape(resource_scope(c));
    AUTO(auto_free) char *path = text_fmt("/registry/export?scope=%s", scope);
    json_t *document = NULL;
    struct err *e = session_open(c, SESSION_TOKENS);

    e = e == NULL ? session_call(c->session, "GET", path, NULL, &document) : e;
    e = e == NULL ? write_document(c, document) : e;
    json_decref(document);
    return e != NULL ? cli_fail(e) : CLI_OK;
}

/* --- backup, restore --- */

static struct err *with_file(struct cli *c, const char *url)
{
    AUTO(auto_free) char *path = cli_absolute(cli_argument(c, 0));
    struct err *e = session_open(c, SESSION_TOKENS);

    return e != NULL
               ? e
               : session_call(c->session, "POST", url, json_pack("{s:s}", "path", path), NULL);
}

int cmd_registry_backup(struct cli *c)
{
    struct err *e = with_file(c, "/registry/backup");

    if (e != NULL) {
        return cli_fail(e);
    }
    printf("The registry is in %s\n", cli_argument(c, 0));
    return CLI_OK;
}

int cmd_registry_restore(struct cli *c)
{
    struct err *e =
        cli_confirm(c, "restored", "Replace the whole registry by %s?", cli_argument(c, 0));

    if (e == NULL && cli_option(c, "offline") != NULL) {
        AUTO(auto_free) char *path = cli_absolute(cli_argument(c, 0));

        e = path != NULL ? session_agent_do(c, "--restore-registry", path) : err_nomem();
        return e != NULL ? cli_fail(e) : CLI_OK;
    }
    e = e == NULL ? with_file(c, "/registry/restore") : e;
    if (e != NULL) {
        return cli_fail(e);
    }
    printf("The registry is that of %s\n", cli_argument(c, 0));
    return CLI_OK;
}
