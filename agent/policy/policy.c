/*
 * Who may list and sign what. Pure: it sees the whole request and says yes or no, it never looks
 * anything up. The rules are the same for everybody on a socket: what its view leaves out does not
 * exist there. Beyond that, what they protect against is a client that has something signed which
 * is not what it claims to be: a login in the name of another key, a login on another connection
 * than the one it proved, or bytes that could mean anything.
 */
#include "policy/policy.h"

bool policy_list_varies(const struct policy_request *r)
{
    (void)r;
    return false;
}

enum policy_verdict policy_list(const struct policy_request *r,
                                const struct identity_offer_line *offer)
{
    return policy_shows(r->view, offer->identity) ? POLICY_ALLOW : POLICY_DENY;
}

/* A client that was given a certificate in a file signs with the plain key while its request names
 * the certificate (OpenSSH: CertificateFile). It is the same key, so it is the same right. */
static bool is_certificate_of(struct view blob, const struct ssh_key *key)
{
    AUTO(ssh_cert_free) struct ssh_cert *cert = NULL;

    if (!ssh_cert_is_blob(blob)) {
        return false;
    }
    AUTO(err_free) struct err *e = ssh_cert_from_blob(blob, &cert);

    return e == NULL && ssh_key_eq(ssh_cert_key(cert), key);
}

static bool names_signing_key(const struct ssh_payload *p, const struct identity_use *use)
{
    const struct ssh_key *key = identity_public(use->identity);

    return view_eq(p->key_blob, ssh_key_blob(key)) ||
           (use->cert != NULL && view_eq(p->key_blob, ssh_cert_blob(use->cert))) ||
           is_certificate_of(p->key_blob, key);
}

/* Spec: OpenSSH PROTOCOL.agent, 1: a login belongs to the session that was bound last, and one
 * that names its host key (publickey-hostbound-v00@openssh.com) to that host. Where that session
 * forwards the agent, the login may be for one beyond it: clients there need not bind theirs
 * (OpenSSH before 8.9, PuTTY, paramiko). */
static const char *check_binding(const struct policy_request *r)
{
    if (r->bindings_n == 0) {
        return NULL;
    }
    const struct policy_binding *last = &r->bindings[r->bindings_n - 1];
    const struct ssh_payload *p = r->payload;

    if (!view_eq(p->session_id, view_of(last->session_id, last->session_id_len))) {
        return last->is_forwarding ? NULL
                                   : "the login is for another session than the one bound to this "
                                     "connection";
    }
    if (p->host_key.len > 0 && !view_eq(p->host_key, view_of(last->host_key, last->host_key_len))) {
        return "the login names another host key than the one bound to this connection";
    }
    return NULL;
}

/* What sshd has its HostKeyAgent sign: the exchange hash alone, by SHA-256, SHA-384 or SHA-512. A
 * login's data is never that short. Spec: RFC 4253, 8 */
static bool is_exchange_hash(const struct ssh_payload *p)
{
    return p->len == 32 || p->len == 48 || p->len == 64;
}

/* Only a key that is declared to be a host's: what any other key signs has a meaning. */
static bool is_of_host(const struct identity *i)
{
    for (size_t k = 0; k < identity_certs(i); k++) {
        if (identity_cert_want(identity_cert_at((struct identity *)i, k))->request.kind ==
            SSH_CERT_HOST) {
            return true;
        }
    }
    return false;
}

static const char *why_not(const struct policy_request *r, const struct identity_use *use)
{
    switch (r->payload->kind) {
    case SSH_PAYLOAD_USERAUTH:
        return names_signing_key(r->payload, use)
                   ? check_binding(r)
                   : "the login names another key than the one that is to sign";
    case SSH_PAYLOAD_SSHSIG:
        return NULL;
    case SSH_PAYLOAD_UNKNOWN:
        if (is_exchange_hash(r->payload) && is_of_host(use->identity)) {
            return NULL;
        }
        break;
    }
    return "the data is neither a login nor an SSHSIG";
}

enum policy_verdict policy_sign(const struct policy_request *r, const struct identity_use *use,
                                const char **ret_why)
{
    const char *why = policy_shows(r->view, use->identity)
                          ? why_not(r, use)
                          : "the identity belongs to another socket";

    if (why == NULL) {
        return POLICY_ALLOW;
    }
    *ret_why = why;
    return POLICY_DENY;
}
