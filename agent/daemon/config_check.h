#ifndef HF_DAEMON_CONFIG_CHECK_H
#define HF_DAEMON_CONFIG_CHECK_H

#include "daemon/config.h"

/**
 * config_check() - what no schema can say: exactly one of several keys, names that must exist and be
 * unique, durations, URIs, principals
 * @text: the file, to tell the line
 * Errors: INPUT as "FILE:LINE: key: what is wrong and what mends it"
 */
struct err *config_check(const struct config *c, struct view text) MUST_CHECK;

#endif
