/*
 * Steps as the agent streams them while they happen, for a person or as JSON lines.
 */
#include "cli/steps.h"

#include <stdio.h>

#include "cli/cli.h"
#include "cli/table.h"

enum { STEP_COLUMNS = 27 }; /* before a step's text */

struct err *steps_output(const json_t *line, struct buf *out)
{
    return text_unbase64(view_cstr(json_text(line, "output")), out);
}

static void write_output(const json_t *line)
{
    FILE *out = json_is_true(json_object_get(line, "stderr")) ? stderr : stdout;
    struct buf bytes;

    buf_init(&bytes, 0);
    AUTO(err_free) struct err *e = steps_output(line, &bytes);

    if (e == NULL) {
        fwrite(bytes.data, 1, bytes.len, out);
        fflush(out);
    }
    buf_deinit(&bytes);
}

void steps_print(const json_t *line)
{
    bool ok = json_is_true(json_object_get(line, "ok"));
    const char *state = json_text(line, "state");
    const char *text = json_text(line, "text");
    const char *error = json_text(json_object_get(line, "error"), "text");
    const char *mark = text_eq(state, "warning")   ? "!"
                       : text_eq(state, "skipped") ? "-"
                       : ok                        ? "✓"
                                                   : "✗";

    fprintf(stderr, "%s %-14s %5lld ms  ", mark, json_text(line, "step"),
            (long long)json_integer_value(json_object_get(line, "took_ms")));
    text_wrapped(stderr, STEP_COLUMNS, !ok && error[0] != '\0' ? error : text);
}

/* The end of a login has exit codes; that of a connector's test only "failed"; that of a run may
 * have an error of its own, after the ends of its hosts. */
static void take_end(struct steps *s, const json_t *line)
{
    const json_t *status = json_object_get(line, "exit_status");
    int failed = (int)json_integer_value(json_object_get(line, "exit_code"));
    const char *error = json_text(json_object_get(line, "error"), "text");

    s->done = json_object_get(line, "host") == NULL;
    if (failed == 0 && json_is_string(json_object_get(line, "failed"))) {
        failed = CLI_FAILED;
    }
    if (failed != 0 || json_is_integer(status)) {
        s->exit_status = failed != 0 ? failed : (int)json_integer_value(status);
    }
    if (json_object_get(line, "summary") != NULL && error[0] != '\0') {
        err_free(&s->failed);
        s->failed = err_new(ERR_REMOTE, "%s", error);
    }
}

void steps_on_line(void *arg, json_t *line)
{
    struct steps *s = arg;

    if (json_is_true(json_object_get(line, "done"))) {
        take_end(s, line);
    }
    if (s->json) {
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
    } else if (json_object_get(line, "output") != NULL) {
        write_output(line);
    } else if (json_object_get(line, "step") != NULL) {
        steps_print(line);
    }
}

int steps_result(struct steps *s, struct err *e)
{
    AUTO(err_free) struct err *failed = s->failed;

    s->failed = NULL;
    if (e != NULL) {
        return cli_fail(e);
    }
    if (failed != NULL) {
        return cli_fail(take(&failed));
    }
    return s->done ? s->exit_status
                   : cli_fail(err_new(ERR_GONE, "the agent ended the run without a result"));
}
