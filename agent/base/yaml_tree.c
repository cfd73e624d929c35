/*
 * YAML of no fixed shape, as a tree. For files that others define (an Ansible inventory); what we
 * define has a schema (yaml.c). Aliases are refused, so a short text cannot grow into a large tree, and
 * depth and size have limits. Every node knows its line, for messages.
 */
#include <stdlib.h>
#include <yaml.h>

#include "base/text.h"
#include "base/yaml.h"

enum { NODES_MAX = 200000 };

struct reader {
    const char *name;
    yaml_parser_t parser;
    size_t nodes;
};

void yaml_tree_free(struct yaml_tree **tp)
{
    struct yaml_tree *t = take(tp);

    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        yaml_tree_free(&t->entries[i]);
    }
    free(t->entries);
    free(t->key);
    free(t->tag);
    free(t->text);
    free(t);
}

static struct err *next_event(struct reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event)) {
        return NULL;
    }
    return err_new(ERR_INPUT, "%s:%zu: not YAML: %s", r->name, r->parser.problem_mark.line + 1,
                   r->parser.problem != NULL ? r->parser.problem : "unreadable");
}

static char *copy_of(const yaml_char_t *p, size_t len)
{
    return view_dup(view_of(p, len));
}

static struct err *new_node(struct reader *r, const yaml_event_t *event, struct yaml_tree **ret)
{
    const yaml_char_t *tag = NULL;
    struct yaml_tree *t = calloc(1, sizeof *t);

    if (t == NULL) {
        return err_nomem();
    }
    if (++r->nodes > NODES_MAX) {
        free(t);
        return err_new(ERR_LIMIT, "%s: more than %d values", r->name, NODES_MAX);
    }
    t->line = (unsigned)event->start_mark.line + 1;
    if (event->type == YAML_SCALAR_EVENT) {
        t->type = YAML_TREE_TEXT;
        t->text = copy_of(event->data.scalar.value, event->data.scalar.length);
        t->plain = event->data.scalar.plain_implicit != 0;
        tag = event->data.scalar.tag;
    } else {
        t->type = event->type == YAML_MAPPING_START_EVENT ? YAML_TREE_MAP : YAML_TREE_LIST;
    }
    t->tag = text_copy((const char *)tag);
    if ((t->type == YAML_TREE_TEXT && t->text == NULL) || (tag != NULL && t->tag == NULL)) {
        yaml_tree_free(&t);
        return err_nomem();
    }
    *ret = t;
    return NULL;
}

static struct err *add_entry(struct yaml_tree *t, struct yaml_tree *entry)
{
    struct yaml_tree **more = realloc(t->entries, (t->n + 1) * sizeof(struct yaml_tree *));

    if (more == NULL) {
        yaml_tree_free(&entry);
        return err_nomem();
    }
    t->entries = more;
    t->entries[t->n++] = entry;
    return NULL;
}

static struct err *read_node(struct reader *r, yaml_event_t *event, unsigned depth,
                             struct yaml_tree **ret);

/* One entry of a map or list; @event is its first, a map's key. */
static struct err *read_entry(struct reader *r, struct yaml_tree *t, yaml_event_t *event,
                              unsigned depth)
{
    AUTO(auto_free) char *key = NULL;
    struct yaml_tree *entry = NULL;

    if (t->type == YAML_TREE_MAP) {
        if (event->type != YAML_SCALAR_EVENT) {
            return err_new(ERR_INPUT, "%s:%zu: a key must be a word", r->name,
                           event->start_mark.line + 1);
        }
        key = copy_of(event->data.scalar.value, event->data.scalar.length);
        yaml_event_delete(event);
        struct err *e = key != NULL ? next_event(r, event) : err_nomem();

        if (e != NULL) {
            return e;
        }
    }
    struct err *e = read_node(r, event, depth, &entry);

    if (e != NULL) {
        return e;
    }
    entry->key = take(&key);
    return add_entry(t, entry);
}

static struct err *read_entries(struct reader *r, struct yaml_tree *t, unsigned depth)
{
    yaml_event_type_t end =
        t->type == YAML_TREE_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;

    for (;;) {
        yaml_event_t event;
        struct err *e = next_event(r, &event);

        if (e != NULL) {
            return e;
        }
        bool over = event.type == end;

        e = over ? NULL : read_entry(r, t, &event, depth);
        yaml_event_delete(&event);
        if (e != NULL || over) {
            return e;
        }
    }
}

static struct err *read_node(struct reader *r, yaml_event_t *event, unsigned depth,
                             struct yaml_tree **ret)
{
    AUTO(yaml_tree_free) struct yaml_tree *t = NULL;
    struct err *e = NULL;

    if (event->type == YAML_ALIAS_EVENT) {
        return err_new(ERR_INPUT, "%s:%zu: aliases (*) are not read", r->name,
                       event->start_mark.line + 1);
    }
    if (depth > YAML_DEPTH_MAX) {
        return err_new(ERR_LIMIT, "%s:%zu: more than %d levels", r->name,
                       event->start_mark.line + 1, YAML_DEPTH_MAX);
    }
    e = new_node(r, event, &t);
    if (e == NULL && t->type != YAML_TREE_TEXT) {
        e = read_entries(r, t, depth + 1);
    }
    if (e == NULL) {
        *ret = take(&t);
    }
    return e;
}

static struct err *read_document(struct reader *r, struct yaml_tree **ret)
{
    struct err *e = NULL;
    bool more = true;

    while (more && e == NULL) {
        yaml_event_t event;

        e = next_event(r, &event);
        if (e != NULL) {
            return e;
        }
        switch (event.type) {
        case YAML_STREAM_END_EVENT:
            more = false;
            break;
        case YAML_ALIAS_EVENT:
        case YAML_SCALAR_EVENT:
        case YAML_SEQUENCE_START_EVENT:
        case YAML_MAPPING_START_EVENT:
            if (*ret != NULL) {
                e = err_new(ERR_INPUT, "%s:%zu: more than one document", r->name,
                            event.start_mark.line + 1);
            } else {
                e = read_node(r, &event, 0, ret);
            }
            break;
        default:
            break;
        }
        yaml_event_delete(&event);
    }
    return e;
}

struct err *yaml_tree_read(const char *name, struct view text, struct yaml_tree **ret)
{
    AUTO(yaml_tree_free) struct yaml_tree *t = NULL;
    struct reader r = {.name = name};

    if (text.len == 0) {
        *ret = NULL;
        return NULL;
    }
    if (!yaml_parser_initialize(&r.parser)) {
        return err_nomem();
    }
    yaml_parser_set_input_string(&r.parser, text.p, text.len);
    struct err *e = read_document(&r, &t);

    yaml_parser_delete(&r.parser);
    if (e == NULL) {
        *ret = take(&t);
    }
    return e;
}
