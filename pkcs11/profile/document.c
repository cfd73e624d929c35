/*
 * One profile file: YAML in, a checked list of settings with their lines out.
 *
 * Three passes, each doing what it is good at: libcyaml checks keys and shape against a schema
 * that is made from the table of fields; libyaml's tree gives the line of each key; the fields
 * themselves convert the values, into a scratch structure, so that a bad value is refused here and
 * resolving cannot fail later for anything but memory.
 */
#include "pkcs11/profile/document.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/yaml.h"

/* What libcyaml fills in. Sections stand apart, as libcyaml wants an offset for each. */
struct raw_section {
    struct setting settings[FIELDS_MAX];
};
struct raw {
    struct raw_section section[SECTIONS];
};

struct schema {
    cyaml_schema_field_t keys[SECTIONS][FIELDS_MAX + 1];
    cyaml_schema_field_t sections[SECTIONS + 1];
    cyaml_schema_value_t top;
};

static const cyaml_schema_value_t word_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, FIELD_TEXT_MAX_BYTES),
};

static cyaml_schema_field_t key_schema(const struct field *f, size_t i)
{
    uint32_t at = (uint32_t)(i * sizeof(struct setting));
    enum cyaml_flag flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL;

    if (!field_is_list(f)) {
        return (cyaml_schema_field_t){
            .key = f->name,
            .data_offset = at + (uint32_t)offsetof(struct setting, text),
            .value = {CYAML_VALUE_STRING(flags, char, 0, FIELD_TEXT_MAX_BYTES)},
        };
    }
    return (cyaml_schema_field_t){
        .key = f->name,
        .data_offset = at + (uint32_t)offsetof(struct setting, words),
        .count_offset = at + (uint32_t)offsetof(struct setting, words_count),
        .count_size = sizeof(unsigned),
        .value = {CYAML_VALUE_SEQUENCE(flags, char *, &word_schema, 0, FIELD_WORDS_MAX)},
    };
}

static void schema_init(struct schema *s)
{
    const struct field *f;

    *s = (struct schema){0};
    for (unsigned section = 0; section < SECTIONS; section++) {
        for (size_t i = 0; (f = field_at(section, i)) != NULL; i++) {
            s->keys[section][i] = key_schema(f, i);
        }
        s->sections[section] = (cyaml_schema_field_t){
            .key = section_names[section],
            .data_offset = (uint32_t)(section * sizeof(struct raw_section)),
            .value = {CYAML_VALUE_MAPPING(CYAML_FLAG_OPTIONAL, struct raw_section,
                                          s->keys[section])},
        };
    }
    s->top =
        (cyaml_schema_value_t){CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, s->sections)};
}

static const char *scalar(const yaml_node_t *node)
{
    return node != NULL && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value
                                                          : "";
}

static void note_lines(yaml_document_t *yaml, yaml_node_t *mapping, unsigned section,
                       struct setting *settings)
{
    for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start;
         p < mapping->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(yaml, p->key);
        const struct field *f;

        for (size_t i = 0; (f = field_at(section, i)) != NULL; i++) {
            if (strcmp(f->name, scalar(key)) == 0) {
                settings[i].line = (unsigned)key->start_mark.line + 1;
            }
        }
    }
}

/* The text passed libcyaml's checks, so its shape is known: mappings of scalars in a mapping. */
static void note_all_lines(yaml_document_t *yaml, struct document *d)
{
    yaml_node_t *top = yaml_document_get_root_node(yaml);

    if (top == NULL || top->type != YAML_MAPPING_NODE) {
        return;
    }
    for (yaml_node_pair_t *p = top->data.mapping.pairs.start; p < top->data.mapping.pairs.top;
         p++) {
        const char *name = scalar(yaml_document_get_node(yaml, p->key));
        yaml_node_t *value = yaml_document_get_node(yaml, p->value);

        for (unsigned section = 0; section < SECTIONS; section++) {
            if (strcmp(section_names[section], name) == 0 && value != NULL &&
                value->type == YAML_MAPPING_NODE) {
                note_lines(yaml, value, section, d->settings[section]);
            }
        }
    }
}

static struct err *find_lines(struct view text, struct document *d)
{
    yaml_parser_t parser;
    yaml_document_t yaml;

    if (!yaml_parser_initialize(&parser)) {
        return err_nomem();
    }
    yaml_parser_set_input_string(&parser, text.p, text.len);
    if (!yaml_parser_load(&parser, &yaml)) {
        yaml_parser_delete(&parser);
        return err_nomem();
    }
    note_all_lines(&yaml, d);
    yaml_document_delete(&yaml);
    yaml_parser_delete(&parser);
    return NULL;
}

/* Moves libcyaml's strings into @d. */
static void adopt(struct document *d, struct raw *raw)
{
    for (unsigned section = 0; raw != NULL && section < SECTIONS; section++) {
        memcpy(d->settings[section], raw->section[section].settings, sizeof d->settings[section]);
        memset(raw->section[section].settings, 0, sizeof raw->section[section].settings);
    }
}

static struct err *check_section(const struct document *d, unsigned section, void *scratch)
{
    const struct field *f;

    for (size_t i = 0; (f = field_at(section, i)) != NULL; i++) {
        const struct setting *s = &d->settings[section][i];
        struct err *e = s->line != 0 ? field_set(f, s, scratch) : NULL;

        if (e != NULL) {
            return err_add(e, "%s:%u: %s.%s", d->name, s->line, section_names[section], f->name);
        }
    }
    return NULL;
}

static struct err *check(struct document *d)
{
    struct profile_load load = {0};
    struct profile_token token = {0};
    struct err *e = check_section(d, SECTION_MATCH, &d->match);

    if (e == NULL) {
        e = check_section(d, SECTION_LOAD, &load);
    }
    if (e == NULL) {
        e = check_section(d, SECTION_TOKEN, &token);
    }
    field_free_all(SECTION_LOAD, &load);
    return e;
}

struct err *document_parse(const char *name, struct view text, struct document **ret)
{
    AUTO(document_free) struct document *d = calloc(1, sizeof *d);
    struct schema schema;
    void *raw = NULL;

    schema_init(&schema);
    if (d == NULL || (d->name = strdup(name)) == NULL) {
        return err_nomem();
    }
    struct err *e = yaml_load(name, text, &schema.top, &raw);

    if (e == NULL) {
        adopt(d, raw);
        yaml_unload(&schema.top, raw);
        e = text.len > 0 ? find_lines(text, d) : NULL;
    }
    if (e == NULL) {
        e = check(d);
    }
    if (e == NULL) {
        *ret = take(&d);
    }
    return e;
}

void document_free(struct document **dp)
{
    struct document *d = take(dp);

    if (d == NULL) {
        return;
    }
    field_free_all(SECTION_MATCH, &d->match);
    for (unsigned section = 0; section < SECTIONS; section++) {
        for (size_t i = 0; i < FIELDS_MAX; i++) {
            struct setting *s = &d->settings[section][i];

            for (unsigned k = 0; s->words != NULL && k < s->words_count; k++) {
                free(s->words[k]);
            }
            free(s->words);
            free(s->text);
        }
    }
    free(d->name);
    free(d);
}

static bool glob_fits(const char *glob, const char *text)
{
    return glob == NULL || (text != NULL && fnmatch(glob, text, 0) == 0);
}

static bool module_fits(char *const *globs, const char *path)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : path;
    bool fits = globs == NULL;

    for (size_t i = 0; globs != NULL && globs[i] != NULL; i++) {
        fits = fits || glob_fits(globs[i], name);
    }
    return fits;
}

static bool range_fits(const struct range *r, unsigned major, unsigned minor)
{
    uint64_t version = (uint64_t)major << 16 | minor;

    return !r->set || (version >= r->low && version <= r->high);
}

bool document_matches(const struct document *d, const struct profile_facts *facts, bool token_phase)
{
    const struct match *m = &d->match;

    if (!module_fits(m->module, facts->module_path)) {
        return false;
    }
    return !token_phase ||
           (glob_fits(m->library_manufacturer, facts->library_manufacturer) &&
            glob_fits(m->library_description, facts->library_description) &&
            range_fits(&m->library, facts->library_major, facts->library_minor) &&
            glob_fits(m->manufacturer, facts->token.manufacturer) &&
            glob_fits(m->model, facts->token.model) &&
            range_fits(&m->hardware, facts->hardware_major, facts->hardware_minor) &&
            range_fits(&m->firmware, facts->firmware_major, facts->firmware_minor));
}
