/*
 * What a client wants signed. The answer decides which rule applies, so reading is strict: what does
 * not parse to its last byte is of unknown kind, and whoever asks decides what that may do.
 *
 * The two kinds cannot be confused: read as the length of a session id, "SSHS" is over a gigabyte.
 */
#include "ssh/payload.h"

enum { SSH2_MSG_USERAUTH_REQUEST = 50 };

static bool is_text(struct view v)
{
    return v.len > 0 && !view_has_nul(v);
}

/* Spec: RFC 4252, 7 "publickey"; OpenSSH PROTOCOL, 3.1 for the method with the host key */
static bool read_userauth(struct view data, struct ssh_payload *p)
{
    struct rd r = rd_of(data);

    p->session_id = rd_string(&r);
    bool good = rd_u8(&r) == SSH2_MSG_USERAUTH_REQUEST;

    p->user = rd_string(&r);
    good = good && view_is(rd_string(&r), "ssh-connection");
    struct view method = rd_string(&r);

    good = good && rd_u8(&r) == 1; /* a signature follows */
    p->alg_name = rd_string(&r);
    p->key_blob = rd_string(&r);
    if (view_is(method, "publickey-hostbound-v00@openssh.com")) {
        p->host_key = rd_string(&r);
        good = good && p->host_key.len > 0;
    } else {
        good = good && view_is(method, "publickey");
    }
    p->kind = SSH_PAYLOAD_USERAUTH;
    p->alg = ssh_alg_find(p->alg_name);
    return good && !rd_failed(&r) && rd_at_end(&r) && p->session_id.len > 0 &&
           p->session_id.len <= SSH_SESSION_ID_MAX_BYTES && !view_has_nul(p->user) &&
           is_text(p->alg_name) && p->key_blob.len > 0;
}

/* Spec: OpenSSH PROTOCOL.sshsig, 3 */
static bool read_sshsig(struct view data, struct ssh_payload *p)
{
    struct rd r = rd_of(data);
    bool good = view_is(rd_bytes(&r, 6), "SSHSIG");

    p->namespace_ = rd_string(&r);
    rd_string(&r); /* reserved: to be ignored */
    p->hash_name = rd_string(&r);
    size_t hash_bytes = rd_string(&r).len;

    p->kind = SSH_PAYLOAD_SSHSIG;
    return good && !rd_failed(&r) && rd_at_end(&r) && is_text(p->namespace_) &&
           ((view_is(p->hash_name, "sha256") && hash_bytes == 32) ||
            (view_is(p->hash_name, "sha512") && hash_bytes == 64));
}

void ssh_payload_read(struct view data, struct ssh_payload *ret)
{
    const struct ssh_payload unknown = {.kind = SSH_PAYLOAD_UNKNOWN};

    *ret = unknown;
    if (!read_userauth(data, ret)) {
        *ret = unknown;
        if (!read_sshsig(data, ret)) {
            *ret = unknown;
        }
    }
    ret->len = data.len;
}
