/*
 * The commands of vault_probe that look at a server, or write to its KV engine. A target is the server
 * named by "server", or the configuration in the same line where there is an address.
 */
#include "probe_look.h"

#include <stdlib.h>
#include <string.h>

/* --- callbacks --------------------------------------------------------------------------------- */

static void on_step(void *arg, const struct vault_step *s)
{
    struct probe *p = arg;
    json_t *facts = json_object();

    for (size_t i = 0; i < s->facts_n; i++) {
        json_object_set_new(facts, s->facts[i].name, json_string(s->facts[i].value));
    }
    json_array_append_new(p->results,
                          json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:o?}", "step",
                                    vault_step_name(s->kind), "state",
                                    vault_step_state_name(s->state), "address", s->address, "text",
                                    s->text, "took_ms", (json_int_t)s->took_ms, "facts", facts,
                                    "error", s->error != NULL ? probe_error(s->error) : NULL));
}

static json_t *outcome(struct err *e)
{
    json_t *result = e != NULL ? json_pack("{s:o}", "error", probe_error(e)) : json_object();

    err_free(&e);
    return result;
}

static void on_checked(void *arg, struct err *e)
{
    probe_done(arg, outcome(e));
}

static void on_mounts(void *arg, struct err *e, const struct vault_mount *mounts, size_t n)
{
    json_t *result = outcome(e), *list = json_array();

    for (size_t i = 0; i < n; i++) {
        json_array_append_new(
            list, json_pack("[s, s, s]", mounts[i].path, mounts[i].type, mounts[i].description));
    }
    json_object_set_new(result, "mounts", list);
    probe_done(arg, result);
}

static void on_names(void *arg, struct err *e, char *const *names)
{
    json_t *result = outcome(e), *list = json_array();

    for (; *names != NULL; names++) {
        json_array_append_new(list, json_string(*names));
    }
    json_object_set_new(result, "names", list);
    probe_done(arg, result);
}

static void on_got(void *arg, struct err *e, const char *text, uint64_t version)
{
    json_t *result = outcome(e);

    json_object_set_new(result, "text", text != NULL ? json_string(text) : json_null());
    json_object_set_new(result, "version", json_integer((json_int_t)version));
    probe_done(arg, result);
}

static void on_written(void *arg, struct err *e, uint64_t version)
{
    json_t *result = outcome(e);

    json_object_set_new(result, "version", json_integer((json_int_t)version));
    probe_done(arg, result);
}

/* --- commands ---------------------------------------------------------------------------------- */

static void look(struct probe *p, const struct fields *f)
{
    struct vault_conf conf = probe_conf(f);
    struct vault_target target = {.name = probe_find(f, "server"),
                                  .conf = conf.address != NULL ? &conf : NULL};
    struct mono deadline = mono_in(probe_number(f, "deadline_ms", 20000));
    const char *mount = probe_find(f, "mount");

    p->open = 1;
    if (strcmp(f->name[0], "check") == 0) {
        struct vault_check check = {
            .target = target, .mount = mount, .role = probe_find(f, "role"), .deadline = deadline};

        vault_check(p->vault, &check, on_step, on_checked, p);
    } else {
        vault_mounts(p->vault, &target, probe_find(f, "type"), deadline, on_mounts, p);
    }
    probe_conf_deinit(&conf);
    probe_wait(p);
}

/* n writes at once, the i-th of the text with i appended where n > 1; "size" makes a long text */
static void write_all(struct probe *p, struct vault_kv *kv, const struct fields *f,
                      const char *given)
{
    long n = probe_number(f, "n", 1), size = probe_number(f, "size", 0);
    uint64_t version = (uint64_t)probe_number(f, "version", 0);

    p->open = n;
    for (long i = 0; i < n; i++) {
        char *text = n > 1 ? text_fmt("%s%ld", given, i) : text_copy(given);

        if (size > 0) {
            text = realloc(text, (size_t)size + 1);
            memset(text, 'x', (size_t)size);
            text[size] = '\0';
        }
        vault_kv_cas(kv, probe_find(f, "path"), text, version, on_written, p);
        free(text);
    }
    probe_wait(p);
}

/* The place of the command before is kept while it is the same. */
static struct err *find_place(struct probe *p, const struct fields *f)
{
    const char *server = probe_find(f, "server"), *mount = probe_find(f, "mount");
    const char *prefix = probe_find(f, "prefix");
    AUTO(auto_free) char *place = text_fmt("%s %s %s", server, mount, prefix ? prefix : "");

    if (text_eq(place, p->place)) {
        return NULL;
    }
    vault_kv_free(&p->kv);
    free(p->place);
    p->place = NULL;
    struct err *e = vault_kv_new(p->vault, server, mount, prefix, &p->kv);

    p->place = e == NULL ? take(&place) : NULL;
    return e;
}

static void kv(struct probe *p, const struct fields *f)
{
    const char *path = probe_find(f, "path");
    struct err *e = find_place(p, f);
    struct vault_kv *kv = p->kv;

    if (e != NULL) {
        probe_done(p, outcome(e));
        return;
    }
    if (strcmp(f->name[0], "kv-put") == 0) {
        write_all(p, kv, f, probe_find(f, "text"));
    } else if (strcmp(f->name[0], "kv-delete") == 0) {
        p->open = 1;
        vault_kv_cas(kv, path, NULL, (uint64_t)probe_number(f, "version", 0), on_written, p);
    } else if (strcmp(f->name[0], "kv-list") == 0) {
        p->open = 1;
        vault_kv_list(kv, path != NULL ? path : "", on_names, p);
    } else {
        p->open = 1;
        vault_kv_get(kv, path, on_got, p);
    }
    probe_wait(p);
}

bool probe_look(struct probe *p, const struct fields *f)
{
    static const char *const looks[] = {"check", "mounts"};

    for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
        if (strcmp(f->name[0], looks[i]) == 0) {
            look(p, f);
            return true;
        }
    }
    if (strncmp(f->name[0], "kv-", 3) == 0) {
        kv(p, f);
        return true;
    }
    return false;
}
