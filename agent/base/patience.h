#ifndef HF_BASE_PATIENCE_H
#define HF_BASE_PATIENCE_H

#include <stdint.h>

#include "base/err.h"

/* An error may carry how long a peer asks to be left alone. It travels with the error. */

enum { ERR_PATIENCE_MAX_S = 86400 };

/** err_set_patience() - @e is taken and returned, NULL stays NULL; @seconds: 0 for none, a day at most */
struct err *err_set_patience(struct err *e, int64_t seconds) MUST_CHECK;
/** err_patience_s() - 0: nothing was asked for */
int64_t err_patience_s(const struct err *e);

#endif
