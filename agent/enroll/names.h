#ifndef HF_ENROLL_NAMES_H
#define HF_ENROLL_NAMES_H

#include <openssl/x509v3.h>

#include "enroll/csr.h"

/* For the files of enroll/ only: who a certificate is for, as OpenSSL has it. */

/** enroll_names_check() - INPUT: no common name, or a name that cannot be in a certificate */
struct err *enroll_names_check(const struct enroll_subject *s) MUST_CHECK;
/** enroll_names_general() - the alternative names; NULL when there are none (caller:
 * GENERAL_NAMES_free()). INPUT, NOMEM */
struct err *enroll_names_general(const struct enroll_subject *s, GENERAL_NAMES **ret) MUST_CHECK;
/** enroll_names_text() - "DNS:a.example", as enroll_names_general() reads it (caller owns; NULL:
 * another kind of name, or no memory) */
char *enroll_names_text(const GENERAL_NAME *name);
/** enroll_names_common() - the common name (caller owns); CERT where there is none, or several */
struct err *enroll_names_common(const X509_NAME *name, char **ret) MUST_CHECK;

/* for AUTO() */
void enroll_names_free(GENERAL_NAMES **names);

#endif
