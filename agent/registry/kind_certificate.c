/*
 * Certificates: X.509 certificates in PEM, one or a chain, that connectors trust. The spec is the
 * text alone; what it says (subjects, validity, order) is read once, when it is put in, and kept as
 * facts. Whether it has expired depends on the day, so warnings are made whenever it is shown.
 *
 * Shown beside the spec: "certificates" [{subject, issuer, serial, fingerprint_sha256, not_before,
 * not_after}], "order" ("single", "leaf first", or a sentence that says what is wrong with it) and
 * "warnings".
 */
#include <limits.h>

#include "registry/kind.h"
#include "registry/x509.h"

static const struct registry_member members[] = {
    {"pem", REGISTRY_TEXT, .required = true, .bulky = true, .plain = true, .max = LLONG_MAX,
     .about = "certificates in PEM, 1..100, one after the other"},
    {.name = NULL},
};

static struct err *facts(const json_t *spec, json_t **ret)
{
    const json_t *pem = json_object_get(spec, "pem");

    return registry_x509_read(view_of(json_string_value(pem), json_string_length(pem)), ret);
}

const struct registry_kind_row registry_kind_certificate = {
    .word = "certificate",
    .title = "Certificate",
    .members = members,
    .facts = facts,
    .warn = registry_x509_warn,
};
