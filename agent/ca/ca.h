#ifndef HF_CA_CA_H
#define HF_CA_CA_H

#include "audit/audit.h"
#include "io/io.h"
#include "pkcs11/remote/remote.h"
#include "signer/signer.h"

/** The built-in signer: certificates by a CA key that is itself on a token. */

enum {
    CA_TTL_S = 3600,
    CA_TTL_MAX_S = 86400,
    CA_BACKDATE_S = 30,
    CA_SERIALS_A_BLOCK = 1024,
    CA_REVOKED_MAX = 10000,
};

/** What a role may certify. */
struct ca_role {
    const char *name;
    char *const *principals; /* NULL-terminated; "*" is anyone */
    int64_t ttl_s;           /* where the request names none; 0: CA_TTL_S, or the maximum */
    int64_t max_ttl_s;       /* 0: CA_TTL_MAX_S, or ttl_s if that is longer */
    const struct ssh_cert_option *extensions; /* allowed, and given where none are asked for; where
                                                 a wish goes beyond them, none are given; NULL: the
                                                 five that OpenSSH's own tool gives */
};

struct ca_conf {
    const char *name;
    const char *key_uri;
    const struct ca_role *roles;
    size_t roles_n;
    const char *krl;     /* where the list of revoked certificates goes; NULL: "ca-NAME.krl" beside
                            the state */
    struct audit *audit; /* borrowed; NULL: none */
};

/**
 * ca_new() - a signer over @remote, which must outlive it
 * @conf:      deep-copied
 * @state_dir: keeps the high-water mark of the serials ("ca-NAME.serial") and what is revoked
 *             ("ca-NAME.revoked"); made if missing
 * @ret:       name and self are freed by ret->ops->free(ret->self)
 * A request without a role gets the only one there is. Critical options are signed as asked: they
 * only take rights away. Errors of a request: DENIED (principal, lifetime or extension outside the
 * role; the CA's own key), INPUT (no such role), STORE (serials), else as remote_key_find() and
 * remote_sign() say.
 * Errors: INPUT (bad name, no roles), STORE, DENIED (state folder)
 */
struct err *ca_new(struct io_loop *l, struct remote *remote, const struct ca_conf *conf,
                   const char *state_dir, struct signer *ret) MUST_CHECK;

/* --- revoking ----------------------------------------------------------------------------------- */

/** A certificate, or all that have a key id, taken back. */
struct ca_revocation {
    uint64_t serial;          /* 0: by key id */
    const char *key_id;       /* NULL: by serial */
    const char *reason;       /* NULL: none was given */
    const struct ssh_key *ca; /* whose certificates it is about; set by ca_revoke() */
    struct wall at;
    struct wall until; /* when it would have ended: it leaves the list a day later; 0: never */
};

/** The built-in signer behind a struct signer. */
struct ca;
/** ca_of() - NULL when the signer is of another kind */
struct ca *ca_of(const struct signer *s);
/** ca_look() - tokens or keys changed: true when the CA's key can be used and could not, or was not
 * there, when this was last called */
bool ca_look(struct ca *ca);

/** Takes an error, or NULL once the new list is on disk. */
typedef void ca_done_fn(void *arg, struct err *e);
/**
 * ca_revoke() - add to the list of what is revoked, and write the KRL anew
 * @what: copied; its time is now
 * Once more is no error and changes nothing. sshd reads the KRL (RevokedKeys) at each login; until it
 * does, and on hosts that do not have it, the certificate is good to its end.
 * Errors: INPUT (neither serial nor key id; a serial that was never given), LIMIT, GONE (the CA's key
 * was never seen, so nothing can be tied to it), STORE
 */
void ca_revoke(struct ca *ca, const struct ca_revocation *what, ca_done_fn *on_done, void *arg);
/** ca_revocations(), ca_revocation_at() - the list; borrowed until it changes */
size_t ca_revocations(const struct ca *ca);
const struct ca_revocation *ca_revocation_at(const struct ca *ca, size_t i);
/** ca_krl_path() - where the KRL is; it is there from the start on, without entries at first */
const char *ca_krl_path(const struct ca *ca);
/** ca_problem() - why the list or the KRL on disk is not the one of now, after a write that failed;
 * NULL: it is. Borrowed */
const struct err *ca_problem(const struct ca *ca);
/** ca_key_line() - the CA's public key, "type base64" (caller owns); NULL while it was never seen */
char *ca_key_line(const struct ca *ca);

#endif
