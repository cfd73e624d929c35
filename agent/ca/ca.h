#ifndef HF_CA_CA_H
#define HF_CA_CA_H

#include "io/io.h"
#include "pkcs11/remote/remote.h"
#include "signer/signer.h"

/** The built-in signer: certificates by a CA key that is itself on a token. */

enum { CA_TTL_S = 3600, CA_TTL_MAX_S = 86400, CA_BACKDATE_S = 30, CA_SERIALS_A_BLOCK = 1024 };

/** What a role may certify. */
struct ca_role {
    const char *name;
    char *const *principals; /* NULL-terminated; "*" is anyone */
    int64_t ttl_s;           /* where the request names none; 0: CA_TTL_S, or the maximum */
    int64_t max_ttl_s;       /* 0: CA_TTL_MAX_S, or ttl_s if that is longer */
    const struct ssh_cert_option *extensions; /* allowed, and given where none are asked for; NULL:
                                                 the five that OpenSSH's own tool gives */
};

struct ca_conf {
    const char *name;
    const char *key_uri;
    const struct ca_role *roles;
    size_t roles_n;
};

/**
 * ca_new() - a signer over @remote, which must outlive it
 * @conf:      deep-copied
 * @state_dir: keeps the high-water mark of the serials ("ca-NAME.serial"); made if missing
 * @ret:       name and self are freed by ret->ops->free(ret->self)
 * A request without a role gets the only one there is. Critical options are signed as asked: they
 * only take rights away. Errors of a request: DENIED (principal, lifetime or extension outside the
 * role; the CA's own key), INPUT (no such role), STORE (serials), else as remote_key_find() and
 * remote_sign() say.
 * Errors: INPUT (bad name, no roles), STORE, DENIED (state folder)
 */
struct err *ca_new(struct io_loop *l, struct remote *remote, const struct ca_conf *conf,
                   const char *state_dir, struct signer *ret) MUST_CHECK;

#endif
