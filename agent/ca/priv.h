#ifndef HF_CA_PRIV_H
#define HF_CA_PRIV_H

/* Between the files of ca/ only. */
#include "ca/ca.h"

/* --- serial.c --- */
struct ca_serial;
/** ca_serial_new() - @path: the file of the high-water mark. STORE when it cannot be read, or does
 * not hold a number */
struct err *ca_serial_new(struct io_loop *l, const char *path, struct ca_serial **ret) MUST_CHECK;
void ca_serial_free(struct ca_serial **s);
/** ca_serial_take() - a number that was never given before. STORE when none could be reserved */
struct err *ca_serial_take(struct ca_serial *s, uint64_t *ret) MUST_CHECK;

/** ca_serial_was_given() - could this number have been given by now */
bool ca_serial_was_given(const struct ca_serial *s, uint64_t number);

/* --- krl.c --- */
/** ca_krl_put() - a key revocation list: a section for each CA that the entries name
 * @version: grows with each list
 * Spec: OpenSSH PROTOCOL.krl */
void ca_krl_put(struct buf *b, const struct ca_revocation *list, size_t n, uint64_t version,
                struct wall now);

/* --- revoked.c --- */
struct ca_revoked;
/** ca_revoked_new() - read the list, and see to it that there is a KRL. STORE (a file that does not
 * hold a list), NOMEM */
struct err *ca_revoked_new(struct io_loop *l, const char *state_path, const char *krl_path,
                           struct ca_revoked **ret) MUST_CHECK;
void ca_revoked_free(struct ca_revoked **r);
/** ca_revoked_see_key() - the CA's key as it is on its token */
void ca_revoked_see_key(struct ca_revoked *r, const struct ssh_key *key);
/** ca_revoked_key() - NULL while it was never seen */
const struct ssh_key *ca_revoked_key(const struct ca_revoked *r);
/** ca_revoked_add() - see ca_revoke(). True when the list has grown */
bool ca_revoked_add(struct ca_revoked *r, const struct ca_revocation *what, ca_done_fn *on_done,
                    void *arg);
size_t ca_revoked_count(const struct ca_revoked *r);
const struct ca_revocation *ca_revoked_at(const struct ca_revoked *r, size_t i);
const char *ca_revoked_krl_path(const struct ca_revoked *r);
/** ca_revoked_problem() - why the files are not what they should be, since a write failed; NULL: they
 * are. Borrowed */
const struct err *ca_revoked_problem(const struct ca_revoked *r);

/* --- role.c --- */
/** ca_roles_copy() - deep copy (caller owns); INPUT without roles or principals, NOMEM */
struct err *ca_roles_copy(const struct ca_role *from, size_t n, struct ca_role **ret) MUST_CHECK;
void ca_roles_free(struct ca_role **roles, size_t n);
/** ca_role_find() - @name NULL: the only one. INPUT when there is none */
struct err *ca_role_find(const struct ca_role *roles, size_t n, const char *name,
                         const struct ca_role **ret) MUST_CHECK;
/** ca_role_allows() - DENIED names the first thing that the role does not allow */
struct err *ca_role_allows(const struct ca_role *role, const struct signer_request *q) MUST_CHECK;
/** ca_role_ttl() - what to sign for the request */
int64_t ca_role_ttl(const struct ca_role *role, const struct signer_request *q);
/** ca_role_extensions() - what to sign for the request; borrowed */
const struct ssh_cert_option *ca_role_extensions(const struct ca_role *role,
                                                 const struct signer_request *q);

#endif
