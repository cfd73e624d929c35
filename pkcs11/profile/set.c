/*
 * The set of all profiles, and how values are resolved: built-in values first, then every document
 * that matches, in the order of folders and file names, value by value.
 *
 * Each value remembers who set it, so that a person can be told why. A load: section in a profile
 * that is matched by more than the module's file name is refused: in that phase nothing else is
 * known, and the values would leak to other products behind the same module.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pkcs11/profile/document.h"

struct profile_set {
    struct document **documents;
    size_t n;
};

static const struct profile_load builtin_load = {
    .os_locking = true,
    .threads_max = 4,
    .finalize = true,
};

static const struct profile_token builtin_token = {
    .ed25519 = true,
    .generate = true,
    .sign_only = true,
    .cka_sensitive_reported = true,
    .sign_timeout_ms = 30 * 1000,
    .login_timeout_ms = 30 * 1000,
    .generate_timeout_ms = 180 * 1000,
};

static struct err *check_phase(const struct document *d)
{
    unsigned load_line = 0;
    bool more_than_module = false;

    for (size_t i = 0; i < FIELDS_MAX; i++) {
        unsigned line = d->settings[SECTION_LOAD][i].line;

        load_line = load_line == 0 || (line != 0 && line < load_line) ? line : load_line;
        more_than_module = more_than_module || (i > 0 && d->settings[SECTION_MATCH][i].line != 0);
    }
    if (load_line != 0 && more_than_module) {
        return err_new(ERR_INPUT,
                       "%s:%u: load: values can depend on match.module only, as nothing else is "
                       "known before the module is loaded; put them into a file of their own",
                       d->name, load_line);
    }
    return NULL;
}

static struct err *add_file(struct profile_set *s, const char *folder, const char *name)
{
    AUTO(auto_free) char *path = text_fmt("%s/%s", folder, name);
    AUTO(buf_deinit) struct buf text;
    AUTO(document_free) struct document *d = NULL;

    buf_init(&text, PROFILE_FILE_MAX_BYTES);
    struct document **grown = reallocarray(s->documents, s->n + 1, sizeof *grown);

    if (path == NULL || grown == NULL) {
        s->documents = grown != NULL ? grown : s->documents;
        return err_nomem();
    }
    s->documents = grown;
    if (s->n >= PROFILE_FILES_MAX) {
        return err_new(ERR_LIMIT, "more than %d profile files", PROFILE_FILES_MAX);
    }
    struct err *e = file_read(path, PROFILE_FILE_MAX_BYTES, &text);

    if (e == NULL) {
        e = document_parse(name, buf_view(&text), &d);
    }
    if (e == NULL) {
        e = check_phase(d);
    }
    if (e == NULL) {
        s->documents[s->n++] = take(&d);
    }
    return e;
}

static int is_profile(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

/* By bytes, not by locale: the order decides which value wins. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static struct err *add_folder(struct profile_set *s, const char *folder)
{
    struct dirent **entries = NULL;
    struct err *e = NULL;
    int n = scandir(folder, &entries, is_profile, by_name);

    if (n < 0) {
        return errno == ENOENT ? NULL : err_sys(errno, "%s", folder);
    }
    for (int i = 0; i < n; i++) {
        if (e == NULL) {
            e = add_file(s, folder, entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    return err_add(e, "firmware profiles in %s", folder);
}

struct err *profile_set_load(const char *const *folders, struct profile_set **ret)
{
    AUTO(profile_set_free) struct profile_set *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return err_nomem();
    }
    for (size_t i = 0; folders[i] != NULL; i++) {
        struct err *e = add_folder(s, folders[i]);

        if (e != NULL) {
            return e;
        }
    }
    *ret = take(&s);
    return NULL;
}

void profile_set_free(struct profile_set **sp)
{
    struct profile_set *s = take(sp);

    if (s != NULL) {
        for (size_t i = 0; i < s->n; i++) {
            document_free(&s->documents[i]);
        }
        free(s->documents);
        free(s);
    }
}

void profile_why_deinit(struct profile_why *w)
{
    for (size_t i = 0; i < w->n; i++) {
        free(w->reasons[i].key);
        free(w->reasons[i].value);
        free(w->reasons[i].file);
    }
    free(w->reasons);
    text_list_free(&w->files);
    *w = (struct profile_why){0};
}

/* Who set each field of the section: an index into the set's documents. */
struct trail {
    const struct document *by[FIELDS_MAX];
};

static struct err *apply(const struct document *d, unsigned section, void *target,
                         struct trail *trail)
{
    const struct field *f;

    for (size_t i = 0; (f = field_at(section, i)) != NULL; i++) {
        const struct setting *s = &d->settings[section][i];

        if (s->line != 0) {
            struct err *e = field_set(f, s, target);

            if (e != NULL) {
                return e;
            }
            trail->by[i] = d;
        }
    }
    return NULL;
}

static struct err *explain(unsigned section, const void *target, const struct trail *trail,
                           struct profile_why *why)
{
    const struct field *f;

    why->reasons = calloc(FIELDS_MAX, sizeof *why->reasons);
    for (size_t i = 0; why->reasons != NULL && (f = field_at(section, i)) != NULL; i++) {
        const struct document *by = trail->by[i];

        why->reasons[i] = (struct profile_reason){
            .key = strdup(f->name),
            .value = field_show(f, target),
            .file = strdup(by != NULL ? by->name : "built in"),
            .line = by != NULL ? by->settings[section][i].line : 0,
        };
        why->n = i + 1;
        if (why->reasons[i].key == NULL || why->reasons[i].value == NULL ||
            why->reasons[i].file == NULL) {
            return err_nomem();
        }
    }
    return why->reasons != NULL ? NULL : err_nomem();
}

/* Resolves one section into @target, which holds the built-in values. */
static struct err *resolve(const struct profile_set *s, const struct profile_facts *facts,
                           unsigned section, void *target, struct profile_why *why)
{
    struct trail trail = {0};
    struct profile_why w = {0};
    struct err *e = NULL;

    for (size_t i = 0; e == NULL && i < s->n; i++) {
        if (document_matches(s->documents[i], facts, section == SECTION_TOKEN)) {
            e = apply(s->documents[i], section, target, &trail);
            if (e == NULL && !text_list_add(&w.files, s->documents[i]->name)) {
                e = err_nomem();
            }
        }
    }
    if (e == NULL && why != NULL) {
        e = explain(section, target, &trail, &w);
    }
    if (e == NULL && why != NULL) {
        *why = w;
    } else {
        profile_why_deinit(&w);
    }
    return e;
}

struct err *profile_match_load(const struct profile_set *s, const char *module_path,
                               struct profile_load *ret, struct profile_why *why)
{
    struct profile_facts facts = {.module_path = module_path};
    struct profile_load p = builtin_load;
    struct err *e = resolve(s, &facts, SECTION_LOAD, &p, why);

    if (e != NULL) {
        profile_load_deinit(&p);
        return err_add(e, "load profile of %s", module_path);
    }
    *ret = p;
    return NULL;
}

struct err *profile_match_token(const struct profile_set *s, const struct profile_facts *facts,
                                struct profile_token *ret, struct profile_why *why)
{
    struct profile_token p = builtin_token;
    struct err *e = resolve(s, facts, SECTION_TOKEN, &p, why);

    if (e == NULL) {
        *ret = p;
    }
    return e;
}
