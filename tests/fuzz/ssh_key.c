/* Public keys: as a blob and as a line. What is accepted is canonical: it comes out as it went in. */
#include <stdlib.h>

#include "ssh/ssh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_blob(struct view blob)
{
    AUTO(ssh_key_free) struct ssh_key *k = NULL;
    AUTO(ssh_key_free) struct ssh_key *again = NULL;
    AUTO(err_free) struct err *e = ssh_key_from_blob(blob, &k);

    if (e != NULL) {
        return;
    }
    AUTO(auto_free) char *line = ssh_key_line(k, "fuzz");

    if (!view_eq(ssh_key_blob(k), blob) || ssh_key_evp(k) == NULL || ssh_key_bits(k) == 0) {
        abort();
    }
    e = ssh_key_from_line(line, &again);
    if (e != NULL || !ssh_key_eq(k, again)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    AUTO(auto_free) char *line = view_dup(view_of(data, len));
    AUTO(ssh_key_free) struct ssh_key *k = NULL;
    AUTO(err_free) struct err *e = ssh_key_from_line(line, &k);

    if ((e == NULL) != (k != NULL)) {
        abort();
    }
    check_blob(view_of(data, len));
    return 0;
}
