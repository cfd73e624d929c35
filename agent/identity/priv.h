#ifndef HF_IDENTITY_PRIV_H
#define HF_IDENTITY_PRIV_H

/* Between the files of identity/ only. */
#include "identity/identity.h"

enum { IDENTITY_PREVIOUS_MAX = 2, IDENTITY_RECHECK_S = 60 };

/** It stays where it is until the last reference is gone, in its identity or not. */
struct identity_cert {
    unsigned refs;
    bool gone; /* no longer its identity's */
    struct identity *owner;
    struct identity_want_conf want; /* owned copy */
    char *comment;
    enum identity_cert_state state;
    struct ssh_cert *current;
    struct ssh_cert *previous[IDENTITY_PREVIOUS_MAX]; /* newest first */
    struct ssh_key *pinned;                           /* CA; NULL until one was proven */
    struct ssh_key *standby_pinned;                   /* likewise, the standby's */
    bool asks_standby;                                /* of whom the next answer is */
    bool is_of_standby;                               /* the current one */
    bool role_chose;    /* likewise: its extensions are its role's own, which the want allows */
    struct err *excess; /* what it therefore has beyond what was asked for; NULL: nothing */
    bool asked, woken;  /* a request is under way, or called for */
    bool needed;        /* somebody found no valid one since the last request began */
    struct wall received;
    struct err *error;
};

enum identity_warning_kind {
    IDENTITY_WARN_READ,
    IDENTITY_WARN_WRITE,
    IDENTITY_WARN_KEY,
    IDENTITY_WARN_FILE
};
enum { IDENTITY_WARNINGS = IDENTITY_WARN_FILE + 1 };

/** Of a name. One that was removed stays here, empty, until its name comes back or the set ends: so
 * whoever still has a pointer to it has one to something. */
struct identity {
    struct identity_set *set;
    bool removed;
    uint64_t change; /* the last one, by the set's count */
    char *name, *key_uri;
    enum identity_offer offer;
    bool allow_extractable;
    char *scope, **tags;
    struct ssh_key *expected;
    enum identity_renewal renewal;
    int64_t idle_s, wait_ms;
    bool used;
    struct mono used_at;
    struct ssh_key *public;
    struct remote_key *key;
    struct err *problem;
    struct err *warning[IDENTITY_WARNINGS];
    struct identity_cert **certs;
    size_t certs_n;
};

struct identity_set {
    struct remote *remote;
    struct identity **identities; /* in the order they came */
    size_t n;
    struct identity **all; /* and those that were removed */
    size_t all_n;
    uint64_t edition, changes;
    char *cache_dir;
    struct io_writer *writer;
    struct identity_view *view;
    struct io_timer *notify, *expiry;
    struct mono next; /* expiry */
    void (*on_change)(void *arg);
    void *arg;
    struct identity_watch *watches;
};

/* --- set.c --- */
/** identity_changed() - what is held of it changed: views are stale, on_change runs in the next round */
void identity_changed(struct identity *i);
/** identity_resolve() - look for its key, and what there is to say about it */
void identity_resolve(struct identity *i);
/** identity_set_add() - a new identity, or one that was removed, now as @conf says; it has neither key
 * nor certificates yet */
struct err *identity_set_add(struct identity_set *s, const struct identity_conf *conf) MUST_CHECK;
/** identity_deinit() - all but the name and the set */
void identity_deinit(struct identity *i);
/** identity_warn() - replace one warning; @e is taken, NULL clears it */
void identity_warn(struct identity *i, enum identity_warning_kind kind, struct err *e);

/* --- conf.c --- */
/** identity_conf_check() - INPUT names the identity and what is wrong */
struct err *identity_conf_check(const struct identity_conf *conf, size_t n) MUST_CHECK;
/** identity_conf_init() - deep-copy into an empty identity; NOMEM leaves a half-built one */
struct err *identity_conf_init(struct identity *i, const struct identity_conf *conf) MUST_CHECK;
/** identity_conf_deinit() - frees what identity_conf_init() made; certificates that others refer to
 * are told that they are gone */
void identity_conf_deinit(struct identity *i);
/** identity_conf_is() - is @i configured exactly so */
bool identity_conf_is(const struct identity *i, const struct identity_conf *conf);
bool identity_want_is(const struct identity_want_conf *a, const struct identity_want_conf *b);
/** identity_want_deinit() - frees a deep copy */
void identity_want_deinit(struct identity_want_conf *w);
/** identity_want_put() - what a pinned CA is tied to: another signer, mount, role or issuer may well
 * have another CA */
void identity_want_put(struct buf *b, const struct identity_want_conf *w);
bool identity_want_has_ca_of(const struct identity_want_conf *a,
                             const struct identity_want_conf *b);
/** identity_standby_put(), identity_standby_has_ca_of() - likewise for the standby's CA; nothing, and
 * false, where there is none */
void identity_standby_put(struct buf *b, const struct identity_want_conf *w);
bool identity_standby_has_ca_of(const struct identity_want_conf *a,
                                const struct identity_want_conf *b);

/* --- use.c --- */

/* --- cert.c --- */
/** identity_cert_until() - valid_before, saturated */
int64_t identity_cert_until(const struct ssh_cert *c);
/** identity_cert_is_live() - it has not expired; one whose window opens soon is live */
bool identity_cert_is_live(const struct ssh_cert *c, struct wall now);
/** identity_cert_restore() - prove a certificate out of the cache and make it current; a @cert
 * that is kept is taken and leaves NULL. False when it does not hold (shown as the error, unless it
 * just expired) */
bool identity_cert_restore(struct identity_cert *c, struct ssh_cert **cert, struct wall received,
                           bool role_chose);
/** identity_cert_lose() - the key is another one now: drop every certificate of the old one */
void identity_cert_lose(struct identity_cert *c, const struct ssh_key *old);
/** identity_cert_sweep() - follow the clock: expire, or take back what a clock step had expired;
 * true when something changed */
bool identity_cert_sweep(struct identity_cert *c, struct wall now);
/** identity_cert_inherit() - @from was wanted before: what of it proves for @c too moves there */
void identity_cert_inherit(struct identity_cert *c, struct identity_cert *from);

/* --- cache.c --- */
/** identity_cache_load() - fill an identity from its file, if there is one */
void identity_cache_load(struct identity *i);
/** identity_cache_save() - hand the identity's state to the writer */
void identity_cache_save(struct identity *i);
/** identity_cache_remove() - have its file removed */
void identity_cache_remove(struct identity *i);

/* --- file.c --- */
/** identity_file_save() - hand the current certificate to the writer, where a file is wanted */
void identity_file_save(struct identity_cert *c);

/* --- index.c --- */
struct identity_index;
/** identity_index_new() - room for @max entries, keyed with fresh randomness; NULL: no memory */
struct identity_index *identity_index_new(size_t max);
void identity_index_free(struct identity_index **x);
/** identity_index_put() - @blob is borrowed; of two equal blobs of one identity the first stays */
void identity_index_put(struct identity_index *x, struct view blob, const struct identity_use *use);
/** identity_index_get() - the first that was put and that @is_wanted (NULL: any) says yes to */
bool identity_index_get(const struct identity_index *x, struct view blob,
                        bool (*is_wanted)(const void *arg, const struct identity *i),
                        const void *arg, struct identity_use *ret);
/** identity_index_hash() - SipHash-2-4 */
uint64_t identity_index_hash(const uint64_t key[2], struct view data);

/* --- offers.c --- */
struct identity_view *identity_view_new(void);
void identity_view_free(struct identity_view **v);
/** identity_view_stale() - build anew before the next use */
void identity_view_stale(struct identity_view *v);

#endif
