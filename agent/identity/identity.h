#ifndef HF_IDENTITY_IDENTITY_H
#define HF_IDENTITY_IDENTITY_H

#include "io/io.h"
#include "pkcs11/remote/remote.h"
#include "signer/signer.h"

/** A key on a token plus any number of certificates. Held and offered are two different facts. */

enum identity_offer { IDENTITY_OFFER_CERTIFICATE, IDENTITY_OFFER_BOTH, IDENTITY_OFFER_KEY };

/** When the certificates of an identity are renewed. */
enum identity_renewal {
    IDENTITY_RENEWAL_EAGER,          /* by the clock */
    IDENTITY_RENEWAL_WHEN_USED,      /* by the clock while it is in use; else when it is needed */
    IDENTITY_RENEWAL_PER_CONNECTION, /* by no clock: whoever connects asks for a new one */
};
const char *identity_renewal_name(enum identity_renewal r);
/** identity_renewal_find() - "eager", "when-used", "per-connection"; false for another word */
bool identity_renewal_find(const char *word, enum identity_renewal *ret);

enum { IDENTITY_IDLE_S = 15 * 60, IDENTITY_WAIT_MS = 2000 };

/** Who else may sign a certificate, when the first signer cannot. */
struct identity_standby_conf {
    const struct signer *signer; /* NULL: nobody */
    const char *mount, *role;
    const struct ssh_key *ca; /* expected CA; NULL: pinned, as the first one's is */
    bool by_itself;           /* false: only when somebody says so */
    int64_t after_s;          /* by itself: once the first has failed for so long */
};

/** One certificate that an identity wants. */
struct identity_want_conf {
    const struct signer *signer;
    struct identity_standby_conf standby;
    struct signer_request request; /* key is NULL: it is the identity's */
    const struct ssh_key *ca;      /* expected CA; NULL: whatever the first proven one shows is
                                      pinned until the configuration changes */
    const char *file; /* absolute path: the current one is also kept there, for all to read; NULL */
};

struct identity_conf {
    const char *name;
    const char *key_uri;
    enum identity_offer offer;
    bool allow_extractable; /* Vault may sign a key that could leave the token */
    const char *scope;      /* of the registry, as "org/acme"; "" or NULL: of holdfast.yaml */
    char *const *tags;      /* NULL-terminated; NULL: none */
    const struct ssh_key *expected; /* another key under the URI is not used; NULL: any */
    enum identity_renewal renewal;
    int64_t idle_s;  /* when-used: asleep after so long without use; 0: IDENTITY_IDLE_S */
    int64_t wait_ms; /* when-used: a list waits at most so long; 0: IDENTITY_WAIT_MS, < 0: never */
    const struct identity_want_conf *wants;
    size_t wants_n;
};

struct identity_set;
struct identity;
/** A certificate slot of an identity: the current certificate, up to two previous ones, and what the
 * renewal knows. */
struct identity_cert;

/**
 * identity_set_new() - resolves keys by remote_key_find() whenever @remote changes
 * @cache_dir: certificates and public keys (one file an identity, replaced atomically), so that a
 *             restart lists them at once, also without token and Vault. A cached certificate is
 *             proven again before it is offered; a damaged file is set aside with a warning
 * @conf:      deep-copied; the signers must outlive the set
 * @on_change: a certificate came, went or expired, or a key appeared (coalesced)
 * Cache files are written by a thread of the set; identity_set_free() waits for it.
 * Errors: INPUT (an identity without principals, two of one name), STORE, DENIED (cache folder)
 */
struct err *identity_set_new(struct io_loop *l, struct remote *remote,
                             const struct identity_conf *conf, size_t n, const char *cache_dir,
                             void (*on_change)(void *arg), void *arg, struct identity_set **ret)
    MUST_CHECK;
void identity_set_free(struct identity_set **s);
/**
 * identity_set_put() - add an identity, or make the one of this name as @conf says (deep-copied)
 * The same once more changes nothing. A certificate that is wanted as before stays, and so does its
 * request under way; so does one that proves for what is wanted now and comes from the same signer,
 * mount, role and issuer, or from the CA that is named. All others are gone when it returns.
 * Errors: INPUT, NOMEM; nothing has changed then
 */
struct err *identity_set_put(struct identity_set *s, const struct identity_conf *conf) MUST_CHECK;
/** identity_set_remove() - it is no longer listed or signed with, its cache file goes. A pointer to it
 * stays good until the set is freed, and tells of an identity without key and certificates */
void identity_set_remove(struct identity_set *s, const char *name);
/** identity_set_edition() - another one after each change of what is in the set */
uint64_t identity_set_edition(const struct identity_set *s);
/** identity_set_refresh() - to be called from remote's on_change: keys came or went */
void identity_set_refresh(struct identity_set *s);

/** identity_set_look() - the clock jumped: see now what has ended */
void identity_set_look(struct identity_set *s);

/** Somebody else who is told whenever on_change is. Its owner's memory. */
struct identity_watch {
    struct identity_watch *next;
    void (*on_change)(void *arg);
    void *arg;
};
void identity_set_watch(struct identity_set *s, struct identity_watch *w);
void identity_set_unwatch(struct identity_set *s, struct identity_watch *w);

/** identity_count(), identity_at() - in the order of the configuration, then as they came; borrowed */
size_t identity_count(const struct identity_set *s);
struct identity *identity_at(const struct identity_set *s, size_t i);
/** identity_find() - by name; NULL when absent */
struct identity *identity_find(const struct identity_set *s, const char *name);

/** What a blob in a sign request stands for. */
struct identity_use {
    struct identity *identity;
    struct remote_key *key; /* borrowed; may be unusable at the moment; NULL while its token has
                                    not been seen since the start */
    const struct ssh_cert *cert; /* NULL: the plain key */
};
/** identity_lookup_for() - one hash look-up: a plain key blob, a current certificate, or one of up to
 * two previous ones that is still valid, of an identity that @is_wanted (NULL: any) says yes to, as
 * several may have one key. False when we do not hold it */
bool identity_lookup_for(const struct identity_set *s, struct view blob,
                         bool (*is_wanted)(const void *arg, const struct identity *i),
                         const void *arg, struct identity_use *ret);

/** One line of a list answer. */
struct identity_offer_line {
    struct identity *identity;
    struct view blob;    /* key or certificate blob */
    const char *comment; /* "NAME" or "NAME (certificate of SIGNER/ROLE)" */
};
/** identity_offers() - what is offered now, certificates first; expired ones are never in it. The
 * array is kept until something changes; @ret_generation changes with it, so that callers can keep
 * what they serialised */
const struct identity_offer_line *identity_offers(const struct identity_set *s, size_t *ret_n,
                                                  uint64_t *ret_generation);

/** identity_change() - which change of the set was the last one of this identity: the later, the
 * greater. So whoever remembers the greatest that he saw looks at those only that are beyond */
uint64_t identity_change(const struct identity *i);

/** identity_name() and the rest: as configured; borrowed */
const char *identity_name(const struct identity *i);
enum identity_offer identity_offer_of(const struct identity *i);
const char *identity_key_uri(const struct identity *i);
const char *identity_scope(const struct identity *i);
char *const *identity_tags(const struct identity *i);
/** identity_key() - borrowed; NULL until its key was seen or cached */
const struct ssh_key *identity_public(const struct identity *i);
struct remote_key *identity_remote_key(const struct identity *i);
/** identity_problem() - why it cannot be used, NULL when it can (no key, token locked, key may be
 * extracted, ...) */
const struct err *identity_problem(const struct identity *i);
/** identity_warning() - the @k-th thing a person should know though it works (key not made on the
 * token, cache file damaged or not writable, a role that gave more than was asked for); NULL past
 * the last */
const struct err *identity_warning(const struct identity *i, size_t k);

/** identity_renewal_of(), identity_wait_ms() - as configured, with the presets */
enum identity_renewal identity_renewal_of(const struct identity *i);
int64_t identity_wait_ms(const struct identity *i);
/** identity_used() - it was listed or signs: if it slept, it wakes up, and renew/ hears of it */
void identity_used(struct identity *i);
/** identity_is_missed() - a certificate that the clock renews is not valid, is not being asked for, and
 * nobody has needed it yet */
bool identity_is_missed(const struct identity *i);
/** identity_needed() - somebody looked for it: each certificate that is missed is needed from now until
 * its next request begins, and renew/ hears of it */
void identity_needed(struct identity *i);
/** identity_is_in_use() - it was used within its idle time */
bool identity_is_in_use(const struct identity *i);
/** identity_is_asleep() - when-used, and not used for its time: no request by the clock */
bool identity_is_asleep(const struct identity *i);
/** identity_set_has_sleepers() - is there any identity that is renewed when used */
bool identity_set_has_sleepers(const struct identity_set *s);
/** identity_is_coming() - it has no valid certificate, but one is being asked for, or about to be */
bool identity_is_coming(const struct identity *i);

enum identity_cert_state {
    IDENTITY_CERT_WANTED,    /* none yet, none asked for */
    IDENTITY_CERT_REQUESTED, /* first request under way */
    IDENTITY_CERT_ACTIVE,
    IDENTITY_CERT_RENEWING, /* active, and a successor is asked for */
    IDENTITY_CERT_EXPIRED,
    IDENTITY_CERT_REFUSED, /* the signer said no; see error */
    IDENTITY_CERT_LOST,    /* the key it certifies is no longer the one under the URI */
};
const char *identity_cert_state_name(enum identity_cert_state s);

/** identity_certs(), identity_cert_at(): its certificate slots, one a configured certificate; what
 * follows reads one. Borrowed */
size_t identity_certs(const struct identity *i);
struct identity_cert *identity_cert_at(const struct identity *i, size_t k);
struct identity *identity_cert_owner(const struct identity_cert *c);
/** identity_cert_ref() - keep it beyond the loop's round. One that its identity no longer wants is
 * gone: it takes no answer any more, and its signer may be freed */
struct identity_cert *identity_cert_ref(struct identity_cert *c);
void identity_cert_unref(struct identity_cert **c);
bool identity_cert_is_gone(const struct identity_cert *c);
const struct identity_want_conf *identity_cert_want(const struct identity_cert *c);
enum identity_cert_state identity_cert_state(const struct identity_cert *c);
/** identity_cert_current() - borrowed; NULL when none */
const struct ssh_cert *identity_cert_current(const struct identity_cert *c);
/** identity_cert_received() - when the current one was received: lifetimes count from here */
struct wall identity_cert_received(const struct identity_cert *c);
const struct err *identity_cert_error(const struct identity_cert *c);

/** identity_cert_may_request() - NULL, or why no certificate may be asked for: no key yet, or a key
 * that may be extracted or is not sensitive (DENIED) */
struct err *identity_cert_may_request(const struct identity_cert *c) MUST_CHECK;
/** identity_cert_asks() - of which signer the next answer is: the first, or the standby */
void identity_cert_asks(struct identity_cert *c, bool standby);
/** identity_cert_is_of_standby() - did the standby sign the current one */
bool identity_cert_is_of_standby(const struct identity_cert *c);
/** identity_cert_is_needed() - it is not valid, and was needed since its last request began */
bool identity_cert_is_needed(const struct identity_cert *c);
/** identity_cert_requested() - renew/ asks now */
void identity_cert_requested(struct identity_cert *c);
/** identity_cert_rests() - renew/ was woken for it, and does not ask now */
void identity_cert_rests(struct identity_cert *c);
/**
 * identity_cert_answer() - parse, prove and swap in one step
 * @line:       what the signer sent
 * @role_chose: as struct signer_answer has it: where the request allows that, any extensions will do
 * The working certificate leaves only when the new one is proven (see ssh_cert_prove()) and has more
 * than a moment left; then the newest wins, also where it expires earlier.
 * Errors: CERT, PROTOCOL: nothing changed but the error shown
 */
struct err *identity_cert_answer(struct identity_cert *c, struct view line, bool role_chose)
    MUST_CHECK;
/** identity_cert_failed() - the signer failed: @e is taken and shown */
void identity_cert_failed(struct identity_cert *c, struct err *e);

#endif
