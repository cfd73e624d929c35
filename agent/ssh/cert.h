#ifndef HF_SSH_CERT_H
#define HF_SSH_CERT_H

#include "ssh/option.h"
#include "ssh/sig.h"

/** Spec: draft-miller-ssh-cert (OpenSSH PROTOCOL.certkeys). */
enum ssh_cert_kind { SSH_CERT_USER = 1, SSH_CERT_HOST = 2 };

enum { SSH_CERT_PRINCIPALS_MAX = 256, SSH_CERT_OPTIONS_MAX = 64 };
#define SSH_CERT_FOREVER UINT64_MAX

/** The fields of a certificate, for reading and, by a signer, for writing. */
struct ssh_cert_fields {
    uint64_t serial;
    enum ssh_cert_kind kind;
    char *key_id;
    char **principals;                  /* NULL-terminated; NULL when none */
    uint64_t valid_after, valid_before; /* seconds since 1970; valid_after <= t < valid_before */
    struct ssh_cert_option *critical;   /* ends with a NULL name; NULL when none */
    struct ssh_cert_option *extensions;
};

/** A parsed certificate. Immutable. Parsing does not verify: see ssh_cert_verify(). */
struct ssh_cert;

/** ssh_cert_is_blob() - does the blob start with a certificate type name */
bool ssh_cert_is_blob(struct view blob);
/** ssh_cert_from_blob() - PROTOCOL when malformed (options must be in lexical order and unique,
 * no trailing bytes), UNSUPPORTED for key types we do not know, LIMIT */
struct err *ssh_cert_from_blob(struct view blob, struct ssh_cert **ret) MUST_CHECK;
/** ssh_cert_from_line() - "ecdsa-...-cert-v01@openssh.com base64 [comment]", a newline allowed
 * Errors: INPUT (not such a line, or no certificate in it), UNSUPPORTED, LIMIT */
struct err *ssh_cert_from_line(const char *line, struct ssh_cert **ret) MUST_CHECK;
void ssh_cert_free(struct ssh_cert **c);

/** ssh_cert_share() - have it use @key and @ca (NULL: unknown) where they are the keys it names: many
 * certificates of a key, or of a CA, then hold that once. Before others see it */
void ssh_cert_share(struct ssh_cert *c, const struct ssh_key *key, const struct ssh_key *ca);

/** ssh_cert_fields() - borrowed from the certificate */
const struct ssh_cert_fields *ssh_cert_fields(const struct ssh_cert *c);
/** ssh_cert_key() - the certified key; ssh_cert_ca() - the signing key; borrowed */
const struct ssh_key *ssh_cert_key(const struct ssh_cert *c);
const struct ssh_key *ssh_cert_ca(const struct ssh_cert *c);
struct view ssh_cert_blob(const struct ssh_cert *c);
/** ssh_cert_type_name() - "ssh-rsa-cert-v01@openssh.com", ... (static) */
const char *ssh_cert_type_name(const struct ssh_cert *c);
/** ssh_cert_line() - "type base64 comment" without newline (caller owns; @comment may be NULL) */
char *ssh_cert_line(const struct ssh_cert *c, const char *comment);

/** ssh_cert_verify() - the CA's signature over the certificate; CERT when wrong or SHA-1 */
struct err *ssh_cert_verify(const struct ssh_cert *c) MUST_CHECK;
/** ssh_cert_is_valid_at() - within the window */
bool ssh_cert_is_valid_at(const struct ssh_cert *c, struct wall t);

/** What a new certificate has to be before it may replace a working one. */
struct ssh_cert_wanted {
    const struct ssh_key *key;
    enum ssh_cert_kind kind;
    char *const *principals;                  /* exactly these, in any order; at least one */
    const struct ssh_key *ca;                 /* NULL: any CA */
    const struct ssh_cert_option *critical;   /* exactly these, name and value; NULL: the role's
                                                 own were asked for */
    const struct ssh_cert_option *extensions; /* allowed at most these names; NULL: any, as the
                                                 role's defaults were asked for */
    int64_t max_future_s;                     /* how far valid_after may lie ahead of @now */
    int64_t min_left_s;                       /* valid_before must lie at least this far ahead */
    int64_t max_ttl_s; /* 0: any; else valid_before - now may exceed it by 60 s at most */
};

/** ssh_cert_prove() - all of the above and the signature; CERT names the first that does not hold,
 * with both values */
struct err *ssh_cert_prove(const struct ssh_cert *c, const struct ssh_cert_wanted *wanted,
                           struct wall now) MUST_CHECK;

/** ssh_cert_put_tbs() - the bytes a CA signs: everything up to and including the CA key
 * @out:    empty
 * @fields: at least one principal, a window that is not empty; options in any order
 * @nonce:  at least 16 random bytes
 * Errors: INPUT (what the fields lack), LIMIT */
struct err *ssh_cert_put_tbs(struct buf *out, const struct ssh_key *key,
                             const struct ssh_cert_fields *fields, const struct ssh_key *ca,
                             struct view nonce) MUST_CHECK;
/** ssh_cert_finish() - append the CA's signature blob (of ssh_sig_put()) to the bytes of
 * ssh_cert_put_tbs(), which makes them the certificate; LIMIT. Does not verify */
struct err *ssh_cert_finish(struct buf *tbs, struct view sig_blob) MUST_CHECK;

#endif
