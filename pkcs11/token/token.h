#ifndef HF_PKCS11_TOKEN_TOKEN_H
#define HF_PKCS11_TOKEN_TOKEN_H

#include "pkcs11/module/module.h"
#include "pkcs11/profile/profile.h"
#include "ssh/ssh.h"

/** One loaded module: libp11's context and the raw function table on the same library. */
struct token_module;

/** CK_INFO without padding. */
struct token_library_info {
    char manufacturer[33], description[33];
    unsigned cryptoki_major, cryptoki_minor, major, minor;
};

/** token_module_load() - open the library, C_Initialize as the profile says, attach libp11
 * @profile: borrowed for the call
 * Errors: those of p11_library_open(), or what C_Initialize answered */
struct err *token_module_load(const char *path, const struct profile_load *profile,
                              struct token_module **ret) MUST_CHECK;
/** token_module_unload() - after all workers were joined and all tokens closed (token_close() logs
 * out and closes the sessions): libp11's unload, the only C_Finalize (skipped where the profile says
 * so) */
void token_module_unload(struct token_module **m);
void token_module_info(const struct token_module *m, struct token_library_info *ret);

/** CK_TOKEN_INFO, freshly read. */
struct token_info {
    unsigned long slot_id;
    char label[33], manufacturer[33], model[17], serial[17];
    unsigned long flags;        /* CKF_* */
    unsigned long sessions_max; /* 0: unknown or no limit */
    unsigned long pin_min, pin_max;
    unsigned hardware_major, hardware_minor, firmware_major, firmware_minor;
};

/** token_list() - initialized tokens present now, at most @max; slots without a token are left out */
struct err *token_list(struct token_module *m, struct token_info *out, size_t max, size_t *ret_n)
    MUST_CHECK;

/** An opened token. Its functions may be called by several workers at once, each with its own
 * number; a worker's session is opened at its first use and kept. */
struct token;

/** token_open() - @info as token_list() gave it: the serial is checked again */
struct err *token_open(struct token_module *m, const struct token_info *info,
                       const struct profile_token *profile, struct token **ret) MUST_CHECK;
void token_close(struct token **t);
/** token_refresh() - CK_TOKEN_INFO anew (C_GetTokenInfo). GONE when removed or replaced */
struct err *token_refresh(struct token *t, struct token_info *ret) MUST_CHECK;
/** token_needs_login() - a login is wanted (profile, CKF_LOGIN_REQUIRED) and was not done yet, or was
 * lost since: CKR_USER_NOT_LOGGED_IN from a later call counts */
bool token_needs_login(const struct token *t);
/** token_workers_max() - sessions that may sign at once: min(profile, CK_TOKEN_INFO) */
unsigned token_workers_max(const struct token *t);

enum token_login_force { TOKEN_LOGIN_KEEP_LAST_TRY, TOKEN_LOGIN_USE_LAST_TRY };

/**
 * token_login() - C_Login(CKU_USER), once
 * @pin:   the PIN; NULL for a token with a protected authentication path
 * @force: the last try (CKF_USER_PIN_FINAL_TRY) is used only when a person said so
 * The counter's flags are read just before and after; they ride in the error's text. The serial is
 * checked before the PIN leaves. A device error is not a wrong PIN.
 * Errors: PIN (refused: "CKR_PIN_INCORRECT", or last try kept), PIN_LOCKED, GONE
 */
struct err *token_login(struct token *t, const struct secret *pin, enum token_login_force force)
    MUST_CHECK;

enum { TOKEN_ID_MAX_BYTES = 255, TOKEN_LABEL_MAX_BYTES = 255, TOKEN_KEYS_MAX = 1024 };

/** A key pair whose private half is on the token. */
struct token_key {
    uint32_t number; /* our handle for token_sign(). Never comes to mean another key; stays the
                        same as long as the key does */
    char *label;     /* CKA_LABEL of the private key */
    uint8_t id[TOKEN_ID_MAX_BYTES];
    size_t id_len;
    struct ssh_key *key; /* never NULL */
    bool sensitive, always_sensitive, extractable, never_extractable, local, always_authenticate,
        can_sign;
    bool proven;   /* one signature by the private half was verified with the public half */
    char *why_not; /* why it cannot be used; NULL when it can */
};

/**
 * token_keys() - find, pair (id, type and value agree) and prove the keys
 * @worker: number of the calling worker
 * @ret:    array, @ret_n long (caller frees with token_keys_free)
 * A key that was proven before under the same handle and value is not proven again. Only private
 * keys that can be seen are listed; before a login that may be none. Public keys without a private
 * half, and private keys without any public half, are left out. The public half comes from the
 * public key object, else the certificate, else (RSA) the private key's own attributes.
 */
struct err *token_keys(struct token *t, unsigned worker, struct token_key **ret, size_t *ret_n)
    MUST_CHECK;
void token_keys_free(struct token_key **keys, size_t n);

enum { TOKEN_SIGN_MAX_BYTES = 200 * 1024 };

/**
 * token_sign() - sign bytes with a key that stays on the token
 * @worker: number of the calling worker
 * @number: struct token_key's
 * @scheme: fits the key's type; hashing is done here or on the token, as the profile says
 * @data:   1..TOKEN_SIGN_MAX_BYTES
 * @raw:    r||s, RSA big endian of the modulus' length, or 64 bytes of Ed25519 (written)
 * Never repeats a sign that reached the token. A dead session found before C_Sign is opened anew, once.
 * Errors: PIN (not logged in), GONE (token removed), NOT_FOUND (no such number), INPUT (@scheme is
 * not for this type of key), UNSUPPORTED
 * Spec: PKCS#11 v3.1, 5.13 C_SignInit, C_Sign
 */
struct err *token_sign(struct token *t, unsigned worker, uint32_t number, enum scheme scheme,
                       struct view data, struct buf *raw) MUST_CHECK;

struct token_key_spec {
    enum ssh_key_type type;
    unsigned bits; /* RSA: 2048, 3072, 4096 */
    const char *label;
    struct view id; /* empty: one is made (random, 8 bytes) */
};

/**
 * token_generate() - a key pair: CKA_TOKEN, private, sensitive, not extractable, sign
 * Verified before it returns: the attributes are read back, one signature is checked; a key that
 * fails this is removed again.
 * Errors: EXISTS (id or label taken), UNSUPPORTED, PIN
 */
struct err *token_generate(struct token *t, unsigned worker, const struct token_key_spec *spec,
                           struct token_key *ret) MUST_CHECK;
void token_key_deinit(struct token_key *k);
/** token_delete() - the private and public object of this key; certificates stay
 * Matches id, and the public value, so that keys that share an id are told apart
 * Errors: NOT_FOUND, DENIED (unproven, and others share its id), PIN */
struct err *token_delete(struct token *t, unsigned worker, struct view id,
                         const struct ssh_key *key) MUST_CHECK;
/**
 * token_try_export() - prove that the private half cannot leave: reads CKA_VALUE or
 * CKA_PRIVATE_EXPONENT and wraps with a session key where the token can
 * @ret_text: what was tried and how the token refused it, a line each (caller owns)
 * Errors: DENIED when the token did hand out something (nothing of it is kept)
 */
struct err *token_try_export(struct token *t, unsigned worker, uint32_t number, char **ret_text)
    MUST_CHECK;

enum { TOKEN_CERTS_MAX = 64, TOKEN_CERT_MAX_BYTES = 64 * 1024, TOKEN_CHAIN_MAX = 8 };
#define TOKEN_CHAIN_LABEL "holdfast chain" /* of certificates of CAs that we stored */

/** An X.509 certificate that is stored on the token: as it is there, nobody has looked into it. */
struct token_cert {
    char *label; /* CKA_LABEL; "" for none */
    uint8_t id[TOKEN_ID_MAX_BYTES];
    size_t id_len;
    struct buf der; /* CKA_VALUE, 1..TOKEN_CERT_MAX_BYTES */
};

/**
 * token_certs() - the X.509 certificates (CKO_CERTIFICATE, CKC_X_509) that can be seen now
 * @worker: number of the calling worker
 * @ret:    array, @ret_n long (caller frees with token_certs_free); NULL when there are none
 * Needs no login where the token shows its public objects. What has no readable value within the
 * limit is left out.
 * Errors: LIMIT (more than TOKEN_CERTS_MAX), GONE (token removed)
 */
struct err *token_certs(struct token *t, unsigned worker, struct token_cert **ret, size_t *ret_n)
    MUST_CHECK;
void token_certs_free(struct token_cert **certs, size_t n);

/**
 * token_cert_store() - put an X.509 certificate beside its key, in place of older ones
 * @key: its id, label and public half are what is looked at
 * @der: one certificate for this key, then who issued it and so on, at most TOKEN_CHAIN_MAX of these;
 *       1..TOKEN_CERT_MAX_BYTES together
 * Those above it are stored first, each once, labelled TOKEN_CHAIN_LABEL; what has this label and is
 * above no certificate any more is removed at the end.
 * The new one is written and read back before older ones go: those of the same id that are for the
 * same key. Whatever fails, and wherever this process dies, an old one or a new one is there; what was
 * left over goes with the next call. Storing the same once more writes nothing.
 * Errors: INPUT (@der is something else, or for another key), DENIED (the token is read-only, or
 * refuses), LIMIT (it is full), EXISTS (the new one is there, an older one could not be removed), PIN,
 * GONE
 * Spec: PKCS#11 v3.1, 4.6.3 X.509 public key certificate objects
 */
struct err *token_cert_store(struct token *t, const struct token_key *key, struct view der)
    MUST_CHECK;

#endif
