/*
 * The audit trail, for reading: its last lines as they are, and whether its chain holds.
 */
#include <stdlib.h>

#include "audit/audit.h"
#include "control/resources.h"

enum { READ_MS = 60 * 1000, LAST = 20 };

const char *const control_audit_query[] = {"last", NULL};

static struct err *trail_of(const struct control_request *r, struct audit **ret)
{
    *ret = control_deps_of(r)->audit;
    return *ret != NULL ? NULL : err_new(ERR_UNSUPPORTED, "this agent keeps no audit trail");
}

static void on_lines(void *arg, struct err *e, struct view lines)
{
    struct control_request *r = arg;

    if (!control_came(r, e)) {
        return;
    }
    json_t *list = json_array();

    while (lines.len > 0) {
        const uint8_t *end = memchr(lines.p, '\n', lines.len);
        size_t len = end != NULL ? (size_t)(end - lines.p) : lines.len;
        size_t step = end != NULL ? len + 1 : len;

        control_json_add(list, json_loadb((const char *)lines.p, len, 0, NULL));
        lines = view_of(lines.p + step, lines.len - step);
    }
    control_answer(r, 200, json_pack("{s:o}", "lines", list));
}

struct err *control_audit_list(struct control_request *r)
{
    const char *text = control_query(r, "last");
    char *end = NULL;
    unsigned long last = text != NULL ? strtoul(text, &end, 10) : LAST;
    struct audit *trail = NULL;
    struct err *e = trail_of(r, &trail);

    if (e == NULL && text != NULL &&
        (*text < '0' || *text > '9' || *end != '\0' || last < 1 || last > AUDIT_TAIL_MAX)) {
        e = err_new(ERR_INPUT, "last: %s is not a number from 1 to %d", text, AUDIT_TAIL_MAX);
    }
    if (e == NULL) {
        e = control_wait(r, READ_MS, "read the audit trail", NULL, NULL);
    }
    if (e == NULL) {
        audit_tail(trail, last, on_lines, r);
    }
    return e;
}

static void on_verified(void *arg, struct err *e, uint64_t lines)
{
    struct control_request *r = arg;

    if (control_came(r, e)) {
        control_answer(r, 200, json_pack("{s:I}", "lines", (json_int_t)lines));
    }
}

struct err *control_audit_verify(struct control_request *r)
{
    struct audit *trail = NULL;
    struct err *e = trail_of(r, &trail);

    if (e == NULL) {
        e = control_wait(r, READ_MS, "verify the audit trail", NULL, NULL);
    }
    if (e == NULL) {
        audit_verify(trail, on_verified, r);
    }
    return e;
}
