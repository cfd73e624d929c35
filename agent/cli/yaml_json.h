#ifndef HF_CLI_YAML_JSON_H
#define HF_CLI_YAML_JSON_H

#include <jansson.h>

#include "base/base.h"

enum { YAML_JSON_DEPTH_MAX = 32, YAML_JSON_MAX_BYTES = 1024 * 1024 };

/**
 * yaml_json_read() - one YAML document as JSON
 * @name: what messages call the text
 * @text: at most YAML_JSON_MAX_BYTES (borrowed)
 * @ret:  new reference; null for an empty document
 * Plain words that mean null, true, false or a whole number do so (as in YAML 1.2); all else is text,
 * and so are numbers with a point or a leading 0.
 * Errors: INPUT as "NAME:LINE: what is wrong" (aliases, a key given twice, a second document),
 *         LIMIT
 */
struct err *yaml_json_read(const char *name, struct view text, json_t **ret) MUST_CHECK;

/** yaml_json_write() - JSON as YAML for people, which yaml_json_read() reads back as it was
 * (but for numbers with a point, which come back as text) */
void yaml_json_write(const json_t *value, struct buf *out);

#endif
