/* Ansible inventories, in both forms. What comes out fits an infrastructure's spec. */
#include <stdlib.h>

#include "registry/kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const char *name, struct view text)
{
    json_t *read = NULL;
    json_t *facts = NULL;
    AUTO(err_free) struct err *e = registry_inventory_read(name, text, &read);

    if (e != NULL) {
        return;
    }
    json_t *spec = json_pack("{s:s, s:O}", "ssh_key", "k", "hosts", json_object_get(read, "hosts"));

    if (json_array_size(json_object_get(read, "hosts")) > 0) {
        e = registry_spec_check(REGISTRY_INFRASTRUCTURE, spec, &facts);
    }
    if (e != NULL) {
        abort();
    }
    json_decref(facts);
    json_decref(spec);
    json_decref(read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    check("hosts", view_of(data, len));
    check("hosts.yml", view_of(data, len));
    return 0;
}
