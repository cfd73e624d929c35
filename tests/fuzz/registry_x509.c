/* Certificates in PEM. What is taken has at least one certificate and an order; what is not says so in
 * the words that were promised. */
#include <stdlib.h>

#include "registry/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char start[] = "Invalid request: Certificate is not a valid X509 Certificate: ";
    json_t *facts = NULL;
    AUTO(err_free) struct err *e = registry_x509_read(view_of(data, len), &facts);

    if (e != NULL && strncmp(err_text(e), start, strlen(start)) != 0) {
        abort();
    }
    if (e == NULL && (json_array_size(json_object_get(facts, "certificates")) == 0 ||
                      json_object_get(facts, "order") == NULL)) {
        abort();
    }
    json_decref(facts);
    return 0;
}
