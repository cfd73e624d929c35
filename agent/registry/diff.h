#ifndef HF_REGISTRY_DIFF_H
#define HF_REGISTRY_DIFF_H

#include <jansson.h>

#include "base/base.h"

/* For the files of registry/ only. */
enum { REGISTRY_DIFF_MAX = 200 };

/**
 * registry_diff() - where two JSON values differ
 * @ret: [{"at": pointer, "from"?, "to"?}], at most REGISTRY_DIFF_MAX and then one {"more": true}; long
 *       texts are told by their length; new reference
 * Spec: RFC 6901
 */
struct err *registry_diff(const json_t *from, const json_t *to, json_t **ret) MUST_CHECK;

#endif
