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
