/*
 * Errors as JSON. One table says which HTTP status and title a code has; openapi.yaml shows it to
 * clients, which branch on the code. The whole chain goes out: whoever may talk to this socket may
 * know why something failed. Error texts hold no secrets, by the rule of base/err.h.
 */
#include "control/problem.h"

static const struct {
    int status;
    const char *title;
} problems[] = {
    [ERR_INPUT] = {400, "The request is wrong"},
    [ERR_PROTOCOL] = {502, "A peer broke its protocol"},
    [ERR_DENIED] = {403, "Refused"},
    [ERR_NOT_FOUND] = {404, "No such object"},
    [ERR_EXISTS] = {409, "There is one already, or more than one"},
    [ERR_BUSY] = {409, "In use"},
    [ERR_TIMEOUT] = {504, "No answer in time"},
    [ERR_GONE] = {503, "Not there at the moment"},
    [ERR_PIN] = {423, "The token wants a PIN"},
    [ERR_PIN_LOCKED] = {423, "The token locked the PIN"},
    [ERR_UNSUPPORTED] = {501, "Not supported"},
    [ERR_REMOTE] = {502, "A server answered with an error"},
    [ERR_CERT] = {502, "A certificate is not what was asked for"},
    [ERR_STORE] = {507, "A file or database failed"},
    [ERR_LIMIT] = {413, "Too much"},
    [ERR_NOMEM] = {500, "Out of memory"},
    [ERR_BUG] = {500, "A defect in Holdfast"},
};

int control_problem_status(enum err_code code)
{
    return (size_t)code < ARRAY_LEN(problems) && problems[code].status != 0 ? problems[code].status
                                                                            : 500;
}

bool control_problem_passes(const struct err *e)
{
    const char *name = err_native_name(e);

    return err_is(e, ERR_BUSY) && (text_eq(name, "CONTENDED") || text_eq(name, "AGAIN"));
}

int control_problem_status_of(const struct err *e)
{
    if (control_problem_passes(e)) {
        return 503;
    }
    return err_is(e, ERR_BUSY) && text_eq(err_native_name(e), "STALE")
               ? 412
               : control_problem_status(err_code(e));
}

static json_t *chain_of(const struct err *e)
{
    json_t *chain = json_array();

    for (size_t i = 0; i < err_clauses(e); i++) {
        control_json_add(chain, control_json_text(err_clause(e, i)));
    }
    return chain;
}

static json_t *native_of(const struct err *e)
{
    const char *name = err_native_name(e);

    if (err_domain(e) == ERR_DOMAIN_NONE && *name == '\0') {
        return json_null();
    }
    return json_pack("{s:s, s:I, s:o}", "domain",
                     err_domain(e) != ERR_DOMAIN_NONE ? err_domain_name(err_domain(e)) : "holdfast",
                     "code", (json_int_t)err_native_code(e), "name",
                     control_json_text(*name != '\0' ? name : NULL));
}

json_t *control_problem(const struct err *e, int status)
{
    const char *code = err_code_name(err_code(e));
    const char *title =
        status == control_problem_status(err_code(e)) ? problems[err_code(e)].title : "Refused";
    AUTO(auto_free) char *type = text_fmt("urn:holdfast:error:%s", code);

    return json_pack("{s:s?, s:s, s:i, s:o, s:s, s:o, s:o}", "type", type, "title", title, "status",
                     status, "detail", control_json_text(err_text(e)), "code", code, "chain",
                     chain_of(e), "native", native_of(e));
}

json_t *control_fault(const struct err *e)
{
    if (e == NULL) {
        return json_null();
    }
    return json_pack("{s:o, s:s, s:o, s:o}", "text", control_json_text(err_text(e)), "code",
                     err_code_name(err_code(e)), "chain", chain_of(e), "native", native_of(e));
}
