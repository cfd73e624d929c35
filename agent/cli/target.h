#ifndef HF_CLI_TARGET_H
#define HF_CLI_TARGET_H

#include "base/base.h"

/** Where to log in. */
struct target {
    char *user;           /* NULL: not said */
    char *infrastructure; /* NULL: @host is an address; else the name of one of its hosts */
    char *host;
    unsigned port; /* 0: not said */
};

/** target_parse() - "[USER@]HOST[:PORT]", an IPv6 address in brackets or alone, or
 * "[USER@]INFRASTRUCTURE/HOST"; INPUT says what is wrong, and @ret is empty then */
struct err *target_parse(const char *text, struct target *ret) MUST_CHECK;
void target_deinit(struct target *t);

#endif
