#ifndef HF_REGISTRY_NAME_H
#define HF_REGISTRY_NAME_H

#include "base/base.h"

/* For the files of registry/ only: names, scopes and references as text. */

/** registry_utf8_next() - the next character; false when it is not valid UTF-8 (then @p stays)
 * Spec: RFC 3629, 4 */
bool registry_utf8_next(const char **p, uint32_t *ret);
/** registry_char_is_hidden() - control, bidirectional and other characters that a reader cannot see */
bool registry_char_is_hidden(uint32_t c);

/** registry_name_check() - 1..128 visible characters, no white space at the ends; INPUT */
struct err *registry_name_check(const char *name) MUST_CHECK;
/** registry_identifier_make() - from a name that passed the check: [a-z0-9_]{1,128} (caller owns; NULL
 * when out of memory). Letters of Latin script become those of ASCII; where nothing is left it is
 * "n_" and a part of the name's SHA-256. */
char *registry_identifier_make(const char *name);
bool registry_identifier_ok(const char *id);

enum registry_level { REGISTRY_ACCOUNT, REGISTRY_ORG, REGISTRY_PROJECT };

/** registry_reference_check() - the form of a reference, wherever it is used; INPUT */
struct err *registry_reference_check(const char *reference) MUST_CHECK;

#endif
