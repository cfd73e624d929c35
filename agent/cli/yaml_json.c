/*
 * YAML to JSON and back, for documents that people write and edit: libyaml reads, and what is written
 * is block style with texts plain, as literal blocks or in double quotes, whichever is first to be
 * safe.
 *
 * A document must mean what it says at first sight: aliases, tags, keys given twice and second
 * documents are refused, and a word becomes something else than text only where nobody would take it
 * for text. (So neither `no` nor 0755 turns into something that was not typed.)
 */
#include "cli/yaml_json.h"

#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    const char *name;
    unsigned depth;
};

static struct err *read_value(struct reader *r, const yaml_event_t *first, json_t **ret);

static struct err *wrong(const struct reader *r, const yaml_event_t *at, const char *what)
{
    return err_new(ERR_INPUT, "%s:%zu: %s", r->name, at->start_mark.line + 1, what);
}

static struct err *next(struct reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event)) {
        return NULL;
    }
    memset(event, 0, sizeof *event);
    return err_new(ERR_INPUT, "%s:%zu: not YAML: %s", r->name, r->parser.problem_mark.line + 1,
                   r->parser.problem != NULL ? r->parser.problem : "unreadable");
}

static bool is_whole_number(const char *text)
{
    const char *digits = text + (text[0] == '-');
    size_t len = strlen(digits);

    return len > 0 && len <= 18 && strspn(digits, "0123456789") == len &&
           (digits[0] != '0' || len == 1);
}

/* What a plain word means; a new reference. */
static json_t *plain(const char *text)
{
    if (text[0] == '\0' || text_eq(text, "~") || text_eq(text, "null")) {
        return json_null();
    }
    if (text_eq(text, "true") || text_eq(text, "false")) {
        return json_boolean(text[0] == 't');
    }
    return is_whole_number(text) ? json_integer(strtoll(text, NULL, 10)) : json_string(text);
}

static struct err *read_scalar(struct reader *r, const yaml_event_t *at, json_t **ret)
{
    const char *text = (const char *)at->data.scalar.value;
    size_t len = at->data.scalar.length;

    if (at->data.scalar.tag != NULL) {
        return wrong(r, at, "tags (!) are not taken");
    }
    if (strlen(text) == len) {
        *ret = at->data.scalar.plain_implicit ? plain(text) : json_stringn(text, len);
    }
    return *ret != NULL ? NULL : wrong(r, at, "a text that JSON cannot hold");
}

static struct err *read_list(struct reader *r, json_t *list)
{
    struct err *e = NULL;
    bool more = true;

    while (more && e == NULL) {
        yaml_event_t event;
        json_t *value = NULL;

        e = next(r, &event);
        more = e == NULL && event.type != YAML_SEQUENCE_END_EVENT;
        if (more) {
            e = read_value(r, &event, &value);
        }
        if (more && e == NULL && json_array_append_new(list, value) < 0) {
            e = err_nomem();
        }
        yaml_event_delete(&event);
    }
    return e;
}

/* The value of key @at, into @object. */
static struct err *read_member(struct reader *r, const yaml_event_t *at, json_t *object)
{
    const char *key = (const char *)at->data.scalar.value;
    yaml_event_t event;
    json_t *value = NULL;

    if (at->type != YAML_SCALAR_EVENT || at->data.scalar.tag != NULL ||
        strlen(key) != at->data.scalar.length) {
        return wrong(r, at, "a key must be a word");
    }
    if (json_object_get(object, key) != NULL) {
        return err_add(wrong(r, at, "this key is there twice"), "%s", key);
    }
    struct err *e = next(r, &event);

    if (e == NULL) {
        e = read_value(r, &event, &value);
    }
    if (e == NULL && json_object_set_new(object, key, value) < 0) {
        e = err_nomem();
    }
    yaml_event_delete(&event);
    return e;
}

static struct err *read_mapping(struct reader *r, json_t *object)
{
    struct err *e = NULL;
    bool more = true;

    while (more && e == NULL) {
        yaml_event_t event;

        e = next(r, &event);
        more = e == NULL && event.type != YAML_MAPPING_END_EVENT;
        if (more) {
            e = read_member(r, &event, object);
        }
        yaml_event_delete(&event);
    }
    return e;
}

static struct err *read_value(struct reader *r, const yaml_event_t *first, json_t **ret)
{
    bool list = first->type == YAML_SEQUENCE_START_EVENT;

    if (first->type == YAML_SCALAR_EVENT) {
        return read_scalar(r, first, ret);
    }
    if (first->type == YAML_ALIAS_EVENT) {
        return wrong(r, first, "aliases (*) are not taken");
    }
    if (list ? first->data.sequence_start.tag != NULL : first->data.mapping_start.tag != NULL) {
        return wrong(r, first, "tags (!) are not taken");
    }
    if (r->depth >= YAML_JSON_DEPTH_MAX) {
        return err_recode(wrong(r, first, "nested too deep"), ERR_LIMIT);
    }
    json_t *value = list ? json_array() : json_object();

    r->depth++;
    struct err *e = value == NULL ? err_nomem()
                    : list        ? read_list(r, value)
                                  : read_mapping(r, value);

    r->depth--;
    if (e != NULL) {
        json_decref(value);
        return e;
    }
    *ret = value;
    return NULL;
}

/* Stream start, one document, stream end. */
static struct err *read_stream(struct reader *r, json_t **ret)
{
    struct err *e = NULL;
    bool more = true;

    while (more && e == NULL) {
        yaml_event_t event;

        e = next(r, &event);
        more = e == NULL && event.type != YAML_STREAM_END_EVENT;
        if (more && event.type == YAML_DOCUMENT_START_EVENT && *ret != NULL) {
            e = wrong(r, &event, "a second document begins here; there may be one");
        } else if (more && event.type != YAML_STREAM_START_EVENT &&
                   event.type != YAML_DOCUMENT_START_EVENT &&
                   event.type != YAML_DOCUMENT_END_EVENT) {
            e = read_value(r, &event, ret);
        }
        yaml_event_delete(&event);
    }
    return e;
}

/* JSON is nearly YAML, but its escapes are its own. */
static json_t *read_json(struct view text)
{
    return json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
}

struct err *yaml_json_read(const char *name, struct view text, json_t **ret)
{
    struct reader r = {.name = name};
    json_t *value = NULL;

    if (text.len > YAML_JSON_MAX_BYTES) {
        return err_new(ERR_LIMIT, "%s is longer than %d bytes", name, YAML_JSON_MAX_BYTES);
    }
    value = read_json(text);
    if (value != NULL) {
        *ret = value;
        return NULL;
    }
    if (!yaml_parser_initialize(&r.parser)) {
        return err_nomem();
    }
    yaml_parser_set_input_string(&r.parser, text.len > 0 ? text.p : (const uint8_t *)"", text.len);
    struct err *e = read_stream(&r, &value);

    yaml_parser_delete(&r.parser);
    if (e != NULL) {
        json_decref(value);
        return e;
    }
    *ret = value != NULL ? value : json_null();
    return NULL;
}

static void put(struct buf *out, const char *text)
{
    buf_put(out, text, strlen(text));
}

static void put_indent(struct buf *out, unsigned indent)
{
    for (unsigned i = 0; i < indent; i++) {
        put(out, " ");
    }
}

/* Other readers of YAML take these words for something else than text. */
static bool is_odd_word(const char *text)
{
    static const char *const words[] = {"y",   "n",    "yes",  "no",   "on",
                                        "off", "null", "true", "false"};
    bool odd = false;

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        odd = odd || strcasecmp(words[i], text) == 0;
    }
    return odd;
}

static bool is_plain(const char *text, size_t len)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "_-./+=;@,()$^ :";

    if (len == 0 || strchr("-=., :;+@", text[0]) != NULL || strspn(text, safe) != len ||
        text[len - 1] == ' ' || text[len - 1] == ':' || strstr(text, ": ") != NULL) {
        return false;
    }
    return !(text[0] >= '0' && text[0] <= '9' &&
             strspn(text, "0123456789abcdefABCDEF.:oOxX_+-") == len) &&
           !is_odd_word(text);
}

/* Several lines of ASCII, such as PEM. */
static bool is_block(const char *text, size_t len)
{
    bool fits = len > 0 && strchr(text, '\n') != NULL && strchr(" \n", text[0]) == NULL;

    for (size_t i = 0; fits && i < len; i++) {
        fits = text[i] == '\n' || (text[i] >= 0x20 && text[i] < 0x7f);
    }
    return fits;
}

static void put_block(const char *text, size_t len, unsigned indent, struct buf *out)
{
    bool ends = text[len - 1] == '\n';
    bool keeps = ends && text[len - 2] == '\n'; /* len > 1: it does not start with one */

    put(out, !ends ? "|-" : keeps ? "|+" : "|");
    for (const char *line = text; line < text + len;) {
        size_t n = strcspn(line, "\n");

        put(out, "\n");
        put_indent(out, n > 0 ? indent : 0);
        buf_put(out, line, n);
        line += n + (line[n] == '\n');
    }
}

/* The Unicode character that UTF-8 @p begins with; @ret_len: its bytes. jansson checked it. */
static uint32_t code_point(const uint8_t *p, size_t *ret_len)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t c = len == 1 ? p[0] : p[0] & (0xffU >> (len + 1));

    for (size_t i = 1; i < len; i++) {
        c = (c << 6) | (p[i] & 0x3fU);
    }
    *ret_len = len;
    return c;
}

static bool needs_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
           (c & 0xfffe) == 0xfffe;
}

static void put_quoted(const char *text, size_t len, struct buf *out)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t n = 0;

    put(out, "\"");
    for (size_t i = 0; i < len; i += n) {
        uint32_t c = code_point(p + i, &n);
        char escape[16];

        if (c == '"' || c == '\\') {
            snprintf(escape, sizeof escape, "\\%c", (int)c);
        } else if (c == '\n') {
            snprintf(escape, sizeof escape, "\\n");
        } else {
            snprintf(escape, sizeof escape, "\\U%08x", (unsigned)c);
        }
        if (c == '"' || c == '\\' || needs_escape(c)) {
            put(out, escape);
        } else {
            buf_put(out, p + i, n);
        }
    }
    put(out, "\"");
}

static void put_text(const char *text, size_t len, unsigned indent, struct buf *out)
{
    if (is_plain(text, len)) {
        put(out, text);
    } else if (is_block(text, len)) {
        put_block(text, len, indent, out);
    } else {
        put_quoted(text, len, out);
    }
}

static void put_key(const char *text, struct buf *out)
{
    if (is_plain(text, strlen(text))) {
        put(out, text);
    } else {
        put_quoted(text, strlen(text), out);
    }
}

static bool is_nest(const json_t *v)
{
    return json_object_size(v) > 0 || json_array_size(v) > 0;
}

static void put_scalar(const json_t *v, unsigned indent, struct buf *out)
{
    char number[32];

    switch (json_typeof(v)) {
    case JSON_STRING:
        put_text(json_string_value(v), json_string_length(v), indent, out);
        break;
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        put(out, number);
        break;
    case JSON_REAL:
        snprintf(number, sizeof number, "%.17g", json_real_value(v));
        put(out, number);
        break;
    default:
        put(out, json_is_object(v)  ? "{}"
                 : json_is_array(v) ? "[]"
                 : json_is_null(v)  ? "null"
                 : json_is_true(v)  ? "true"
                                    : "false");
    }
}

/* A value from the current column on. The first line of a nest continues the line that there is. */
static void put_value(const json_t *v, unsigned indent, struct buf *out)
{
    const char *name;
    size_t i;
    json_t *inner;
    bool first = true;

    if (!is_nest(v)) {
        put_scalar(v, indent, out);
        put(out, "\n");
        return;
    }
    json_object_foreach((json_t *)v, name, inner)
    {
        put_indent(out, first ? 0 : indent);
        put_key(name, out);
        put(out, ":");
        put(out, is_nest(inner) ? "\n" : " ");
        put_indent(out, is_nest(inner) ? indent + 2 : 0);
        put_value(inner, indent + 2, out);
        first = false;
    }
    json_array_foreach(v, i, inner)
    {
        put_indent(out, first ? 0 : indent);
        put(out, "- ");
        put_value(inner, indent + 2, out);
        first = false;
    }
}

void yaml_json_write(const json_t *value, struct buf *out)
{
    put_value(value, 0, out);
}
