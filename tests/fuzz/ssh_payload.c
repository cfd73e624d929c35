/* Signed payloads, and session-bind messages: all views stay within the input. */
#include <stdlib.h>

#include "ssh/ssh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(struct view part, struct view whole)
{
    if (part.len > 0 && (part.p < whole.p || part.p + part.len > whole.p + whole.len)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct view whole = view_of(data, len);
    struct rd r = rd_of(whole);
    struct ssh_payload p;
    struct ssh_bind bind;

    ssh_payload_read(whole, &p);
    check(p.session_id, whole);
    check(p.user, whole);
    check(p.alg_name, whole);
    check(p.key_blob, whole);
    check(p.host_key, whole);
    check(p.namespace_, whole);
    check(p.hash_name, whole);
    if ((p.kind == SSH_PAYLOAD_USERAUTH) != (p.session_id.len > 0) ||
        (p.kind == SSH_PAYLOAD_SSHSIG) != (p.namespace_.len > 0)) {
        abort();
    }
    AUTO(err_free) struct err *e = ssh_bind_read(&r, &bind);

    if (e == NULL) {
        e = ssh_bind_verify(&bind);
    }
    return 0;
}
