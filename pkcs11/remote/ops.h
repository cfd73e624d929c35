#ifndef HF_PKCS11_REMOTE_OPS_H
#define HF_PKCS11_REMOTE_OPS_H

#include "pkcs11/profile/profile.h"
#include "pkcs11/token/token.h"

/**
 * What holdfast-agent asks of holdfast-token. Both sides include this; nothing here calls a token.
 *
 * A lane is a number that the agent gives to an opened token, 1..OPS_LANES_MAX. A key is named by a
 * digest of its id and public half: the name is the same after a restart of the helper, so that a
 * request that waited for the restart still means the same key, or none.
 *
 * Readers return PROTOCOL for what is cut off, too long or out of range. Views they return point
 * into the message.
 */
enum ops {
    OPS_LOAD = 1, /* first and once: the module */
    OPS_TOKENS,   /* close some lanes, then list the tokens present */
    OPS_OPEN,
    OPS_LOGIN,
    OPS_KEYS, /* a page of the keys; the first page reads them from the token */
    OPS_SIGN,
    OPS_GENERATE,
    OPS_DELETE,
    OPS_EXPORT,  /* try to get a private key out */
    OPS_REFRESH, /* CK_TOKEN_INFO anew */
    OPS_CERTS,   /* a page of the X.509 certificates; each page reads them from the token */
    OPS_CERT_STORE
};

enum { OPS_LANES_MAX = 256, OPS_TOKENS_MAX = 256, OPS_PAGE_BYTES = 128 * 1024 };

/** The name of a key. */
enum { OPS_NAME_BYTES = 16 };
struct ops_name {
    uint8_t bytes[OPS_NAME_BYTES];
};
/** ops_name_of() - the leading bytes of SHA-256(string id, string public key blob) */
struct ops_name ops_name_of(struct view id, struct view blob);

/** OPS_LOAD. */
struct ops_load {
    char *path;
    struct profile_load profile;
};
void ops_load_put(struct buf *b, const char *path, const struct profile_load *profile);
struct err *ops_load_get(struct rd *r, struct ops_load *ret) MUST_CHECK;
void ops_load_deinit(struct ops_load *l);

/** Its answer. */
struct ops_library {
    struct token_library_info info;
    char sandbox[128];
};
void ops_library_put(struct buf *b, const struct ops_library *l);
struct err *ops_library_get(struct rd *r, struct ops_library *ret) MUST_CHECK;

/** OPS_TOKENS: the lanes to close first. */
struct ops_lanes {
    uint32_t lane[OPS_LANES_MAX];
    size_t n;
};
void ops_lanes_put(struct buf *b, const struct ops_lanes *l);
struct err *ops_lanes_get(struct rd *r, struct ops_lanes *ret) MUST_CHECK;

/** Its answer: at most OPS_TOKENS_MAX; the array is the caller's (free()), NULL when none. */
void ops_tokens_put(struct buf *b, const struct token_info *list, size_t n);
struct err *ops_tokens_get(struct rd *r, struct token_info **ret, size_t *ret_n) MUST_CHECK;

/** OPS_OPEN. A lane that is open already is closed first. */
struct ops_open {
    uint32_t lane;
    struct token_info info;
    struct profile_token profile;
};
void ops_open_put(struct buf *b, const struct ops_open *o);
struct err *ops_open_get(struct rd *r, struct ops_open *ret) MUST_CHECK;

/** Its answer. */
struct ops_opened {
    bool needs_login;
    uint32_t sessions; /* that may sign at once on this token */
    uint32_t workers;  /* that the helper has by now */
};
void ops_opened_put(struct buf *b, const struct ops_opened *o);
struct err *ops_opened_get(struct rd *r, struct ops_opened *ret) MUST_CHECK;

/** OPS_LOGIN; answered with a fresh struct token_info. */
struct ops_login {
    uint32_t lane;
    enum token_login_force force;
    bool has_pin; /* false: a protected authentication path */
    struct view pin;
};
void ops_login_put(struct buf *b, const struct ops_login *l);
struct err *ops_login_get(struct rd *r, struct ops_login *ret) MUST_CHECK;

/** OPS_REFRESH: the lane; answered with a struct token_info. */
void ops_lane_put(struct buf *b, uint32_t lane);
struct err *ops_lane_get(struct rd *r, uint32_t *ret) MUST_CHECK;
void ops_info_put(struct buf *b, const struct token_info *i);
struct err *ops_info_get(struct rd *r, struct token_info *ret) MUST_CHECK;

/** OPS_KEYS. */
struct ops_keys {
    uint32_t lane;
    uint32_t first; /* 0: read the token */
};
void ops_keys_put(struct buf *b, const struct ops_keys *k);
struct err *ops_keys_get(struct rd *r, struct ops_keys *ret) MUST_CHECK;

/** Its answer: keys from @first on, as many as OPS_PAGE_BYTES take, of @total. */
void ops_page_put(struct buf *b, const struct token_key *keys, size_t total, size_t first);
/** ops_page_get() - @ret_keys: array of @ret_n (caller frees with ops_keys_free()) */
struct err *ops_page_get(struct rd *r, size_t *ret_total, struct token_key **ret_keys,
                         size_t *ret_n) MUST_CHECK;
void ops_keys_free(struct token_key **keys, size_t n);

/** One key, also the answer to OPS_GENERATE; its number does not travel. */
void ops_key_put(struct buf *b, const struct token_key *k);
struct err *ops_key_get(struct rd *r, struct token_key *ret) MUST_CHECK;
void ops_key_deinit(struct token_key *k);

/** OPS_SIGN; answered with string raw. */
struct ops_sign {
    uint32_t lane;
    struct ops_name name;
    enum scheme scheme;
    struct view data;
};
void ops_sign_put(struct buf *b, const struct ops_sign *s);
struct err *ops_sign_get(struct rd *r, struct ops_sign *ret) MUST_CHECK;

/** A signature, or the text of OPS_EXPORT. */
struct err *ops_string_get(struct rd *r, struct view *ret) MUST_CHECK;

/** OPS_GENERATE; after reading, spec.label points to @label and spec.id into the message. */
struct ops_generate {
    uint32_t lane;
    struct token_key_spec spec;
    char label[TOKEN_LABEL_MAX_BYTES + 1];
};
void ops_generate_put(struct buf *b, uint32_t lane, const struct token_key_spec *spec);
struct err *ops_generate_get(struct rd *r, struct ops_generate *ret) MUST_CHECK;

/** OPS_DELETE; answered with nothing. */
struct ops_delete {
    uint32_t lane;
    struct view id, blob;
};
void ops_delete_put(struct buf *b, const struct ops_delete *d);
struct err *ops_delete_get(struct rd *r, struct ops_delete *ret) MUST_CHECK;

/** OPS_EXPORT; answered with string text. */
struct ops_export {
    uint32_t lane;
    struct ops_name name;
};
void ops_export_put(struct buf *b, const struct ops_export *x);
struct err *ops_export_get(struct rd *r, struct ops_export *ret) MUST_CHECK;

/** OPS_CERTS. */
struct ops_certs {
    uint32_t lane;
    uint32_t first;
};
void ops_certs_put(struct buf *b, const struct ops_certs *c);
struct err *ops_certs_get(struct rd *r, struct ops_certs *ret) MUST_CHECK;

/** Its answer: certificates from @first on, as many as OPS_PAGE_BYTES take, of @total. */
void ops_cert_page_put(struct buf *b, const struct token_cert *certs, size_t total, size_t first);
/** ops_cert_page_get() - @ret_certs: array of @ret_n (caller frees with ops_cert_list_free()) */
struct err *ops_cert_page_get(struct rd *r, size_t *ret_total, struct token_cert **ret_certs,
                              size_t *ret_n) MUST_CHECK;
/** OPS_CERT_STORE; answered with nothing. After reading, @label is
 * in @text. */
struct ops_cert {
    uint32_t lane;
    struct view id, blob; /* of the key */
    const char *label;
    struct view der;
    char text[TOKEN_LABEL_MAX_BYTES + 1];
};
void ops_cert_put(struct buf *b, const struct ops_cert *c);
struct err *ops_cert_get(struct rd *r, struct ops_cert *ret) MUST_CHECK;
void ops_cert_list_free(struct token_cert **certs, size_t n);

#endif
