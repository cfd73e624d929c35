#ifndef HF_SSH_PAYLOAD_H
#define HF_SSH_PAYLOAD_H

#include "ssh/cert.h"

/** What the bytes of a sign request are. */
enum ssh_payload_kind {
    SSH_PAYLOAD_USERAUTH, /* RFC 4252, 7 or publickey-hostbound-v00@openssh.com */
    SSH_PAYLOAD_SSHSIG,   /* PROTOCOL.sshsig */
    SSH_PAYLOAD_UNKNOWN,
};

/** Views into the request; valid as long as it is. */
struct ssh_payload {
    enum ssh_payload_kind kind;
    size_t len;             /* of all of it */
    struct view session_id; /* userauth */
    struct view user;
    struct view alg_name;   /* public key algorithm named in the request */
    enum ssh_alg alg;       /* SSH_ALG_NONE when unknown */
    struct view key_blob;   /* key or certificate being proven */
    struct view host_key;   /* hostbound only, else empty */
    struct view namespace_; /* sshsig */
    struct view hash_name;
};

/** ssh_payload_read() - classify; anything that does not parse to the last byte is UNKNOWN */
void ssh_payload_read(struct view data, struct ssh_payload *ret);

/** One session-bind@openssh.com message (Spec: OpenSSH PROTOCOL.agent, 1). */
struct ssh_bind {
    struct view host_key;
    struct view session_id;
    struct view signature;
    bool is_forwarding;
};

enum { SSH_SESSION_ID_MAX_BYTES = 128 };

/** ssh_bind_read() - parse the extension's body; PROTOCOL */
struct err *ssh_bind_read(struct rd *r, struct ssh_bind *ret) MUST_CHECK;
/** ssh_bind_verify() - the host's signature over the session id. A host key may be a certificate:
 * then its key is used. DENIED, PROTOCOL, UNSUPPORTED */
struct err *ssh_bind_verify(const struct ssh_bind *bind) MUST_CHECK;

#endif
