/* known_hosts: whatever a file holds, what is found in it is a line of it that names the host, and
 * ssh-keyscan's output, which any host can shape, never becomes more than bounded certificates. */
#include <stdlib.h>

#include "connect/host_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned count_lines(struct view text)
{
    unsigned n = 1;

    for (size_t i = 0; i < text.len; i++) {
        n += text.p[i] == '\n';
    }
    return n;
}

static void check_known(struct view text)
{
    AUTO(connect_known_free) struct connect_known *k = NULL;
    AUTO(err_free) struct err *e = connect_known_new("web.example", 2222, &k);

    if (e != NULL) {
        abort();
    }
    e = connect_known_scan(k, "FILE", text);
    if (e != NULL && err_code(e) != ERR_INPUT && err_code(e) != ERR_LIMIT) {
        abort();
    }
    for (size_t i = 0; i < k->count; i++) {
        const struct connect_known_entry *entry = &k->entries[i];

        if (entry->line == 0 || entry->line > count_lines(text) || entry->key == NULL) {
            abort();
        }
        if (connect_known_find(k, entry->kind, entry->key) == NULL) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct connect_certs certs = {0};
    AUTO(err_free) struct err *e = NULL;

    check_known(view_of(data, len));
    e = connect_certs_read(&certs, view_of(data, len));
    if (e != NULL || certs.count > CONNECT_CERTS_MAX || certs.remark == NULL) {
        abort();
    }
    connect_certs_deinit(&certs);
    return 0;
}
