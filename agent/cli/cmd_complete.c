/*
 * Names for shells to complete: `holdfast __complete WORD...`, the last word being the one that is
 * typed. It is no command of the table: people do not type it.
 *
 * Completion must never disturb: it asks only an agent that runs, says nothing when there is none,
 * and gives up after two seconds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/resource.h"
#include "cli/session.h"
#include "cli/table.h"

enum { PATIENCE_S = 2 };

/* What the value of an option, or the first argument of a command, is the name of. */
static const struct source {
    const char *after; /* "--token", or the command's words */
    const char *kind;  /* of resources; NULL: @path */
    const char *path, *list, *member;
} sources[] = {
    {"--certificate", "certificate", NULL, NULL, NULL},
    {"--connector", "connector", NULL, NULL, NULL},
    {"--secrets-manager", "secrets-manager", NULL, NULL, NULL},
    {"--ssh-key", "ssh-key", NULL, NULL, NULL},
    {"--infrastructure", "infrastructure", NULL, NULL, NULL},
    {"-i", "infrastructure", NULL, NULL, NULL},
    {"connect", "infrastructure", NULL, NULL, NULL},
    {"--scope", NULL, "/scopes?limit=1000", "items", "scope"},
    {"--token", NULL, "/tokens", "tokens", "name"},
    {"--from-token", NULL, "/tokens", "tokens", "name"},
    {"--identity", NULL, "/identities", "identities", "name"},
    {"token show", NULL, "/tokens", "tokens", "name"},
    {"token unlock", NULL, "/tokens", "tokens", "name"},
    {"key show", NULL, "/keys", "keys", "label"},
    {"key public", NULL, "/keys", "keys", "label"},
    {"key delete", NULL, "/keys", "keys", "label"},
    {"renew", NULL, "/identities", "identities", "name"},
};

static void offer(const char *name, const char *suffix, const char *typed)
{
    if (name[0] != '\0' && strncmp(name, typed, strlen(typed)) == 0) {
        printf("%s%s\n", name, suffix);
    }
}

static struct err *offer_members(struct cli *c, const struct source *s, const char *typed)
{
    json_t *answer = NULL;
    size_t i;
    const json_t *item;
    struct err *e = session_call(c->session, "GET", s->path, NULL, &answer);

    json_array_foreach(json_object_get(answer, s->list), i, item)
    {
        offer(json_text(item, s->member), "", typed);
    }
    json_decref(answer);
    return e;
}

/* References to what is at the scope and above. */
static struct err *offer_references(struct cli *c, const struct resource_kind *k,
                                    const char *suffix, const char *typed)
{
    json_t *items = NULL;
    size_t i;
    const json_t *item;
    struct err *e = resource_pages(c, k, "above=true", &items);

    json_array_foreach(items, i, item)
    {
        AUTO(auto_free) char *reference = resource_reference(c, item);

        offer(reference != NULL ? reference : "", suffix, typed);
    }
    json_decref(items);
    return e;
}

/* "web/": the hosts of an infrastructure. */
static struct err *offer_hosts(struct cli *c, const char *typed)
{
    AUTO(auto_free) char *name = strndup(typed, strcspn(typed, "/"));
    json_t *infrastructure = NULL;
    size_t i;
    const json_t *host;
    struct err *e = name == NULL
                        ? err_nomem()
                        : resource_get(c, resource_kind("infrastructure"), name, &infrastructure);

    json_array_foreach(resource_at(infrastructure, "spec.hosts"), i, host)
    {
        AUTO(auto_free) char *whole = text_fmt("%s/%s", name, json_text(host, "name"));

        offer(whole != NULL ? whole : "", "", typed);
    }
    json_decref(infrastructure);
    return e;
}

static const struct source *source_after(const char *words)
{
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        if (text_eq(sources[i].after, words)) {
            return &sources[i];
        }
    }
    return NULL;
}

static bool takes_existing(const char *verb)
{
    static const char *const verbs[] = {"show", "edit", "delete", "test", "mounts"};
    bool found = false;

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        found = found || text_eq(verbs[i], verb);
    }
    return found;
}

/* @words before the one that is typed; what it may be. */
static struct err *complete(struct cli *c, int n, char **words, const char *typed)
{
    const struct resource_kind *k = n == 2 ? resource_kind(words[0]) : NULL;
    const struct source *s = n > 0 ? source_after(words[n - 1]) : NULL;
    AUTO(auto_free) char *two = n == 2 ? text_fmt("%s %s", words[0], words[1]) : NULL;
    bool option = s != NULL && (s->after[0] == '-' || n == 1);

    if (k != NULL && takes_existing(words[1])) {
        return offer_references(c, k, "", typed);
    }
    s = option ? s : two != NULL ? source_after(two) : NULL;
    if (s == NULL) {
        return NULL;
    }
    if (s->kind == NULL) {
        return offer_members(c, s, typed);
    }
    if (text_eq(s->after, "connect")) {
        return strchr(typed, '/') != NULL ? offer_hosts(c, typed)
                                          : offer_references(c, resource_kind(s->kind), "/", typed);
    }
    return offer_references(c, resource_kind(s->kind), "", typed);
}

/* Options that say whom to ask and where. */
static void take_options(struct cli *c, int n, char **words)
{
    for (int i = 0; i + 1 < n; i++) {
        if (text_eq(words[i], "--config")) {
            c->config = words[i + 1];
        } else if (text_eq(words[i], "--control")) {
            c->control = words[i + 1];
        } else if (text_eq(words[i], "--scope")) {
            c->given[0] = (struct cli_given){"scope", words[i + 1]};
            c->given_n = 1;
        }
    }
}

int cli_complete(int argc, char **argv)
{
    static struct cli c;
    int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (argc < 1 || quiet < 0 || dup2(quiet, STDERR_FILENO) < 0) {
        return CLI_FAILED;
    }
    close(quiet);
    alarm(PATIENCE_S);
    take_options(&c, argc - 1, argv);
    AUTO(err_free) struct err *e = session_open(&c, SESSION_RUNNING);

    if (e == NULL) {
        e = complete(&c, argc - 1, argv, argv[argc - 1]);
    }
    session_close(&c.session);
    return CLI_OK;
}
