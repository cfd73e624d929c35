#ifndef HF_REGISTRY_LINE_H
#define HF_REGISTRY_LINE_H

#include "registry/resource.h"

/* For the files of registry/ only: JSON as text. */

/** registry_line_put() - text that is JSON already */
void registry_line_put(struct buf *b, const char *json);
/** registry_line_put_text() - a JSON string; null for NULL */
void registry_line_put_text(struct buf *b, const char *text);
/** registry_line_put_entry() - the same as registry_resource_show() gives for a list, byte for byte as
 * json_dumps() would write it (JSON_COMPACT). Errors: STORE, NOMEM; see also buf_check() */
struct err *registry_line_put_entry(struct buf *b, const struct store_entry *row) MUST_CHECK;

#endif
