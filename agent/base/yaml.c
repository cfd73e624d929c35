/*
 * YAML into C structures, through libcyaml's schemas, with messages that a person can act on.
 *
 * libcyaml says what is wrong through a log callback, followed by a backtrace of positions. The
 * callback keeps the first message and builds the path of the place from the backtrace. For a key
 * that libcyaml does not know (1.3.1) the position is that of the event before it, so a pass over
 * libyaml's tokens finds the line where the key itself stands.
 */
#include "base/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/text.h"

const cyaml_strval_t yaml_bool_words[] = {
    {"false", 0},
    {"true", 1},
    {"no", 0},
    {"yes", 1},
};

struct complaint {
    char *what;
    char *path; /* "identities[0].offer" */
    unsigned line;
};

static void extend_path(struct complaint *c, const char *step)
{
    char *longer;

    if (c->path == NULL) {
        longer = text_copy(step);
    } else {
        longer = text_fmt("%s%s%s", step, c->path[0] == '[' ? "" : ".", c->path);
    }
    free(c->path);
    c->path = longer;
}

static void read_backtrace(struct complaint *c, const char *text)
{
    char name[128];
    unsigned line = 0;
    unsigned entry = 0;
    const char *at = strstr(text, "(line: ");

    if (at == NULL || sscanf(at, "(line: %u", &line) != 1) {
        return;
    }
    if (c->line == 0) {
        c->line = line;
    }
    if (sscanf(text, " in mapping field '%127[^']'", name) == 1) {
        extend_path(c, name);
    } else if (sscanf(text, " in sequence entry '%u'", &entry) == 1) {
        snprintf(name, sizeof name, "[%u]", entry - 1);
        extend_path(c, name);
    }
}

static void on_log(cyaml_log_t level, void *ctx, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);

static void on_log(cyaml_log_t level, void *ctx, const char *fmt, va_list ap)
{
    struct complaint *c = ctx;
    AUTO(auto_free) char *text = NULL;

    (void)level;
    if (vasprintf(&text, fmt, ap) < 0) {
        text = NULL;
        return;
    }
    text[strcspn(text, "\n")] = '\0';
    const char *body = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;

    if (strcmp(body, "Backtrace:") == 0) {
        return;
    }
    if (strncmp(body, "  in ", 5) == 0) {
        read_backtrace(c, body);
    } else if (c->what == NULL) {
        c->what = strdup(body);
    }
}

/* The line of the first mapping key @key at or after line @from; @from where there is none. */
static unsigned line_of_key(struct view text, const char *key, unsigned from)
{
    yaml_parser_t parser;
    yaml_token_t token;
    unsigned found = 0;
    bool is_key = false;
    bool more = true;

    if (!yaml_parser_initialize(&parser)) {
        return from;
    }
    yaml_parser_set_input_string(&parser, text.p, text.len);
    while (more && found == 0 && yaml_parser_scan(&parser, &token)) {
        unsigned line = (unsigned)token.start_mark.line + 1;

        if (token.type == YAML_SCALAR_TOKEN && is_key && line >= from &&
            strcmp((const char *)token.data.scalar.value, key) == 0) {
            found = line;
        }
        is_key = token.type == YAML_KEY_TOKEN;
        more = token.type != YAML_STREAM_END_TOKEN;
        yaml_token_delete(&token);
    }
    yaml_parser_delete(&parser);
    return found != 0 ? found : from;
}

static unsigned lines_of(struct view text)
{
    unsigned n = 1;

    for (size_t i = 0; i + 1 < text.len; i++) {
        n += text.p[i] == '\n';
    }
    return n;
}

static struct err *syntax_error(const char *name, struct view text)
{
    yaml_parser_t parser;
    yaml_event_t event;
    struct err *e = NULL;
    bool more = true;

    if (!yaml_parser_initialize(&parser)) {
        return err_nomem();
    }
    yaml_parser_set_input_string(&parser, text.p, text.len);
    while (more && e == NULL) {
        if (!yaml_parser_parse(&parser, &event)) {
            e = err_new(ERR_INPUT, "%s:%zu: not YAML: %s", name, parser.problem_mark.line + 1,
                        parser.problem != NULL ? parser.problem : "unreadable");
            break;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return e;
}

/* What is wanted of a value, where libcyaml wants another kind or word; else its own words. */
static const char *plain_words(const char *what)
{
    static const char *const words[][2] = {
        {"Expecting SEQUENCE", "has to be a list, as [a, b]"},
        {"Expecting MAPPING", "has to be keys and their values, not one value"},
        {"Expecting STRING", "has to be one text"},
        {"Expecting ENUM", "has to be one word"},
        {"Invalid ENUM value: ", "is none of the words that may stand here, such as yes and no"},
        {"STRING length < ", "is empty"},
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strncmp(what, words[i][0], strlen(words[i][0])) == 0) {
            return words[i][1];
        }
    }
    return what;
}

/* Turn libcyaml's words into ours. */
static struct err *explain(const char *name, struct view text, struct complaint *c,
                           cyaml_err_t code)
{
    static const char unknown[] = "Unexpected key: ";
    static const char twice[] = "Mapping field already seen: ";
    static const char missing[] = "Missing required mapping field: ";
    const char *what = c->what != NULL ? c->what : cyaml_strerror(code);
    const char *path = c->path != NULL ? c->path : "";
    const char *in = c->path != NULL ? " in " : "";

    if (c->line == 0) {
        c->line = lines_of(text);
    }
    if (strncmp(what, unknown, strlen(unknown)) == 0) {
        const char *key = what + strlen(unknown);

        return err_new(ERR_INPUT, "%s:%u: unknown key '%s'%s%s", name,
                       line_of_key(text, key, c->line), key, in, path);
    }
    if (strncmp(what, twice, strlen(twice)) == 0) {
        const char *key = what + strlen(twice);

        return err_new(ERR_INPUT, "%s:%u: key '%s' is there twice", name,
                       line_of_key(text, key, c->line + 1), path);
    }
    if (strncmp(what, missing, strlen(missing)) == 0) {
        char *dot = c->path != NULL ? strrchr(c->path, '.') : NULL;

        if (dot != NULL) {
            *dot = '\0'; /* libcyaml names the last field it saw, not the mapping */
        }
        return err_new(ERR_INPUT, "%s:%u: key '%s' is missing%s%s", name, yaml_line_of(text, path),
                       what + strlen(missing), in, path);
    }
    return err_new(ERR_INPUT, "%s:%u: '%s': %s", name, c->line, path, plain_words(what));
}

static cyaml_config_t config_for(struct complaint *c)
{
    return (cyaml_config_t){
        .log_fn = on_log,
        .log_ctx = c,
        .log_level = CYAML_LOG_WARNING,
        .mem_fn = cyaml_mem,
        .flags = CYAML_CFG_NO_ALIAS,
    };
}

struct err *yaml_load(const char *name, struct view text, const cyaml_schema_value_t *schema,
                      void **ret)
{
    struct complaint c = {0};
    cyaml_config_t config = config_for(&c);
    cyaml_data_t *data = NULL;

    if (text.len == 0) {
        *ret = NULL;
        return NULL;
    }
    struct err *e = syntax_error(name, text);

    if (e != NULL) {
        return e;
    }
    cyaml_err_t code = cyaml_load_data(text.p, text.len, &config, schema, &data, NULL);

    if (code != CYAML_OK) {
        e = explain(name, text, &c, code);
    } else if (c.what != NULL) { /* a warning: more than one document */
        e = err_new(ERR_INPUT, "%s: %s", name, c.what);
        cyaml_free(&config, schema, data, 0);
    } else {
        *ret = data;
    }
    free(c.what);
    free(c.path);
    return e;
}

void yaml_unload(const cyaml_schema_value_t *schema, void *data)
{
    struct complaint c = {0};
    cyaml_config_t config = config_for(&c);

    if (data != NULL) {
        cyaml_free(&config, schema, data, 0);
    }
}
