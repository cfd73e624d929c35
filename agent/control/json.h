#ifndef HF_CONTROL_JSON_H
#define HF_CONTROL_JSON_H

#include <jansson.h>

#include "base/base.h"

struct evbuffer;

/** control_json_wipe() - from now on jansson's memory is wiped when it is freed. To be called before
 * anything in the process uses jansson; further calls change nothing */
void control_json_wipe(void);

/* All of these return a new value that the caller owns, NULL when out of memory. */
/** control_json_text() - null for NULL; what is not UTF-8 is shown as \xNN */
json_t *control_json_text(const char *s);
/** control_json_texts() - an array; [] for NULL */
json_t *control_json_texts(char *const *list);
json_t *control_json_base64(struct view v);
/** control_json_time() - "2026-11-23T02:40:00Z"; null for 0 */
json_t *control_json_time(struct wall t);
json_t *control_json_int_or_null(bool has, int64_t v);
/** control_json_add() - append @v (taken); false when out of memory, or @v is NULL */
bool control_json_add(json_t *array, json_t *v);
/** control_json_join() - one object with the members of both (taken; NULL: out of memory) */
json_t *control_json_join(json_t *a, json_t *b);

/** control_json_put() - @v as one line; false when out of memory, or @v is NULL */
bool control_json_put(struct evbuffer *out, const json_t *v);

#endif
