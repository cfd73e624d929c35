#ifndef HF_SSH_OPTION_H
#define HF_SSH_OPTION_H

#include "base/base.h"

/** A critical option or extension. Lists are arrays that end with a NULL name; NULL: no list. */
struct ssh_cert_option {
    char *name;
    char *value; /* "" for a flag */
};

/** ssh_cert_options_add() - append copies; the list moves. NOMEM: the list is as before */
struct err *ssh_cert_options_add(struct ssh_cert_option **list, struct view name, struct view value)
    MUST_CHECK;
/** ssh_cert_options_copy() - a deep copy; NULL stays NULL */
struct err *ssh_cert_options_copy(const struct ssh_cert_option *list, struct ssh_cert_option **ret)
    MUST_CHECK;
/** ssh_cert_options_free() - accepts NULL; leaves NULL */
void ssh_cert_options_free(struct ssh_cert_option **list);
/** ssh_cert_options_find() - the first of this name; NULL: none has it, or there is no list */
const struct ssh_cert_option *ssh_cert_options_find(const struct ssh_cert_option *list,
                                                    const char *name);
size_t ssh_cert_options_len(const struct ssh_cert_option *list);

#endif
