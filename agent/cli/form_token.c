/*
 * A certificate for the registry out of those that lie on a token. Which one is meant is decided here
 * and never guessed: where a name fits two, or none was given and there are several, all are named.
 */
#include <stdlib.h>
#include <strings.h>

#include "cli/form.h"
#include "cli/session.h"
#include "cli/table.h"

static bool is_called(const json_t *certificate, const char *object)
{
    return object == NULL || text_eq(json_text(certificate, "label"), object) ||
           strcasecmp(json_text(certificate, "id"), object) == 0;
}

/* "ca (id 01), other (id 02)", fit for a terminal (caller owns) */
static char *names_of(const json_t *certificates)
{
    char *names = NULL;
    size_t i;
    const json_t *c;

    json_array_foreach(certificates, i, c)
    {
        AUTO(auto_free) char *before = names;
        AUTO(auto_free) char *safe = text_safe(view_cstr(json_text(c, "label")));
        const char *label = safe != NULL ? safe : "";
        const char *id = json_text(c, "id");

        names = text_fmt("%s%s%s (id %s)", before != NULL ? before : "", i > 0 ? ", " : "",
                         label[0] != '\0' ? label : "without a label", id[0] != '\0' ? id : "none");
    }
    return names;
}

struct err *form_pick(const json_t *certificates, const char *object, json_t **ret_pem)
{
    AUTO(auto_free) char *names = names_of(certificates);
    json_t *pem = NULL;
    size_t fits = 0;
    size_t i;
    const json_t *c;

    json_array_foreach(certificates, i, c)
    {
        if (is_called(c, object)) {
            pem = json_object_get(c, "pem");
            fits++;
        }
    }
    if (json_array_size(certificates) == 0) {
        return err_new(ERR_NOT_FOUND, "it holds no X.509 certificate that can be seen now");
    }
    if (fits == 0) {
        return err_new(ERR_NOT_FOUND, "it holds no certificate '%s', but %s", object, names);
    }
    if (fits > 1) {
        return err_new(ERR_INPUT, "which certificate? --object LABEL or ID: %s", names);
    }
    if (!json_is_string(pem)) {
        return err_new(ERR_PROTOCOL, "the agent's answer has no PEM");
    }
    *ret_pem = json_incref(pem);
    return NULL;
}

struct err *form_from_token(struct cli *c, const char *token, const char *object, json_t **ret)
{
    AUTO(auto_free) char *escaped = session_escape(token);
    AUTO(auto_free) char *path =
        escaped != NULL ? text_fmt("/tokens/%s/certificates", escaped) : NULL;
    json_t *answer = NULL;
    json_t *pem = NULL;
    struct err *e =
        path == NULL ? err_nomem() : session_call(c->session, "GET", path, NULL, &answer);

    if (e == NULL) {
        e = err_add(form_pick(json_object_get(answer, "certificates"), object, &pem), "token %s",
                    token);
    }
    json_decref(answer);
    if (e != NULL) {
        return e;
    }
    *ret = json_pack("{s:{s:o}}", "spec", "pem", pem);
    return NULL;
}
