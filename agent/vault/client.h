#ifndef HF_VAULT_CLIENT_H
#define HF_VAULT_CLIENT_H

/* Inside of the agent's side of vault/: client.c, call.c, look.c and kv.c only. */
#include <sys/queue.h>

#include "vault/query.h"

/** A server's configuration as the helper has it, under a number that is never used again. The one
 * that was replaced stays until its last request is over. */
struct vault_edition {
    LIST_ENTRY(vault_edition) link;
    uint32_t number;
    struct vault_conf conf; /* owned */
    unsigned open;          /* requests under way */
    bool retired;           /* no server's any more */
};

/** What status shows, and what a signer is bound to. */
struct vault_client_server {
    struct vault *vault;
    char *name;
    struct signer signer;
    struct vault_edition *edition;
    bool used, removed;
    struct err *last_error;
    struct wall last_ok;
    int64_t skew_s;
    bool has_skew;
    struct wall patience_until; /* that the last error which named a time asked for; 0: none */
};

/** One request on its way; on its vault's list until it is answered or cancelled. */
struct vault_pending {
    LIST_ENTRY(vault_pending) link;
    struct vault *vault;
    struct vault_client_server *server; /* NULL: of a configuration that is not put */
    struct vault_edition *edition;      /* likewise */
    const void *owner;                  /* a kv object, or NULL */
    uint64_t handle;
    /** the end: @e is taken, NULL with a @reply */
    void (*finish)(struct vault_pending *p, struct err *e, struct rd *reply);
    void (*event)(struct vault_pending *p, struct rd *event); /* NULL: there are none */
    void *arg;                                                /* of the caller's callbacks: */
    union {
        signer_reply_fn *signed_;
        vault_mounts_fn *mounts;
        vault_names_fn *names;
        vault_ca_key_fn *ca_key;
        vault_pki_fn *pki;
        vault_done_fn *done;
        struct {
            vault_step_fn *step;
            vault_done_fn *done;
        } check;
        void (*got)(void *arg, struct err *e, const char *text, uint64_t version);
        void (*written)(void *arg, struct err *e, uint64_t version);
    } on;
    char **names; /* gathered from events; NULL-terminated once there is one */
    size_t names_n, names_cap;
    struct err *broken; /* an event that could not be taken */
};

struct vault {
    struct io_helper *helper;
    struct vault_client_server **servers;
    size_t n;
    struct signer *first; /* what vault_new() gave: copies of the signers */
    uint32_t last_number;
    unsigned unconfigured;          /* set-up calls without an answer */
    vault_question_fn *on_question; /* NULL: refused */
    void *on_question_arg;
    LIST_HEAD(, vault_edition) editions;
    LIST_HEAD(, vault_pending) pending;
};

/** vault_find() - a server by name; NULL */
struct vault_client_server *vault_find(const struct vault *v, const char *name);

/** vault_pending_new() - a request to a server (NULL: to none that is put); NULL when out of memory */
struct vault_pending *vault_pending_new(struct vault *v, struct vault_client_server *server);
/** vault_send_query() - have it answered by @p->finish (@p is taken); the query's server is filled in
 * unless it has a conf. Return: a handle; 0 when it has been answered already */
uint64_t vault_send_query(struct vault_pending *p, enum vault_op op, struct vault_query *q);
/** vault_pending_end() - take it off, tell the helper, and call finish with @e (taken); NULL: do not
 * call it */
void vault_pending_end(struct vault_pending *p, struct err *e);
/** vault_pending_names() - an event of names, for .event */
void vault_pending_names(struct vault_pending *p, struct rd *event);

/** vault_edition_release() - one request less; the last one of a retired edition frees it */
void vault_edition_release(struct vault *v, struct vault_edition *e);

/** vault_target_begin() - a request to a target; its query is told which one that is
 * @ret_e: why there is none, where NULL is returned */
struct vault_pending *vault_target_begin(struct vault *v, const struct vault_target *target,
                                         void *arg, struct vault_query *q, struct err **ret_e);

/** vault_signer_ops() - of a struct vault_client_server */
const struct signer_ops *vault_signer_ops(void);

#endif
