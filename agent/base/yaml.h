/* Apart from base.h: only profiles and the configuration read YAML, and only they see libcyaml. */
#ifndef HF_BASE_YAML_H
#define HF_BASE_YAML_H

#include <cyaml/cyaml.h>

#include "base/buf.h"

enum { YAML_DEPTH_MAX = 16 };

/**
 * yaml_load() - YAML text into a C structure, strictly
 * @name:   what messages call the text: the file's name
 * @text:   the document; aliases are refused
 * @schema: libcyaml's description of the structure. Booleans: use YAML_BOOL, as libcyaml takes any
 *          word for true
 * @ret:    the structure, to be freed with yaml_unload(); NULL for an empty document
 * Errors: INPUT as "NAME:LINE: what is wrong, at which key"
 */
struct err *yaml_load(const char *name, struct view text, const cyaml_schema_value_t *schema,
                      void **ret) MUST_CHECK;
/** yaml_unload() - NULL is fine. (Not yaml_free(): libyaml calls a function of its own by that name,
 * and the dynamic linker would give it ours.) */
void yaml_unload(const cyaml_schema_value_t *schema, void *data);

/**
 * yaml_line_of() - where a value stands, for messages about what no schema can say
 * @path: "identities[0].certificates[1].role"; the line of the deepest part that exists
 */
unsigned yaml_line_of(struct view text, const char *path);

/** YAML of no fixed shape. All is owned by the tree. */
struct yaml_tree {
    enum { YAML_TREE_TEXT, YAML_TREE_LIST, YAML_TREE_MAP } type;
    unsigned line;
    char *key;  /* in a map */
    char *tag;  /* "!vault"; NULL when none */
    char *text; /* of a text */
    bool plain; /* a text without quotes: "22" may be meant as a number */
    struct yaml_tree **entries;
    size_t n;
};

/** yaml_tree_read() - any YAML without aliases; NULL for an empty document
 * Errors: INPUT ("NAME:LINE: ..."), LIMIT */
struct err *yaml_tree_read(const char *name, struct view text, struct yaml_tree **ret) MUST_CHECK;
void yaml_tree_free(struct yaml_tree **t);

/** The words a strict boolean may have: enum values 0 and 1. */
extern const cyaml_strval_t yaml_bool_words[];
enum { YAML_BOOL_WORDS = 4 };

#endif
