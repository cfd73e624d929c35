/*
 * holdfast.yaml: found, read, checked, completed with defaults. The configuration is data from here
 * on: nothing else reads the file, and nobody else knows where things lie by default.
 */
#include "daemon/config.h"

#include <stdlib.h>
#include <unistd.h>

#include "daemon/config_check.h"
#include "daemon/config_schema.h"

/* $variable/rest, or ~/fallback/rest, or for root system/rest. */
static char *default_path(const char *variable, const char *fallback, const char *system,
                          const char *rest)
{
    const char *base = getenv(variable);
    const char *home = getenv("HOME");

    if (geteuid() == 0) {
        return text_fmt("%s/%s", system, rest);
    }
    if (base != NULL && base[0] == '/') {
        return text_fmt("%s/holdfast/%s", base, rest);
    }
    return text_fmt("%s/%s/holdfast/%s", home != NULL ? home : "", fallback, rest);
}

static char *found_path(void)
{
    const char *named = getenv("HOLDFAST_CONFIG");

    if (named != NULL && named[0] != '\0') {
        return strdup(named);
    }
    return default_path("XDG_CONFIG_HOME", ".config", "/etc/holdfast", "holdfast.yaml");
}

static bool fill(char **member, char *value)
{
    if (*member == NULL) {
        *member = value;
    } else {
        free(value);
    }
    return *member != NULL;
}

static struct err *fill_in(struct config *c)
{
    struct config_agent *a = &c->agent;
    bool ok =
        fill(&a->socket,
             default_path("XDG_RUNTIME_DIR", ".holdfast/run", "/run/holdfast", "agent.sock")) &&
        fill(&a->control,
             default_path("XDG_RUNTIME_DIR", ".holdfast/run", "/run/holdfast", "control.sock")) &&
        fill(&a->state,
             default_path("XDG_STATE_HOME", ".local/state", "/var/lib/holdfast", "agent")) &&
        fill(&a->log, strdup("note"));

    /* another name for the copy: a registry that was here before must not be taken for one */
    ok = ok && fill(&c->registry.path, text_fmt("%s/registry%s.sqlite3", a->state,
                                                c->registry.kv != NULL ? "-copy" : ""));
    if (c->registry.kv != NULL) {
        ok = ok && fill(&c->registry.kv->prefix, strdup("holdfast"));
    }

    for (unsigned i = 0; ok && i < c->signers_count; i++) {
        struct config_vault *v = c->signers[i].vault;

        if (v != NULL) {
            ok = fill(&v->timeout, strdup("10s"));
        }
    }
    return ok ? NULL : err_nomem();
}

static struct err *load_text(const char *path, struct view text, struct config **ret)
{
    AUTO(config_free) struct config *c = NULL;
    void *data = NULL;
    struct err *e = yaml_load(path, text, &config_schema, &data);

    if (e != NULL) {
        return config_login_hint(e);
    }
    c = data != NULL ? data : calloc(1, sizeof *c);
    if (c == NULL || (c->file = strdup(path)) == NULL) {
        return err_nomem();
    }
    e = fill_in(c);
    if (e == NULL) {
        e = config_check(c, text);
    }
    if (e == NULL) {
        *ret = take(&c);
    }
    return e;
}

struct err *config_load(const char *path, struct config **ret)
{
    AUTO(auto_free) char *found = path != NULL ? strdup(path) : found_path();
    struct buf text;

    if (found == NULL) {
        return err_nomem();
    }
    buf_init(&text, CONFIG_FILE_MAX_BYTES);
    struct err *e = file_read(found, CONFIG_FILE_MAX_BYTES, &text);

    if (err_is(e, ERR_NOT_FOUND)) {
        e = err_add(e, "no configuration (`holdfast init` writes one)");
    }
    if (e == NULL) {
        e = load_text(found, buf_view(&text), ret);
    }
    buf_deinit(&text);
    return e;
}

void config_free(struct config **cp)
{
    struct config *c = take(cp);

    if (c != NULL) {
        free(c->file);
        yaml_unload(&config_schema, c);
    }
}
