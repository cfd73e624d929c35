#ifndef HF_CLI_STEPS_H
#define HF_CLI_STEPS_H

#include <jansson.h>

#include "base/base.h"

/** What a stream of steps has told so far: a login, a connector's test, a run on one host. */
struct steps {
    bool json; /* print the lines as they are */
    bool done;
    int exit_status;    /* 10 + step that failed, else the command's own */
    struct err *failed; /* why all of it could not be made; NULL: it could */
};

/** steps_on_line() - for session_stream(), @arg: struct steps. Steps are shown on standard error, a
 * command's output goes where it belongs */
void steps_on_line(void *arg, json_t *line);
/** steps_result() - the exit code, once the stream has ended as @e says (taken) */
int steps_result(struct steps *s, struct err *e);
/** steps_print() - one step: "✓ login   12 ms  as approle web" */
void steps_print(const json_t *line);
/** steps_output() - the decoded "output" of a line into @out, which is empty */
struct err *steps_output(const json_t *line, struct buf *out) MUST_CHECK;

#endif
