#ifndef HF_VAULT_QUERY_H
#define HF_VAULT_QUERY_H

#include "vault/ops.h"

/** All requests but CONFIGURE and SIGN. Strings are NULL where an operation has no use for them. */
struct vault_query {
    uint32_t server;               /* its number; 0: */
    const struct vault_conf *conf; /* this one */
    struct mono deadline;
    const char *mount;
    const char *name;                    /* CHECK, PKI_SIGN: the role; MOUNTS: the type */
    const char *prefix;                  /* KV */
    const char *path;                    /* KV */
    const char *text;                    /* KV_CAS; NULL: delete. PKI_SIGN: the request. CHECK:
                                            the principals, "a,b" */
    const char *common_name, *alt_names; /* PKI_SIGN; names one a line, each with its kind */
    uint64_t version;                    /* KV_CAS. PKI_SIGN: seconds; 0: the role's */
};

/** vault_query_put() - the body; @b should be marked secret */
void vault_query_put(struct buf *b, const struct vault_query *q);
/** vault_query_get() - read it (caller: vault_query_deinit()); on an error @ret is empty. PROTOCOL,
 * NOMEM, and those of vault_conf_get() */
struct err *vault_query_get(struct rd *r, struct vault_query *ret) MUST_CHECK;
/** vault_query_deinit() - of one that vault_query_get() made */
void vault_query_deinit(struct vault_query *q);

/** A step as it is read from an event. */
struct vault_step_in {
    struct vault_step step; /* points into: */
    struct vault_fact facts[VAULT_FACTS_MAX];
    char **texts; /* owned */
    struct err *error;
};
/** vault_step_put() - an event of CHECK; at most VAULT_FACTS_MAX facts go along */
void vault_step_put(struct buf *b, const struct vault_step *step);
/** vault_step_get() - read it (caller: vault_step_in_deinit(), after an error as well). PROTOCOL */
struct err *vault_step_get(struct rd *r, struct vault_step_in *ret) MUST_CHECK;
void vault_step_in_deinit(struct vault_step_in *s);

/** vault_mounts_put() - the answer to MOUNTS */
void vault_mounts_put(struct buf *b, const struct vault_mount *list, size_t n);
/** vault_mounts_get() - read it (caller: vault_mounts_free()). PROTOCOL, NOMEM */
struct err *vault_mounts_get(struct rd *r, struct vault_mount **ret, size_t *ret_n) MUST_CHECK;
void vault_mounts_free(struct vault_mount **list, size_t n);

/** vault_pki_put() - the answer to PKI_SIGN */
void vault_pki_put(struct buf *b, const struct vault_pki_answer *answer);
/** vault_pki_get() - read it (caller: vault_pki_deinit()); on an error @ret is empty. PROTOCOL */
struct err *vault_pki_get(struct rd *r, struct vault_pki_answer *ret) MUST_CHECK;
void vault_pki_deinit(struct vault_pki_answer *a);

#endif
