/*
 * Where in a YAML text a value stands. Apart from yaml.c, so that who only points at lines has nothing of
 * libcyaml's in its program.
 */
#include <stdlib.h>
#include <yaml.h>

#include "base/yaml.h"

static yaml_node_t *child_of_mapping(yaml_document_t *d, const yaml_node_t *node, struct view key)
{
    if (node->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *k = yaml_document_get_node(d, p->key);

        if (k->type == YAML_SCALAR_NODE &&
            view_eq(view_of(k->data.scalar.value, k->data.scalar.length), key)) {
            return yaml_document_get_node(d, p->value);
        }
    }
    return NULL;
}

static yaml_node_t *child_of_sequence(yaml_document_t *d, const yaml_node_t *node, size_t i)
{
    if (node->type != YAML_SEQUENCE_NODE ||
        i >= (size_t)(node->data.sequence.items.top - node->data.sequence.items.start)) {
        return NULL;
    }
    return yaml_document_get_node(d, node->data.sequence.items.start[i]);
}

/* Go down the path as far as it exists. */
static yaml_node_t *walk(yaml_document_t *d, const char *path)
{
    yaml_node_t *node = yaml_document_get_root_node(d);
    yaml_node_t *next = node;

    while (next != NULL && *path != '\0') {
        node = next;
        if (*path == '[') {
            next = child_of_sequence(d, node, (size_t)strtoul(path + 1, NULL, 10));
            path += strcspn(path, "]") + 1;
        } else {
            size_t len = strcspn(path, ".[");

            next = child_of_mapping(d, node, view_of(path, len));
            path += len;
        }
        path += *path == '.';
    }
    return next != NULL ? next : node;
}

unsigned yaml_line_of(struct view text, const char *path)
{
    yaml_parser_t parser;
    yaml_document_t document;
    unsigned line = 1;

    if (text.len == 0 || !yaml_parser_initialize(&parser)) {
        return line;
    }
    yaml_parser_set_input_string(&parser, text.p, text.len);
    if (yaml_parser_load(&parser, &document)) {
        const yaml_node_t *node = walk(&document, path);

        line = node != NULL ? (unsigned)node->start_mark.line + 1 : line;
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return line;
}
