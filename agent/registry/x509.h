#ifndef HF_REGISTRY_X509_H
#define HF_REGISTRY_X509_H

#include <jansson.h>

#include "base/base.h"

/* For the files of registry/ only. */
enum { REGISTRY_PEM_MAX_BYTES = 896 * 1024, REGISTRY_EXPIRY_WARNING_DAYS = 30 };

/**
 * registry_x509_read() - what a PEM text says
 * @pem: 1..REGISTRY_CERTIFICATES_MAX certificates; between them only white space
 * @ret: {"certificates": [{"subject", "issuer", "serial", "fingerprint_sha256", "not_before",
 *       "not_after"}], "order": text}; new reference
 * Errors: INPUT and LIMIT "Invalid request: Certificate is not a valid X509 Certificate: ..." with the
 * certificate's number and line; of a private key nothing is repeated
 * Spec: RFC 7468, 2 and 5
 */
struct err *registry_x509_read(struct view pem, json_t **ret) MUST_CHECK;

/** registry_x509_warn() - expired, not yet valid, or about to expire: texts added to @list */
struct err *registry_x509_warn(const json_t *facts, struct wall now, json_t *list) MUST_CHECK;

#endif
