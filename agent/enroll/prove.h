#ifndef HF_ENROLL_PROVE_H
#define HF_ENROLL_PROVE_H

#include "enroll/csr.h"

enum {
    ENROLL_PEM_MAX_BYTES = 64 * 1024,
    ENROLL_CHAIN_MAX = 8,
    ENROLL_SKEW_S = 300, /* that a clock may be off, and that a certificate may be longer */
    ENROLL_TTL_MAX_S = 825 * 86400, /* where no time was asked for */
};

/** What was asked of a CA. All is borrowed. */
struct enroll_asked {
    const struct ssh_key *key;
    struct enroll_subject subject;
    int64_t ttl_s;      /* 0: as the role says */
    const char *ca_pem; /* the CA that has to have issued it, or stand above who did; NULL: any */
    struct wall now;
};

/** A certificate, read. */
struct enroll_cert {
    char *pem, *chain_pem;  /* the chain without it and without a root; "" for none */
    struct buf der;         /* of the certificate alone */
    char *serial;           /* "4d:3c:..." as Vault writes it */
    char *subject, *issuer; /* "CN = web" */
    char *common_name;
    char **alt_names; /* as struct enroll_subject has them; NULL: none */
    struct wall not_before, not_after;
};

/**
 * enroll_prove() - is what a CA sent a certificate that was asked for
 * @cert_pem: one certificate
 * @chain_pem: whom it says to be issued by, and who stands above; NULL: nothing came along
 * @ret: caller ends it with enroll_cert_deinit(); written on success only
 * Proven: its key, that it is no CA's, its time, that it may be used as a TLS client, its names, and
 * its signature, by a CA that came along or is configured.
 * Errors: CERT with what is wrong in words; LIMIT, NOMEM
 * Spec: RFC 5280, 4 and 6
 */
struct err *enroll_prove(const struct enroll_asked *asked, const char *cert_pem,
                         const char *chain_pem, struct enroll_cert *ret) MUST_CHECK;
void enroll_cert_deinit(struct enroll_cert *c);

/** enroll_cert_read_pem() - read the first certificate of a text, without judging it
 * Errors: CERT, NOMEM */
struct err *enroll_cert_read_pem(const char *pem, struct enroll_cert *ret) MUST_CHECK;
/** enroll_public_pem() - SubjectPublicKeyInfo of a key (caller owns; NULL: no memory) */
char *enroll_public_pem(const struct ssh_key *key);
/** enroll_cert_due() - when to renew it: two thirds of its time */
struct wall enroll_cert_due(const struct enroll_cert *c);

#endif
