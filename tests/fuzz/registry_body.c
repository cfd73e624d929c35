/* Bodies of all kinds, as they come from the API: what is taken can be read back, and its own body is
 * taken again without a difference. The first byte chooses the kind. */
#include <stdlib.h>

#include "registry/resource.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_back(const struct store_entry *row)
{
    json_t *shown = NULL;
    AUTO(err_free) struct err *e = registry_resource_show(row, false, &shown);

    if (e != NULL) {
        abort();
    }
    json_t *body =
        json_pack("{s:O, s:O, s:O, s:O}", "name", json_object_get(shown, "name"), "description",
                  json_object_get(shown, "description"), "tags", json_object_get(shown, "tags"),
                  "spec", json_object_get(shown, "spec"));
    enum registry_kind k = REGISTRY_CERTIFICATE;
    AUTO(store_entry_deinit) struct store_entry again = {0};
    bool known = registry_kind_find(row->key.kind, &k);

    e = registry_resource_make(&(struct registry_place){k, "account", NULL, NULL, NULL}, body,
                               &again);
    if (!known || e != NULL || strcmp(again.body, row->body) != 0) {
        abort();
    }
    json_decref(body);
    json_decref(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    AUTO(store_entry_deinit) struct store_entry row = {0};

    if (len < 1) {
        return 0;
    }
    json_t *body = json_loadb((const char *)data + 1, len - 1, 0, NULL);
    enum registry_kind k = (enum registry_kind)(data[0] % REGISTRY_KINDS);

    if (body != NULL) {
        AUTO(err_free) struct err *e = registry_resource_make(
            &(struct registry_place){k, "account", NULL, NULL, NULL}, body, &row);

        if (e == NULL) {
            read_back(&row);
        }
    }
    json_decref(body);
    return 0;
}
