/*
 * holdfast key list, generate, show, public, delete.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/session.h"
#include "cli/table.h"

static struct err *open_unlocked(struct cli *c)
{
    struct err *e = session_open(c, SESSION_BARE);

    return e == NULL ? cli_unlock(c) : e;
}

static void add_key(struct table *t, const json_t *key)
{
    const char *problem = json_text(key, "problem");
    const char *cells[] = {json_text(key, "label"), json_text(key, "type"), json_text(key, "token"),
                           problem[0] != '\0' ? problem : json_text(key, "fingerprint")};

    table_row(t, cells);
}

int cmd_key_list(struct cli *c)
{
    static const char *const heads[] = {"LABEL", "TYPE", "TOKEN", "~FINGERPRINT", NULL};
    const char *token = cli_option(c, "token");
    AUTO(auto_free) char *escaped = session_escape(token != NULL ? token : "");
    AUTO(auto_free) char *path = text_fmt("/keys%s%s", token != NULL ? "?token=" : "", escaped);
    json_t *keys = NULL;
    size_t i;
    const json_t *key;
    struct err *e = open_unlocked(c);

    if (e == NULL) {
        e = session_call(c->session, "GET", path, NULL, &keys);
    }
    if (e != NULL) {
        return cli_fail(e);
    }
    if (c->json) {
        json_print(keys);
    } else {
        struct table *t = table_new(heads);

        json_array_foreach(json_object_get(keys, "keys"), i, key)
        {
            add_key(t, key);
        }
        table_print(&t, "No key: `holdfast key generate` makes one, `holdfast token list` shows "
                        "whether a token is locked.");
    }
    json_decref(keys);
    return CLI_OK;
}

static void print_attributes(const json_t *key)
{
    static const struct {
        const char *member, *yes, *no;
    } rows[] = {
        {"sensitive", "sensitive", "NOT sensitive: its value can be read"},
        {"always_sensitive", "always sensitive", "not always sensitive"},
        {"extractable", "EXTRACTABLE: it can leave the token", "not extractable"},
        {"never_extractable", "never extractable", "was extractable once"},
        {"local", "made on the token", "made OFF the token: copies may exist"},
        {"always_authenticate", "PIN for every signature", "one login for all signatures"},
    };
    const json_t *attributes = json_object_get(key, "attributes");

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool set = json_is_true(json_object_get(attributes, rows[i].member));

        printf("%-14s %s\n", i == 0 ? "attributes" : "", set ? rows[i].yes : rows[i].no);
    }
}

static void print_key(const json_t *key)
{
    static const char *const members[] = {"label", "id",    "type",   "fingerprint",
                                          "uri",   "token", "problem"};

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (json_text(key, members[i])[0] != '\0') {
            printf("%-14s %s\n", members[i], json_text(key, members[i]));
        }
    }
    print_attributes(key);
    printf("%-14s %s\n", "public", json_text(key, "public"));
}

static struct err *generate_body(struct cli *c, json_t **ret)
{
    static const char *const members[] = {"token", "type", "label", "id"};
    const char *bits = cli_option(c, "bits");
    json_t *body = json_object();

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (cli_option(c, members[i]) != NULL) {
            json_object_set_new(body, members[i], json_string(cli_option(c, members[i])));
        }
    }
    if (bits != NULL) {
        char *end;
        long n = strtol(bits, &end, 10);

        if (*bits == '\0' || *end != '\0') {
            json_decref(body);
            return err_new(ERR_INPUT, "--bits %s is no number", bits);
        }
        json_object_set_new(body, "bits", json_integer(n));
    }
    if (json_object_get(body, "type") == NULL) {
        json_object_set_new(body, "type", json_string("p256"));
    }
    if (json_object_get(body, "label") == NULL) {
        json_object_set_new(body, "label", json_string("holdfast"));
    }
    *ret = body;
    return NULL;
}

int cmd_key_generate(struct cli *c)
{
    json_t *body = NULL;
    json_t *key = NULL;
    struct err *e = generate_body(c, &body);

    if (e == NULL) {
        e = open_unlocked(c);
    }
    if (e == NULL) {
        e = session_call(c->session, "POST", "/keys", json_incref(body), &key);
    }
    json_decref(body);
    if (e != NULL) {
        return cli_fail(e);
    }
    if (c->json) {
        json_print(key);
    } else {
        print_key(key);
    }
    json_decref(key);
    return CLI_OK;
}

static struct err *get_key(struct cli *c, char **ret_path, json_t **ret)
{
    AUTO(auto_free) char *escaped = session_escape(cli_argument(c, 0));
    struct err *e = open_unlocked(c);

    *ret_path = text_fmt("/keys/%s", escaped);
    return e != NULL ? e : session_call(c->session, "GET", *ret_path, NULL, ret);
}

static void print_proof(const json_t *proof)
{
    size_t i;
    const json_t *line;

    puts("\nAttempt to take the private key out");
    json_array_foreach(json_object_get(proof, "lines"), i, line)
    {
        printf("  %s\n", json_string_value(line));
    }
}

int cmd_key_show(struct cli *c)
{
    AUTO(auto_free) char *path = NULL;
    json_t *key = NULL;
    json_t *proof = NULL;
    struct err *e = get_key(c, &path, &key);

    if (e == NULL && cli_option(c, "prove") != NULL) {
        AUTO(auto_free) char *prove = text_fmt("%s/prove", path);

        e = session_call(c->session, "POST", prove, NULL, &proof);
    }
    if (e == NULL && c->json) {
        if (proof != NULL) {
            json_object_set(key, "proof", json_object_get(proof, "lines"));
        }
        json_print(key);
    } else if (e == NULL) {
        print_key(key);
        if (proof != NULL) {
            print_proof(proof);
        }
    }
    json_decref(key);
    json_decref(proof);
    return e != NULL ? cli_fail(e) : CLI_OK;
}

int cmd_key_public(struct cli *c)
{
    AUTO(auto_free) char *path = NULL;
    json_t *key = NULL;
    struct err *e = get_key(c, &path, &key);

    if (e == NULL && c->json) {
        json_print(json_object_get(key, "public"));
    } else if (e == NULL) {
        puts(json_text(key, "public"));
    }
    json_decref(key);
    return e != NULL ? cli_fail(e) : CLI_OK;
}

int cmd_key_delete(struct cli *c)
{
    AUTO(auto_free) char *path = NULL;
    json_t *key = NULL;
    struct err *e = get_key(c, &path, &key);

    if (e == NULL) {
        e = cli_confirm(c, "deleted", "Delete key '%s' (%s) from token %s, for good?",
                        json_text(key, "label"), json_text(key, "fingerprint"),
                        json_text(key, "token"));
    }
    if (e == NULL) {
        AUTO(auto_free) char *url =
            text_fmt("%s%s", path, cli_option(c, "force") != NULL ? "?force=true" : "");

        e = session_call(c->session, "DELETE", url, NULL, NULL);
    }
    if (e == NULL) {
        printf("deleted %s (%s)\n", json_text(key, "label"), json_text(key, "fingerprint"));
    }
    json_decref(key);
    return e != NULL ? cli_fail(e) : CLI_OK;
}
