#ifndef HF_PKCS11_TOKEN_PRIV_H
#define HF_PKCS11_TOKEN_PRIV_H

/* Inside token/ only: the structures behind token.h, and what its files offer each other. */
#include <libp11.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdatomic.h>

#include "pkcs11/token/token.h"

enum {
    WORKERS_MAX = 64,
    MECHANISMS_MAX = 512,
    RAW_MAX_BYTES = SSH_RSA_MAX_BITS / 8,
    HASHES = 3, /* SHA-256, SHA-384, SHA-512 */
};
#define NO_MECHANISM (~0UL)

/** libp11's view of all slots, taken once; released with the module only (see certs.c). */
struct slot_list {
    PKCS11_SLOT *slots;
    unsigned n;
};

struct token_module {
    struct p11_library *library;
    CK_FUNCTION_LIST *f;
    PKCS11_CTX *libp11;
    bool finalize;
    unsigned threads_max;
    struct token_library_info info;
    pthread_mutex_t lock; /* libp11's context and @lists */
    struct slot_list *lists;
    size_t lists_n;
};

/** What goes into C_Sign. */
enum plan_input {
    PLAN_MESSAGE, /* all of it: the token hashes */
    PLAN_DIGEST,
    PLAN_DIGEST_INFO, /* the digest and its hash's name, in DER */
    PLAN_PSS_ENCODED, /* a number of the modulus' length: the token only raises it to a power */
};

/** How one key signs by one scheme; resolved once, when the key is found. */
struct plan {
    CK_MECHANISM_TYPE mechanism; /* NO_MECHANISM: cannot */
    enum plan_input input;
};

/** All that a signature needs to know of its key; copied out of the table. */
struct signer {
    CK_OBJECT_HANDLE handle;
    enum ssh_key_type type;
    unsigned bits;
    size_t raw_bytes; /* length of a signature */
    struct plan plans[SCHEME_COUNT];
};

struct entry {
    struct ssh_key *key; /* NULL: a free place */
    uint32_t generation; /* counts the owners of this place; part of its number */
    bool proven, usable, seen;
    struct signer signer;
};

struct worker {
    bool open;
    CK_SESSION_HANDLE session;
    EVP_MD_CTX *digest[HASHES];
};

struct token {
    struct token_module *module;
    CK_FUNCTION_LIST *f;
    struct token_info info; /* as it was opened: what a refresh is compared with */
    struct profile_token profile;
    bool login_wanted;
    atomic_bool logged_in;
    CK_MECHANISM_TYPE mechanisms[MECHANISMS_MAX];
    size_t mechanisms_n;
    PKCS11_SLOT *slot; /* libp11's; NULL until certificates are needed */
    bool single;       /* too few sessions: the anchor serves everything */
    unsigned workers_max;
    CK_SESSION_HANDLE anchor; /* holds the login */
    bool anchor_open, rw_open;
    CK_SESSION_HANDLE rw;
    struct worker workers[WORKERS_MAX]; /* each touched by its own thread only */
    pthread_mutex_t admin;              /* login, listing, generating, deleting: one at a time */
    pthread_rwlock_t table_lock;
    struct entry table[TOKEN_KEYS_MAX];
};

/* --- list.c --- */
/** info_text() - a blank-padded field of @size bytes as a C string; @to has room for one more */
void info_text(char *to, const CK_UTF8CHAR *from, size_t size);
/** slot_info() - C_GetTokenInfo, decoded */
struct err *slot_info(const struct token_module *m, CK_SLOT_ID slot, struct token_info *ret)
    MUST_CHECK;
/** info_is_same_token() - serial, label, manufacturer and model agree */
bool info_is_same_token(const struct token_info *a, const struct token_info *b);

/* --- session.c --- */
/** session_anchor() - the session that holds the login; opened anew when it died */
struct err *session_anchor(struct token *t, CK_SESSION_HANDLE *ret) MUST_CHECK;
/** session_worker() - a worker's own session, opened at its first use */
struct err *session_worker(struct token *t, unsigned worker, CK_SESSION_HANDLE *ret) MUST_CHECK;
/** session_forget() - the worker's session is dead: the next use opens another */
void session_forget(struct token *t, unsigned worker);
/** session_rw() - the read-write session; @admin is held */
struct err *session_rw(struct token *t, CK_SESSION_HANDLE *ret) MUST_CHECK;
void session_close_all(struct token *t);
/** session_hash() - SHA-256, SHA-384, SHA-512 for 0, 1, 2 */
const EVP_MD *session_hash(unsigned hash);
/** session_digest() - hash @data with the worker's kept context; returns bytes, 0 on failure */
size_t session_digest(struct token *t, unsigned worker, unsigned hash, struct view data,
                      uint8_t out[64]);
/** session_is_dead() - return values after which a session is of no use */
bool session_is_dead(CK_RV rv);

/* --- attr.c --- */
/** attr_get() - append an attribute's value to @out; CKR_OK, or why it cannot be had */
CK_RV attr_get(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
               CK_ATTRIBUTE_TYPE type, struct buf *out);
/** attr_bool() - a CK_BBOOL, or @otherwise where the object has none */
bool attr_bool(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
               CK_ATTRIBUTE_TYPE type, bool otherwise);
/** attr_find() - attr_get() where it does not matter why an object has none that we take; GONE, NOMEM
 * and what else says something of the token are errors */
struct err *attr_find(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
                      CK_ATTRIBUTE_TYPE type, struct buf *out, bool *ret_has) MUST_CHECK;
CK_RV attr_ulong(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
                 CK_ATTRIBUTE_TYPE type, CK_ULONG *ret);

/* --- find.c --- */
struct handles {
    CK_OBJECT_HANDLE *at; /* owned */
    size_t n;
};
void handles_deinit(struct handles *h);
/** find_objects() - all that fit the template, at most TOKEN_KEYS_MAX: LIMIT above */
struct err *find_objects(const struct token *t, CK_SESSION_HANDLE s, CK_ATTRIBUTE *templ,
                         CK_ULONG templ_n, struct handles *ret) MUST_CHECK;
/** find_certs() - X.509 certificates with this CKA_ID, which may be empty; NULL in it: all */
struct err *find_certs(const struct token *t, CK_SESSION_HANDLE s, struct view id,
                       struct handles *ret) MUST_CHECK;
/** find_class() - all token objects of one class */
struct err *find_class(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_CLASS class,
                       struct handles *ret) MUST_CHECK;

/* --- point.c --- */
/** point_type() - the key type that CKA_EC_PARAMS names; false for curves we do not use */
bool point_type(struct view params, enum ssh_key_type *ret);
/** point_params() - CKA_EC_PARAMS for a key type */
struct view point_params(enum ssh_key_type type, enum profile_params form);
/** point_decode() - the bare point inside CKA_EC_POINT; false when it fits no accepted form */
bool point_decode(enum ssh_key_type type, struct view value, enum profile_point form,
                  struct view *ret);

/* --- half.c, certs.c: public halves --- */
struct half {
    uint8_t id[TOKEN_ID_MAX_BYTES];
    size_t id_len;
    struct ssh_key *key;
    CK_OBJECT_HANDLE handle; /* of the public key object; CK_INVALID_HANDLE for certificates */
};
struct halves {
    struct half *at; /* owned */
    size_t n;
};
void halves_deinit(struct halves *h);
/** halves_add() - takes @key also on failure */
struct err *halves_add(struct halves *h, struct view id, struct ssh_key *key,
                       CK_OBJECT_HANDLE handle) MUST_CHECK;
/** halves_from_objects() - every public key object that we can use */
struct err *halves_from_objects(const struct token *t, CK_SESSION_HANDLE s, struct halves *h)
    MUST_CHECK;
/** halves_from_certificates() - every X.509 certificate's key; none where libp11 cannot read them */
struct err *halves_from_certificates(struct token *t, struct halves *h) MUST_CHECK;
/** half_from_x509() - the key that a certificate is for; NULL for one that we cannot use */
struct ssh_key *half_from_x509(X509 *x509);
/** half_from_rsa() - the public half of an RSA key object, private or public; NULL without one */
struct ssh_key *half_from_rsa(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o);

/* --- mechanism.c --- */
struct err *mechanism_read(struct token *t) MUST_CHECK;
bool mechanism_has(const struct token *t, CK_MECHANISM_TYPE m);
/** mechanism_plan() - how @key's private half @handle signs here
 * @ret_why_not: why it cannot, NULL when it can (static) */
void mechanism_plan(const struct token *t, const struct ssh_key *key, CK_OBJECT_HANDLE handle,
                    struct signer *ret, const char **ret_why_not);
/** mechanism_hash() - the scheme's hash, as session_digest() counts them; of no use for EdDSA */
unsigned mechanism_hash(enum scheme scheme);
/** mechanism_pss() - what Cryptoki wants to know beside a PSS mechanism; false for other schemes */
bool mechanism_pss(enum scheme scheme, CK_RSA_PKCS_PSS_PARAMS *ret);

/* --- pss.c --- */
/** pss_encode() - EMSA-PSS of a digest for a modulus of @bits: (bits + 7) / 8 bytes into @out
 * @hash: as session_digest() counts them, also for MGF1; the salt is as long as it */
struct err *pss_encode(unsigned hash, const uint8_t *digest, unsigned bits, uint8_t *out)
    MUST_CHECK;

/* --- sign.c --- */
/** sign_with() - sign and bring the signature to its fixed length
 * @ret: RAW_MAX_BYTES; @ret_len is signer->raw_bytes */
struct err *sign_with(struct token *t, unsigned worker, const struct signer *signer,
                      enum scheme scheme, struct view data, uint8_t *ret, size_t *ret_len)
    MUST_CHECK;

/* --- table.c --- */
/** table_begin() - before a listing: no entry is seen yet */
void table_begin(struct token *t);
/** table_find() - the entry of this handle whose public half is among @halves; NULL when new */
const struct entry *table_find(const struct token *t, CK_OBJECT_HANDLE handle,
                               const struct halves *halves);
/** table_put() - note a key as seen; LIMIT when the table is full */
struct err *table_put(struct token *t, const struct signer *signer, const struct ssh_key *key,
                      bool proven, bool usable, uint32_t *ret_number) MUST_CHECK;
/** table_end() - after a listing: entries that were not seen become free */
void table_end(struct token *t);
bool table_get(struct token *t, uint32_t number, struct signer *ret, bool *ret_usable);
void table_deinit(struct token *t);

/* --- keys.c --- */
/** keys_list() - token_keys() with @admin held */
struct err *keys_list(struct token *t, unsigned worker, struct token_key **ret, size_t *ret_n)
    MUST_CHECK;
/** keys_handle() - the private key's object handle */
struct err *keys_handle(struct token *t, uint32_t number, CK_OBJECT_HANDLE *ret) MUST_CHECK;

/* --- store.c --- */
/** cert_create() - write a certificate object */
struct err *cert_create(const struct token *t, CK_SESSION_HANDLE s, struct view id,
                        const char *label, X509 *x509, struct view der, CK_OBJECT_HANDLE *ret)
    MUST_CHECK;

/* --- chain.c --- */
/** A certificate, then who issued it, and so on. */
struct pile {
    X509 *x509[1 + TOKEN_CHAIN_MAX]; /* owned */
    struct view der[1 + TOKEN_CHAIN_MAX];
    size_t n;
};
/** pile_parse() - INPUT: something else, or not in this order; then there is nothing to free */
struct err *pile_parse(struct view der, struct pile *ret) MUST_CHECK;
void pile_deinit(struct pile *p);
/** chain_add() - store those above the first that are not there yet */
struct err *chain_add(const struct token *t, CK_SESSION_HANDLE s, const struct pile *p) MUST_CHECK;
/** chain_sweep() - remove those that we stored and no other certificate leads to any more */
struct err *chain_sweep(const struct token *t, CK_SESSION_HANDLE s) MUST_CHECK;

#endif
