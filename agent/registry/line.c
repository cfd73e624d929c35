/*
 * Rows of a page as JSON text. A row's body is text that set_body() wrote: an object with sorted keys
 * and no blanks. In most rows that are listed, all that is shown of it is a description and a spec
 * as it stands, so the text goes from the row to the page, and no tree is made of it: parsing and
 * writing it again costs ten times what SQLite takes to find it. Every other row (broken, with facts,
 * of a kind that leaves out what is bulky) goes through registry_resource_show().
 *
 * It must never show what the long way would not: both give the same bytes, and a test compares them.
 */
#include "registry/line.h"

#include <stdlib.h>

void registry_line_put(struct buf *b, const char *json)
{
    buf_put(b, json, strlen(json));
}

/* Spec: RFC 8259, 7 */
static void put_escaped(struct buf *b, char c)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", as[] = "\"\\bfnrt";
    const char *found = strchr(escaped, c);
    char text[16];

    if (found != NULL) {
        snprintf(text, sizeof text, "\\%c", as[found - escaped]);
    } else {
        snprintf(text, sizeof text, "\\u%04X", (unsigned)c);
    }
    registry_line_put(b, text);
}

void registry_line_put_text(struct buf *b, const char *text)
{
    const char *p = text;

    if (text == NULL) {
        registry_line_put(b, "null");
        return;
    }
    buf_put_u8(b, '"');
    while (*p != '\0') {
        const char *begun = p;

        while ((unsigned char)*p >= ' ' && *p != '"' && *p != '\\') {
            p++;
        }
        buf_put(b, begun, (size_t)(p - begun));
        if (*p != '\0') {
            put_escaped(b, *p++);
        }
    }
    buf_put_u8(b, '"');
}

static void put_member(struct buf *b, const char *name, const char *text)
{
    registry_line_put(b, name);
    registry_line_put_text(b, text);
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The length of the JSON string at @p with its quotes; 0 when it has no end. */
static size_t string_len(const char *p)
{
    size_t n = 1;

    while (p[n] != '"' && p[n] != '\0') {
        n += p[n] == '\\' && p[n + 1] != '\0' ? 2 : 1;
    }
    return p[n] == '"' ? n + 1 : 0;
}

/* The length of the JSON object at @p; 0 when its braces do not match. */
static size_t object_len(const char *p)
{
    size_t n = 0, depth = 0;

    do {
        size_t step = p[n] == '"' ? string_len(p + n) : p[n] != '\0';

        if (step == 0) {
            return 0;
        }
        depth += p[n] == '{' || p[n] == '[';
        depth -= p[n] == '}' || p[n] == ']';
        n += step;
    } while (depth > 0);
    return n;
}

/* Splits {"description":...,"spec":{...}}; false for any other body. */
static bool split(const char *body, struct view *ret_description, struct view *ret_spec)
{
    static const char description[] = "{\"description\":", spec[] = ",\"spec\":{";

    if (!begins(body, description)) {
        return false;
    }
    const char *p = body + strlen(description);
    size_t n = *p == '"' ? string_len(p) : begins(p, "null") ? strlen("null") : 0;

    if (n == 0 || !begins(p + n, spec)) {
        return false;
    }
    const char *at = p + n + strlen(spec) - 1;
    size_t len = object_len(at);

    if (len == 0 || strcmp(at + len, "}") != 0) {
        return false;
    }
    *ret_description = view_of(p, n);
    *ret_spec = view_of(at, len);
    return true;
}

static bool is_plain(const struct store_entry *row)
{
    enum registry_kind k;
    bool plain = registry_kind_find(row->key.kind, &k) && registry_kind_row(k)->facts == NULL &&
                 registry_kind_row(k)->warn == NULL;

    for (const struct registry_member *m = plain ? registry_kind_row(k)->members : NULL;
         m != NULL && m->name != NULL; m++) {
        plain = plain && !m->bulky;
    }
    return plain;
}

static struct err *put_shown(struct buf *b, const struct store_entry *row)
{
    AUTO(registry_json_free) json_t *shown = NULL;
    struct err *e = registry_resource_show(row, true, &shown);
    AUTO(auto_free) char *text = e == NULL ? json_dumps(shown, JSON_COMPACT) : NULL;

    if (e == NULL && text == NULL) {
        e = err_nomem();
    }
    if (e == NULL) {
        registry_line_put(b, text);
    }
    return e;
}

struct err *registry_line_put_entry(struct buf *b, const struct store_entry *row)
{
    char time[WALL_TEXT_BYTES], revision[64];
    struct view description, spec;

    if (!is_plain(row) || !split(row->body, &description, &spec)) {
        return put_shown(b, row);
    }
    put_member(b, "{\"kind\":", row->key.kind);
    put_member(b, ",\"identifier\":", row->key.id);
    put_member(b, ",\"name\":", row->name);
    put_member(b, ",\"scope\":", row->key.scope);
    registry_line_put(b, ",\"description\":");
    buf_put(b, description.p, description.len);
    registry_line_put(b, ",\"tags\":[");
    for (size_t i = 0; i < text_list_len(row->tags); i++) {
        put_member(b, i > 0 ? "," : "", row->tags[i]);
    }
    put_member(b, "],\"created\":", wall_text(row->created, time));
    put_member(b, ",\"updated\":", wall_text(row->updated, time));
    snprintf(revision, sizeof revision,
             ",\"revision\":%llu,\"spec\":", (unsigned long long)row->revision);
    registry_line_put(b, revision);
    buf_put(b, spec.p, spec.len);
    buf_put_u8(b, '}');
    return NULL;
}
