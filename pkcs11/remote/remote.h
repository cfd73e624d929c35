#ifndef HF_PKCS11_REMOTE_REMOTE_H
#define HF_PKCS11_REMOTE_REMOTE_H

#include "io/io.h"
#include "pkcs11/module/module.h"
#include "pkcs11/profile/profile.h"
#include "ssh/ssh.h"

/**
 * The agent's side of the tokens: one holdfast-token per module, all tokens behind them, their keys.
 * Everything is asynchronous and runs on the agent's loop; listing never waits for a token.
 */
struct remote;

/** Where a PIN comes from. Tried in the order given, each once per insertion. */
enum remote_pin_kind {
    REMOTE_PIN_FILE,
    REMOTE_PIN_ENVIRONMENT, /* taken and overwritten at start; kept in the secure heap */
    REMOTE_PIN_COMMAND,
    REMOTE_PIN_CREDENTIAL, /* file of that name in $CREDENTIALS_DIRECTORY */
    REMOTE_PIN_ASKPASS,    /* SSH_ASKPASS, at first use only */
};
struct remote_pin_source {
    enum remote_pin_kind kind;
    char *text;           /* path, variable, credential name */
    char **argv;          /* command */
    struct secret *value; /* environment: taken at start */
};

struct remote_module_conf {
    const char *name, *path;
};
struct remote_token_conf {
    const char *name; /* ours, for status and messages */
    const char *uri;  /* its pin-source is used where @pins is empty */
    const struct remote_pin_source *pins;
    size_t pins_n;
};
struct remote_conf {
    const char *helper_path; /* of holdfast-token */
    const struct profile_set *profiles;
    const struct remote_module_conf *modules;
    size_t modules_n;
    const struct remote_token_conf *tokens; /* tokens that match none are shown, but not opened */
    size_t tokens_n;
    const char *state_dir; /* remembers PINs that were refused, so that a restart spends no try */
};

/** Called after tokens or keys changed, or we changed a certificate (coalesced, next round of the loop). */
typedef void remote_change_fn(void *arg);

/** remote_new() - deep-copies @conf but for profiles; nothing is loaded before remote_start() */
struct err *remote_new(struct io_loop *l, const struct remote_conf *conf,
                       remote_change_fn *on_change, void *arg, struct remote **ret) MUST_CHECK;
/** remote_start() - load all modules, open the configured tokens, log in where an unattended source
 * is configured (all but askpass) */
void remote_start(struct remote *r);
void remote_free(struct remote **r);

/**
 * remote_token_put() - add a token, or change the one of this name, while running
 * @conf: deep-copied
 * The same once more changes nothing. PIN sources that stay are not tried again. A token that another
 * one names already, one of the start or one that came earlier, is left to that; keys on it are
 * found all the same. While a PIN is being fetched or tried, the change waits for that to be over.
 * Errors: INPUT (URI, PIN source), LIMIT, BUSY (just now many were removed), NOMEM
 */
struct err *remote_token_put(struct remote *r, const struct remote_token_conf *conf) MUST_CHECK;
/** remote_token_remove() - close it and forget it, at the latest when a login under way is over. Its
 * keys stay what those who hold them have, but cannot be used. A PIN source that did not log in is
 * remembered as one that was refused */
void remote_token_remove(struct remote *r, const char *name);

enum remote_token_state {
    REMOTE_TOKEN_ABSENT, /* configured, not present */
    REMOTE_TOKEN_UNUSED, /* present, not configured */
    REMOTE_TOKEN_LOCKED, /* waits for a PIN, or is just being opened (again) */
    REMOTE_TOKEN_READY,  /* keys can sign */
    REMOTE_TOKEN_FAILED, /* see error */
};

/** What is known of a token. Strings are borrowed until the loop's next round. */
struct remote_token {
    const char *name;   /* configured name; NULL when unused */
    const char *module; /* module's name and path */
    const char *module_path;
    const char *uri; /* configured URI, or one that finds it */
    enum remote_token_state state;
    struct p11_token_id id;
    unsigned long slot_id, flags; /* CKF_* of CK_TOKEN_INFO */
    unsigned hardware_major, hardware_minor, firmware_major, firmware_minor;
    unsigned long sessions_max;
    unsigned workers;
    bool pin_refused;        /* a configured source was refused: no further try until told */
    const struct err *error; /* last; NULL when none */
    const struct profile_why *why_load, *why_token; /* NULL until matched */
    struct io_helper_status helper;
};
size_t remote_tokens(const struct remote *r);
void remote_token_get(const struct remote *r, size_t i, struct remote_token *ret);
/** remote_token_find() - by configured name, label, serial or URI. NOT_FOUND; INPUT if ambiguous */
struct err *remote_token_find(const struct remote *r, const char *what, size_t *ret_i) MUST_CHECK;

/** Modules, for status: one that could not be loaded has no tokens but an error. */
struct remote_module {
    const char *name, *path;
    const struct err *error;
    struct io_helper_status helper;
};
size_t remote_modules(const struct remote *r);
void remote_module_get(const struct remote *r, size_t i, struct remote_module *ret);

/** A key on a token. Lives as long as somebody holds a reference: identities keep it while the
 * token is away. */
struct remote_key;
struct remote_key *remote_key_ref(struct remote_key *k);
void remote_key_unref(struct remote_key **k);
const struct ssh_key *remote_key_public(const struct remote_key *k);
/** remote_key_usable() - its token is ready and the key is there */
bool remote_key_usable(const struct remote_key *k);

struct remote_key_info {
    const char *label;
    struct view id;
    const char *uri;   /* finds exactly this key */
    const char *token; /* token's configured name, or label */
    const char *token_serial;
    bool sensitive, always_sensitive, extractable, never_extractable, local, always_authenticate;
    bool proven;
    const char *why_not; /* NULL when usable */
};
void remote_key_info_get(const struct remote_key *k, struct remote_key_info *ret);
size_t remote_keys(const struct remote *r);
struct remote_key *remote_key_at(const struct remote *r, size_t i); /* borrowed */
/** remote_key_find() - the one key that a URI names (borrowed). NOT_FOUND, INPUT if ambiguous, with
 * the candidates' URIs in the text; GONE while its token is absent; PIN while it is locked */
struct err *remote_key_find(const struct remote *r, const char *uri, struct remote_key **ret)
    MUST_CHECK;

/** Gets a raw signature (see token_sign()), or an error (taken). */
typedef void remote_sign_fn(void *arg, struct err *e, struct view raw);
/**
 * remote_sign() - queue one signature
 * @flow: the asking connection, for fairness
 * A locked token with an askpass source is unlocked first; a token whose helper died waits for it.
 * Return: handle for remote_cancel(), 0 when @on_reply was already called
 */
uint64_t remote_sign(struct remote *r, struct remote_key *k, enum ssh_alg alg, struct view data,
                     struct mono deadline, uint64_t flow, remote_sign_fn *on_reply, void *arg);
/** remote_sign_scheme() - the same for what is not SSH: @data is the whole message, which is hashed
 * where the token is. A scheme that is not for this type of key is INPUT */
uint64_t remote_sign_scheme(struct remote *r, struct remote_key *k, enum scheme scheme,
                            struct view data, struct mono deadline, uint64_t flow,
                            remote_sign_fn *on_reply, void *arg);
void remote_cancel(struct remote *r, uint64_t handle);

/** Gets an error (taken) or NULL. */
typedef void remote_done_fn(void *arg, struct err *e);
/** remote_unlock() - log in with a PIN that a person gave; also clears pin_refused
 * @pin: copied; NULL: run the configured sources again. @last_try: may use the last try
 * A PIN that the token refused since it was plugged in is not sent again. Errors: PIN, PIN_LOCKED,
 * BUSY (a login or opening is under way), GONE, INPUT (not a configured token) */
void remote_unlock(struct remote *r, size_t token, const struct secret *pin, bool last_try,
                   remote_done_fn *on_done, void *arg);

struct remote_key_spec {
    enum ssh_key_type type;
    unsigned bits;
    const char *label;
    struct view id; /* empty: made */
};
/** Gets the new key (borrowed) or an error (taken). */
typedef void remote_key_fn(void *arg, struct err *e, struct remote_key *key);
void remote_generate(struct remote *r, size_t token, const struct remote_key_spec *spec,
                     remote_key_fn *on_done, void *arg);
void remote_delete(struct remote *r, struct remote_key *k, remote_done_fn *on_done, void *arg);
/** Gets the lines that say what was tried and refused (borrowed), or an error (taken). */
typedef void remote_text_fn(void *arg, struct err *e, const char *text);
void remote_try_export(struct remote *r, struct remote_key *k, remote_text_fn *on_done, void *arg);

/** An X.509 certificate that is stored on a token, as it is there: nobody has looked into it. */
struct remote_cert {
    const char *label; /* "" for none */
    struct view id, der;
};
/** Gets the certificates (borrowed), or an error (taken). */
typedef void remote_certs_fn(void *arg, struct err *e, const struct remote_cert *certs, size_t n);
/** remote_certs() - read the token's X.509 certificates; from a locked one those it shows to anybody
 * Errors: INPUT (not a configured token), LIMIT (there are very many), PIN (a login is under way), GONE */
void remote_certs(struct remote *r, size_t token, remote_certs_fn *on_done, void *arg);
/**
 * remote_cert_store() - put an X.509 certificate beside its key, in place of older ones for it
 * @der: one certificate for this key, then who issued it and so on, as token_cert_store() has them
 * It gets the id and label of the key. It is read back before an older one goes, so that a failure at
 * any point leaves an old one, or both; the next call cleans up. remote_change_fn follows.
 * Errors: INPUT (no certificate, or for another key), DENIED (the token is read-only, or refuses), LIMIT
 * (the token is full, or @der too long), EXISTS (the new one is there, an older one could not be
 * removed), PIN, GONE, NOT_FOUND
 */
void remote_cert_store(struct remote *r, struct remote_key *k, struct view der,
                       remote_done_fn *on_done, void *arg);
/** remote_when_settled() - run @on_done once every module answered or failed, and unattended logins
 * are over; at once if that is so now. For one-shot commands */
void remote_when_settled(struct remote *r, struct mono deadline, remote_done_fn *on_done,
                         void *arg);

#endif
