#ifndef HF_ENROLL_X509_H
#define HF_ENROLL_X509_H

#include "enroll/chain.h"
#include "pkcs11/remote/remote.h"
#include "vault/vault.h"

/**
 * One X.509 certificate for one key on a token, in four parts that are called one after the other:
 * the token signs the request, a PKI engine answers it, the answer is proven, the token stores it.
 */
struct enroll_x509;

struct enroll_x509_conf {
    struct remote *remote; /* both outlive it */
    struct vault *vault;
    struct remote_key *key; /* a reference is taken */
    struct enroll_subject subject;
    const char *mount, *role; /* of the PKI engine */
    int64_t ttl_s;            /* 0: the role's */
    const char *ca_pem;       /* see struct enroll_asked */
    struct mono deadline;
};

/** Takes an error, or NULL for success. It may run before the call returns that it was given to. */
typedef void enroll_done_fn(void *arg, struct err *e);

/** enroll_x509_new() - @conf is deep-copied. Errors: those of enroll_csr_new(), NOMEM */
struct err *enroll_x509_new(const struct enroll_x509_conf *conf, struct enroll_x509 **ret)
    MUST_CHECK;
/** enroll_x509_free() - no callback runs any more; a certificate that is just being stored is */
void enroll_x509_free(struct enroll_x509 **x);

/** enroll_x509_request() - have the token sign it. enroll_x509_issue() - have @target's server answer
 * it. enroll_x509_store() - have the token store what was proven */
void enroll_x509_request(struct enroll_x509 *x, enroll_done_fn *on_done, void *arg);
void enroll_x509_issue(struct enroll_x509 *x, const struct vault_target *target,
                       enroll_done_fn *on_done, void *arg);
/** enroll_x509_prove() - what came back; CERT */
struct err *enroll_x509_prove(struct enroll_x509 *x) MUST_CHECK;
void enroll_x509_store(struct enroll_x509 *x, enroll_done_fn *on_done, void *arg);
/** enroll_x509_cert() - what was proven; borrowed */
const struct enroll_cert *enroll_x509_cert(const struct enroll_x509 *x);

#endif
