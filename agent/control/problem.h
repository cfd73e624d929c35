#ifndef HF_CONTROL_PROBLEM_H
#define HF_CONTROL_PROBLEM_H

#include "control/json.h"

/** control_problem_status() - the HTTP status that stands for a code */
int control_problem_status(enum err_code code);
/** control_problem_passes() - CONTENDED: the same request may well succeed in a moment */
bool control_problem_passes(const struct err *e);
/** control_problem_status_of() - the same, for an error: 412 where a revision was STALE, 503 for what
 * passes */
int control_problem_status_of(const struct err *e);
/** control_problem() - the body of an error answer (Spec: RFC 9457, 3); NULL when out of memory */
json_t *control_problem(const struct err *e, int status);
/** control_fault() - an error as part of a state: openapi.yaml's `fault`; null for NULL */
json_t *control_fault(const struct err *e);

#endif
