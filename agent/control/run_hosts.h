#ifndef HF_CONTROL_RUN_HOSTS_H
#define HF_CONTROL_RUN_HOSTS_H

#include <jansson.h>

#include "base/base.h"

enum { CONTROL_RUN_HOSTS_MAX = 10000 };

/** One target of a run; all owned. */
struct control_host {
    char *name, *address;
    unsigned port;     /* 0: as the SSH key says */
    char *known_hosts; /* lines; NULL: nothing is declared of it */
    char **tags;
};

struct control_hosts {
    struct control_host *all;
    size_t n;
};

/** control_hosts_of_spec() - of an infrastructure's spec
 * @port: of hosts that have none. Errors: NOMEM, LIMIT */
struct err *control_hosts_of_spec(const json_t *spec, unsigned port, struct control_hosts *ret)
    MUST_CHECK;
/** control_hosts_of_list() - "HOST", "HOST:PORT", "[ADDRESS]:PORT"; INPUT names the element */
struct err *control_hosts_of_list(const json_t *list, struct control_hosts *ret) MUST_CHECK;
/** control_hosts_limit() - keep those with a name, an address or a tag that fits a shell pattern */
void control_hosts_limit(struct control_hosts *h, const char *pattern);
void control_hosts_deinit(struct control_hosts *h);

#endif
