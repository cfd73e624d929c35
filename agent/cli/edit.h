#ifndef HF_CLI_EDIT_H
#define HF_CLI_EDIT_H

#include "cli/resource.h"

/**
 * edit_resource() - let a person change a resource in $VISUAL or $EDITOR (else vi), and send it
 * @old: as the agent gave it; its revision goes with the change
 * @ret: the resource as it is now, new reference; NULL where nothing was changed
 * A text that cannot be taken is offered for another round; one that is given up stays in a file
 * that only its user can read, and the error says where.
 * Errors: BUSY (native name STALE: somebody else changed it), INPUT, what the agent says
 */
struct err *edit_resource(struct cli *c, const struct resource_kind *k, const json_t *old,
                          json_t **ret) MUST_CHECK;

#endif
