/*
 * session-bind@openssh.com: a client shows the host key and the session id of the connection it is
 * about to authenticate on, with the host's signature over that id. This file says whether the
 * message is well formed and true; what follows from it is up to protocol/ and policy/.
 */
#include "ssh/payload.h"

struct err *ssh_bind_read(struct rd *r, struct ssh_bind *ret)
{
    struct ssh_bind bind;

    bind.host_key = rd_string(r);
    bind.session_id = rd_string(r);
    bind.signature = rd_string(r);
    bind.is_forwarding = rd_bool(r);
    struct err *e = rd_end(r, "session-bind");

    if (e != NULL) {
        return e;
    }
    if (bind.session_id.len == 0 || bind.session_id.len > SSH_SESSION_ID_MAX_BYTES) {
        return err_new(ERR_PROTOCOL, "session-bind: a session id of %zu bytes; 1 to %d",
                       bind.session_id.len, SSH_SESSION_ID_MAX_BYTES);
    }
    *ret = bind;
    return NULL;
}

struct err *ssh_bind_verify(const struct ssh_bind *bind)
{
    AUTO(ssh_key_free) struct ssh_key *key = NULL;
    AUTO(ssh_cert_free) struct ssh_cert *cert = NULL;
    struct err *e;

    if (ssh_cert_is_blob(bind->host_key)) {
        e = ssh_cert_from_blob(bind->host_key, &cert);
        key = e == NULL ? ssh_key_copy(ssh_cert_key(cert)) : NULL;
    } else {
        e = ssh_key_from_blob(bind->host_key, &key);
    }
    if (e == NULL) {
        e = ssh_sig_verify(key, bind->signature, bind->session_id, NULL);
    }
    return err_add(e, "session-bind");
}
