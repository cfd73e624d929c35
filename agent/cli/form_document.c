/*
 * Documents that people write for a resource: what create and edit take, and what edit shows. Also
 * PEM files, which stand for a certificate's whole spec.
 */
#include "cli/form.h"
#include "cli/yaml_json.h"

json_t *form_of(const json_t *resource)
{
    static const char *const members[] = {"name", "description", "tags", "spec"};
    json_t *form = json_object();

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        json_t *value = json_object_get(resource, members[i]);

        if (value != NULL && !json_is_null(value)) {
            json_object_set_new(form, members[i], json_deep_copy(value));
        }
    }
    return form;
}

struct err *form_from_document(const struct resource_kind *k, const json_t *document, json_t **ret)
{
    static const char *const made[] = {"kind",   "scope",    "identifier", "created",  "updated",
                                       "broken", "revision", "message",    "warnings", NULL};
    const char *kind = json_string_value(json_object_get(document, "kind"));

    if (!json_is_object(document)) {
        return err_new(ERR_INPUT, "the document is no mapping with name and spec");
    }
    if (kind != NULL && !text_eq(kind, k->word)) {
        return err_new(ERR_INPUT, "the document is of the kind '%s'", kind);
    }
    json_t *body = json_deep_copy(document);

    for (size_t i = 0; made[i] != NULL; i++) {
        json_object_del(body, made[i]);
    }
    if (json_object_get(body, "spec") == NULL) {
        json_object_set_new(body, "spec", json_object());
    }
    *ret = body;
    return NULL;
}

/* PEM is anything that does not look like our document; whether it is good, the agent says. */
static bool looks_like_document(struct view text)
{
    static const char *const starts[] = {"{", "name:", "spec:", "kind:", "description:", "tags:"};
    bool found = false;

    for (size_t at = 0; at < text.len && !found; at++) {
        for (size_t i = 0; (at == 0 || text.p[at - 1] == '\n') && i < ARRAY_LEN(starts); i++) {
            size_t len = strlen(starts[i]);

            found = found || (text.len - at >= len && memcmp(text.p + at, starts[i], len) == 0);
        }
    }
    return found;
}

static struct err *from_pem(const char *path, struct view text, json_t **ret)
{
    json_t *pem = json_stringn(text.len > 0 ? (const char *)text.p : "", text.len);

    if (pem == NULL) {
        return err_new(ERR_INPUT,
                       "Invalid request: Certificate is not a valid X509 Certificate: %s is not "
                       "text, so not PEM (`openssl x509 -inform der` turns DER into PEM)",
                       path);
    }
    *ret = json_pack("{s:{s:o}}", "spec", "pem", pem);
    return NULL;
}

struct err *form_from_file(const struct resource_kind *k, const char *path, json_t **ret)
{
    json_t *document = NULL;
    struct buf text;

    buf_init(&text, YAML_JSON_MAX_BYTES + 1);
    struct err *e = cli_read(path, YAML_JSON_MAX_BYTES, &text);

    if (e == NULL && text_eq(k->word, "certificate") && !looks_like_document(buf_view(&text))) {
        e = from_pem(path, buf_view(&text), ret);
    } else if (e == NULL) {
        e = yaml_json_read(path, buf_view(&text), &document);
        e = e == NULL ? err_add(form_from_document(k, document, ret), "%s", path) : e;
    }
    json_decref(document);
    buf_deinit(&text);
    return e;
}
