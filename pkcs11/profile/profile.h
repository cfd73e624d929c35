#ifndef HF_PKCS11_PROFILE_PROFILE_H
#define HF_PKCS11_PROFILE_PROFILE_H

#include "base/base.h"
#include "pkcs11/module/module.h"

/**
 * Firmware profiles: YAML files in firmware-profiles/ (format: its README.md), read in the order of
 * their names; later files win, value by value. Two phases: `load:` is matched on the module's file
 * name before it is loaded, `token:` on C_GetInfo and C_GetTokenInfo.
 */
struct profile_set;

enum { PROFILE_FILES_MAX = 256, PROFILE_FILE_MAX_BYTES = 64 * 1024, PROFILE_MECHANISMS_MAX = 8 };

enum profile_hash { PROFILE_HASH_HOST, PROFILE_HASH_TOKEN };
enum profile_point { PROFILE_POINT_ANY, PROFILE_POINT_OCTET_STRING, PROFILE_POINT_RAW };
enum profile_login { PROFILE_LOGIN_AUTO, PROFILE_LOGIN_ALWAYS, PROFILE_LOGIN_NEVER };
enum profile_params { PROFILE_PARAMS_OID, PROFILE_PARAMS_NAME };

/** Values for loading a module. */
struct profile_load {
    bool os_locking;      /* CKF_OS_LOCKING_OK */
    unsigned threads_max; /* threads that may be in the module at once */
    char *init_string;    /* pReserved, for modules such as softokn; NULL: none */
    bool allow_exec, allow_inet;
    bool finalize;      /* call C_Finalize at the end */
    char **environment; /* names of variables the module may see; NULL-terminated */
    char **write_paths; /* Landlock: what it may write; NULL: anywhere */
};

/** Values for one token. Times in ms. */
struct profile_token {
    unsigned sessions_max; /* of ours; 0: as CK_TOKEN_INFO says */
    enum profile_login login;
    enum profile_hash
        rsa_hash; /* where RSA messages are hashed: host gives CKM_RSA_PKCS a DigestInfo */
    enum profile_hash ecdsa_hash;
    bool ed25519;
    enum profile_params ed25519_params; /* CKA_EC_PARAMS when generating */
    enum profile_point ec_point;        /* accepted CKA_EC_POINT forms */
    bool generate;                      /* keys may be generated on it */
    bool sign_only;                     /* new keys are refused every other use */
    bool cka_sensitive_reported;        /* trust its CKA_*SENSITIVE / CKA_*EXTRACTABLE attributes */
    int64_t sign_timeout_ms, login_timeout_ms, generate_timeout_ms;
    unsigned long mechanisms_off[PROFILE_MECHANISMS_MAX]; /* listed by the token, but broken */
    size_t mechanisms_off_n;
};

/** What a token or module says of itself; NULL strings match nothing but a rule without them. */
struct profile_facts {
    const char *module_path;                                /* load: its base name is matched */
    const char *library_manufacturer, *library_description; /* CK_INFO */
    unsigned library_major, library_minor;
    struct p11_token_id token; /* CK_TOKEN_INFO */
    unsigned hardware_major, hardware_minor, firmware_major, firmware_minor;
};

/** profile_set_load() - every *.yaml of @folders (NULL-terminated, later folders win)
 * Strict: an unknown key, a wrong type or value is INPUT with file, line and key. */
struct err *profile_set_load(const char *const *folders, struct profile_set **ret) MUST_CHECK;
void profile_set_free(struct profile_set **s);

/** Why a value is what it is: for holdfast token show. */
struct profile_reason {
    char *key, *value, *file; /* "ecdsa-hash", "host", "10-default.yaml" */
    unsigned line;
};
struct profile_why {
    char **files; /* that matched, in order */
    struct profile_reason *reasons;
    size_t n;
};
void profile_why_deinit(struct profile_why *w);

/** profile_match_load(), profile_match_token() - resolve; @why may be NULL, else caller deinits */
struct err *profile_match_load(const struct profile_set *s, const char *module_path,
                               struct profile_load *ret, struct profile_why *why) MUST_CHECK;
struct err *profile_match_token(const struct profile_set *s, const struct profile_facts *facts,
                                struct profile_token *ret, struct profile_why *why) MUST_CHECK;
void profile_load_deinit(struct profile_load *p);

/** Resolved values as frame bodies: the agent alone parses YAML. */
void profile_load_put(struct buf *b, const struct profile_load *p);
struct err *profile_load_get(struct rd *r, struct profile_load *ret) MUST_CHECK;
void profile_token_put(struct buf *b, const struct profile_token *p);
struct err *profile_token_get(struct rd *r, struct profile_token *ret) MUST_CHECK;

#endif
