#ifndef HF_ENROLL_PROVE_PRIV_H
#define HF_ENROLL_PROVE_PRIV_H

#include <openssl/x509.h>

#include "enroll/names.h"
#include "enroll/prove.h"

/* What read.c and chain.c give to each other and to prove.c. */

/** enroll_pem_read() - all certificates of a PEM text, none for ""; CERT, LIMIT, NOMEM */
struct err *enroll_pem_read(const char *pem, STACK_OF(X509) * *ret) MUST_CHECK;
/** enroll_pem_write() - one PEM text of them all, "" for none (caller owns) */
struct err *enroll_pem_write(STACK_OF(X509) * list, char **ret) MUST_CHECK;
/** enroll_cert_of() - what a certificate says */
struct err *enroll_cert_of(X509 *cert, struct enroll_cert *ret) MUST_CHECK;
/** enroll_cert_with() - what a certificate says, with that chain */
struct err *enroll_cert_with(X509 *x, STACK_OF(X509) * from, struct enroll_cert *ret) MUST_CHECK;
/** enroll_name_line() - "CN = web" (caller owns; NULL: no memory) */
char *enroll_name_line(const X509_NAME *name);

/* for AUTO() */
void enroll_stack_auto(STACK_OF(X509) * *list);

#endif
